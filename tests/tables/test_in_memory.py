"""Tables that are already in memory, and arrays of `.npz` files."""

import hashlib
import io
import json
import struct
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, UnsafeFileError
from theodolite.tables import describe, load_table

VALUES = torch.arange(12.0).reshape(4, 3)


# --- tensors and arrays ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        VALUES,
        VALUES.bfloat16(),
        VALUES.double().requires_grad_(),
        torch.nn.Parameter(VALUES),
        VALUES.t().contiguous().t(),
        VALUES.numpy(),
        VALUES.numpy().astype(">f4"),
        VALUES.numpy().astype(np.float16),
        np.asfortranarray(VALUES.numpy()),
    ],
)
def test_tensors_and_arrays(value: Any) -> None:
    table = load_table(value)
    assert table.points.tolist() == VALUES.tolist()
    assert not table.points.requires_grad
    assert (table.which, table.tokens, table.n_stored, table.provenance["reference"]) == (
        "tensor",
        None,
        4,
        "in memory",
    )
    assert json.loads(json.dumps(table.provenance)) == table.provenance
    dtype = table.points.dtype
    assert table.provenance["sha256"] == hashlib.sha256(VALUES.to(dtype).view(torch.uint8).numpy().data).hexdigest()
    assert load_table(value, limit=3).points.tolist() == VALUES[:3].tolist()


