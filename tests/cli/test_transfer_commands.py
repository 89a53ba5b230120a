"""From a contrast to a vector, to a map, to the vector in another model, by commands alone."""

import pytest

from theodolite.models import load_vector
from theodolite.transfer import load_map

SOURCE, TARGET = "bundled:pocket-64", "bundled:pocket-128"


def test_a_vector_is_made_and_carried(theodolite, tmp_path):
    made = theodolite("transfer", "vector", SOURCE, "tense", "--out", "v.safetensors", "--json")
    assert made.code == 0, made.err
    assert made.json["command"] == "transfer vector"
    assert made.json["layers"] == [0, 1, 2, 3, 4]
    fitted = theodolite("transfer", "fit", SOURCE, TARGET, "--out", "m.safetensors", "--json")
    assert fitted.json["n_tokens"] > 3900
    assert fitted.json["r2_held_out"] == pytest.approx(load_map(tmp_path / "m.safetensors").diagnostics.r2_held_out)
    carried = theodolite("transfer", "apply", "m.safetensors", "v.safetensors", "--out", "c.safetensors")
    assert carried.code == 0
    assert "5 directions of 128 entries for bundled:pocket-128" in carried.out
    vector = load_vector(tmp_path / "c.safetensors")
    assert vector.n_dims == 128
    again = theodolite("transfer", "apply", "m.safetensors", "c.safetensors", "--out", "d.safetensors")
    assert again.code == 2
    assert "the map was fitted on bundled:pocket-64" in again.err


@pytest.mark.usefixtures("every_figure")
def test_evaluate_prints_rows_and_findings(theodolite, tmp_path):
    done = theodolite(
        *("transfer", "evaluate", "--source", SOURCE, "--target", SOURCE, "--contrasts", "gender", "--maps"),
        *("least_squares", "--tokens", "last", "--layers", "4", "--strengths=-0.25,0.25", "--draws", "1"),
        *("--controls", "random", "--out", "run", "--json"),
    )
    assert done.code == 0, done.err
    content = done.json
    assert content["command"] == "transfer"
    (kept,) = [
        row["value"] for row in content["rows"] if row["measure"] == "effect_retained" and row["role"] != "control"
    ]
    assert kept == pytest.approx(1, abs=1e-3)  # a model's map onto itself is the identity
    assert {one["id"] for one in content["findings"]} == {"emb2emb", "steering-transfers"}
    assert (tmp_path / "run" / "report.html").exists()
    assert "steering-kept" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_settings_that_make_no_sense_are_a_matter_of_usage(theodolite):
    done = theodolite("transfer", "evaluate", "--source", SOURCE, "--target", TARGET, "--strengths", "0.5")
    assert done.code == 2
    assert "must have both signs" in done.err
