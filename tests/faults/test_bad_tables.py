"""Bad input to the tables room: one clear paragraph as a TheodoliteError, quickly and in bounded memory."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from theodolite.core.errors import (
    FormatError,
    NotFoundError,
    ParameterError,
    ReferenceSyntaxError,
    TheodoliteError,
    UnsafeFileError,
)
from theodolite.tables import describe, load_table

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small model folder that is in order."""
    folder = tmp_path / "model"
    folder.mkdir()
    write_model(folder)
    return folder


def write_model(folder: Path, **config: Any) -> None:
    values = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 6, "hidden_size": 4}
    values |= {"num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 8, "num_hidden_layers": 1}
    (folder / "config.json").write_text(json.dumps({**values, "tie_word_embeddings": True, **config}))
    save_file(
        {
            "model.embed_tokens.weight": torch.arange(24.0).reshape(6, 4),
            "model.layers.0.mlp.up_proj.weight": torch.zeros(8, 4),
            "model.norm.weight": torch.ones(4),
        },
        folder / "model.safetensors",
    )


def raw_safetensors(path: Path, header: Any, data: bytes = b"", *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def one(dtype: str = "F32", shape: Any = (2, 2), offsets: Any = (0, 16)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


# --- safetensors -----------------------------------------------------------------------------------------------------

HEADERS: dict[str, tuple[Any, bytes, int | None, str]] = {
    "header of 100 GB": (b"{}", b"", 100_000_000_000, "claims a header of 100000000000 bytes, but the file has 10"),
    "header of 2**64 - 1": (b"{}", b"", 2**64 - 1, "claims a header of 18446744073709551615 bytes"),
    "not JSON": (b"{nope", b"", None, "header of .* is not readable"),
    "not UTF-8": (b'{"\xff": 1}', b"", None, "header of .* is not readable"),
    "deep nesting": (b"[" * 100_000, b"", None, "header of .* is not readable"),
    "a list": ([], b"", None, "is a list, not a list of named tensors"),
    "a name twice": (b'{"a": {}, "a": {}}', b"", None, "a name occurs twice"),
    "entry is a number": ({"a": 1}, b"", None, "dtype, shape and data_offsets are needed"),
    "entry without offsets": ({"a": {"dtype": "F32", "shape": [1]}}, b"", None, "data_offsets are needed"),
    "unknown dtype": ({"a": one("F7")}, bytes(16), None, "dtype is 'F7', which is not one of"),
    "dtype is a list": ({"a": one([])}, bytes(16), None, r"dtype is \[\], which is not one of"),
    "negative shape": ({"a": one(shape=[-2, -2])}, bytes(16), None, "are no sizes"),
    "shape of floats": ({"a": one(shape=[2.0, 2])}, bytes(16), None, "are no sizes"),
    "shape of booleans": ({"a": one(shape=[True, 4])}, bytes(16), None, "are no sizes"),
    "huge shape": ({"a": one(shape=[2**62, 2**62])}, bytes(16), None, "needs .* bytes, but .* give 16"),
    "three offsets": ({"a": one(offsets=[0, 8, 16])}, bytes(16), None, "are no sizes"),
    "offsets reversed": ({"a": one(offsets=[16, 0])}, bytes(16), None, "give -16"),
    "shape does not match bytes": ({"a": one(shape=[3, 2])}, bytes(16), None, "needs 24 bytes, but .* give 16"),
    "beyond the file": ({"a": one()}, bytes(8), None, "describes 16 bytes of tensors, but 8 follow it"),
    "overlap": ({"a": one(), "b": one(offsets=[8, 24])}, bytes(24), None, "'b' at byte 8 overlaps the tensor before"),
    "gap": ({"a": one(), "b": one(offsets=[24, 40])}, bytes(40), None, "'b' at byte 24 leaves a gap before it"),
    "bytes left over": ({"a": one()}, bytes(24), None, "describes 16 bytes of tensors, but 24 follow it"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_lying_safetensors_header(case: str, tmp_path: Path) -> None:
    header, data, length, match = HEADERS[case]
    path = raw_safetensors(tmp_path / "x.safetensors", header, data, length=length)
    for act in (load_table, describe):
        with pytest.raises(FormatError, match=match):
            act(path)


@pytest.mark.parametrize(("keep", "match"), [(0, "is empty: 0 bytes"), (5, "is truncated: 5 bytes")])
def test_safetensors_without_a_header(keep: int, match: str, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(bytes(keep))
    with pytest.raises(FormatError, match=match):
        load_table(tmp_path / "x.safetensors")


def test_truncated_safetensors(model: Path) -> None:
    path = model / "model.safetensors"
    whole = path.read_bytes()
    for keep in range(0, len(whole), 7):
        path.write_bytes(whole[:keep])
        with pytest.raises(FormatError, match=r"truncated|empty"):
            load_table(model)


def test_header_that_is_too_long_although_the_file_is_longer(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 200_000_000))
        file.truncate(1_000_000_000)
    with pytest.raises(FormatError, match=r"claims a header of 200000000 bytes"):
        load_table(path)


# --- which tensor ----------------------------------------------------------------------------------------------------


def test_unknown_tensor_with_a_suggestion(model: Path) -> None:
    with pytest.raises(NotFoundError, match=r"Did you mean model\.embed_tokens\.weight"):
        load_table(f"{model}#model.embed_token.weight")


def test_unknown_tensor_that_resembles_nothing(model: Path) -> None:
    with pytest.raises(
        NotFoundError, match=r"no tensor 'zzz' .* could be meant: .*embed_tokens\.weight \(6 x 4, float32\)"
    ):
        load_table(f"{model}#zzz")


def test_tensor_with_one_axis(model: Path) -> None:
    with pytest.raises(FormatError, match=r"has 1 axis, but a table needs 2"):
        load_table(f"{model}#model.norm.weight")


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.float8_e4m3fn, torch.bool])
def test_quantized_tensor_is_refused_by_name(dtype: torch.dtype, tmp_path: Path) -> None:
    save_file({"w": torch.zeros(4, 4).to(dtype)}, tmp_path / "x.safetensors")
    with pytest.raises(FormatError, match=f"w .4 x 4, {str(dtype)[6:]}. .* quantized"):
        load_table(f"{tmp_path}/x.safetensors#w")


def test_tensor_without_rows(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(0, 4)}, tmp_path / "x.safetensors")
    with pytest.raises(FormatError, match=r"w \(0 x 4, float32\) .* is empty"):
        load_table(f"{tmp_path}/x.safetensors#w")


def test_several_matrices_and_nothing_that_says_which(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(5, 2), "b": torch.zeros(4, 2)}, tmp_path / "x.safetensors")
    with pytest.raises(
        FormatError, match=r"Nothing says which .* a \(5 x 2, float32\), b \(4 x 2.* Choose one with #a"
    ):
        load_table(tmp_path / "x.safetensors")
    with pytest.raises(FormatError, match=r"which tensor of .* is the output embedding"):
        load_table(tmp_path / "x.safetensors", which="output")


def test_no_matrix_at_all(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(5)}, tmp_path / "x.safetensors")
    with pytest.raises(FormatError, match=r"holds no matrix of floating-point numbers"):
        load_table(tmp_path / "x.safetensors")


