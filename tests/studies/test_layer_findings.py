"""Verdicts of the layer study on frames whose truth is written down."""

import numpy as np
import polars as pl
import pytest

from theodolite.studies.layers.columns import COLUMNS
from theodolite.studies.layers.findings import find, headline
from theodolite.studies.layers.summary import correlations, profiles, summary_frame

N_PROMPTS = 30
GENERATOR = np.random.Generator(np.random.PCG64(5))
LOSS = GENERATOR.normal(3.0, 0.5, N_PROMPTS)
BLANK = dict.fromkeys(COLUMNS)


def frame(rows):
    schema = {name: getattr(pl, column.polars_name) for name, column in COLUMNS.items()}
    common = {"model": "m", "revision": "main", "prompts": "p", "control": "structured", "repeat": 0}
    return pl.DataFrame([{**BLANK, **common, **row} for row in rows], schema=schema)


def clouds(profile, *, control="structured", slope=0.0, noise=0.05, scale=4, measure="dimension", method="gride"):
    """One dimension for each prompt and layer: ln d = ln profile + slope (loss - 3) + noise."""
    draws = np.random.Generator(np.random.PCG64(len(profile))).normal(0, noise, (N_PROMPTS, len(profile)))
    return [
        {
            "prompt_row": row,
            "layer": layer,
            "positions": "all",
            "measure": measure,
            "method": method,
            "n1": scale // 2,
            "scale": scale,
            "value": float(value * np.exp(slope * (LOSS[row] - 3.0) + draws[row, layer - 1])),
            "control": control,
            "n_used": 100,
            "stderr": 0.1,
        }
        for row in range(N_PROMPTS)
        for layer, value in enumerate(profile, start=1)
    ]


def facts(entropy_noise=0.05):
    noise = GENERATOR.normal(0, entropy_noise, N_PROMPTS)
    for row in range(N_PROMPTS):
        yield {"prompt_row": row, "measure": "loss", "value": float(LOSS[row])}
        yield {"prompt_row": row, "measure": "entropy", "method": "model", "value": float(LOSS[row] + noise[row])}
        yield {"prompt_row": row, "measure": "n_tokens", "value": 100.0 + row % 7}
        yield {"prompt_row": row, "measure": "n_types", "value": 60.0 + row % 5}


def verdict(rows, name):
    return {one.id: one.verdict for one in find(frame(rows))}.get(name)


def test_a_peak_inside_is_seen_and_a_rise_to_the_end_is_not_one():
    assert verdict(clouds([5, 8, 10, 7, 6]), "peak-inside") == "supported"
    assert verdict(clouds([5, 6, 7, 8, 10]), "peak-inside") == "not supported"
    assert verdict(clouds([5, 8, 10, 9.98], noise=0.1), "peak-inside") == "undecided"


def test_dimension_goes_with_loss_where_it_was_planted():
    rows = [*clouds([5, 8, 7], slope=0.4), *facts()]
    assert verdict(rows, "dimension-loss") == "supported"
    assert verdict([*clouds([5, 8, 7], slope=-0.4), *facts()], "dimension-loss") == "not supported"
    assert verdict([*clouds([5, 8, 7]), *facts()], "dimension-loss") == "undecided"
    found = correlations(frame(rows)).filter((pl.col("quantity") == "loss") & (pl.col("statistic") == "pearson"))
    found = found.filter(pl.col("measure") == "dimension")
    for row in found.iter_rows(named=True):
        values = [one["value"] for one in rows if one["measure"] == "dimension" and one["layer"] == row["layer"]]
        expected = np.corrcoef(np.log(values), LOSS)[0, 1]
        assert row["value"] == pytest.approx(expected)
        assert row["low"] < expected < row["high"]
        assert row["partial"] > 0.8


def test_copies_of_tokens_can_hide_what_types_show():
    types = [{**row, "positions": "first"} for row in clouds([9, 12, 11], slope=0.4)]
    rows = [*clouds([5, 8, 7]), *types, *facts()]
    assert verdict(rows, "dimension-loss") == "undecided"
    assert verdict(rows, "dimension-loss-types") == "supported"
    assert verdict([*clouds([5, 8, 7]), *facts()], "dimension-loss-types") is None


def test_shuffling_that_raises_the_dimension_in_most_layers_is_seen():
    shuffled = clouds([6, 10, 9], control="full_shuffle")
    assert verdict([*clouds([5, 8, 7]), *shuffled], "shuffle-dimension") == "supported"
    lower = clouds([4, 6, 5], control="full_shuffle")
    assert verdict([*clouds([5, 8, 7]), *lower], "shuffle-dimension") == "not supported"
    assert verdict(clouds([5, 8, 7]), "shuffle-dimension") is None


def test_lag_zero_pairs_a_layer_with_its_own_entropy_and_lag_one_with_the_one_before():
    entropies = GENERATOR.normal(4, 0.3, (N_PROMPTS, 4))  # layers 0 to 3
    rows = [
        {
            "prompt_row": row,
            "layer": layer,
            "positions": "all",
            "measure": "dimension",
            "method": "gride",
            "n1": 2,
            "scale": 4,
            "value": float(np.exp(entropies[row, layer - 1])),
        }
        for row in range(N_PROMPTS)
        for layer in (1, 2, 3)
    ]
    rows += [
        {
            "prompt_row": row,
            "layer": layer,
            "measure": "entropy",
            "method": "tuned_lens",
            "value": entropies[row, layer],
        }
        for row in range(N_PROMPTS)
        for layer in range(4)
    ]
    found = correlations(frame([*rows, *facts()])).filter(
        (pl.col("quantity") == "tuned_lens") & (pl.col("statistic") == "pearson")
    )
    by_lag = {lag: found.filter(pl.col("lag") == lag)["value"].to_list() for lag in (0, 1)}
    assert by_lag[1] == pytest.approx([1, 1, 1])
    assert max(np.abs(by_lag[0])) < 0.6


