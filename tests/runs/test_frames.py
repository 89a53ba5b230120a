"""Units that give a frame instead of dicts, and notes on how they were done."""

from types import SimpleNamespace

from theodolite.runs import UnitResult, execute
from theodolite.runs.folder.unit_file import read_unit_record
from theodolite.runs.rows import frame_from_rows


def other(toy, run):
    """The toy study, run differently."""
    return SimpleNamespace(
        **{name: getattr(toy, name) for name in ("NAME", "VERSION", "COLUMNS", "Config", "plan")}, run=run
    )


def test_a_frame_makes_the_same_table_as_dicts_and_notes_stay_out_of_it(toy, tmp_path):
    def framed(unit):
        frame = frame_from_rows(toy.run(unit).rows, toy.COLUMNS)
        return UnitResult(rows=frame, notes={"kernel": "float32", "redone": 3})

    plain = execute(toy, toy.Config(n_units=2), out=tmp_path / "plain")
    run = execute(other(toy, framed), toy.Config(n_units=2), out=tmp_path / "framed")
    assert run.status == "success"
    assert run.manifest["table"] == plain.manifest["table"]
    records = [read_unit_record(run.store.unit_path(unit.key)) for unit in run.store.read_plan()]
    assert [record.notes for record in records] == [{"kernel": "float32", "redone": 3}] * 2


def test_a_bare_frame_is_rows_too(toy, tmp_path):
    study = other(toy, lambda unit: frame_from_rows(toy.run(unit).rows, toy.COLUMNS).drop("even"))
    run = execute(study, toy.Config(n_units=1), out=tmp_path)
    assert "none unknown, even missing" in run.failures()[0].message


def test_notes_are_fit_for_json(toy, tmp_path):
    study = other(toy, lambda _: UnitResult(rows=[], notes={"kernel": object()}))
    run = execute(study, toy.Config(n_units=1), out=tmp_path)
    assert "A note of the unit cannot be written as JSON" in run.failures()[0].message
