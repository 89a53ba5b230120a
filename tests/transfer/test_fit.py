"""Maps against what they are known to be: planted matrices, plain solvers, permuted pairs, pocket tables."""

import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.linear_model import LinearRegression, Ridge

from theodolite import bundled
from theodolite.core.errors import ParameterError, PointsError
from theodolite.tables import load_table
from theodolite.transfer import KINDS, cosine, fit, identity_map, random_map


def normal(*shape, seed):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.fixture(scope="module")
def planted():
    """2000 tokens in 12 columns, uneven in length along the axes, and a target that is a known matrix times them."""
    source = normal(2000, 12, seed=0) * np.linspace(1, 5, 12)
    return source, normal(20, 12, seed=1)


def test_a_planted_map_is_recovered_to_its_noise(planted):
    source, known = planted
    noise = 0.3
    target = source @ known.T + noise * normal(2000, 20, seed=2)
    found = fit(source, target)
    # the error of each row of A has covariance noise^2 (U'U)^-1: its expected square, summed over the matrix
    expected = noise**2 * 20 * np.trace(np.linalg.inv(source.T @ source))
    error = float(np.sum((found.matrix - known) ** 2))
    assert 0.6 * expected < error < 1.5 * expected
    spread = np.mean(np.sum((target - target.mean(0)) ** 2, axis=1))
    assert found.diagnostics.r2_held_out == pytest.approx(1 - noise**2 * 20 / spread, abs=2e-4)
    assert found.diagnostics.r2_fitted == pytest.approx(found.diagnostics.r2_held_out, abs=2e-4)
    assert found.diagnostics.retrieval_1 > 0.99
    assert found.diagnostics.norm_change == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_permuted_pairs_carry_nothing(planted, kind):
    source, known = planted
    found = fit(source, source @ known.T, kind=kind, permute=True)
    assert found.kind == f"permuted_{kind}"
    assert found.diagnostics.r2_held_out < 0.02
    assert found.diagnostics.retrieval_10 < 0.05
    assert abs(found.diagnostics.held_out_cosine) < 0.1


def test_least_squares_equals_a_plain_solver(planted):
    source, _ = planted
    target = normal(2000, 7, seed=3) + source[:, :7]
    assert fit(source, target, held_out=0).matrix == pytest.approx(np.linalg.lstsq(source, target)[0].T, abs=1e-12)
    affine = LinearRegression().fit(source, target + 5)
    found = fit(source, target + 5, bias=True, held_out=0)
    assert found.matrix == pytest.approx(affine.coef_, abs=1e-12)
    assert found.bias == pytest.approx(affine.intercept_, abs=1e-12)
    assert found.diagnostics.r2_fitted == pytest.approx(
        1 - np.sum((affine.predict(source) - target - 5) ** 2) / np.sum((target - target.mean(0)) ** 2), abs=1e-12
    )


def test_the_bias_moves_states_but_not_directions(planted):
    source, known = planted
    found = fit(source, source @ known.T + 3, bias=True, space="states")
    assert found(source[0] - source[1]) == pytest.approx(known @ (source[0] - source[1]), abs=1e-9)
    assert found.states(source[:4]) == pytest.approx(source[:4] @ known.T + 3, abs=1e-9)
    assert found.diagnostics.objective == "states"


def test_ridge_equals_a_plain_solver_and_chooses_a_penalty_on_tokens_of_its_own():
    source = normal(60, 40, seed=4)
    target = source @ normal(5, 40, seed=5).T + 20 * normal(60, 5, seed=6)
    found = fit(source, target, kind="ridge")
    penalty = found.params["setting"]
    assert penalty > 1e-8
    alpha = penalty * np.trace(source.T @ source) / 40
    plain = Ridge(alpha=alpha, fit_intercept=False).fit(source, target)
    assert found.matrix == pytest.approx(plain.coef_, abs=1e-9)
    assert found.diagnostics.r2_held_out > fit(source, target).diagnostics.r2_held_out
    far = fit(source + 100, target - 50, kind="ridge", bias=True)  # a bias takes up where the clouds lie
    assert far.params["setting"] == fit(source, target, kind="ridge", bias=True).params["setting"]
    clean = fit(source, source @ normal(5, 40, seed=5).T, kind="ridge")
    assert clean.params["setting"] == 1e-8


def test_procrustes_is_orthogonal_and_equals_scipy_where_widths_agree():
    source = normal(300, 6, seed=7)
    target = source @ normal(6, 6, seed=8)
    found = fit(source, target, kind="procrustes", held_out=0)
    turn, total = orthogonal_procrustes(source, target)
    assert found.matrix == pytest.approx(turn.T, abs=1e-10)
    scaled = fit(source, target, kind="procrustes", scaled=True, held_out=0)
    assert scaled.matrix == pytest.approx(turn.T * total / np.sum(source**2), abs=1e-10)


@pytest.mark.parametrize(("n_source", "n_target"), [(4, 9), (9, 4)])
def test_procrustes_between_widths_is_the_zero_padded_one(n_source, n_target):
    source, target = normal(300, n_source, seed=9), normal(300, n_target, seed=10)
    matrix = fit(source, target, kind="procrustes", held_out=0).matrix
    inner = matrix.T @ matrix if n_target > n_source else matrix @ matrix.T
    assert inner == pytest.approx(np.eye(4), abs=1e-12)
    padded = [np.pad(one, ((0, 0), (0, 9 - one.shape[1]))) for one in (source, target)]
    turn, _ = orthogonal_procrustes(*padded)
    own = np.sum((source @ matrix.T - target) ** 2)
    assert own == pytest.approx(np.sum((padded[0] @ turn - padded[1])[:, :n_target] ** 2), rel=1e-9)