def test_a_wider_logit_box_goes_with_less_entropy_where_it_was_planted():
    boxes = [{"prompt_row": row, "measure": "box_length", "value": float(5 - LOSS[row])} for row in range(N_PROMPTS)]
    rows = [*clouds([5, 8, 7]), *facts(), *boxes]
    assert (verdict(rows, "box-entropy"), verdict(rows, "box-loss")) == ("supported", "supported")
    (said,) = [one.evidence for one in find(frame(rows)) if one.id == "box-loss"]
    assert said.startswith(f"Spearman correlation over {N_PROMPTS} prompts \N{MINUS SIGN}1.00")
    turned = [{**row, "value": 5 - row["value"]} for row in boxes]
    assert verdict([*clouds([5, 8, 7]), *facts(), *turned], "box-entropy") == "not supported"
    found = correlations(frame(rows)).filter(pl.col("measure") == "box_length")
    assert set(found.select("quantity", "statistic").rows()) == {
        (quantity, statistic) for quantity in ("entropy", "loss") for statistic in ("pearson", "spearman")
    }
    assert found.filter(pl.col("quantity") == "loss")["value"].to_list() == pytest.approx([-1, -1])


def checks(k_star, gap, *, positions="all"):
    """What the checks of two layers found: k* and the gaps of the plots of 100 ratios each."""
    noise = np.random.Generator(np.random.PCG64(9)).normal(0, 0.2, (N_PROMPTS, 2))
    for row in range(N_PROMPTS):
        for layer in (1, 2):
            place = {"prompt_row": row, "layer": layer, "positions": positions, "n_used": 100}
            reached = {"measure": "constant_density", "scale": 63}
            yield {**place, **reached, "method": "mean", "value": k_star + noise[row, layer - 1]}
            yield {**place, **reached, "method": "at_limit", "value": 0.25}
            for n1 in (1, 2):
                yield {**place, "measure": "linearity_gap", "n1": n1, "scale": 2 * n1, "value": gap[n1 - 1]}


def test_constant_density_and_straight_lines_are_read_off_the_checks():
    rows = [*clouds([5, 8, 7]), *checks(20, (0.05, 0.2)), *checks(3, (0.2, 0.2), positions="first")]
    assert verdict(rows, "constant-density") == "supported"
    assert verdict(rows, "straight-line") == "supported"
    assert verdict(rows, "constant-density-types") == "not supported"
    assert verdict(rows, "straight-line-types") == "not supported"
    assert verdict([*clouds([5, 8, 7]), *checks(4, (0.05, 0.05))], "constant-density") == "undecided"
    assert verdict([*clouds([5, 8, 7]), *checks(4, (0.05, 0.05))], "straight-line") == "undecided"
    said = {one.id: one.evidence for one in find(frame(rows))}
    assert "the search ends at 63, which 25 % of the tokens reach" in said["constant-density"]
    assert "in 100 to 100 % of the prompts" in said["straight-line"]
    assert verdict(clouds([5, 8, 7]), "constant-density") is None


def test_verdicts_are_read_at_the_scale_asked_for():
    rows = frame([*clouds([5, 8, 10, 7, 6], scale=2), *clouds([5, 6, 7, 8, 10], scale=4)])
    for scale, expected in ((2, "supported"), (4, "not supported")):
        (one,) = [one for one in find(rows, scale=scale) if one.id == "peak-inside"]
        assert one.verdict == expected
        assert f"neighbors {scale // 2} and {scale}" in one.evidence


def test_the_headline_falls_back_to_what_was_measured():
    rows = frame([*clouds([5, 8, 7], scale=2), *clouds([5, 8, 7], scale=8)])
    assert headline(rows)["scale"].unique().to_list() == [2]
    only = frame(clouds([5, 8, 7], scale=2, method="twonn"))
    assert headline(only)["method"].unique().to_list() == ["twonn"]


def test_other_estimators_go_by_their_names():
    rows = [*clouds([5, 8, 7], scale=2, method="twonn"), *facts()]
    said = {one.id: one.evidence for one in find(frame(rows))}
    assert said["peak-inside"].startswith("TwoNN dimension (neighbors 1 and 2) of the cloud")
    rows = [*clouds([5, 8, 7], scale=10, method="ess"), *facts()]
    said = {one.id: one.evidence for one in find(frame(rows))}
    assert "of ln ESS dimension (to neighbor 10) with" in said["dimension-loss"]


def test_shuffles_of_other_prompts_than_those_as_written_say_nothing():
    written = [row for row in clouds([5, 8, 7]) if row["prompt_row"] < 15]
    shuffled = [row for row in clouds([6, 9, 8], control="full_shuffle") if row["prompt_row"] >= 15]
    assert "shuffle-dimension" not in {one.id for one in find(frame([*written, *shuffled]))}


def test_repeats_of_a_control_count_as_one_prompt():
    once = clouds([5, 8, 7], control="full_shuffle")
    again = [{**row, "repeat": 1, "value": row["value"] + 2} for row in once]
    one = profiles(frame([*once, *again])).filter(pl.col("layer") == 2).row(0, named=True)
    assert one["n_prompts"] == N_PROMPTS
    assert one["value"] == pytest.approx(np.mean([row["value"] for row in once if row["layer"] == 2]) + 1)


def test_a_frame_without_predictions_makes_a_summary_without_correlations():
    flat = summary_frame(frame(clouds([5, 8, 7])))
    assert set(flat["measure"]) == {"dimension"}
    assert correlations(frame(clouds([5, 8, 7]))).is_empty()
