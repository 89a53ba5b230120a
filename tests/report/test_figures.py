"""Each figure draws what the frame says, the same way each time, and nothing where there is nothing."""

import numpy as np
import polars as pl
import pytest
from matplotlib import rcParams

from theodolite.report import figures
from theodolite.report.figure_files import figure_bytes, save_figures
from theodolite.report.figures import estimators, local, norms, redundancy, removal, scale, training
from theodolite.report.figures.canvas import Look

FAMILIES = {family.name: family for family in figures.FAMILIES}


@pytest.fixture(scope="module")
def three_models(synthetic):
    """Return the rows of three models."""
    return synthetic.make_frame({"bundled:pocket-64": 64, "bundled:pocket-128": 128, "bundled:pocket-256": 256})


def lines_of(axes, label):
    """Return the curve of a model as (x, y)."""
    line = next(line for line in axes.lines if line.get_label() == label)
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def rows(frame, **columns):
    found = frame
    for name, value in columns.items():
        found = found.filter(pl.col(name) == value)
    return found


def test_scale_curves_are_gride_with_its_error_and_its_nulls(frame):
    figure = figures.dimension_over_scale(frame)
    assert [axes.get_title("left") for axes in figure.axes] == ["input embedding", "output embedding"]
    expected = rows(frame, model="bundled:pocket-128", revision="main", which="output", method="gride").filter(
        pl.col("measure") == "dimension"
    )
    measured = rows(expected, condition="measured").sort("scale")
    x, y = lines_of(figure.axes[1], "pocket-128")
    np.testing.assert_array_equal(x, measured["scale"])
    np.testing.assert_array_equal(y, measured["value"])
    null = rows(expected, condition="gaussian").sort("scale")["value"].to_numpy()
    assert any(np.array_equal(np.asarray(line.get_ydata(), float), null) for line in figure.axes[1].lines)
    low, high = measured["value"] - measured["stderr"], measured["value"] + measured["stderr"]
    heights = [band.get_paths()[0].vertices[:, 1] for band in figure.axes[1].collections]
    assert any(np.isin([*low, *high], band).all() for band in heights)


def test_training_curve_is_the_headline_at_each_step(frame):
    figure = figures.dimension_over_training(frame)
    expected = rows(frame, which="input", method="twonn", condition="measured", measure="dimension")
    expected = expected.filter(pl.col("step").is_not_null()).sort("step")
    x, y = lines_of(figure.axes[0], "pocket-128")
    np.testing.assert_array_equal(x, expected["step"])
    np.testing.assert_array_equal(y, expected["value"])
    assert figure.axes[0].get_xscale() == "symlog"
    more = figures.dimension_over_training(frame, gride_scales=(2, 32))
    assert len(more.axes[0].lines) == len(figure.axes[0].lines) + 2


def test_removal_starts_at_the_table_itself_and_shows_unit_rows(frame):
    figure = figures.removal_sweep(frame)
    table = rows(frame, model="bundled:pocket-256", revision="main", which="input", measure="dimension", method="twonn")
    swept = rows(table, condition="without_shortest").sort("x")
    x, y = lines_of(figure.axes[0], "pocket-256")
    np.testing.assert_array_equal(x, [0, *swept["x"]])
    np.testing.assert_array_equal(y, [rows(table, condition="measured")["value"][0], *swept["value"]])
    unit = rows(table, condition="unit_norm")["value"][0]
    assert any(list(line.get_ydata()) == [unit, unit] for line in figure.axes[0].lines)


@pytest.mark.parametrize(
    ("draw", "measure"),
    [(figures.norm_histogram, "norm_histogram"), (figures.local_dimension_histogram, "lid_histogram")],
)
def test_histograms_hold_every_bin(frame, draw, measure):
    one = frame.filter(pl.col("model") == "bundled:pocket-64")
    figure = draw(one)
    expected = rows(one, which="input", measure=measure).sort("x")
    values, edges, _ = figure.axes[0].patches[-1].get_data()
    counts = values if measure == "norm_histogram" else values * np.diff(edges) * expected["value"].sum()
    np.testing.assert_allclose(counts, expected["value"], rtol=1e-9)
    np.testing.assert_allclose(edges[:-1], expected["x"], rtol=1e-12)


def test_estimators_show_one_mark_each_and_the_columns(frame):
    data = estimators.estimator_data(frame)
    one = rows(data, label="pocket-128", which="input", condition="measured")
    assert set(one["estimator"]) == {"TwoNN", "MLE (k = 20)", "GRIDE (n2 = 64)", "participation ratio"}
    figure = figures.dimension_by_estimator(frame)
    drawn = {float(x) for line in figure.axes[0].lines for x in np.atleast_1d(line.get_xdata())}
    assert set(data["value"]) <= drawn
    assert {64.0, 128.0, 256.0} <= drawn
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names[:2] == ["pocket-64 · input", "pocket-64 · output"]


