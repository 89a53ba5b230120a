"""`theodolite compare-runs`: what it prints, and its exit code."""

import shutil

import numpy as np
import pytest

from theodolite import studies


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs of one table with other seeds."""
    folder = tmp_path_factory.mktemp("made")
    np.save(folder / "table.npy", np.random.Generator(np.random.PCG64(3)).normal(size=(60, 4)).astype(np.float32))
    for name, seed in (("a", 0), ("c", 1)):
        settings = {"references": [str(folder / "table.npy")], "k": 6, "mle_k": [5], "nulls": ["gaussian"]}
        studies.run("dimension", **settings, seed=seed, out=folder / name)
    return folder


@pytest.fixture
def runs(made, tmp_path):
    for name, original in (("a", "a"), ("b", "a"), ("c", "c")):
        shutil.copytree(made / original, tmp_path / name)


def test_runs_that_agree_exit_with_0_and_others_with_1(theodolite, runs):
    same = theodolite("compare-runs", "a", "b")
    assert same.code == 0
    assert same.out == "a and b agree: their tables are the same file, byte for byte.\n"
    other = theodolite("compare-runs", "a", "c")
    assert other.code == 1
    assert "a and c differ (rtol 1e-06, atol 1e-09)." in other.out
    assert "config.seed: 0 -> 1" in other.out
    assert "Farthest apart: " in other.out
    assert "condition=gaussian" in other.out.split("Farthest apart: ")[1]
    near = theodolite("compare-runs", "a", "c", "--rtol", "2", "--atol", "10")
    assert "a and c agree: " in near.out or "Rows only in a" in near.out


def test_the_comparison_as_one_json_object(theodolite, runs):
    content = theodolite("compare-runs", "a", "c", "--json").json
    assert (content["command"], content["status"], content["identical"]) == ("compare-runs", "differ", False)
    assert content["run_status"] == ["success", "success"]
    assert {one["measure"] for one in content["table"]["differences"]} >= {"dimension"}
    assert theodolite("compare-runs", "a", "b", "--json").json["agree"] is True


def test_runs_of_different_studies_are_refused_in_one_sentence(theodolite, runs, tmp_path):
    path = tmp_path / "c" / "manifest.json"
    path.write_text(path.read_text().replace('"study": "dimension"', '"study": "elsewhere"'))
    done = theodolite("compare-runs", "a", "c")
    assert (done.code, done.out) == (2, "")
    assert "a is a run of 'dimension' and c one of 'elsewhere'" in done.err


def test_a_run_that_is_not_there_is_an_error(theodolite, runs):
    done = theodolite("compare-runs", "a", "nowhere", "--json")
    assert (done.code, done.json["status"]) == (1, "error")


def test_runs_of_a_study_that_is_not_known_are_compared_by_types_and_names(theodolite, runs, tmp_path):
    for name in "ac":
        path = tmp_path / name / "manifest.json"
        path.write_text(path.read_text().replace('"study": "dimension"', '"study": "elsewhere"'))
    done = theodolite("compare-runs", "a", "c")
    assert done.code == 1
    assert "Numbers that are not equal" in done.out
