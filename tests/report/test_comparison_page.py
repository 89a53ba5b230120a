"""One report of several runs: what differs comes first, models stand side by side, nothing else is mixed."""

import numpy as np
import polars as pl
import pytest

from theodolite import report, studies
from theodolite.core.errors import ParameterError
from theodolite.report.comparison import RUN, compare, side_by_side

SETTINGS = {"which": ["input"], "nulls": ["gaussian"], "k": 8, "limit": 400, "mle_k": [5]}
MODEL = "bundled:pocket-64"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    made = {"single": (MODEL, 1), "triple": (MODEL, 3), "other": ("bundled:pocket-128", 1)}
    return {
        name: studies.run("dimension", references=[model], null_draws=draws, out=folder / name, **SETTINGS)
        for name, (model, draws) in made.items()
    }


def pair(runs, *names):
    return {name: runs[name] for name in names}


def test_a_model_that_stands_in_two_runs_is_named_with_its_run(runs):
    frames = {name: run.table() for name, run in runs.items()}
    both = side_by_side(frames)
    assert both.columns[0] == RUN
    assert both.height == sum(frame.height for frame in frames.values())
    assert both.select(RUN, "model").unique(maintain_order=True).rows() == [
        ("single", f"{MODEL} in single"),
        ("triple", f"{MODEL} in triple"),
        ("other", "bundled:pocket-128"),
    ]
    values = both.filter(pl.col(RUN) == "triple")["value"]
    assert values.equals(frames["triple"]["value"])


def test_pairs_are_named_with_their_run_only_where_the_pair_is_shared():
    columns = {"model_a": ["a", "a", "a"], "model_b": ["b", "c", None], "value": [1.0, 2.0, 3.0]}
    first, second = pl.DataFrame(columns), pl.DataFrame(columns).head(1)
    both = side_by_side({"one": first, "two": second}).select("model_a", "model_b").rows()
    assert both == [("a in one", "b in one"), ("a", "c"), ("a", None), ("a in two", "b in two")]


def test_it_says_which_settings_and_readings_differ(runs):
    found = compare("dimension", pair(runs, "single", "triple"), studies.resolve("dimension").COLUMNS)
    assert found.title == "Dimension: single and triple compared"
    assert [(one.name, one.values) for one in found.settings] == [("null_draws", ("1", "3"))]
    assert found.sentences[0] == "One setting differs: null_draws is 1 and 3."
    assert found.sentences[1].startswith("Of ")
    assert "readings that single and triple have in common" in found.sentences[1]
    assert found.changes
    for change in found.changes:
        before, after = (float(text.split("±")[0]) for text in change.where.rsplit(": ", 1)[1].split(" → "))
        assert before != after
    is_twonn = (pl.col("method") == "twonn") & (pl.col("condition") == "measured")
    twonn = [run.table().filter(is_twonn) for run in runs.values()]
    assert twonn[0]["value"][0] == twonn[1]["value"][0], (
        "a table does not depend on its null, and is not called different"
    )
    assert not any("twonn, " in change.where and "measured" in change.where for change in found.changes)


def test_a_setting_that_is_a_column_too_keeps_no_readings_apart(runs, tmp_path):
    settings = SETTINGS | {"limit": None, "nulls": []}
    chosen = {
        rows: studies.run("dimension", references=[MODEL], rows=rows, out=tmp_path / rows, **settings)
        for rows in ("tokenizer", "trimmed")
    }
    found = compare("dimension", chosen, studies.resolve("dimension").COLUMNS)
    assert found.settings[0].values == ("tokenizer", "trimmed")
    assert "readings that tokenizer and trimmed have in common" in found.sentences[1]
    assert "dimension" in {change.measure for change in found.changes}


def test_runs_of_other_models_stand_side_by_side(runs):
    found = compare("dimension", pair(runs, "single", "other"), studies.resolve("dimension").COLUMNS)
    assert found.sentences[1] == "single and other have no reading in common: they stand side by side."
    assert found.changes == []


def test_runs_with_the_same_settings_agree(runs, tmp_path):
    same = studies.run("dimension", references=[MODEL], null_draws=1, out=tmp_path / "same", **SETTINGS)
    found = compare("dimension", {"a": runs["single"], "b": same}, studies.resolve("dimension").COLUMNS)
    assert found.settings == []
    assert found.sentences[0] == "Settings and versions are the same."
    assert "none differs" in found.sentences[1]


def test_the_page_begins_with_what_differs_and_holds_everything(runs, tmp_path):
    out = tmp_path / "together"
    page = report.write_comparison([runs["single"].path, runs["triple"], runs["other"]], out, formats=("svg",))
    text = page.read_text(encoding="utf-8")
    assert text.index('id="comparison"') < text.index('id="findings"')
    plain = text.replace('<span class="word">', "").replace("</span>", "")
    assert "Dimension: single, triple and other compared" in plain
    for name in ("pocket-64 in single", "pocket-64 in triple", "pocket-128"):
        assert name in text
    assert (out / "figures" / "dimension_over_scale.svg").exists()
    table = pl.read_parquet(out / "table.parquet")
    assert np.unique(table[RUN]).tolist() == ["other", "single", "triple"]
    assert "theodolite report" in text


def test_what_cannot_be_compared_is_refused(runs, tmp_path):
    with pytest.raises(ParameterError, match="1 run cannot be compared with anything"):
        report.write_comparison([runs["single"]], tmp_path / "x")
    with pytest.raises(ParameterError, match="A run is named twice"):
        report.write_comparison([runs["single"], runs["single"]], tmp_path / "x")
    with pytest.raises(ParameterError, match="is a run itself, and its report would be overwritten"):
        report.write_comparison([runs["single"], runs["triple"]], runs["other"].path)
    other = studies.run(
        "survey", references=[MODEL], parts=["tables"], k=8, nulls=[], limit=200, out=tmp_path / "survey"
    )
    with pytest.raises(ParameterError, match=r"Only runs of one study can be compared, but .* is a run of 'survey'"):
        report.write_comparison([runs["single"], other], tmp_path / "x")
    assert not (tmp_path / "x").exists()
