"""`theodolite probe`: fit, evaluate, score, from files to probabilities."""

import json
from io import BytesIO, TextIOWrapper

import numpy as np
import pytest

from theodolite import studies

HOSTILE = ["knife", "poison", "kill", "the", "a", "dark", "would", "cry", "man", "and", "before", "blood"]
BENIGN = ["garden", "roses", "bread", "the", "a", "warm", "children", "sang", "day", "and", "table", "on"]
QUICK = ("--minimum", "40", "--n-tokens", "48", "--k", "16", "--folds", "3", "--join", "2")


@pytest.fixture
def files(tmp_path):
    """Short texts of both kinds in two sources; two of them joined are long enough."""
    generator = np.random.Generator(np.random.PCG64(1))
    for kind, words in (("bad", HOSTILE), ("good", BENIGN)):
        for source in "ab":
            texts = [" ".join(generator.choice(words, size=30).tolist()) for _ in range(12)]
            (tmp_path / f"{kind}-{source}.json").write_text(json.dumps([{"instruction": text} for text in texts]))
    options = (("--positive", "bad"), ("--negative", "good"))
    return [
        word for option, kind in options for one in "ab" for word in (option, f"{one}={kind}-{one}.json#instruction")
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("every_figure")
def test_fit_evaluate_and_score(theodolite, files, tmp_path, monkeypatch):
    done = theodolite("probe", "fit", "bundled:pocket-64", *files, *QUICK, "--out", "run", "--json")
    assert done.code == 0, done.err
    content = done.json
    assert (content["command"], content["status"]) == ("probe", "success")
    crossed = {
        row["features"]: row
        for row in content["rows"]
        if row["evaluation"] == "cross_validation" and row["statistic"] == "accuracy"
    }
    assert {"dimension", "entropy", "combined", "majority", "length", "surprisal", "ngrams", "mean_state"} <= set(
        crossed
    )
    assert all(row["low"] <= row["value"] <= row["high"] for row in crossed.values())
    assert {row["test"] for row in content["rows"] if row["evaluation"] == "without_source"} == {"a", "b"}
    assert {one["id"] for one in content["findings"]} == {
        "dimension-tells",
        "dimension-beats-text",
        "entropy-as-good",
    }
    assert any("fewer than 500 tokens" in one for one in content["warnings"])
    assert json.loads((tmp_path / "run" / "probe.json").read_text())["format"] == "theodolite-probe"
    for name in ("probe_accuracy", "probe_layers", "probe_sources"):
        assert (tmp_path / "run" / "figures" / f"{name}.svg").is_file()
    assert not (tmp_path / "run" / "figures" / "probe_lengths.svg").exists()  # all prompts are about as long
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for words in (
        "Telling hostile from benign prompts",
        "Sources that were left out",
        "Accuracy across sources",
        "character n-grams",
    ):
        assert words in page

    again = theodolite("probe", "evaluate", "run")
    assert again.code == 0
    assert "The dimensions of the layers of pocket-64 put" in again.out
    assert "The layers' dimensions tell more than a classifier fitted on the text." in again.out

    scored = theodolite("probe", "score", "run", "--prompts", "bad-a.json#instruction", "--join", "2", "--json")
    assert scored.code == 0
    assert len(scored.json["prompts"]) == 6
    assert all(0 <= one["probability"] <= 1 for one in scored.json["prompts"])
    file = json.loads((tmp_path / "bad-a.json").read_text())
    text = "\n".join(one["instruction"] for one in file[:2])
    for written in (text, json.dumps({"instruction": text})):  # a text as it is, and a record
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(written.encode())))
        typed = theodolite("probe", "score", "run", "--prompts", "-", "--field", "instruction", "--json")
        assert len(typed.json["prompts"]) == 1
        assert 0 <= typed.json["prompts"][0]["probability"] <= 1
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"caf\xe9")))
    assert "Standard input is not UTF-8: byte 4 is 0xe9" in theodolite("probe", "score", "run", "--prompts", "-").err
    alone = theodolite("probe", "score", "run", "--prompts", "bad-a.json", "--field", "instruction")
    if alone.code:
        assert "None of the 12 prompts can be scored" in alone.err
    else:
        assert "the probe was fitted on prompts of 2 joined texts; these are of 1" in alone.err
    table = theodolite("probe", "score", "run", "--prompts", "good-a.json#instruction", "--join", "2")
    assert "probability of harmful" in table.out

    other = theodolite(
        "probe", "score", "run", "--prompts", "bad-a.json#instruction", "--join", "2", "--model", "bundled:pocket-128"
    )
    assert other.code == 1
    assert "is not the model of the probe" in other.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fit", "bundled:pocket-64"), "A probe tells two kinds of prompts apart"),
        (("fit", "bundled:pocket-64", "--positive", "no.json", "--negative", "no.json"), "There are no prompts at"),
        (("score", "nowhere", "--prompts", "examples"), "There is no probe at"),
    ],
)
def test_bad_input_is_one_paragraph(theodolite, arguments, message):
    done = theodolite("probe", *arguments)
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_run_of_another_study_has_no_probe(theodolite, table_file):
    studies.run("dimension", references=[str(table_file)], nulls=[], out="other")
    done = theodolite("probe", "evaluate", "other")
    assert done.code == 2
    assert "is a run of 'dimension'. `theodolite probe fit` makes one" in done.err