def test_which_contradicts_the_selector(model: Path) -> None:
    with pytest.raises(ParameterError, match=r"which='output' contradicts .* already names 'input'"):
        load_table(f"{model}#input", which="output")


def test_rows_that_need_a_tokenizer(model: Path) -> None:
    with pytest.raises(ParameterError, match='rows="trimmed" needs the tokenizer'):
        load_table(model, rows="trimmed")
    with pytest.raises(ParameterError, match=r"rows='most' is not known"):
        load_table(model, rows="most")  # type: ignore[arg-type]


# --- model folders ---------------------------------------------------------------------------------------------------


def test_missing_path_with_a_suggestion(model: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no file or folder .*modle.* Did you mean .*model\?"):
        load_table(str(model.parent / "modle"))
    with pytest.raises(NotFoundError, match=r"Check the path"):
        load_table("/nowhere/at/all")


def test_folder_without_config(model: Path) -> None:
    (model / "config.json").unlink()
    with pytest.raises(NotFoundError, match=r"has no config\.json, so nothing says which tensor"):
        load_table(model)
    assert load_table(f"{model}#model.embed_tokens.weight").n_tokens == 6


def test_folder_without_weights(model: Path) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"holds no weights"):
        load_table(model)


def test_folder_with_several_files_and_no_index(model: Path) -> None:
    for name in ("a", "b"):
        (model / f"{name}.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    (model / "model.safetensors").unlink()
    with pytest.raises(NotFoundError, match=r"holds 2 weight files \(a.safetensors, b.safetensors\) and no index"):
        load_table(model)


CONFIGS = {
    "not JSON": (b"{", r"config\.json is not readable as JSON"),
    "not UTF-8": (b"\xff\xff", r"config\.json is not readable as JSON"),
    "a list": (b"[]", "holds a JSON list, but an object is needed"),
    "deep": (b'{"a":' * 50_000, r"config\.json is not readable as JSON"),
    "empty": (b"", r"config\.json is not readable as JSON"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_config_that_is_no_json_object(case: str, model: Path) -> None:
    content, match = CONFIGS[case]
    (model / "config.json").write_bytes(content)
    with pytest.raises(FormatError, match=match):
        load_table(model)


def test_config_of_a_gigabyte(model: Path) -> None:
    os.truncate(model / "config.json", 1 << 30)
    with pytest.raises(FormatError, match=r"has 1073741824 bytes; a config\.json has at most"):
        load_table(model)


ODD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown type": ({"model_type": "nonesuch"}, "does not know the model type 'nonesuch'"),
    "no type": ({"model_type": None}, "does not know the model type None"),
    "type is a list": ({"model_type": ["llama"]}, "does not know the model type"),
    "vocabulary too large": ({"vocab_size": 7}, "should be the input embedding, but config.json gives .* 7 entries"),
    "a million layers": ({"model_type": "starcoder2", "num_hidden_layers": 1_000_000}, "claims 1000000 layers"),
    "code in the folder": ({"model_type": "mine", "auto_map": {"AutoModel": "x.Y"}}, "is never run"),
    "another architecture": (
        {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_head": 2},
        "does not hold the input embedding of a GPT2LMHeadModel, which transformers calls .*wte.weight",
    ),
}


@pytest.mark.parametrize("case", ODD_CONFIGS)
def test_config_that_does_not_fit(case: str, model: Path) -> None:
    config, match = ODD_CONFIGS[case]
    write_model(model, **config)
    (model / "x.py").write_text("raise SystemExit('code of the folder was run')")
    with pytest.raises(FormatError, match=match) as caught:
        load_table(model)
    assert "#model.embed_tokens.weight" in str(caught.value) or "#tensor" in str(caught.value)
    assert describe(model).notes


def test_untied_head_that_is_missing(model: Path) -> None:
    write_model(model, tie_word_embeddings=False)
    assert load_table(model).n_tokens == 6
    with pytest.raises(
        NotFoundError, match=r"no output embedding: the tensor lm_head\.weight .* is not in the checkpoint"
    ):
        load_table(model, which="output")


def test_model_without_a_head(model: Path) -> None:
    write_model(model, architectures=["LlamaModel"])
    with pytest.raises(NotFoundError, match=r"no output embedding: its class LlamaModel ends without a head"):
        load_table(model, which="output")


# --- shards ----------------------------------------------------------------------------------------------------------


def shard(model: Path, weight_map: Any) -> None:
    (model / "model.safetensors").rename(model / "part.safetensors")
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.mark.parametrize("name", ["../part.safetensors", "/etc/passwd", "a/b.safetensors", "..", "a\\b", "a\x00b", ""])
def test_shard_names_that_lead_out_of_the_folder(name: str, model: Path) -> None:
    shard(model, {"model.embed_tokens.weight": name})
    with pytest.raises(UnsafeFileError, match=r"not a plain file name inside the folder"):
        load_table(model)


def test_missing_shard(model: Path) -> None:
    shard(model, {"model.embed_tokens.weight": "part-00002.safetensors"})
    with pytest.raises(NotFoundError, match=r"shard part-00002\.safetensors is missing"):
        load_table(model)


def test_shard_that_does_not_hold_the_tensor(model: Path) -> None:
    shard(model, {"model.embed_tokens.weight": "part.safetensors", "lm_head.weight": "part.safetensors"})
    with pytest.raises(FormatError, match=r"says that 'lm_head\.weight' is in part\.safetensors, but it is not there"):
        load_table(f"{model}#lm_head.weight")


@pytest.mark.parametrize("weight_map", [None, [], {}, {"a": 1}])
def test_index_without_a_map(weight_map: Any, model: Path) -> None:
    shard(model, weight_map)
    with pytest.raises(FormatError, match='has no "weight_map"'):
        load_table(model)


# --- pickles ---------------------------------------------------------------------------------------------------------


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("form", ["zip", "old", "pickle", "newer pickle"])
def test_pickle_with_code(form: str, tmp_path: Path) -> None:
    path, mark = tmp_path / "x.bin", tmp_path / "code-was-run"
    content = {"w": torch.zeros(3, 2), "x": Evil(mark)}
    if form.endswith("pickle"):
        path.write_bytes(pickle.dumps(content, protocol=4 if form == "newer pickle" else 2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    for act in (load_table, describe):
        with pytest.raises(
            UnsafeFileError, match=r"without running code .* asks for |torch.save did not write .* could run code"
        ):
            act(f"{path}#w")
    assert not mark.exists()


def test_pickle_of_a_whole_module(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3), tmp_path / "x.pt")
    with pytest.raises(UnsafeFileError, match=r"asks for torch\.nn\.modules\.linear\.Linear.*save_file"):
        load_table(tmp_path / "x.pt")


def test_old_file_without_code_is_read(tmp_path: Path) -> None:
    torch.save({"w": torch.eye(3)}, tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(load_table(tmp_path / "x.pt").points, torch.eye(3))


def test_truncated_torch_files(tmp_path: Path) -> None:
    for zipped in (True, False):
        path = tmp_path / f"{zipped}.pt"
        torch.save({"w": torch.ones(50, 50)}, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        for keep in range(0, len(whole), len(whole) // 40):
            path.write_bytes(whole[:keep])
            with pytest.raises(FormatError, match=r"truncated|damaged|empty"):
                load_table(f"{path}#w")


def test_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(UnsafeFileError, match=r"compressed member 'archive/data.pkl' .* unpack to 10000000"):
        load_table(path)


def test_zip_whose_directory_lies(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    torch.save({"w": torch.ones(5, 5)}, path)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 20 : at + 28] = struct.pack("<II", 2_000_000_000, 2_000_000_000)
    path.write_bytes(bytes(data))
    with pytest.raises(UnsafeFileError, match=r"claims a member .* of 2000000000 bytes in a file of"):
        load_table(path)


def test_zip_that_is_no_torch_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.bin", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(FormatError, match=r"not one that torch\.save wrote: it has no data\.pkl"):
        load_table(tmp_path / "x.bin")


def test_torch_file_without_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "x.pt")
    with pytest.raises(FormatError, match=r"holds no tensors but a dict"):
        load_table(tmp_path / "x.pt")


@pytest.mark.parametrize("content", [b"hello world", b"\x80\x02", b"\x80\x05.", bytes(100), b"GGUF" * 20])
def test_not_a_torch_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(FormatError, match=r"damaged|no torch file"):
        load_table(tmp_path / "x.bin")


# --- npy and others --------------------------------------------------------------------------------------------------


def test_npy_with_objects(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[{}, 1]], dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match=r"holds Python objects"):
        load_table(tmp_path / "x.npy")


def test_truncated_npy(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((20, 20)))
    for keep in (0, 3, 7, 40, 128, 500):
        (tmp_path / "x.npy").write_bytes(buffer.getvalue()[:keep])
        with pytest.raises(FormatError, match=r"no .npy file|truncated or damaged"):
            load_table(tmp_path / "x.npy")


def test_npy_header_that_claims_terabytes(tmp_path: Path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(FormatError, match=r"truncated or damaged"):
        load_table(tmp_path / "x.npy")


@pytest.mark.parametrize("shape", [(8,), (2, 2, 2)])
def test_npy_that_is_no_matrix(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones(shape))
    with pytest.raises(FormatError, match=rf"has {len(shape)} ax[ei]s, but a table needs 2"):
        load_table(tmp_path / "x.npy")


@pytest.mark.parametrize("dtype", ["i4", "u1", "c8", "?", "S3", "M8[s]"])
def test_npy_of_another_kind(dtype: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 2), dtype=dtype))
    with pytest.raises(FormatError, match=r"not stored as floating-point numbers"):
        load_table(tmp_path / "x.npy")


@pytest.mark.parametrize("name", ["glove.txt", "model.gguf", "weights"])
def test_format_that_is_not_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"hello")
    with pytest.raises(FormatError, match=r"none of the formats that are read|no GGUF file"):
        load_table(str(tmp_path / name))


# --- tokenizer and counts --------------------------------------------------------------------------------------------

TOKENIZERS: dict[str, tuple[Any, str]] = {
    "not JSON": (b"nope", r"tokenizer\.json is not readable as JSON"),
    "no model": ({}, 'has no "model"'),
    "no vocab": ({"model": {}}, 'has no "vocab"'),
    "id is a text": ({"model": {"vocab": {"a": "1"}}}, "gives the token 'a' the id '1'"),
    "negative id": ({"model": {"vocab": {"a": -1}}}, "the id -1, outside 0 to"),
    "huge id": ({"model": {"vocab": {"a": 10**15}}}, "the id 1000000000000000, outside 0 to"),
    "huge added id": (
        {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 10**15, "content": "b"}]},
        "the id 1000000000000000, outside 0 to",
    ),
}


@pytest.mark.parametrize("case", TOKENIZERS)
def test_damaged_tokenizer(case: str, model: Path) -> None:
    content, match = TOKENIZERS[case]
    (model / "tokenizer.json").write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(FormatError, match=match):
        load_table(model)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "holds no pieces"),
        (b"\x0a\xff", "no SentencePiece model or is truncated"),
        (b"\x0a\x05ab", "no SentencePiece model or is truncated"),
        (b"\xff" * 20, "no SentencePiece model or is truncated"),
        (b"\x0b", "no SentencePiece model or is truncated"),
    ],
)
def test_damaged_sentencepiece_model(content: bytes, match: str, model: Path) -> None:
    (model / "tokenizer.model").write_bytes(content)
    with pytest.raises(FormatError, match=match):
        load_table(model)


