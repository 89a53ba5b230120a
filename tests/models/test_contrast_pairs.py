"""The shipped contrasts keep their parts apart; files of pairs are read or refused by line."""

import importlib.util
import json
from pathlib import Path

import pytest

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.models import load_model
from theodolite.models.contrast_pairs import load_contrast, shipped_contrasts
from theodolite.models.contrast_vectors import tokenize_pairs

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", shipped_contrasts())
def test_shipped_contrasts(name):
    contrast = load_contrast(name)
    assert (len(contrast.fitted), len(contrast.held_out)) == (32, 24)
    parts = [
        {text for pair in part for text in (pair.positive, pair.negative)}
        for part in (contrast.fitted, contrast.held_out)
    ]
    assert len(parts[0]) == 64
    assert len(parts[1]) == 48
    assert not parts[0] & parts[1]
    assert not {pair.prompt for pair in contrast.fitted} & {pair.prompt for pair in contrast.held_out}
    assert all(text.startswith(" ") and text[1] != " " for part in parts for text in part)


def test_shipped_contrasts_are_what_the_script_writes():
    script = ROOT / "tools" / "contrast_texts.py"
    if not script.exists():
        pytest.skip("needs a checkout")
    spec = importlib.util.spec_from_file_location("contrast_texts", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert tuple(module.contrasts()) == shipped_contrasts()
    for name in shipped_contrasts():
        stored = (module.FOLDER / f"{name}.jsonl").read_text(encoding="utf-8")
        assert [json.loads(line) for line in stored.splitlines()] == list(module.lines(name))


def test_shipped_contrasts_fit_the_pocket_models_and_differ_in_few_tokens():
    model = load_model("bundled:pocket-64", device="cpu")
    for name in shipped_contrasts():
        contrast = load_contrast(name)
        pairs = tokenize_pairs(model, (*contrast.fitted, *contrast.held_out))
        assert max(len(ids) for pair in pairs for ids in (pair.positive, pair.negative)) < 64
        assert all(pair.n_prompt <= pair.first_difference for pair in pairs)


def write(path, lines):
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_any_jsonl_is_split_by_seed(tmp_path):
    path = write(tmp_path / "mine.jsonl", [{"positive": f" a{i}", "negative": f" b{i}"} for i in range(10)])
    contrast = load_contrast(path)
    assert contrast.name == "mine"
    assert (len(contrast.fitted), len(contrast.held_out)) == (6, 4)
    assert load_contrast(path).held_out == contrast.held_out
    assert load_contrast(path, seed=1).held_out != contrast.held_out
    assert len(load_contrast(path, held_out=0.2).held_out) == 2
    assert contrast.content != load_contrast(path, seed=1).content


@pytest.mark.parametrize(("behaviour", "n_pairs"), [("sycophancy", 1000), ("survival-instinct", 903)])
def test_caa_files(shared_data, behaviour, n_pairs):
    contrast = load_contrast(shared_data / f"contrast/caa/generate/{behaviour}.json")
    assert len(contrast.fitted) + len(contrast.held_out) == n_pairs
    for pair in contrast.fitted[:20]:
        assert pair.positive[:2] == pair.negative[:2] == " ("
        assert pair.positive.strip() in pair.prompt


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"positive": " a"}', r"Pair 1 of .* has neither the texts positive and negative"),
        ('{"positive": " a", "negative": " b"}\n7', r"Pair 2 of .* has neither"),
        ('{"positive": " a", "negative": " a"}', "the same text on both sides"),
        ('{"positive": ', "cannot be read"),
    ],
)
def test_damaged_pairs(tmp_path, text, message):
    (tmp_path / "pairs.jsonl").write_text(text)
    with pytest.raises(FormatError, match=message):
        load_contrast(tmp_path / "pairs.jsonl")


def test_contrasts_that_are_not_there(tmp_path):
    with pytest.raises(NotFoundError, match=r"neither a shipped contrast \(dialogue, feeling"):
        load_contrast("humour")
    (tmp_path / "pairs.json").write_text("{}")
    with pytest.raises(FormatError, match="holds a dict, not a list"):
        load_contrast(tmp_path / "pairs.json")
    one = write(tmp_path / "one.jsonl", [{"positive": " a", "negative": " b"}])
    with pytest.raises(ParameterError, match="leaves 1 pair to make a vector from and 0 to judge it"):
        load_contrast(one)
    with pytest.raises(ParameterError, match="no share"):
        load_contrast("tense", held_out=1.0)
