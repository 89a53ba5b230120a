"""GGUF files as the gguf library writes them: numbers, tokens, tying, and headers that lie."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFReader, GGUFWriter, quants

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.tables import describe, load_table
from theodolite.tables.gguf_header import read_gguf_header

ROWS, DIMS = 12, 256
VALUES = np.random.default_rng(0).normal(size=(ROWS, DIMS)).astype(np.float32)
TOKENS = [b"<unk>", b"<s>", b"<0x0A>", "▁dog".encode(), b"ing", b"<|user|>", "▁日本".encode(), b"\xff", b"a", b"b"]
KINDS = [2, 3, 6, 1, 1, 4, 1, 1, 5, 1]
QUANTISED = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "TQ1_0", "TQ2_0", "MXFP4")
ONLY_READ = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "IQ2_XXS", "IQ3_S", "IQ1_M")


def write(
    path: Path,
    kind: str = "F32",
    *,
    architecture: str = "llama",
    output: bool = True,
    tokens: str | None = "llama",
    more: Callable[[GGUFWriter], None] | None = None,
) -> Path:
    writer = GGUFWriter(path, architecture)
    writer.add_embedding_length(DIMS)
    writer.add_vocab_size(ROWS - 2)
    if tokens is not None:
        writer.add_tokenizer_model(tokens)
        writer.add_token_list(TOKENS)
        writer.add_token_types(KINDS)
        writer.add_token_scores([0.5] * len(TOKENS))
        writer.add_token_merges(["a b"] * 100)
    if more is not None:
        more(writer)
    add(writer, "blk.0.ffn_up.weight", np.zeros((32, DIMS), np.float32), "F16")
    add(writer, "token_embd.weight", VALUES, kind)
    if output:
        add(writer, "output.weight", -VALUES, "F32")
    add(writer, "output_norm.weight", np.ones(DIMS, np.float32), "F32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add(writer: GGUFWriter, name: str, values: np.ndarray, kind: str) -> None:
    if kind in ("F32", "F16", "F64"):
        writer.add_tensor(name, values.astype({"F32": "f4", "F16": "f2", "F64": "f8"}[kind]))
    elif kind in ONLY_READ:  # the library reads these but does not write them: any bytes are some numbers
        n_bytes = values.size // 256 * (8 if kind == "IQ4_NL" else 1)
        from gguf import GGML_QUANT_SIZES  # noqa: PLC0415

        block = GGML_QUANT_SIZES[Kind[kind]][1]
        data = np.random.default_rng(1).integers(
            0, 60, size=(len(values), n_bytes * block // len(values)), dtype=np.uint8
        )
        writer.add_tensor(name, data, raw_dtype=Kind[kind])
    else:
        writer.add_tensor(name, quants.quantize(values, Kind[kind]), raw_dtype=Kind[kind])


def as_library(path: Path, name: str) -> np.ndarray:
    """Read and dequantize a whole tensor with the gguf library's own reader."""
    tensor = next(one for one in GGUFReader(path).tensors if one.name == name)
    with np.errstate(all="ignore"):
        return np.array(quants.dequantize(np.array(tensor.data), tensor.tensor_type))


