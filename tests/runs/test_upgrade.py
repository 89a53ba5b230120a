"""A folder that was begun by a version whose study had fewer settings."""

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from theodolite import studies
from theodolite.core.errors import RunError
from theodolite.runs import Unit, config_to_mapping, execute
from theodolite.runs.execution import known_units
from theodolite.runs.folder.manifest import config_hash
from theodolite.runs.upgrade import begun_before
from theodolite.runs.workers.recipe import parcel_of


def version_of(toy, config_class, *, nested=False, **changes):
    """The toy study with other settings, which its units hold among their params or in an entry of their own."""

    def plan(config):
        settings = config_to_mapping(config)
        own = {"settings": settings} if nested else settings
        return [
            Unit(
                study="toy",
                version=1,
                params={"number": number, "fails": number in config.failing, "warns": False, **own},
                group=f"group {number % 3}",
                label=f"unit {number}",
            )
            for number in range(config.n_units)
        ]

    parts = {"NAME": "toy", "VERSION": 1, "COLUMNS": toy.COLUMNS, "Config": config_class, "plan": plan, "run": toy.run}
    return SimpleNamespace(**(parts | changes))


@dataclass(frozen=True, kw_only=True)
class Before:
    n_units: int = 4
    failing: tuple[int, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class After(Before):
    scales: tuple[int, ...] = (2, 4)
    lens: str | None = None


@pytest.mark.parametrize("nested", [False, True])
def test_a_finished_run_is_kept_when_settings_join_at_their_default(toy, tmp_path, log, nested):
    first = execute(version_of(toy, Before, nested=nested), Before(), out=tmp_path / "run")
    table, hashed = first.store.table_path.read_bytes(), first.manifest["plan_sha256"]
    for shard in (None, None, "1/1"):
        again = execute(version_of(toy, After, nested=nested), After(), out=tmp_path / "run", shard=shard)
        assert again.manifest["units"] == {"planned": 4, "kept": 4, "done": 0, "failed": 0}
        assert (again.manifest["plan_sha256"], again.warnings) == (hashed, [])
        assert again.store.table_path.read_bytes() == table
    assert len(log.read_text().split()) == 4
    assert again.manifest["config"] == config_to_mapping(After())
    assert again.manifest["config_sha256"] == config_hash("toy", 1, config_to_mapping(After()))


def test_the_other_units_of_a_half_done_run_keep_their_keys_and_see_the_new_settings(toy, tmp_path, monkeypatch):
    whole = execute(version_of(toy, Before), Before(failing=(1,)), out=tmp_path / "run")
    seen = []

    def run(unit):
        seen.append((unit.label, unit.params["scales"], unit.params["lens"]))
        return toy.run(unit)

    monkeypatch.setenv("TOY_CURED", "1")
    again = execute(version_of(toy, After, run=run), After(failing=(1,)), out=tmp_path / "run")
    assert seen == [("unit 1", [2, 4], None)]
    assert again.status == "success"
    assert again.units()["key"].to_list() == whole.units()["key"].to_list()
    fresh = execute(version_of(toy, Before), Before(failing=(1,)), out=tmp_path / "fresh")
    assert again.store.table_path.read_bytes() == fresh.store.table_path.read_bytes(), (
        "what the key decides is the same"
    )


def test_units_of_a_study_within_another_keep_their_keys(toy, tmp_path, log):
    def composite(part, config):
        return version_of(toy, Before, NAME="whole", plan=lambda _: part.plan(config), run=None)

    for part, config in ((version_of(toy, Before), Before()), (version_of(toy, After), After())):
        run = execute(composite(part, config), Before(), out=tmp_path / "run", resolve={"toy": part})
    assert len(log.read_text().split()) == 4
    assert run.warnings == []


def test_a_manifest_from_which_a_setting_was_removed_is_that_of_an_earlier_version(toy, tmp_path, log):
    run = execute(toy, toy.Config(), out=tmp_path / "run")
    manifest = run.manifest
    del manifest["config"]["warning"]
    manifest["config_sha256"] = config_hash("toy", 1, manifest["config"])
    run.store.write_manifest(manifest)
    assert execute(toy, toy.Config(), out=tmp_path / "run").manifest["units"]["kept"] == 4
    assert len(log.read_text().split()) == 4


@pytest.mark.parametrize(
    ("changes", "settings", "said"),
    [
        ({}, {"lens": "logit"}, 'lens: not set -> "logit"'),
        ({}, {"seed": 1}, r"seed: 0 -> 1\n  scales: not set -> \[2,4\]"),
        ({"VERSION": 2}, {}, "version: 1 -> 2"),
    ],
)
def test_other_values_and_versions_are_refused_as_ever(toy, tmp_path, changes, settings, said):
    execute(version_of(toy, Before), Before(), out=tmp_path)
    with pytest.raises(RunError, match=f"(?s)other settings:\n.*{said}"):
        execute(version_of(toy, After, **changes), After(**settings), out=tmp_path)


def test_a_setting_that_is_gone_is_refused(toy, tmp_path):
    execute(version_of(toy, After), After(), out=tmp_path)
    with pytest.raises(RunError, match=r"scales: \[2,4\] -> not set"):
        execute(version_of(toy, Before), Before(), out=tmp_path)


def test_units_are_done_anew_under_their_own_keys_where_more_than_settings_changed(toy, tmp_path, log):
    execute(version_of(toy, Before), Before(), out=tmp_path / "run")
    study = version_of(toy, After)
    study.plan = lambda config: [
        Unit(study="toy", version=1, params={**unit.params, "content": "new"})
        for unit in version_of(toy, After).plan(config)
    ]
    run = execute(study, After(), out=tmp_path / "run")
    assert len(log.read_text().split()) == 8
    assert "The plan changed since this folder was begun" in run.warnings[0]


def test_a_damaged_plan_tells_no_keys(toy, tmp_path):
    run = execute(version_of(toy, Before), Before(), out=tmp_path)
    run.store.plan_path.write_text("{")
    study = version_of(toy, After)
    units = study.plan(After())
    assert known_units(run.store, units, study) == units


def test_the_plan_and_the_parcel_of_a_worker_say_which_settings_came_later(toy, tmp_path):
    execute(version_of(toy, Before), Before(n_units=1), out=tmp_path)
    run = execute(version_of(toy, After), After(n_units=1), out=tmp_path)
    (line,) = map(json.loads, run.store.plan_path.read_text().splitlines())
    unit = Unit(**{name: value for name, value in line.items() if name != "key"})
    assert (unit.key, unit.later) == (line["key"], ("lens", "scales"))
    assert (
        Unit(**parcel_of(print, unit, 0)["unit"]).key
        == unit.key
        != Unit(study="toy", version=1, params=unit.params).key
    )


def test_a_folder_is_looked_for_among_those_begun_before(toy, tmp_path):
    execute(version_of(toy, Before), Before(), out=tmp_path / "run")
    settings = config_to_mapping(After())
    assert begun_before(tmp_path / "run", version_of(toy, After), settings)
    assert not begun_before(tmp_path / "run", version_of(toy, After), settings | {"seed": 1})
    assert not begun_before(tmp_path / "none", version_of(toy, After), settings)
    (tmp_path / "run/manifest.json").write_text("{")
    assert not begun_before(tmp_path / "run", version_of(toy, After), settings)


def test_the_default_folder_of_a_run_is_the_one_that_was_begun_before(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(studies.STUDIES, "toy", "toy_study")
    named = studies.default_folder("toy", toy.Config())
    before = named.with_name("toy-00000000")
    run = execute(toy, toy.Config(), out=before)
    manifest = run.manifest
    del manifest["config"]["warning"]
    manifest["config_sha256"] = config_hash("toy", 1, manifest["config"])
    run.store.write_manifest(manifest)
    assert studies.default_folder("toy", toy.Config()) == before
    assert studies.default_folder("toy", toy.Config(seed=1)) != before
    named.mkdir()
    assert studies.default_folder("toy", toy.Config()) == named
