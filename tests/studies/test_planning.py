"""Plans of studies: nothing is fetched or written without leave; the count from headers is that of the plan."""

from types import SimpleNamespace

import numpy as np
import pytest

from theodolite.core.errors import ParameterError
from theodolite.runs import config_from_mapping, open_run
from theodolite.studies import STUDIES, resolve
from theodolite.studies.needs import costs_of, count_units
from theodolite.studies.planning import plan_study

MODEL = "bundled:pocket-64"


def config(name, **settings):
    return config_from_mapping(resolve(name).Config, settings)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dimension", {"references": [MODEL], "checkpoints": ["bundled:pocket-128@step0,step512"], "nulls": []}),
        ("dimension", {"references": [MODEL, "bundled:pocket-128"], "nulls": ["gaussian", "covariance"]}),
        ("dimension", {"references": [f"{MODEL}#output"], "which": ["input"]}),
        ("training", {"references": ["bundled:pocket-128"], "points": 4}),
    ],
)
def test_units_counted_from_headers_are_those_of_the_plan(name, settings):
    study = resolve(name)
    chosen = config(name, **settings)
    own = [unit for unit in study.plan(chosen) if unit.study == "dimension"]
    assert count_units(name, chosen, costs_of(name, chosen)) == len(own)


NEEDED = {
    "dimension": {"references": [MODEL]},
    "layers": {"references": [MODEL], "encoder": "bundled:pocket-128"},
    "neighbors": {"reference": MODEL},
    "probe": {"references": [MODEL]},
    "rank": {"references": [MODEL]},
    "similarity": {"references": [MODEL, "bundled:pocket-128"]},
    "survey": {},
    "training": {"references": ["bundled:pocket-128"]},
    "transfer": {"sources": [MODEL], "targets": ["bundled:pocket-128"]},
}


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_the_costs_of_every_study_are_known(name):
    settings = NEEDED[name]
    try:
        chosen = config(name, **settings)
    except ParameterError:  # settings that say nothing of references
        chosen = SimpleNamespace(**settings)
    costs = costs_of(name, chosen)
    assert costs
    assert all(one.n_missing == 0 and one.memory > 0 for one in costs)
    assert any(one.what == "the whole model" for one in costs) == (
        name in ("layers", "probe", "rank", "similarity", "transfer") or (name == "survey" and hasattr(chosen, "parts"))
    )


def test_models_and_tables_that_are_files_are_not_run(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 3), dtype=np.float32))
    survey = SimpleNamespace(references=[str(tmp_path / "a.npy"), f"{MODEL}#input", MODEL], parts=("tables", "layers"))
    whole = [one.reference for one in costs_of("survey", survey) if one.what == "the whole model"]
    assert whole == [MODEL]


@pytest.fixture
def settings(tmp_path):
    np.save(tmp_path / "t.npy", np.random.Generator(np.random.PCG64(0)).normal(size=(50, 4)).astype(np.float32))
    return config("dimension", references=[str(tmp_path / "t.npy")], k=6, mle_k=[5])


def test_a_plan_writes_nothing(settings, tmp_path):
    found = plan_study("dimension", settings, out=tmp_path / "run")
    assert (found.n_units, found.forecast.remaining, found.n_missing, found.disk_run) == (5, 5, 0, None)
    assert found.memory == 50 * 4 * 4
    assert found.disk_free > 0
    assert not (tmp_path / "run").exists()


def test_a_pilot_times_units_and_keeps_them(settings, tmp_path):
    found = plan_study("dimension", settings, out=tmp_path / "run", pilot=2, command=["theodolite", "run", "s.yaml"])
    assert (found.forecast.done, found.forecast.remaining, found.forecast.n_timed) == (2, 3, 2)
    assert found.forecast.low <= found.forecast.seconds <= found.forecast.high
    assert found.disk_run > 1000
    assert found.peak_memory > 1e7
    assert found.peak_device_memory is None or found.peak_device_memory > 0
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert run.manifest["command"] == ["theodolite", "run", "s.yaml"]
    again = plan_study("dimension", settings, out=tmp_path / "run")
    assert again.forecast == found.forecast
    done = plan_study("dimension", settings, out=tmp_path / "run", pilot_seconds=600.0)
    assert (done.forecast.remaining, done.forecast.seconds) == (0, 0.0)
    assert run.status == "success"


@pytest.mark.parametrize("pilot", [{"pilot": 0}, {"pilot_seconds": 0.0}, {"pilot_seconds": float("nan")}])
def test_a_pilot_of_nothing_is_refused(settings, tmp_path, pilot):
    with pytest.raises(ParameterError, match="A pilot needs at least one unit, or some seconds"):
        plan_study("dimension", settings, out=tmp_path / "run", **pilot)