@pytest.mark.parametrize("kind", ["F32", "F16", "F64", "BF16", *QUANTISED, *ONLY_READ])
def test_numbers_are_those_of_the_library(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf", kind)
    table = load_table(path)
    assert table.points.shape == (ROWS, DIMS)
    stored = {"F32": torch.float32, "F16": torch.float16, "F64": torch.float64, "BF16": torch.bfloat16}
    assert table.points.dtype == stored.get(kind, torch.float32)
    if kind in stored:
        assert torch.equal(table.points, torch.from_numpy(VALUES).to(stored[kind]))
    else:
        np.testing.assert_array_equal(table.points.numpy(), as_library(path, "token_embd.weight"))
    if kind in QUANTISED and kind[0] == "Q":
        error = (table.points - torch.from_numpy(VALUES)).abs().max()
        assert error < {"4": 0.5, "5": 0.25, "8": 0.03}[kind[1]]
    assert table.provenance["format"] == "gguf"
    assert (table.provenance["dtype"] == kind) == (kind not in stored)


def test_every_type_the_library_dequantizes_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    from gguf import GGML_QUANT_SIZES  # noqa: PLC0415

    refused = []
    for kind, (n_numbers, n_bytes) in GGML_QUANT_SIZES.items():
        writer = GGUFWriter(tmp_path / f"{kind.name}.gguf", "llama")
        data = np.zeros((2, 256 // n_numbers * n_bytes), dtype=np.uint8)
        writer.add_tensor("token_embd.weight", data, raw_dtype=kind, raw_shape=data.shape)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        try:
            assert load_table(tmp_path / f"{kind.name}.gguf").points.shape == (2, 256)
        except FormatError as error:
            assert kind.name in str(error) or kind.name.lower().replace("i", "int") in str(error)  # noqa: PT017
            refused.append(kind.name)
    assert set(refused) == {"Q8_1", "Q8_K", "Q1_0", "I8", "I16", "I32", "I64"}


def test_output_tied_and_untied(tmp_path: Path) -> None:
    untied = write(tmp_path / "untied.gguf")
    assert torch.equal(load_table(f"{untied}#output").points, torch.from_numpy(-VALUES))
    assert load_table(untied).tied is False
    tied = write(tmp_path / "tied.gguf", output=False)
    table = load_table(f"{tied}#unembedding")
    assert (table.tied, table.which, table.provenance["tensor"]) == (True, "output", "token_embd.weight")
    assert torch.equal(table.points, torch.from_numpy(VALUES))


def test_model_without_a_head(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gguf", architecture="nomic-bert", output=False, tokens="bert")
    assert load_table(path).tied is False
    with pytest.raises(NotFoundError, match=r"no output embedding: a model of the kind nomic-bert ends without a head"):
        load_table(f"{path}#output")


def test_tokens_of_sentencepiece(tmp_path: Path) -> None:
    table = load_table(write(tmp_path / "x.gguf"))
    assert table.tokens == (
        "<unk>", "<s>", "\\n", " dog", "ing", "<|user|>", " 日本", "\\xff", "a", "b", "[row 10]", "[row 11]",
    )  # fmt: skip
    assert table.special_ids == {0, 1, 8}, "unknown, control and unused"
    trimmed = table.select("trimmed")
    assert trimmed.left_out == {"beyond_tokenizer": 2, "special": 3}
    assert table.provenance["tokenizer"] == str(tmp_path / "x.gguf")


def test_tokens_of_byte_level_bpe(tmp_path: Path) -> None:
    def tokens(writer: GGUFWriter) -> None:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_list(["Ġdog", "Ċ", "é", "Ã", "<|im_start|>", "Ġâ", "x", "y"])
        writer.add_token_types([1, 1, 1, 1, 4, 1, 1, 1])

    table = load_table(write(tmp_path / "x.gguf", tokens=None, more=tokens))
    assert table.tokens is not None
    assert table.tokens[:8] == (" dog", "\\n", "\\xe9", "\\xc3", "<|im_start|>", " \\xe2", "x", "y")


def test_file_without_tokens(tmp_path: Path) -> None:
    table = load_table(write(tmp_path / "x.gguf", tokens=None))
    assert (table.tokens, table.n_vocabulary) == (None, None)


def test_its_own_words_win_over_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "vocab_size": 99999}')
    (tmp_path / "vocab.txt").write_text("x\ny\n")
    table = load_table(write(tmp_path / "x.gguf"))
    assert table.n_vocabulary == len(TOKENS)
    assert table.provenance["model_type"] == "llama"


def test_gemma_scales_its_embedding(tmp_path: Path) -> None:
    assert load_table(write(tmp_path / "x.gguf", architecture="gemma2")).provenance["embedding_scale"] == DIMS**0.5
    assert load_table(write(tmp_path / "y.gguf")).provenance["embedding_scale"] == 1
    granite = write(tmp_path / "z.gguf", architecture="granite", more=lambda writer: writer.add_embedding_scale(12.0))
    assert load_table(granite).provenance["embedding_scale"] == 12


def test_inspection(tmp_path: Path) -> None:
    found = describe(write(tmp_path / "x.gguf", "Q8_0"))
    assert (found.format, found.model_type, found.input, found.output) == (
        "gguf", "llama", "token_embd.weight", "output.weight",
    )  # fmt: skip
    shown = {one.name: (one.shape, one.dtype, one.n_bytes, one.role) for one in found.tensors}
    assert shown["token_embd.weight"] == ((ROWS, DIMS), "Q8_0", ROWS * DIMS // 32 * 34, "input")
    assert shown["blk.0.ffn_up.weight"] == ((32, DIMS), "float16", 32 * DIMS * 2, "")
    assert (found.n_bytes_read, found.n_vocabulary, found.n_padded, found.tied) == (3264, 10, 2, False)
    assert found.special_tokens == {0: "<unk>", 1: "<s>", 8: "a"}


def test_any_tensor_by_name(tmp_path: Path) -> None:
    table = load_table(f"{write(tmp_path / 'x.gguf')}#blk.0.ffn_up.weight")
    assert (table.points.shape, table.tokens) == ((32, DIMS), None)
    with pytest.raises(FormatError, match="has 1 axis, but a table needs 2"):
        load_table(f"{tmp_path}/x.gguf#output_norm.weight")


def test_found_by_content(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gguf").rename(tmp_path / "model.bin")
    assert load_table(path).provenance["format"] == "gguf"


def test_header_is_what_the_library_reads(tmp_path: Path) -> None:
    def everything(writer: GGUFWriter) -> None:
        for kind, value in {
            "uint8": 200,
            "int8": -5,
            "uint16": 60000,
            "int16": -9,
            "uint32": 1 << 31,
            "int32": -7,
        }.items():
            getattr(writer, f"add_{kind}")(f"x.{kind}", value)
        writer.add_uint64("x.uint64", 1 << 63)
        writer.add_int64("x.int64", -(1 << 62))
        writer.add_float32("x.float32", 0.5)
        writer.add_float64("x.float64", 0.1)
        writer.add_bool("x.bool", val=True)
        writer.add_array("x.array", [1.5, 2.5])
        writer.add_array("x.flags", [True, False])

    path = write(tmp_path / "x.gguf", more=everything)
    ours = read_gguf_header(path)
    library = GGUFReader(path)
    for key, field in library.fields.items():
        if key.startswith("GGUF."):
            continue
        wanted = None if key.endswith(("tokens", "model")) else field.contents()
        value = ours.metadata[key]
        if key == "tokenizer.ggml.tokens":
            assert value == TOKENS
        elif isinstance(value, bytes):
            assert wanted in (None, value.decode())
        elif isinstance(value, list):
            assert [one.decode() for one in value] == wanted
        else:
            assert (value.tolist() if isinstance(value, np.ndarray) else value) == wanted, key
    for tensor, other in zip(ours.tensors, library.tensors, strict=True):
        assert (tensor.name, tensor.begin) == (other.name, other.data_offset)
        assert list(tensor.shape) == other.shape.tolist()[::-1]


# --- headers that lie ------------------------------------------------------------------------------------------------


def raw(*parts: bytes, version: int = 3, n_tensors: int = 1, n_values: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_values) + b"".join(parts)


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def tensor(
    name: bytes = b"token_embd.weight", shape: tuple[int, ...] = (4, 2), kind: int = 0, offset: int = 0
) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


DATA = bytes(200)
LIES = {
    "empty": (b"", "truncated or damaged"),
    "no GGUF": (b"GGUX" + bytes(40), "does not begin with GGUF"),
    "version 1": (raw(version=1), "of version 1, or damaged"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "a billion tensors": (raw(n_tensors=10**9), "1000000000 values are claimed"),
    "2**63 values": (raw(DATA, n_values=1 << 63), "9223372036854775808 values are claimed"),
    "long key": (raw(struct.pack("<Q", 1 << 40), DATA, n_values=1), "1099511627776 values are claimed"),
    "array of 2**60": (raw(text(b"k") + struct.pack("<IIQ", 9, 4, 1 << 60), DATA, n_values=1), "values are claimed"),
    "array of arrays": (raw(text(b"k") + struct.pack("<IIQ", 9, 9, 1), DATA, n_values=1), "an array of kind 9"),
    "unknown kind": (raw(text(b"k") + struct.pack("<I", 77), DATA, n_values=1), "unknown kind 77"),
    "key twice": (raw((text(b"k") + struct.pack("<IB", 0, 1)) * 2, DATA, n_values=2), "the key 'k' occurs twice"),
    "alignment 0": (
        raw(text(b"general.alignment") + struct.pack("<II", 4, 0), tensor(), DATA, n_values=1),
        "alignment 0 is no power of two",
    ),
    "alignment text": (
        raw(text(b"general.alignment") + struct.pack("<I", 8) + text(b"32"), tensor(), DATA, n_values=1),
        "alignment b'32' is no power of two",
    ),
    "tensor twice": (raw(tensor(), tensor(), DATA, n_tensors=2), "a tensor occurs twice"),
    "five axes": (raw(tensor(shape=(1, 1, 1, 1, 1)), DATA), "has 5 axes"),
    "unknown type": (raw(tensor(kind=999), DATA), "does not know its type 999"),
    "removed type": (raw(tensor(kind=4), DATA), "does not know its type 4"),
    "beyond the file": (raw(tensor(offset=1 << 40), DATA), "truncated or damaged: the tensor 'token_embd.weight' ends"),
    "100 GB": (raw(tensor(shape=(250_000, 100_000)), DATA), "ends at byte 100000000096, but the file has"),
    "half a block": (raw(tensor(shape=(33, 2), kind=8), DATA), r"shape \(2, 33\) does not divide into blocks of 32"),
    "no embedding": (raw(tensor(name=b"a"), DATA), "has no token_embd.weight, the input embedding of a GGUF model"),
    "no rows": (raw(tensor(shape=(4, 0)), DATA), "is empty"),
}


@pytest.mark.parametrize("case", LIES)
def test_lying_header(case: str, tmp_path: Path) -> None:
    data, match = LIES[case]
    (tmp_path / "x.gguf").write_bytes(data)
    with pytest.raises(FormatError, match=match):
        load_table(tmp_path / "x.gguf")


def test_truncated_anywhere(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.gguf").read_bytes()
    for keep in range(0, len(whole) - DIMS * 4, 97):
        (tmp_path / "x.gguf").write_bytes(whole[:keep])
        with pytest.raises(FormatError, match=r"truncated|damaged"):
            load_table(tmp_path / "x.gguf")


def test_fewer_rows_than_tokens(tmp_path: Path) -> None:
    path = write(tmp_path / "x.gguf", more=lambda writer: writer.add_uint32("llama.rows", 3))
    data = path.read_bytes().replace(struct.pack("<I", ROWS - 2), struct.pack("<I", ROWS + 1), 1)
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"gives the vocabulary 13 entries"):
        load_table(path)


def test_final_norm_and_factors(tmp_path: Path) -> None:
    rms = write(tmp_path / "a.gguf", more=lambda writer: writer.add_layer_norm_rms_eps(1e-5))
    norm = load_table(rms).provenance["final_norm"]
    assert norm == {"kind": "RMSNorm", "weight": "output_norm.weight", "bias": None, "offset": 0.0}

    def granite(writer: GGUFWriter) -> None:
        writer.add_layer_norm_eps(1e-5)
        writer.add_logit_scale(8.0)

    table = load_table(write(tmp_path / "b.gguf", architecture="granite", more=granite))
    assert table.provenance["final_norm"]["kind"] == "LayerNorm"
    assert table.provenance["logit_scale"] == 1 / 8, "llama.cpp divides by it, as transformers does by logits_scaling"
    cohere = write(tmp_path / "c.gguf", architecture="command-r", more=lambda writer: writer.add_logit_scale(0.0625))
    assert load_table(cohere).provenance["logit_scale"] == 0.0625
    assert load_table(cohere).provenance["final_norm"] is None
