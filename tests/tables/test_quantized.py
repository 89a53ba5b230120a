"""Quantized checkpoints: embeddings in full precision are read, scaled 8-bit floats multiplied out, the rest named."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from theodolite.core.errors import FormatError
from theodolite.tables import describe, load_table

ROWS, DIMS = 300, 200
VALUES = torch.randn(ROWS, DIMS, generator=torch.Generator().manual_seed(0))
EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def write(folder: Path, tensors: dict[str, torch.Tensor], quantization: Any = None, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    values = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": ROWS, "hidden_size": DIMS}
    values |= {"num_attention_heads": 2, "intermediate_size": 8, "num_hidden_layers": 1, "tie_word_embeddings": False}
    values |= {"quantization_config": quantization} if quantization else {}
    (folder / "config.json").write_text(json.dumps({**values, **config}))
    plain = {EMBED: VALUES.half(), HEAD: -VALUES.half(), "model.norm.weight": torch.ones(DIMS)}
    every = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in {**plain, **tensors}.items()}
    save_file(every, folder / "model.safetensors")
    return folder


PROJECTION = "model.layers.0.mlp.up_proj"
INTEGERS = torch.zeros(8, 8, dtype=torch.int32)
SCHEMES = {
    "GPTQ": (
        {"quant_method": "gptq", "bits": 4, "group_size": 128},
        {f"{PROJECTION}.{part}": INTEGERS for part in ("qweight", "qzeros", "g_idx")}
        | {f"{PROJECTION}.scales": VALUES},
        "gptq, 4 bits",
    ),
    "AWQ": (
        {"quant_method": "awq", "bits": 4, "version": "gemm"},
        {f"{PROJECTION}.{part}": INTEGERS for part in ("qweight", "qzeros")} | {f"{PROJECTION}.scales": VALUES},
        "awq, 4 bits",
    ),
    "bitsandbytes": (
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
        {f"{PROJECTION}.weight": torch.zeros(800, 1, dtype=torch.uint8), f"{PROJECTION}.weight.absmax": torch.ones(25)},
        "bitsandbytes, 4 bits, nf4",
    ),
    "fp8": (
        {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
        {
            f"{PROJECTION}.weight": VALUES.to(torch.float8_e4m3fn),
            f"{PROJECTION}.weight_scale_inv": torch.ones(3, 2),
        },
        "fp8, blocks of 128 x 128",
    ),
    "compressed-tensors": (
        {"quant_method": "compressed-tensors", "format": "pack-quantized"},
        {f"{PROJECTION}.weight_packed": INTEGERS, f"{PROJECTION}.weight_scale": VALUES},
        "compressed-tensors, pack-quantized",
    ),
    "MXFP4": (
        {"quant_method": "mxfp4"},
        {
            f"{PROJECTION}_blocks": torch.zeros(4, 4, dtype=torch.uint8),
            f"{PROJECTION}_scales": INTEGERS.to(torch.uint8),
        },
        "mxfp4",
    ),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_embeddings_in_full_precision_are_read(scheme: str, tmp_path: Path) -> None:
    config, tensors, said = SCHEMES[scheme]
    folder = write(tmp_path / "model", tensors, config)
    assert torch.equal(load_table(folder).points, VALUES.half())
    assert torch.equal(load_table(folder, which="output").points, -VALUES.half())
    found = describe(folder)
    assert (found.quantization, found.input, found.output) == (said, EMBED, HEAD)


def test_a_checkpoint_that_is_not_quantized_says_nothing(tmp_path: Path) -> None:
    assert describe(write(tmp_path / "model", {})).quantization is None


def test_odd_descriptions_of_quantization(tmp_path: Path) -> None:
    said = {
        "a scheme without a name": {"x": 1},
        "a scheme without a name, 8 bits": {"load_in_8bit": True},
        "x" * 200: {"quant_method": "x" * 5000},
    }
    for i, (text, config) in enumerate(said.items()):
        assert describe(write(tmp_path / f"{i}", {}, config)).quantization == text
    assert describe(write(tmp_path / "list", {}, [1, 2])).quantization is None


@pytest.mark.parametrize(("rows", "columns"), [(3, 2), (1, 1)])
def test_eight_bit_floats_with_scales_of_blocks(rows: int, columns: int, tmp_path: Path) -> None:
    """Each block of 128 x 128 has a factor; those at the edges are smaller."""
    values = VALUES[:ROWS, :DIMS] if rows == 3 else VALUES[:100, :100]
    stored = values.to(torch.float8_e4m3fn)
    scale = torch.rand(rows, columns, generator=torch.Generator().manual_seed(1)) + 0.5
    parts = {EMBED: stored, f"{EMBED}_scale_inv": scale, HEAD: values}
    folder = write(tmp_path / "model", parts, SCHEMES["fp8"][0], vocab_size=len(values))
    table = load_table(folder)
    wanted = stored.float() * torch.kron(scale, torch.ones(128, 128))[: stored.shape[0], : stored.shape[1]]
    assert table.points.dtype == torch.float32
    assert torch.equal(table.points, wanted)
    assert table.provenance["dtype"] == "float8_e4m3fn"
    assert describe(folder).selected == EMBED


@pytest.mark.parametrize("shape", [(), (1,), (ROWS,), (ROWS, 1)])
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bit_floats_with_one_scale_or_one_for_each_row(
    shape: tuple[int, ...], dtype: torch.dtype, tmp_path: Path
) -> None:
    factors = VALUES[:, :1].abs() + 0.1
    scale = torch.tensor(0.125).reshape(shape) if len(factors.reshape(-1)) != torch.Size(shape).numel() else factors
    scale = scale.reshape(shape)
    stored = (VALUES / scale.reshape(-1, 1)).to(dtype)
    folder = write(tmp_path / "model", {EMBED: stored, f"{EMBED}_scale": scale.to(torch.bfloat16)})
    points = load_table(folder).points
    assert torch.equal(points, stored.float() * scale.to(torch.bfloat16).float().reshape(-1, 1))
    coarse = 2**-3 if dtype == torch.float8_e5m2 else 2**-4  # half a unit of the last bit, and that of the scale
    large = VALUES.abs() > 0.1
    assert ((points - VALUES)[large].abs() / VALUES[large].abs()).max() < coarse + 2**-8


def test_tied_tables_in_eight_bits_are_compared_by_their_numbers(tmp_path: Path) -> None:
    stored = VALUES.to(torch.float8_e4m3fn)
    parts = {EMBED: stored, f"{EMBED}_scale": torch.ones(1), HEAD: stored, f"{HEAD}_scale": torch.ones(1)}
    assert load_table(write(tmp_path / "same", parts, tie_word_embeddings=True)).tied is True
    parts[f"{HEAD}_scale"] = torch.full((1,), 2.0)
    assert load_table(write(tmp_path / "other", parts, tie_word_embeddings=True)).tied is False


def test_scales_in_another_shard(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", {})
    (folder / "model.safetensors").unlink()
    save_file({EMBED: VALUES.to(torch.float8_e4m3fn), HEAD: VALUES}, folder / "a.safetensors")
    save_file({f"{EMBED}_scale": torch.full((1,), 2.0)}, folder / "b.safetensors")
    names = {EMBED: "a.safetensors", HEAD: "a.safetensors", f"{EMBED}_scale": "b.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert torch.equal(load_table(folder).points, VALUES.to(torch.float8_e4m3fn).float() * 2)


def test_scales_of_an_unknown_shape(tmp_path: Path) -> None:
    parts = {EMBED: VALUES.to(torch.float8_e4m3fn), f"{EMBED}_scale_inv": torch.ones(5, 5)}
    with pytest.raises(FormatError, match=r"has scales of shape \(5, 5\); one number, .* or 3 x 2"):
        load_table(write(tmp_path / "model", parts))


def test_eight_bit_floats_without_scales(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"float8_e4m3fn.* is not stored as floating-point numbers: it is quantized"):
        load_table(write(tmp_path / "model", {EMBED: VALUES.to(torch.float8_e4m3fn)}))


BYTES = torch.zeros(ROWS * DIMS // 2, 1, dtype=torch.uint8)
SMALL = torch.zeros(ROWS, DIMS, dtype=torch.int8)
REFUSED = {
    "nf4": (
        {EMBED: BYTES, f"{EMBED}.absmax": torch.ones(9), f"{EMBED}.quant_state.bitsandbytes__nf4": BYTES.clone()},
        r"bitsandbytes in 4 bits \(nf4\)",
    ),
    "fp4": (
        {EMBED: BYTES, f"{EMBED}.absmax": torch.ones(9), f"{EMBED}.quant_state.bitsandbytes__fp4": BYTES.clone()},
        r"bitsandbytes in 4 bits \(fp4\)",
    ),
    "absmax alone": ({EMBED: BYTES, f"{EMBED}.absmax": torch.ones(9)}, "bitsandbytes in 4 or 8 bits"),
    "LLM.int8": ({EMBED: SMALL, "model.embed_tokens.SCB": torch.ones(ROWS)}, r"bitsandbytes in 8 bits \(LLM\.int8\)"),
    "int8 with scales": ({EMBED: SMALL, f"{EMBED}_scale": torch.ones(ROWS, 1)}, "compressed-tensors, as integers"),
    "zero point": (
        {EMBED: SMALL, f"{EMBED}_scale": torch.ones(1), f"{EMBED}_zero_point": torch.ones(1)},
        "compressed-tensors, as integers with a zero point",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_quantized_embedding_is_refused_by_the_name_of_its_scheme(case: str, tmp_path: Path) -> None:
    tensors, scheme = REFUSED[case]
    folder = write(tmp_path / "model", tensors)
    with pytest.raises(FormatError, match=f"{EMBED}.* is quantized by {scheme}.*keeps this table in float32"):
        load_table(folder)
    assert torch.equal(load_table(folder, which="output").points, -VALUES.half())


PACKED = {
    "qweight": "GPTQ or AWQ",
    "weight_packed": "compressed-tensors, packed integers",
    "weight_blocks": "MXFP4",
    "weight._data": "quanto",
    "W_q": "HQQ",
    "codes": "AQLM",
}


@pytest.mark.parametrize("part", PACKED)
def test_packed_embedding_is_refused_by_the_name_of_its_scheme(part: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", {f"lm_head.{part}": INTEGERS})
    safe = {EMBED: VALUES, "model.norm.weight": torch.ones(DIMS), f"lm_head.{part}": INTEGERS}
    save_file(safe, folder / "model.safetensors")
    match = rf"output embedding of .* is quantized by {PACKED[part]}.*\(lm_head\.{part}\)"
    with pytest.raises(FormatError, match=match):
        load_table(folder, which="output")
    assert torch.equal(load_table(folder).points, VALUES)
    save_file({HEAD: VALUES, f"model.embed_tokens.{part}": INTEGERS}, folder / "model.safetensors")
    with pytest.raises(FormatError, match=rf"input embedding of .* is quantized by {PACKED[part]}"):
        load_table(folder)
    assert any("quantized by" in note for note in describe(folder).notes)


def test_packed_parts_that_are_not_the_embedding(tmp_path: Path) -> None:
    parts = {"lm_head.qweight": INTEGERS, "model.layers.0.attention.output.qweight": INTEGERS}
    folder = write(tmp_path / "model", parts)
    assert torch.equal(load_table(folder, which="output").points, -VALUES.half()), "the plain one is there, too"
