"""`theodolite training`: the drop with its steps, significant against the null, in one JSON object."""

import pytest


@pytest.mark.slow
@pytest.mark.usefixtures("every_figure")
def test_the_bundled_model_drops_early_significantly_against_its_null(theodolite, tmp_path):
    done = theodolite("training", "bundled:pocket-128", "--nulls", "gaussian", "--json", "--out", "run")
    assert done.code == 0, done.err
    content = done.json
    assert (content["command"], content["status"], content["warnings"]) == ("training", "success", [])
    drops = {
        (row["which"], row["method"], row["scale"]): row["params"]
        for row in content["rows"]
        if row["measure"] == "drop"
    }
    for which, plateau in (("input", 19.8), ("output", 26.8)):
        found = drops[which, "twonn", 2]
        assert found["significant"]
        assert found["null_p_value"] < 1e-6, "the plateau lies below a Gaussian table of the same size"
        assert found["start_over_null"] == pytest.approx(1, abs=0.1)
        assert found["plateau"] == pytest.approx(plateau, abs=1)
        assert 16 <= found["start"] < found["half"] <= 128
        assert found["steepest_from"] < found["steepest_to"] <= 256
        assert found["nine_tenths_by"] <= 512
        assert drops[which, "gride", 64]["significant"]
        assert drops[which, "participation_ratio", None]["significant"]
    assert drops[None, "loss", None]["first"] == pytest.approx(8.34, abs=0.01)
    verdicts = {(one["id"], one["subject"]): one["verdict"] for one in content["findings"]}
    assert verdicts["early-drop", "bundled:pocket-128 input"] == "supported"
    assert verdicts["early-drop", "bundled:pocket-128 output"] == "supported"
    figures = {path.stem for path in (tmp_path / "run" / "figures").glob("*.svg")}
    assert figures == {"dimension_over_training", "estimators_over_training", "companions_over_training"}


def test_patterns_and_lists_of_revisions_are_taken(theodolite):
    quick = ("--limit", "150", "--k", "4", "--mle-k", "2", "--which", "input", "--nulls", "gaussian", "--json")
    done = theodolite("training", "bundled:pocket-128", "--revisions", "step[01],step512,mai*", *quick)
    assert done.code == 0, done.err
    steps = {row["step"] for row in done.json["rows"] if row["measure"] == "dimension"}
    assert steps == {0, 1, 512, 2198}
    starred = theodolite("training", "bundled:pocket-128", "--revisions", "step1*", "--points", "3", *quick)
    steps = {row["step"] for row in starred.json["rows"] if row["measure"] == "dimension"}
    assert steps == {1, 16, 1024}


def test_a_curve_of_two_is_refused(theodolite):
    done = theodolite("training", "bundled:pocket-128", "--revisions", "step0,step1")
    assert done.code == 1
    assert "has 2 checkpoints among step0, step1, but a curve needs at least 3" in done.err
