"""Runs of which no unit could be done: an empty table with the columns of the study, and a message that says why."""

import polars as pl
import pytest

from theodolite import report, studies
from theodolite.core.errors import RunWarning
from theodolite.runs import Unit, open_run
from theodolite.runs.rows import schema_of
from theodolite.studies.reported import rows_of

SETTINGS = {
    "dimension": {"references": ["one"]},
    "rank": {"references": ["one"]},
    "layers": {"references": ["one"]},
    "neighbors": {"reference": "one"},
    "probe": {"references": ["one"], "prompts": ["labeled.jsonl"]},
    "similarity": {"references": ["one", "two"]},
    "survey": {},
    "training": {"references": ["one"]},
    "transfer": {"sources": ["one"], "targets": ["two"]},
}


@pytest.fixture(params=studies.STUDIES)
def failing(request, monkeypatch):
    """Return a study that plans two units, none of which can be done."""
    study = studies.resolve(request.param)

    def fail(unit):
        raise ValueError(f"{unit.label} is broken")

    units = [Unit(study=study.NAME, version=study.VERSION, params={"n": n}, label=f"unit {n}") for n in (1, 2)]
    monkeypatch.setattr(study, "plan", lambda _: units)
    monkeypatch.setattr(study, "run", fail)
    return study


def test_a_failed_run_is_an_empty_table_that_can_be_summed_up_and_shown(failing, tmp_path):
    expected = r"2 units failed; see failures\.jsonl in .*\. The first, unit 1: unit 1 is broken"
    with pytest.warns(RunWarning, match=expected):
        run = studies.run(failing.NAME, out=tmp_path / "run", **SETTINGS[failing.NAME])
    assert run.status == "failed"
    assert run.warnings == ["2 of 2 units failed; see failures.jsonl. The first, unit 1: unit 1 is broken"]
    table = run.table()
    assert (table.height, dict(table.schema)) == (0, schema_of(failing.COLUMNS))
    frame = rows_of(run, failing)
    assert list(failing.find(frame)) == []
    assert list(failing.summarize(frame)) == []
    assert failing.summary_frame(frame).height == 0
    page = report.write(run, summary=[], findings=[], frame=frame).read_text(encoding="utf-8")
    assert "This run failed" in page
    assert "2 of 2 units failed; see failures.jsonl. The first, unit 1: unit 1 is broken" in page


def test_an_unfinished_table_has_the_columns_of_the_finished_one(tmp_path):
    settings = {"references": ["bundled:pocket-64"], "which": ["input"], "nulls": [], "limit": 200, "k": 8}
    run = studies.run("dimension", out=tmp_path, **settings)
    whole = run.table()
    manifest = run.manifest
    manifest["table"], manifest["status"] = None, "interrupted"
    run.store.write_manifest(manifest)
    assert open_run(tmp_path).table().equals(whole)
    del manifest["columns"]
    run.store.write_manifest(manifest)
    assert open_run(tmp_path).table().equals(whole), "as manifests of before"
    assert isinstance(whole, pl.DataFrame)