def test_low_rank_has_its_rank_and_the_least_error_of_that_rank():
    source = normal(400, 8, seed=11)
    target = source @ normal(8, 3, seed=12) @ normal(3, 10, seed=13) + 0.01 * normal(400, 10, seed=14)
    found = fit(source, target, kind="low_rank", rank=2, held_out=0)
    assert np.linalg.matrix_rank(found.matrix) == 2
    # the best fit of rank r is the full fit, cut to r components of its fitted values
    fitted = source @ np.linalg.lstsq(source, target)[0]
    left, values, right = np.linalg.svd(fitted, full_matrices=False)
    assert source @ found.matrix.T == pytest.approx(left[:, :2] * values[:2] @ right[:2], abs=1e-9)
    assert found.diagnostics.condition > 1e10
    assert fit(source, target, kind="low_rank").params["setting"] == 4  # the powers of two go 1, 2, 4: the rank is 3


def test_logit_matching_is_the_pseudoinverse():
    source, target = normal(200, 5, seed=15), normal(200, 8, seed=16)
    found = fit(source, target, kind="logit_matching", held_out=0)
    assert found.matrix == pytest.approx(np.linalg.pinv(target) @ source, abs=1e-12)
    assert found.diagnostics.objective == "logits"


def test_maps_agree_where_the_target_is_a_turned_source():
    source = normal(500, 6, seed=17)
    turn = np.linalg.qr(normal(6, 6, seed=18))[0]
    for kind in KINDS:
        assert fit(source, source @ turn.T, kind=kind).matrix == pytest.approx(turn, abs=1e-6), kind


def test_gains_are_folded_into_the_columns():
    source, target = normal(300, 4, seed=19), normal(300, 5, seed=20)
    gains = np.linspace(0.5, 2, 4), np.linspace(1, 3, 5)
    folded = fit(source, target, gains=gains)
    assert folded.matrix == pytest.approx(fit(source * gains[0], target * gains[1]).matrix, abs=1e-12)
    assert folded.params["folded"]


def test_dtypes_and_large_tables_read_alike():
    source, target = normal(20_000, 4, seed=21).astype(np.float32), normal(20_000, 3, seed=22).astype(np.float16)
    wide = fit(source.astype(np.float64), target.astype(np.float64))
    assert fit(torch.from_numpy(source), torch.from_numpy(target)).matrix == pytest.approx(wide.matrix, abs=1e-13)
    assert fit(source, target, limit=1000).params["n_tokens"] == 1000


def test_columns_without_spread_are_mapped_to_nothing():
    source = np.concatenate([normal(100, 3, seed=23), np.zeros((100, 1))], axis=1)
    found = fit(source, normal(100, 2, seed=24))
    assert found.matrix[:, 3].tolist() == [0, 0]
    assert np.isfinite(found.matrix).all()


def test_random_and_identity_controls():
    like = fit(normal(100, 4, seed=25), normal(100, 4, seed=26))
    drawn = random_map(like, seed=1)
    assert np.linalg.norm(drawn.matrix) == pytest.approx(np.linalg.norm(like.matrix))
    assert (drawn.matrix != random_map(like, seed=2).matrix).all()
    vector = normal(4, seed=27)
    assert identity_map(like)(vector) == pytest.approx(vector)
    wide = fit(normal(100, 4, seed=25), normal(100, 6, seed=26))
    with pytest.raises(ParameterError, match="no identity map"):
        identity_map(wide)


def test_cosine():
    assert cosine(np.array([1.0, 0.0]), torch.tensor([0.0, 2.0])) == 0
    assert np.isnan(cosine(np.zeros(2), np.ones(2)))
    with pytest.raises(ParameterError, match="no angle between them"):
        cosine(np.ones(2), np.ones(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "magic"}, "is no map"),
        ({"held_out": 0.9}, "no share to hold out"),
        ({"limit": 0}, "leaves no tokens"),
        ({"rank": 3}, 'needs kind="low_rank"'),
        ({"kind": "logit_matching", "bias": True}, "has no bias"),
        ({"gains": (np.ones(3), None)}, "gain of the source has shape"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ParameterError, match=message):
        fit(normal(50, 4, seed=0), normal(50, 4, seed=1), **settings)


def test_tables_that_cannot_be_paired():
    with pytest.raises(PointsError, match="the same tokens in"):
        fit(normal(50, 4, seed=0), normal(51, 4, seed=1))
    with pytest.raises(PointsError, match="needs at least 41 tokens"):
        fit(normal(40, 40, seed=0), normal(40, 4, seed=1))
    broken = normal(50, 4, seed=1)
    broken[3, 2] = np.nan
    with pytest.raises(PointsError, match="target table holds 1 row with numbers that are not finite"):
        fit(normal(50, 4, seed=0), broken)


def test_output_tables_of_the_pocket_family_map_onto_each_other():
    seen = np.flatnonzero(bundled.token_counts() > 0)
    wide, narrow = (load_table(f"bundled:{name}#output").take(seen) for name in ("pocket-256", "pocket-128"))
    found = fit(wide, narrow)
    assert found.space == "output"
    assert found.source["sha256"] == wide.provenance["sha256"]
    permuted = fit(wide, narrow, permute=True)
    assert found.diagnostics.r2_held_out > 0.3
    assert permuted.diagnostics.r2_held_out < 0.05
    assert found.diagnostics.retrieval_10 > 0.3
    assert permuted.diagnostics.retrieval_10 < 0.02
