"""Planted knees are found, with intervals that hold them about as often as they say; where there is none, none is."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from theodolite.core.errors import ParameterError, PointsError
from theodolite.statistics import knee
from theodolite.statistics.segments import fit_hinges

RANKS = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128.0])
TRUTH = 20.0


def planted(position=TRUTH, before=-0.5, after=0.0):
    u = np.log2(RANKS) - np.log2(position)
    return 5 + np.where(u < 0, before, after) * u


@pytest.mark.parametrize("position", [3.0, 16.0, 20.0, 47.0])
def test_an_exact_curve_gives_its_knee_exactly(position):
    found = knee(RANKS, planted(position, before=-0.5, after=-0.1))
    assert found.value == pytest.approx(position, rel=1e-9)
    assert (found.slope_before, found.slope_after, found.level) == pytest.approx((-0.5, -0.1, 5.0))
    assert (found.low, found.high) == pytest.approx((position, position), rel=1e-6)
    assert (found.left, found.left_low, found.left_high) == pytest.approx((0.2, 0.2, 0.2), rel=1e-6)
    assert found.supported
    assert found.bic_gain_over_curve > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_search_is_exact(seed):
    generator = np.random.default_rng(seed)
    u = np.sort(generator.random(9))
    curve, weights = generator.normal(size=9), generator.uniform(0.5, 2, size=9)

    def sum_at(knot):
        design = np.column_stack([np.ones(9), u, np.maximum(0, u - knot)]) * np.sqrt(weights)[:, None]
        heights = curve * np.sqrt(weights)
        return float(((heights - design @ np.linalg.lstsq(design, heights, rcond=None)[0]) ** 2).sum())

    grid = np.linspace(u[1], u[-2], 4001)
    rough = grid[np.argmin([sum_at(knot) for knot in grid])]
    fine = minimize_scalar(sum_at, bounds=(max(u[1], rough - 1e-3), min(u[-2], rough + 1e-3)), method="bounded")
    found = fit_hinges(u, curve[None], weights, "any")
    assert found.sums[0] == pytest.approx(min(fine.fun, sum_at(rough)), rel=1e-5)
    assert found.sums[0] <= fine.fun * (1 + 1e-9)
    assert sum_at(found.knots[0]) == pytest.approx(found.sums[0], rel=1e-9)


def noisy(kind, noise, seed):
    generator = np.random.default_rng(seed)
    if kind == "residuals":
        return planted() + noise * generator.normal(size=14), {}
    if kind == "stderr":
        return planted() + noise * generator.normal(size=14), {"stderr": np.full(14, noise)}
    if kind == "replicates":
        return planted() + noise * np.sqrt(30) * generator.normal(size=(30, 14)), {}
    seeds = noise * np.sqrt(4 / 2) * generator.normal(size=(4, 1, 14))
    return planted() + seeds + noise * np.sqrt(30 / 2) * generator.normal(size=(1, 30, 14)), {}


@pytest.mark.parametrize(
    "kind", ["residuals", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("stderr", "replicates", "crossed"))]
)
@pytest.mark.parametrize("noise", [0.02, pytest.param(0.1, marks=pytest.mark.slow)])
def test_the_interval_holds_a_planted_knee_about_as_often_as_it_says(kind, noise):
    found = []
    for seed in range(30):
        curve, settings = noisy(kind, noise, seed)
        found.append(knee(RANKS, curve, n_bootstrap=200, seed=seed, **settings))
    covered = np.mean([one.low <= TRUTH <= one.high for one in found])
    # 30 draws at 0.95: standard error 0.04; the bootstrap of a kinked model is allowed to be somewhat narrow, while one
    # that holds the knee in 0.7 of the cases would pass with probability 0.03
    assert covered >= 0.85
    assert all(one.supported for one in found)
    assert np.exp(np.mean(np.log([one.value for one in found]))) == pytest.approx(TRUTH, rel=0.1)


@pytest.mark.parametrize(
    "kind", ["replicates", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("residuals", "stderr"))]
)
def test_a_straight_line_has_no_knee(kind):
    supported = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        line, settings = 7 - 0.2 * np.log2(RANKS), {}
        if kind == "replicates":
            curve = line + 0.5 * generator.normal(size=(25, 14))
        else:
            curve = line + 0.1 * generator.normal(size=14)
            settings = {"stderr": np.full(14, 0.1)} if kind == "stderr" else {}
        supported += knee(RANKS, curve, n_bootstrap=200, seed=seed, **settings).supported
    assert supported / 40 <= 0.15  # nominal 0.05, and the criterion asks for more


def test_a_smooth_approach_is_told_from_a_knee():
    generator = np.random.default_rng(0)
    smooth = 4 + 3 * np.exp(-0.4 * np.log2(RANKS)) + 0.01 * generator.normal(size=14)
    bent = planted() + 0.01 * generator.normal(size=14)
    assert knee(RANKS, smooth).bic_gain_over_curve < 0
    assert knee(RANKS, bent).bic_gain_over_curve > 0


def test_only_the_wanted_bend_is_looked_for():
    falling = knee(RANKS, planted(), bend="convex")
    assert falling.value == pytest.approx(TRUTH)
    none = knee(RANKS, planted(), bend="concave")
    assert np.isnan(none.value)
    assert none.reason == "the curve has no concave bend"
    assert not none.supported


def test_axes_and_order_are_as_asked():
    x = np.linspace(-3, 5, 12)
    found = knee(x, np.maximum(0, x - 1.3), axis="linear")
    assert found.value == pytest.approx(1.3)
    assert found.slope_after == pytest.approx(1.0)
    shuffled = np.random.default_rng(0).permutation(14)
    curve = planted() + 0.05 * np.sin(RANKS)
    assert knee(RANKS[shuffled], curve[shuffled]) == knee(RANKS, curve)
    decades = knee(RANKS, planted(), axis="log10")
    assert (decades.value, decades.slope_before) == pytest.approx((TRUTH, -0.5 / np.log10(2)))


def test_positions_with_a_number_that_is_not_finite_are_left_out():
    curves = planted() + 0.05 * np.random.default_rng(1).normal(size=(6, 14))
    curves[2, 5] = np.nan
    kept = np.arange(14) != 5
    found = knee(RANKS, curves)
    assert (found.n_points, found.n_dropped, found.n_replicates) == (13, 1, 6)
    assert found.value == knee(RANKS[kept], curves[:, kept]).value


def test_weights_let_a_bad_point_count_less():
    curve = planted()
    curve[4] += 1.0
    trusted = np.full(14, 0.01)
    doubted = trusted.copy()
    doubted[4] = 10.0
    assert knee(RANKS, curve, stderr=doubted).value == pytest.approx(TRUTH, rel=1e-3)
    assert abs(knee(RANKS, curve, stderr=trusted).value - TRUTH) > 1


@pytest.mark.parametrize(
    ("curve", "reason"),
    [([1.0, 2.0, 3.0, np.nan, 5.0], "4 positions left, and a knee needs 5"), ([2.0] * 5, "the curve is constant")],
)
def test_no_knee_has_a_reason(curve, reason):
    found = knee([1, 2, 3, 4, 5], curve)
    assert found.reason == reason
    assert np.isnan([found.value, found.low, found.p_value]).all()


def test_wrong_calls_are_refused():
    with pytest.raises(ParameterError, match="bend must be 'any', 'convex', 'concave', not 'up'"):
        knee(RANKS, planted(), bend="up")
    with pytest.raises(ParameterError, match="axis must be 'linear', 'log2', 'log10', not 'ln'"):
        knee(RANKS, planted(), axis="ln")
    with pytest.raises(PointsError, match="x holds 0, which has no place on a logarithmic axis"):
        knee(RANKS - 1, planted())
    with pytest.raises(PointsError, match="its last axis must hold the 14 positions"):
        knee(RANKS, planted()[:5])
    with pytest.raises(PointsError, match="x repeats a position"):
        knee([1, 2, 2, 4, 5], planted()[:5])
    with pytest.raises(PointsError, match="2 replicates show no spread"):
        knee(RANKS, np.stack([planted(), planted()]))
    with pytest.raises(ParameterError, match="stderr is for a single curve"):
        knee(RANKS, np.stack([planted()] * 3), stderr=np.ones(14))
    with pytest.raises(PointsError, match="stderr has 2 numbers for 14 positions"):
        knee(RANKS, planted(), stderr=[1.0, 1.0])
    with pytest.raises(PointsError, match="stderr holds 0"):
        knee(RANKS, planted(), stderr=np.zeros(14))