def test_nothing_is_copied() -> None:
    assert load_table(VALUES).points.data_ptr() == VALUES.data_ptr()
    array = VALUES.numpy().copy()
    assert load_table(array).points.data_ptr() == array.ctypes.data


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        (torch.zeros(3), FormatError, r"tensor \(3, float32\) in \(in memory\) has 1 axis"),
        (torch.zeros(3, 2, dtype=torch.int8), FormatError, "is quantized or holds indices"),
        (torch.zeros(0, 2), FormatError, "is empty"),
        (torch.zeros(3, 2, device="meta"), FormatError, "on the meta device and has no numbers"),
        (np.array([["a"]]), FormatError, "An array of dtype <U1 is no table"),
        (np.array([[{}]]), FormatError, "An array of dtype object is no table"),
        ([[1.0, 2.0]], ParameterError, "A list is no table"),
        (None, ParameterError, "A NoneType is no table"),
        (3, ParameterError, "A int is no table"),
    ],
)
def test_what_is_no_table(value: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        load_table(value)


def test_a_tensor_has_no_output(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="which='output' needs a module; a Tensor in memory holds one table"):
        load_table(VALUES, which="output")
    with pytest.raises(ParameterError, match='rows="trimmed" needs the tokenizer of in memory'):
        load_table(VALUES, rows="trimmed")


# --- modules ---------------------------------------------------------------------------------------------------------


class Net(torch.nn.Module):
    def __init__(self, n_embeddings: int = 1) -> None:
        super().__init__()
        self.tables = torch.nn.ModuleList(torch.nn.Embedding(5, 3) for _ in range(n_embeddings))
        self.head = torch.nn.Linear(3, 5)


def test_a_module_with_one_embedding() -> None:
    net = Net()
    table = load_table(net)
    assert torch.equal(table.points, net.tables[0].weight)
    assert (table.which, table.tied, table.provenance["tensor"]) == ("input", None, "tables.0.weight")
    assert load_table(net, which="head.weight").which == "head.weight"
    assert load_table(torch.nn.Embedding(7, 2)).points.shape == (7, 2)


def test_a_module_that_says_too_little() -> None:
    with pytest.raises(NotFoundError, match=r"2 torch\.nn\.Embedding inside.*Name a parameter.*tables\.0\.weight"):
        load_table(Net(2))
    with pytest.raises(NotFoundError, match=r"0 torch\.nn\.Embedding inside"):
        load_table(Net(0))
    with pytest.raises(NotFoundError, match=r"This Net names no output embedding"):
        load_table(Net(), which="output")
    with pytest.raises(NotFoundError, match=r"no tensor 'heads.weight' in this Net. Did you mean head\.weight"):
        load_table(Net(), which="heads.weight")
    with pytest.raises(FormatError, match="has 1 axis"):
        load_table(Net(), which="head.bias")


def test_a_module_that_cannot_name_its_embedding() -> None:
    class Shy(Net):
        def get_input_embeddings(self) -> torch.nn.Module:
            raise NotImplementedError

    assert load_table(Shy()).points.shape == (5, 3)


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_of_transformers(tied: bool) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.Gemma2Config(
        vocab_size=11, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=4, tie_word_embeddings=tied,
    )  # fmt: skip
    model = transformers.Gemma2ForCausalLM(config)
    table, head = load_table(model), load_table(model, which="unembedding")
    assert torch.equal(table.points, model.model.embed_tokens.weight)
    assert torch.equal(head.points, model.lm_head.weight)
    assert table.tied is head.tied is tied
    assert (table.which, head.which) == ("input", "output")
    assert table.provenance["tensor"] == "model.embed_tokens.weight"
    assert (table.provenance["embedding_scale"], head.provenance["embedding_scale"]) == (8**0.5, 1)
    assert table.provenance["model_type"] == "gemma2"
    assert (table.content == head.content) is tied
    bare = load_table(model.model)
    assert torch.equal(bare.points, table.points)
    with pytest.raises(NotFoundError, match=r"Gemma2Model names no output embedding"):
        load_table(model.model, which="output")


# --- word vectors of gensim ------------------------------------------------------------------------------------------


def test_word_vectors_of_gensim() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gensim.models import KeyedVectors, Word2Vec  # noqa: PLC0415

    vectors = KeyedVectors(3)
    vectors.add_vectors(["the", "</s>", "caf\udcc3"], VALUES[:3].numpy())
    table = load_table(vectors)
    assert table.tokens == ("the", "</s>", "caf\\xc3")
    assert table.points.tolist() == VALUES[:3].tolist()
    assert (table.which, table.special_ids, table.provenance["format"]) == ("vectors", {1}, "KeyedVectors")
    assert load_table(vectors, rows="trimmed").tokens == ("the", "caf\\xc3")
    model = Word2Vec([["a", "b"]] * 5, vector_size=4, min_count=1, workers=1)
    assert load_table(model).points.shape == (2, 4)
    assert load_table(model, limit=1).tokens == tuple(model.wv.index_to_key[:1])


def test_word_vectors_that_do_not_fit() -> None:
    for words in (["a"], ["a", "a", "b", "c"]):
        with pytest.raises(FormatError, match=r"have 4 rows but \d different words"):
            load_table(SimpleNamespace(index_to_key=words, vectors=VALUES.numpy()))  # type: ignore[arg-type]


# --- npz -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_of_an_npz_file(compressed: bool, tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    save = np.savez_compressed if compressed else np.savez
    arrays = {"wte": VALUES.numpy(), "big": VALUES.numpy().astype(">f8"), "for": np.asfortranarray(VALUES.numpy())}
    save(path, **arrays, ids=np.arange(3), name=np.array("x"))
    for name in arrays:
        table = load_table(f"{path}#{name}")
        assert table.points.tolist() == VALUES.tolist()
        assert (table.which, table.provenance["format"]) == (name, "npz")
    shown = {one.name: (one.shape, one.dtype) for one in describe(path).tensors}
    assert shown == {
        "wte": ((4, 3), "float32"), "big": ((4, 3), "float64"), "for": ((4, 3), "float32"),
        "ids": ((3,), "int64"), "name": ((), "<U1"),
    }  # fmt: skip
    with pytest.raises(FormatError, match=r"Nothing says which .* big \(4 x 3, float64\)"):
        load_table(path)
    with pytest.raises(NotFoundError, match=r"no tensor 'wpe' .* Did you mean wte"):
        load_table(f"{path}#wpe")
    save(path, lone=VALUES.numpy())
    assert load_table(path).which == "lone"


def test_stored_arrays_are_mapped(tmp_path: Path) -> None:
    """Writing into the table leaves the file alone, and a table larger than what is used is not read."""
    np.savez(tmp_path / "x.npz", a=VALUES.numpy())
    before = (tmp_path / "x.npz").read_bytes()
    load_table(tmp_path / "x.npz").points.zero_()
    assert (tmp_path / "x.npz").read_bytes() == before


def member(name: str, content: bytes, path: Path, *, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)
    return path


def npy(shape: Any, data: bytes, *, descr: str = "<f4") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def test_npz_files_that_lie(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    lies = {
        "truncated, damaged or no .npz file": b"nope",
        "without .npy arrays": member("readme", b"", path).read_bytes(),
        "header of 'a.npy' is not readable": member("a.npy", b"\x93NUMPY\x07\x00", path).read_bytes(),
        "describes 400000000000 bytes": member("a.npy", npy((10**9, 100), bytes(8)), path).read_bytes(),
        "describes 8 bytes of shape .*, but holds 12": member("a.npy", npy((2, 1), bytes(12)), path).read_bytes(),
        "not readable|describes": member("a.npy", npy((-2, -2), bytes(16)), path).read_bytes(),
    }
    for match, content in lies.items():
        path.write_bytes(content)
        with pytest.raises(FormatError, match=match):
            load_table(path)


def test_npz_with_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.array([[{}, 1]], dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match=r"holds Python objects in 'a.npy'"):
        load_table(f"{tmp_path}/x.npz#a")


def test_npz_bomb(tmp_path: Path) -> None:
    content = npy((25_000_000, 1), bytes(100_000_000))
    path = member("a.npy", content, tmp_path / "x.npz", method=zipfile.ZIP_DEFLATED)
    with pytest.raises(
        UnsafeFileError, match=r"bytes that claim to unpack to 1000000\d\d\. No table shrinks like that"
    ):
        load_table(path)


def test_npz_truncated_or_flipped_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.random.default_rng(0).normal(size=(30, 20)))
    whole = buffer.getvalue()
    for keep in range(0, len(whole), 101):
        path.write_bytes(whole[:keep])
        with pytest.raises(FormatError, match=r"truncated|damaged"):
            load_table(path)
    for at in range(200, len(whole) - 100, 211):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(FormatError, match=r"is damaged"):
            load_table(path)


def test_npz_whose_member_leads_beyond_its_end(tmp_path: Path) -> None:
    path = member("a.npy", npy((2, 2), bytes(16)), tmp_path / "x.npz")
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, 28, 60_000)  # the length of the extra field in the member's own header
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match=r"truncated|damaged"):
        load_table(path)
