"""The survey is its three studies under one roof: their units, their rows and words, and what it left out."""

from importlib.resources import files
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from theodolite import studies
from theodolite.core.errors import ParameterError
from theodolite.runs import Unit
from theodolite.studies.dimension import study as dimension
from theodolite.studies.layers import config as layers_config
from theodolite.studies.layers import study as layers
from theodolite.studies.survey import parts as survey_parts
from theodolite.studies.survey import study as survey
from theodolite.studies.survey.columns import COLUMNS, COLUMNS_OF
from theodolite.studies.survey.config import Config

MODELS = ("bundled:pocket-64", "bundled:pocket-128-b")
SMALL = {"k": 8, "nulls": ["gaussian"], "limit": 300, "most_prompts": 2}


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Write word vectors of the first tokens of no model."""
    points = np.random.Generator(np.random.PCG64(0)).normal(size=(300, 12))
    path = tmp_path_factory.mktemp("words") / "words.vec"
    path.write_text("".join(f"w{i} {' '.join(f'{x:.4f}' for x in row)}\n" for i, row in enumerate(points)))
    return path


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    """Write three of the example prompts."""
    lines = (files("theodolite.prompts") / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    path = tmp_path_factory.mktemp("prompts") / "three.jsonl"
    path.write_text("\n".join(lines[:3]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(words, prompts, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "survey"
    return studies.run("survey", references=[*MODELS, str(words)], prompts=str(prompts), out=out, **SMALL)


@pytest.fixture(scope="module")
def frame(run):
    return run.table()


def test_a_survey_holds_tables_layers_and_what_models_share(run, frame):
    assert run.status == "success"
    assert set(frame["study"]) == {"dimension", "layers", "similarity"}
    assert set(survey.portion(frame, "layers")["model"]) == set(MODELS)
    assert survey.portion(frame, "similarity").select("model_a", "model_b").unique().rows() == [MODELS]
    assert {"input", "output", "states"} == set(survey.portion(frame, "similarity")["which"])
    assert survey.portion(frame, "dimension")["model"].n_unique() == 3
    assert {"structured", "full_shuffle"} == set(survey.portion(frame, "layers")["control"])


def test_each_study_finds_its_rows_as_it_would_have_written_them(frame):
    assert frame.columns == list(COLUMNS)
    for study, columns in COLUMNS_OF.items():
        own = survey.portion(frame, study)
        assert own.columns == list(columns)
        assert own.height == frame.filter(pl.col("study") == study).height > 100
        assert own["measure"].null_count() == 0
    parts = [survey.portion(frame, study).height for study in COLUMNS_OF]
    assert sum(parts) == frame.height


def test_its_units_are_those_of_the_studies_themselves(run, prompts):
    planned = {unit.study: unit for unit in run.store.read_plan()}
    same = layers.plan(layers_config.Config((MODELS[0],), prompts=str(prompts), limit=2, full_shuffles=1, box=False))
    assert {unit.key for unit in same} <= run.store.finished_keys()
    assert set(planned) == {"dimension", "layers", "similarity", "survey"}


def test_what_could_not_be_measured_is_said_and_fails_nothing(run, words):
    assert run.failures() == []
    assert f"Layers are not measured of {words}: a file of numbers is no model to run." in run.warnings
    refused = [one for one in run.warnings if one.startswith("Not compared: ")]
    assert [(model in one, str(words) in one) for model, one in zip(MODELS, refused, strict=True)] == [(True, True)] * 2


def test_summaries_and_findings_name_their_study(frame):
    rows = survey.summarize(frame)
    assert {row["study"] for row in rows} == {"dimension", "layers", "similarity"}
    assert all({"measure", "method", "value"} <= set(row) for row in rows)
    assert survey.summary_frame(frame).height == len(rows)
    assert survey.summary_frame(frame).columns[0] == "study"
    found = survey.find(frame)
    assert {"low-dimension", "shuffle-dimension"} <= {finding.id for finding in found}
    assert {finding.study for finding in found} == {"dimension", "layers", "similarity"}
    assert found[0].as_dict()["study"] == "dimension"


def test_a_survey_of_older_days_holds_tables_only(frame):
    old = survey.portion(frame, "dimension")
    assert survey.portion(old, "dimension").equals(old)
    for study in ("layers", "similarity"):
        assert survey.portion(old, study).is_empty()
        assert survey.portion(old, study).columns == list(COLUMNS_OF[study])
    assert {row["study"] for row in survey.summarize(old)} == {"dimension"}


def test_nothing_in_a_table_gives_an_empty_summary():
    assert survey.summarize(pl.DataFrame()) == []
    assert survey.find(pl.DataFrame()) == []
    assert survey.summary_frame(pl.DataFrame()).is_empty()


def test_parts_can_be_left_out():
    only = survey.plan(Config(MODELS, parts=("tables",), nulls=()))
    assert {unit.study for unit in only} == {"dimension"}
    assert {unit.key for unit in only} == {unit.key for unit in dimension.plan(dimension.Config(MODELS, nulls=()))}
    assert {unit.study for unit in survey.plan(Config(MODELS[:1], parts=("layers", "similarity")))} == {"layers"}


def test_of_a_model_on_the_hub_only_the_tables_are_read():
    planned = survey_parts.layers(Config(("hub:nobody/nothing",)))
    assert planned.units == []
    assert planned.notes == [
        "Layers are not measured of hub:nobody/nothing: of a model on the Hub only the tables are read. --whole "
        "fetches all of it."
    ]
    with pytest.raises(ParameterError, match=r"nothing to survey in layers of hub:nobody/nothing.*--whole fetches"):
        survey.plan(Config(("hub:nobody/nothing",), parts=("layers",)))


def test_a_tensor_a_checkpoint_of_tables_and_a_folder_without_a_model_have_no_layers(tmp_path):
    references = ("bundled:pocket-64#input", "bundled:pocket-128@step512", str(tmp_path))
    notes = survey_parts.layers(Config(references)).notes
    assert "a tensor is no model to run" in notes[0]
    assert "holds only its tables" in notes[1]
    assert "no config.json" in notes[2]


def test_many_models_are_compared_each_with_the_next(monkeypatch):
    asked = []
    monkeypatch.setattr(survey_parts, "_not_comparable", lambda *_: "")
    monkeypatch.setattr(survey_parts.similarity_study, "plan_pairs", lambda _, pairs, **__: asked.append(pairs) or [])
    names = [f"hub:a/m{number}" for number in range(6)]
    few = survey_parts.similarity(Config(tuple(names[:5])))
    assert (len(asked[0]), len(asked[1]), few.notes) == (0, 10, [])
    many = survey_parts.similarity(Config(tuple(names)))
    assert asked[3] == list(pairwise(names))
    assert "each is compared with the next one" in many.notes[0]


def test_settings_that_leave_nothing_to_do_are_refused():
    with pytest.raises(ParameterError, match="parts is empty: take tables, layers, similarity"):
        Config(parts=())
    with pytest.raises(ParameterError, match="most_prompts=0 leaves nothing to do"):
        Config(most_prompts=0)


def test_it_runs_no_unit_of_another_study():
    with pytest.raises(ParameterError, match="A unit of 'layers' is no unit of the survey"):
        survey.run(Unit(study="layers", version=1, params={}))
