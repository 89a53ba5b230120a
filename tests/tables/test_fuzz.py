"""Mutated real files raise a TheodoliteError or load; nothing else, never slowly, and nothing is left behind."""

import gzip
import io
import json
import os
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter, quants
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from theodolite.core.errors import TheodoliteError
from theodolite.tables import Table, describe, load_table

QUICK = settings(max_examples=int(os.environ.get("THEODOLITE_FUZZ", "60")))
HEADER = {
    "a": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]},
    "b": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [48, 56]},
}
WORDS = ("the", "of", "</s>", "caf\u00e9", "\u65e5\u672c")
NUMBERS = np.arange(20, dtype="<f4").reshape(5, 4) / 8 - 1
MOST_MEMORY = 400_000_000


@pytest.fixture(autouse=True, scope="module")
def bounded_memory() -> Iterator[None]:
    """No example may touch more memory than this file's imports and some large blocks need."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    odd = {**json.loads(FOLDER["config.json"]), "vocab_size": None}
    folder_with("config.json", json.dumps(odd).encode())  # imports transformers, which takes seconds
    if not clear.exists():
        yield
        return
    clear.write_text("5")
    before = peak(status)
    yield
    assert peak(status) - before < MOST_MEMORY


def peak(status: Path) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def files() -> dict[str, bytes]:
    """Return one real file of each format."""
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(4, 3, generator=draw), torch.randn(2, 2, generator=draw)
    tensors = {"a": a, "b": b.bfloat16(), "c": torch.arange(3)}
    zipped, old, array, stored, packed = (io.BytesIO() for _ in range(5))
    torch.save(tensors, zipped)
    torch.save(tensors, old, _use_new_zipfile_serialization=False)
    np.save(array, np.ones((4, 3), dtype=np.float32))
    np.savez(stored, a=np.ones((4, 3)), b=np.arange(3))
    np.savez_compressed(packed, a=np.ones((4, 3)), b=np.arange(3))
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(WORDS, NUMBERS, strict=True)]
    glove = "\n".join(lines).encode()
    rows = b"".join(word.encode() + b" " + row.tobytes() for word, row in zip(WORDS, NUMBERS, strict=True))
    return {
        "x.safetensors": save(tensors),
        "x.bin": zipped.getvalue(),
        "old.bin": old.getvalue(),
        "x.npy": array.getvalue(),
        "stored.npz": stored.getvalue(),
        "packed.npz": packed.getvalue(),
        "x.gguf": gguf(),
        "glove.txt": glove,
        "word2vec.txt": b"5 4\n" + glove,
        "word2vec.gz": gzip.compress(b"5 4\n" + glove),
        "word2vec.bin": b"5 4\n" + rows,
        "fasttext.bin": fasttext(b"\xba\x16\x4f\x2f\x0c\x00\x00\x00", struct.pack("<q", -1), b"\x00"),
        "first-fasttext.bin": fasttext(b"", b"", b""),
    }


def gguf() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        writer = GGUFWriter(f"{folder}/x", "llama")
        writer.add_embedding_length(32)
        writer.add_tokenizer_model("llama")
        writer.add_token_list(["<s>", "\u2581a", "b", "<0x0A>"])
        writer.add_token_types([3, 1, 1, 6])
        writer.add_array("scores", [0.5, 1.5])
        data = quants.quantize(np.ones((4, 32), np.float32), GGMLQuantizationType.Q8_0)
        writer.add_tensor("token_embd.weight", data, raw_dtype=GGMLQuantizationType.Q8_0)
        writer.add_tensor("a", np.ones((4, 3), np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return Path(f"{folder}/x").read_bytes()


def fasttext(magic: bytes, pruned: bytes, quantized: bytes) -> bytes:
    data = magic + struct.pack("<12id", 4, 5, 5, 1, 5, 1, 2, 2, 6, 2, 3, 100, 1e-4) + struct.pack("<3iq", 5, 5, 0, 100)
    data += pruned + b"".join(word.encode() + b"\x00" + struct.pack("<qb", 3, 0) for word in WORDS)
    matrix = np.concatenate([NUMBERS, np.ones((6, 4), "<f4")])
    return data + quantized + struct.pack("<2q", 11, 4) + matrix.tobytes()


FILES = files()
NAMED = {"x.safetensors", "x.bin", "old.bin", "stored.npz", "packed.npz"}
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "drop", "splice", "length"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def mutate(data: bytes, mutations: list[tuple[str, float, bytes]]) -> bytes:
    for kind, place, new in mutations:
        at = int(place**3 * len(data))  # more often near the beginning, where headers are
        if kind == "flip":
            data = data[:at] + new + data[at + len(new) :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + new + data[at:]
        elif kind == "drop":
            data = data[:at] + data[at + len(new) :]
        elif kind == "splice":  # a piece of the file once more
            size = 8 * len(new)
            data = data[:at] + data[max(0, at - size) : at] + data[at:]
        else:  # a length that says much more than there is
            data = data[:at] + (100_000_000_000 >> new[0] % 38).to_bytes(8, "little") + data[at + 8 :]
    return data


def read(name: str, content: bytes) -> Table | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        table = read_place(path, f"{path}#a" if name in NAMED else str(path))
        assert list(Path(folder).iterdir()) == [path]
    return table


def read_place(place: Path, reference: str) -> Table | None:
    """Describe and load: a table that is in order, or an error of one paragraph, after little work."""
    table, began = None, time.process_time()
    for act in (describe, load_table):
        message = ""
        try:
            found = act(place if act is describe else reference)
        except TheodoliteError as error:
            message = str(error)
        else:
            table = found if isinstance(found, Table) else None
        assert time.process_time() - began < 20
        assert len(message) < 2000
        assert "\n" not in message
    if table is not None:
        assert table.points.shape == (len(table.token_ids), table.n_dims)
        assert table.n_tokens + sum(table.left_out.values()) == table.n_stored
        assert len(set(table.token_ids.tolist())) == table.n_tokens
        assert table.tokens is None or len(table.tokens) == table.n_tokens
        json.dumps(dict(table.provenance), allow_nan=False).encode()
    return table


@pytest.mark.parametrize("name", FILES)
@QUICK
@given(mutations=MUTATIONS)
def test_mutated_files(name: str, mutations: list[tuple[str, float, bytes]]) -> None:
    read(name, mutate(FILES[name], mutations))


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_not_mutated(name: str) -> None:
    assert read(name, FILES[name]) is not None


REAL = (
    "wordvectors/gensim/lee_fasttext.bin",
    "wordvectors/gensim/euclidean_vectors.bin",
    "wordvectors/gensim/crime-and-punishment.vec",
    "wordvectors/gensim/test_glove.txt",
    "models/stories260k/model.safetensors",
)


@pytest.mark.parametrize("name", REAL)
@settings(QUICK, max_examples=25, suppress_health_check=list(HealthCheck))
@given(mutations=MUTATIONS)
def test_mutated_real_files(name: str, mutations: list[tuple[str, float, bytes]], shared_data: Path) -> None:
    read(Path(name).name, mutate((shared_data / name).read_bytes(), mutations))


@QUICK
@given(mutations=MUTATIONS, header=st.booleans())
def test_text_that_still_loads_has_the_numbers_that_are_written_there(
    mutations: list[tuple[str, float, bytes]], header: bool
) -> None:
    """Held against the plainest reading there is: the last fields of each line."""
    content = mutate(FILES["word2vec.txt" if header else "glove.txt"], mutations)
    table = read("x.txt", content)
    if table is None or table.provenance["format"] not in ("word2vec text", "glove text"):
        return
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")[table.provenance["format"] == "word2vec text" :]
    wanted = [[float(field) for field in lines[row].split()[-table.n_dims :]] for row in table.token_ids]
    np.testing.assert_array_equal(table.points.numpy(), np.array(wanted).astype(table.points.numpy().dtype))


CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 4, "hidden_size": 3}
TOKENIZER = {
    "added_tokens": [{"id": 3, "content": "<s>", "special": True}],
    "pre_tokenizer": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "\u0120b": 1, "c": 2}, "merges": []},
}
INDEX = {"metadata": {"total_size": 96}, "weight_map": {"model.embed_tokens.weight": "a.safetensors"}}
MORE_KEYS = ("tie_word_embeddings", "text_config", "quantization_config", "model", "added_tokens", "weight_map", "x")
FOLDER = {
    "config.json": json.dumps({**CONFIG, "tie_word_embeddings": True, "quantization_config": {"bits": 4}}).encode(),
    "tokenizer.json": json.dumps(TOKENIZER).encode(),
    "tokenizer_config.json": json.dumps({"eos_token": {"content": "c"}, "added_tokens_decoder": {"3": "x"}}).encode(),
    "added_tokens.json": json.dumps({"d": 3}).encode(),
    "model.safetensors.index.json": json.dumps(INDEX).encode(),
    "a.safetensors": save({"model.embed_tokens.weight": torch.ones(4, 3)}),
    "token_counts.npy": FILES["x.npy"],
}


@pytest.mark.parametrize("name", FOLDER)
@QUICK
@given(mutations=MUTATIONS)
def test_mutated_files_of_a_model_folder(name: str, mutations: list[tuple[str, float, bytes]]) -> None:
    folder_with(name, mutate(FOLDER[name], mutations))


def folder_with(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        folder.mkdir()
        for other, original in FOLDER.items():
            if other != "token_counts.npy" or name == other:
                (folder / other).write_bytes(content if other == name else original)
        before = sorted(Path(place).rglob("*"))
        read_place(folder, str(folder))
        assert sorted(Path(place).rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "content"), [("vocab.txt", b"a\nb\n\xff\n"), ("tokenizer.model", b"\x0a\x05\x0a\x01a\x18\x01")]
)
@QUICK
@given(mutations=MUTATIONS)
def test_mutated_vocabularies(name: str, content: bytes, mutations: list[tuple[str, float, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for other in ("config.json", "a.safetensors"):
            (folder / other).write_bytes(FOLDER[other])
        (folder / name).write_bytes(mutate(content, mutations))
        read_place(folder, place)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "I8", "F4", "F7"]) | VALUES,
        "shape": st.lists(st.integers(-2, 2**63), max_size=4) | VALUES,
        "data_offsets": st.lists(st.integers(-2, 2**64), min_size=2, max_size=2) | VALUES,
    },
)


@QUICK
@given(
    changes=st.dictionaries(st.sampled_from(["a", "b", "c", "__metadata__"]), ENTRIES | VALUES, max_size=3),
    length=st.none() | st.integers(0, 2**64 - 1),
    data=st.binary(max_size=80),
)
def test_headers_with_any_content(changes: dict[str, object], length: int | None, data: bytes) -> None:
    text = json.dumps({**HEADER, **changes}).encode()
    read("x.safetensors", struct.pack("<Q", len(text) if length is None else length) + text + (data or bytes(56)))


@QUICK
@given(
    name=st.sampled_from(["config.json", "tokenizer.json", "model.safetensors.index.json", "added_tokens.json"]),
    change=st.dictionaries(
        st.sampled_from([*CONFIG, *MORE_KEYS]),
        VALUES | st.just({"a.safetensors": "a.safetensors"}) | st.just({"model.embed_tokens.weight": "../a"}),
        min_size=1,
        max_size=3,
    ),
)
def test_json_of_any_content(name: str, change: dict[str, object]) -> None:
    folder_with(name, json.dumps({**json.loads(FOLDER[name]), **change}).encode())
