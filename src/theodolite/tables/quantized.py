"""Quantized checkpoints: which scheme a table is stored in, what can be undone, and what is refused by name.

Most schemes leave the embeddings alone, and those are read like any other tensor. An embedding in 8-bit floats with
scales beside it (DeepSeek's blocks, compressed-tensors' rows) is multiplied out: that is all such a scheme does. Packed
integers (GPTQ, AWQ, bitsandbytes, MXFP4) need code books and orders that differ between versions: no guess is made.
"""

import re
from collections.abc import Collection, Container, Mapping
from typing import Any

import torch

from theodolite.core.errors import FormatError
from theodolite.tables.entries import TensorEntry

_FLOAT8 = {"float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}
_SCALES = ("_scale_inv", "_scale")
_BLOCK = 128
_ADVICE = (
    "Give a checkpoint that keeps this table in float32, bfloat16 or float16, or dequantize it and save it as .npy."
)
_BESIDE = {
    ".quant_state.bitsandbytes__nf4": "bitsandbytes in 4 bits (nf4)",
    ".quant_state.bitsandbytes__fp4": "bitsandbytes in 4 bits (fp4)",
    ".absmax": "bitsandbytes in 4 or 8 bits, by blocks",
    "._scale": "quanto",
    "_zero_point": "compressed-tensors, as integers with a zero point",
    "_scale": "compressed-tensors, as integers with a scale",
    "_format": "bitsandbytes in 8 bits (LLM.int8)",
}
_PACKED = {
    ".qweight": "GPTQ or AWQ",
    ".weight_packed": "compressed-tensors, packed integers",
    ".weight_blocks": "MXFP4, blocks of 32 four-bit floats",
    "_blocks": "MXFP4, blocks of 32 four-bit floats",
    ".weight._data": "quanto",
    ".W_q": "HQQ",
    ".codes": "AQLM",
}
_STEMS = {
    "input": re.compile(r"(^|\.)(wte|embed_tokens|word_embeddings|embed_in|tok_embeddings|embeddings?|shared)$"),
    "output": re.compile(r"(^|\.)(lm_head|embed_out)$|^output$"),
}


def scale_name(entry: TensorEntry, names: Container[str]) -> str | None:
    """Return the tensor of scales that turns 8-bit floats into the numbers they stand for; None where there is none.

    Parameters
    ----------
    entry : TensorEntry
        The table.
    names : container of str
        Names of all tensors of the checkpoint.
    """
    if entry.dtype not in _FLOAT8 or len(entry.shape) != 2:
        return None
    return next((entry.name + suffix for suffix in _SCALES if entry.name + suffix in names), None)


def dequantize(entry: TensorEntry, stored: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Multiply 8-bit floats by their scales: one for all, one for each row, or one for each block.

    Parameters
    ----------
    entry : TensorEntry
        The table, for messages.
    stored : torch.Tensor
        `(n_rows, n_dims)` float8.
    scale : torch.Tensor
        Of one number, `(n_rows,)`, `(n_rows, 1)`, or one number for each block of 128 x 128.

    Returns
    -------
    torch.Tensor
        `(n_rows, n_dims)` float32. DeepSeek calls its scales inverse, but multiplies by them, and so does this.

    Raises
    ------
    FormatError
        If the scales have another shape.
    """
    rows, columns = stored.shape
    scale = scale.to(torch.float32)
    blocks = (-(-rows // _BLOCK), -(-columns // _BLOCK))
    if scale.numel() == 1:
        factor = scale.reshape(1, 1)
    elif scale.shape in ((rows,), (rows, 1)):
        factor = scale.reshape(rows, 1)
    elif scale.shape == blocks:
        result = stored.to(torch.float32)
        for i in range(blocks[0]):
            across = scale[i].repeat_interleave(_BLOCK)[:columns]
            result[i * _BLOCK : (i + 1) * _BLOCK] *= across
        return result
    else:
        raise FormatError(
            f"The tensor {entry} in {entry.file} has scales of shape {tuple(scale.shape)}; one number, one for each "
            f"row, or {blocks[0]} x {blocks[1]} (blocks of {_BLOCK}) are understood. {_ADVICE}"
        )
    return stored.to(torch.float32) * factor


def refuse_quantized(entry: TensorEntry, names: Container[str]) -> None:
    """Refuse a tensor that is stored by a known scheme of quantization, by the name of the scheme.

    Parameters
    ----------
    entry : TensorEntry
        The tensor that was chosen.
    names : container of str
        Names of all tensors of the checkpoint.

    Raises
    ------
    FormatError
        If it is one.
    """
    if entry.is_table:
        return
    stem = entry.name.removesuffix(".weight")
    found = [scheme for suffix, scheme in _BESIDE.items() if entry.name + suffix in names]
    if f"{stem}.SCB" in names:
        found.append("bitsandbytes in 8 bits (LLM.int8)")
    if found and entry.dtype in ("uint8", "int8", "int32", "uint32"):
        raise FormatError(f"The tensor {entry} in {entry.file} is quantized by {found[0]}. {_ADVICE}")


def packed(which: str, names: Collection[str]) -> str | None:
    """Say by which scheme an embedding is packed into integers; None where it is not.

    Parameters
    ----------
    which : {"input", "output"}
        The embedding asked for.
    names : collection of str
        Names of all tensors of the checkpoint.

    Examples
    --------
    >>> packed("output", ["model.embed_tokens.weight", "lm_head.qweight"])
    'quantized by GPTQ or AWQ (lm_head.qweight)'
    """
    for name in names:
        for suffix, scheme in _PACKED.items():
            stem = name.removesuffix(suffix)
            if name.endswith(suffix) and _STEMS[which].search(stem) and f"{stem}.weight" not in names:
                return f"quantized by {scheme} ({name})"
    return None


def refuse_packed(which: str, names: Collection[str], place: object) -> None:
    """Refuse an embedding of which only packed integers are there, by the name of the scheme.

    Parameters
    ----------
    which : {"input", "output"}
        The embedding asked for.
    names : collection of str
        Names of all tensors of the checkpoint.
    place : object
        Where they are, for the message.

    Raises
    ------
    FormatError
        If there are some.
    """
    said = packed(which, names)
    if said is not None:
        raise FormatError(f"The {which} embedding of {place} is {said}. {_ADVICE}")


def name_quantization(config: Mapping[str, Any]) -> str | None:
    """Say in a few words how config.json describes the quantization of a checkpoint; None where it has none.

    Parameters
    ----------
    config : mapping of str to Any
        The whole of config.json.

    Examples
    --------
    >>> name_quantization({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})
    'fp8, blocks of 128 x 128'
    >>> name_quantization({"quantization_config": {"quant_method": "gptq", "bits": 4}})
    'gptq, 4 bits'
    """
    said = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(said, dict):
        return None
    bits = 4 if said.get("load_in_4bit") is True else 8 if said.get("load_in_8bit") is True else said.get("bits")
    blocks = said.get("weight_block_size")
    kind = said.get("bnb_4bit_quant_type") if said.get("load_in_4bit") is True else said.get("format")
    parts = (
        _word(said.get("quant_method")) or "a scheme without a name",
        f"{bits} bits" if type(bits) is int else "",
        _word(kind),
        f"blocks of {' x '.join(map(str, blocks))}" if isinstance(blocks, list) and blocks else "",
    )
    return ", ".join(filter(None, parts))[:200]


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