def test_redundancy_is_one_minus_dimension_over_columns(frame):
    data = rows(redundancy.redundancy_data(frame), which="input", condition="measured")
    expected = rows(frame, which="input", condition="measured", measure="redundancy", method="twonn", revision="main")
    assert sorted(data["redundancy"]) == pytest.approx(sorted(expected["value"]))
    assert sorted(data["stderr"]) == pytest.approx(sorted(expected["stderr"]))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_drawn_twice_gives_the_same_bytes(three_models, name, layout):
    first, second = (figure_bytes(FAMILIES[name].draw(three_models, layout=layout)) for _ in range(2))
    assert first == second
    assert b"<dc:date>" not in first


@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_to_draw_is_none(name):
    assert FAMILIES[name].draw(pl.DataFrame()) is None
    assert FAMILIES[name].data(pl.DataFrame()).is_empty()


PARTIAL = {
    "one model": {"models": {"w.safetensors": 96}, "checkpoints_of": None},
    "one tensor": {"models": {"w.safetensors": 96}, "checkpoints_of": None, "which": ("wte.weight",)},
    "no nulls": {"nulls": False},
}


@pytest.mark.parametrize("case", PARTIAL)
@pytest.mark.parametrize("name", FAMILIES)
def test_partial_frames_are_drawn_or_left_out(synthetic, name, case):
    partial = synthetic.make_frame(**PARTIAL[case])
    family = FAMILIES[name]
    if family.draw(partial) is None:
        assert name in {"dimension_over_training", "redundancy_over_width", "dimension_over_size"}
        return
    text = family.title(partial) + family.caption(partial)
    assert "None" not in text
    assert "nan " not in text


@pytest.mark.parametrize("name", FAMILIES)
def test_missing_numbers_are_left_out(frame, name):
    holes = pl.Series(np.random.default_rng(0).random(frame.height) < 1 / 3)
    broken = frame.with_columns(
        pl.when(holes).then(float("nan")).otherwise(pl.col("value")).alias("value"),
        pl.lit(None, dtype=pl.Float64).alias("stderr"),
        pl.lit(None, dtype=pl.Int64).alias("n_used"),
    )
    figure = FAMILIES[name].draw(broken)
    assert figure is not None
    assert "None" not in FAMILIES[name].caption(broken)
    figure_bytes(figure)


def test_names_are_text_never_formulas(synthetic):
    models = {"$x^2$ frac{": 64, "名前\u202e<b>": 128}
    figure = figures.dimension_over_scale(synthetic.make_frame(models, checkpoints_of=None))
    svg = figure_bytes(figure, text_as="none").decode()
    assert "$x^2$" in svg
    assert "<b>" not in svg
    assert "\\u202e" in svg


def test_many_models_stay_apart():
    looks = Look.of([f"m{i}" for i in range(18)])
    assert len({(look.color, look.marker, str(look.dashes)) for look in looks.values()}) == 18


def test_the_callers_settings_neither_change_nor_matter(frame):
    before = dict(rcParams)
    plain = figure_bytes(figures.removal_sweep(frame))
    rcParams["lines.linewidth"] = 9
    try:
        assert figure_bytes(figures.removal_sweep(frame)) == plain
    finally:
        rcParams["lines.linewidth"] = before["lines.linewidth"]
    assert dict(rcParams) == before


def test_files_are_written_with_their_data(synthetic, tmp_path):
    small = synthetic.make_frame({"bundled:pocket-64": 64}, checkpoints_of=None, which=("input",))
    written = save_figures(tmp_path, small, formats=("svg", "png", "pdf"))
    names = {path.name for path in written}
    assert {"dimension_over_scale.svg", "dimension_over_scale.pdf", "norm_histogram.png"} <= names
    assert "dimension_over_training.svg" not in names
    assert all(path.stat().st_size > 100 for path in written)
    behind = pl.read_csv(tmp_path / "figures" / "dimension_over_scale.csv")
    assert behind["value"].to_list() == pytest.approx(scale.scale_data(small)["value"].to_list())
    again = {path: path.read_bytes() for path in written}
    save_figures(tmp_path, small, formats=("svg", "png", "pdf"))
    assert {path: path.read_bytes() for path in written} == again


def test_captions_name_the_estimator_the_points_and_the_band(frame):
    for module in (scale, training, removal, estimators):
        caption = module.FAMILY.caption(frame)
        assert "n\u00a0=\u00a03,833" in caption
        assert "± 1 standard error" in caption
    for module in (norms, local):
        assert "3,833" in module.FAMILY.caption(frame)
        assert "no error bars" in module.FAMILY.caption(frame)
    assert "13 training steps" in training.FAMILY.caption(frame)