@pytest.mark.parametrize("name", ["vocab.txt", "tokenizer.model"])
def test_tokenizer_file_of_a_gigabyte(name: str, model: Path) -> None:
    with (model / name).open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(FormatError, match=r"has 1073741824 bytes, too many"):
        load_table(model)


@pytest.mark.parametrize(
    ("counts", "match"),
    [
        (np.ones((2, 3), int), "should hold one count for each of 6 tokens"),
        (np.ones(7, int), "should hold one count for each of 6 tokens"),
        (np.ones(6), "should hold one count for each of 6 tokens"),
        (-np.ones(6, int), "should hold one count for each of 6 tokens"),
        (b"nope", "is damaged"),
    ],
)
def test_damaged_counts(counts: Any, match: str, model: Path) -> None:
    (model / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0}}}))
    if isinstance(counts, bytes):
        (model / "token_counts.npy").write_bytes(counts)
    else:
        np.save(model / "token_counts.npy", counts)
    with pytest.raises(FormatError, match=match):
        load_table(model)


# --- references ------------------------------------------------------------------------------------------------------

REFERENCES = {
    "": "reference is empty",
    "   ": "reference is empty",
    "model#": "ends its selector before it begins",
    "model@": "ends its revision before it begins",
    "model@#input": "ends its revision before it begins",
    "#input": "has no location",
    "@step1": "has no location",
    "bundled:": "names nothing after bundled:",
    "https://huggingface.co/gpt2": "has the scheme 'https', which is not known",
    "s3:bucket": "has the scheme 's3', which is not known",
    "hub:a/b/c": "is not the name of a Hub repository",
    "hub:../x": "is not the name of a Hub repository",
    "bundled:../x": "is not the name of a bundled model",
    "a\x00b": "holds control characters",
    "model#a\nb": "holds control characters",
}


