"""`theodolite reproduce`: claims, numbers and pages of a paper by one command."""

import json
from types import SimpleNamespace

import pytest

from theodolite.studies.reproduce.claims import CLAIMS
from theodolite.studies.reproduce.plan import Part
from theodolite.studies.reproduce.reproduction import Outcome, Reproduction


@pytest.mark.slow
@pytest.mark.parametrize(
    ("paper", "studies", "figures"),
    [
        ("kataiwa2025", {"dimension", "training", "rank"}, {"size sweep", "training sweep", "Fig. 1"}),
        ("lee2025", {"similarity", "transfer"}, {"Fig. 1", "LLE weights", "steering figures"}),
        ("viswanathan2025", {"layers"}, {"Fig. 1", "Fig. 2", "Fig. 3", "comparison of estimators"}),
    ],
)
def test_a_paper_runs_on_the_bundled_family_and_goes_on_where_it_stopped(theodolite, tmp_path, paper, studies, figures):
    done = theodolite("reproduce", paper, "--quick", "--out", "run", "--json")
    assert done.code == 0, done.err
    content = done.json
    assert (content["command"], content["status"]) == ("reproduce", "success")
    assert set(content["departures"]) == studies
    assert all("not for a result" in departures[0] for departures in content["departures"].values())
    found = content["comparisons"]
    assert figures <= {one["figure"] for one in found}
    assert sum(content["tally"].values()) == len(found)
    assert {one["agreement"] for one in found} <= {
        "supported", "not supported", "undecided", "not applicable", "not comparable"
    }  # fmt: skip
    for study in studies:
        assert (tmp_path / "run" / study / "report.html").is_file()
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert all(f'href="{study}/report.html"' in page for study in studies)
    assert json.loads((tmp_path / "run" / "comparison.json").read_text(encoding="utf-8"))["tally"] == content["tally"]

    again = theodolite("reproduce", paper, "--quick", "--out", "run")
    assert again.code == 0
    assert "kept from before" in again.err
    assert " 1/" not in again.err
    assert "Report: run" in again.out


def test_authors_arrays_are_compared_beside_a_model_that_cannot_be_loaded(theodolite, shared_data):
    arrays = shared_data / "reference" / "viswanathan2025"
    if not arrays.is_dir():
        pytest.skip("no copy of the authors' arrays in the shared data")
    done = theodolite("reproduce", "viswanathan2025", "--models", "./absent", "--arrays", arrays, "--json")
    assert done.code == 3
    assert done.json["tally"]["agrees"] > 30
    assert done.json["tally"]["not run"] == len(CLAIMS["viswanathan2025 v2"])
    assert "failed: layers:" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("lee2025", "--models", "bundled:pocket-64"), "shares its geometry with nothing"),
        (("viswanathan2025", "--preset", "probe"), "--positive FILE"),
        (("viswanathan2025", "--arrays", "absent"), "holds no arrays"),
        (("kataiwa2025", "--models", "./absent"), "absent"),
        (("nobody2030",), "nobody2030"),
    ],
)
def test_bad_input_is_one_paragraph(theodolite, arguments, message):
    done = theodolite("reproduce", *arguments)
    assert done.code in (1, 2)
    assert message in done.err + done.out
    assert "Traceback" not in done.err


def test_a_study_with_failed_units_is_no_success(theodolite, tmp_path, monkeypatch):
    run = SimpleNamespace(status="partial", warnings=["1 of 2 units failed"])
    outcome = Outcome(part=Part(study="layers", config=None), run=run)
    found = Reproduction(title="viswanathan2025 v2", path=tmp_path, outcomes=(outcome,), comparisons=(), quick=True)
    monkeypatch.setattr("theodolite.studies.reproduce.reproduction.reproduce", lambda *_, **__: found)
    monkeypatch.setattr("theodolite.cli.results.write_report", lambda *_, **__: None)
    done = theodolite("reproduce", "viswanathan2025", "--json")
    assert (done.code, done.json["status"]) == (3, "partial")
    assert done.json["warnings"] == ["layers: 1 of 2 units failed"]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Some units of the layers study failed" in page
    assert "few rows, prompts and steps: to see that everything runs, not for a result" in page