@pytest.mark.parametrize("text", REFERENCES)
def test_reference_that_does_not_follow_the_grammar(text: str) -> None:
    with pytest.raises(ReferenceSyntaxError, match=REFERENCES[text]):
        load_table(text)


@pytest.mark.parametrize("revision", ["../other", "a/b", "..", "."])
def test_revision_of_a_folder_that_is_a_path(revision: str, model: Path) -> None:
    with pytest.raises(ReferenceSyntaxError, match=r"is a path"):
        load_table(f"{model}@{revision}")


def test_revision_of_a_file(model: Path) -> None:
    with pytest.raises(ReferenceSyntaxError, match=r"is a file and has no revisions"):
        load_table(f"{model}/model.safetensors@step1")


def test_revision_that_is_not_there(model: Path) -> None:
    (model / "checkpoint-5").mkdir()
    with pytest.raises(
        NotFoundError, match=r"no revision 'step512': looked for step512, .*Checkpoints inside: checkpoint-5\."
    ):
        load_table(f"{model}@step512")


def test_a_name_that_is_no_path_is_looked_for_on_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("THEODOLITE_CACHE", str(tmp_path))
    with pytest.raises(
        NotFoundError, match=r"Offline mode is on \(HF_HUB_OFFLINE\), and hub:no/such-model cannot be read"
    ):
        describe("no/such-model")


def test_every_error_is_one_paragraph(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for text in ("", "no/such-model", f"{model}#zzz", f"{model}@x", f"{model}#model.norm.weight"):
        with pytest.raises(TheodoliteError, match=r".+") as caught:
            load_table(text)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 1200
