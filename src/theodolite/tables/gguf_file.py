"""A GGUF file of llama.cpp: its embeddings dequantized by the gguf library, its tokens read from the metadata."""

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import FormatError
from theodolite.tables.entries import TensorEntry, find_entry
from theodolite.tables.gguf_header import GgufTensor, read_gguf_header
from theodolite.tables.model_config import ModelConfig, parse_config
from theodolite.tables.surroundings import FinalNorm
from theodolite.tables.vocabulary import Pieces, Vocabulary

INPUT, OUTPUT, FINAL_NORM = "token_embd.weight", "output.weight", "output_norm.weight"
WITHOUT_HEAD = ("bert", "modern-bert", "nomic-bert", "jina-bert", "t5encoder", "gemma-embedding")
_PLAIN = {
    0: ("float32", "<f4"),
    1: ("float16", "<f2"),
    24: ("int8", "<i1"),
    25: ("int16", "<i2"),
    26: ("int32", "<i4"),
    27: ("int64", "<i8"),
    28: ("float64", "<f8"),
    30: ("bfloat16", "<i2"),
}
_CONVENTIONS: dict[str, Pieces] = {"llama": "blank", "gpt2": "bytes", "bert": "word", "t5": "blank", "gemma4": "blank"}
_BLANK = "\u2581"
_UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED = 2, 3, 4, 5
_ROWS_AT_ONCE = 1 << 12


class GgufFile:
    """The tensors of one GGUF file.

    Parameters
    ----------
    path : pathlib.Path
        The file. Only its header is read.

    Raises
    ------
    FormatError
        If the header is damaged or describes tensors beyond the file.
    """

    format = "gguf"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._header = read_gguf_header(path)
        self._tensors = {tensor.name: tensor for tensor in self._header.tensors}
        size = path.stat().st_size
        self.entries: Mapping[str, TensorEntry] = {
            name: _entry(path, tensor, size) for name, tensor in self._tensors.items()
        }

    @property
    def config(self) -> ModelConfig:
        """What the metadata says about the model, as config.json would."""
        header = self._header
        architecture = header.text("general.architecture")
        n_tokens = len(header.metadata.get("tokenizer.ggml.tokens", ()))
        facts = {
            "model_type": {"command-r": "cohere"}.get(architecture, architecture),
            "vocab_size": header.number(f"{architecture}.vocab_size") or n_tokens,
            "hidden_size": header.number(f"{architecture}.embedding_length"),
            "embedding_multiplier": header.number(f"{architecture}.embedding_scale"),
            "logit_scale": header.number(f"{architecture}.logit_scale"),
            "logits_scaling": header.number(f"{architecture}.logit_scale"),
        }
        return parse_config(facts)

    @property
    def final_norm(self) -> FinalNorm | None:
        """The norm before the output table; None where the metadata do not say of which kind it is.

        Converters store Gemma's weights with the 1 added, so nothing is to be added here.
        """
        prefix = f"{self._header.text('general.architecture')}.attention.layer_norm"
        is_rms = self._header.number(f"{prefix}_rms_epsilon") is not None
        if FINAL_NORM not in self.entries or not (is_rms or self._header.number(f"{prefix}_epsilon") is not None):
            return None
        bias = FINAL_NORM.replace("weight", "bias")
        return FinalNorm(
            kind="RMSNorm" if is_rms else "LayerNorm",
            weight=FINAL_NORM,
            bias=bias if bias in self.entries else None,
        )

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """The tokens; None where the file has none."""
        tokens = self._header.metadata.get("tokenizer.ggml.tokens")
        if not isinstance(tokens, list) or not tokens:
            return None
        pieces = dict(enumerate(token.decode("utf-8", errors="surrogateescape") for token in tokens))
        kinds = self._header.metadata.get("tokenizer.ggml.token_type")
        kinds = kinds if isinstance(kinds, np.ndarray) and len(kinds) == len(tokens) else np.ones(len(tokens), int)
        model = self._header.text("tokenizer.ggml.model")
        if model == "bert":
            pieces = {i: piece if kinds[i] == _CONTROL else _as_wordpiece(piece) for i, piece in pieces.items()}
        return Vocabulary(
            pieces=pieces,
            special_ids=frozenset(np.flatnonzero(np.isin(kinds, (_UNKNOWN, _CONTROL, _UNUSED))).tolist()),
            convention=_CONVENTIONS.get(model, "plain"),
            added_ids=frozenset(np.flatnonzero(kinds == _USER_DEFINED).tolist()),
            file=self.path,
        )

    def read(self, name: str) -> torch.Tensor:
        """Return one tensor: memory-mapped where it is stored as numbers, otherwise dequantized to float32.

        Raises
        ------
        FormatError
            If the gguf library cannot dequantize its type.
        """
        entry = find_entry(self.entries, name, str(self.path))
        tensor = self._tensors[name]
        if tensor.kind in _PLAIN:
            word, form = _PLAIN[tensor.kind]
            mapped: npt.NDArray[Any] = np.memmap(
                self.path, dtype=form, mode="c", offset=tensor.begin, shape=entry.shape
            )
            values = torch.from_numpy(mapped)
            return values.view(torch.bfloat16) if word == "bfloat16" else values
        return torch.from_numpy(_dequantize(self.path, entry, tensor))


def _as_wordpiece(piece: str) -> str:
    """Write a piece as WordPiece does: converters mark the start of a word instead of the rest of one."""
    return piece[1:] if piece.startswith(_BLANK) else f"##{piece}"


def _entry(path: Path, tensor: GgufTensor, size: int) -> TensorEntry:
    """Check one line of the header against ggml's table of types and the size of the file."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType  # noqa: PLC0415 - only where a GGUF is read

    said = f"The header of {path} describes the tensor {tensor.name!r:.80} wrongly"
    try:
        kind = GGMLQuantizationType(tensor.kind)
        n_numbers, n_bytes = GGML_QUANT_SIZES[kind]
    except (ValueError, KeyError) as error:
        raise FormatError(
            f"{said}: the gguf library does not know its type {tensor.kind}. The file is newer or damaged."
        ) from error
    count = math.prod(tensor.shape)
    if count % n_numbers or (n_numbers > 1 and (not tensor.shape or tensor.shape[-1] % n_numbers)):
        raise FormatError(f"{said}: shape {tensor.shape} does not divide into blocks of {n_numbers} of {kind.name}.")
    total = count // n_numbers * n_bytes
    if tensor.begin + total > size:
        raise FormatError(
            f"{path} is truncated or damaged: the tensor {tensor.name!r:.80} ends at byte {tensor.begin + total}, but "
            f"the file has {size}. Copy or download it again."
        )
    plain = _PLAIN.get(tensor.kind)
    return TensorEntry(
        name=tensor.name,
        shape=tensor.shape,
        dtype=plain[0] if plain else kind.name,
        n_bytes=total,
        file=path,
        dequantized=None if plain else "float32",
    )


def _dequantize(path: Path, entry: TensorEntry, tensor: GgufTensor) -> npt.NDArray[np.float32]:
    """Dequantize a matrix some thousand rows at a time, so that nothing but the result takes memory."""
    from gguf import quants  # noqa: PLC0415 - only where a GGUF is read
    from gguf.constants import GGMLQuantizationType  # noqa: PLC0415

    rows = math.prod(entry.shape[:-1])
    stored = np.memmap(path, dtype=np.uint8, mode="r", offset=tensor.begin, shape=(rows, entry.n_bytes // max(rows, 1)))
    result = np.empty((rows, entry.shape[-1]), dtype=np.float32)
    try:
        with np.errstate(all="ignore"):  # a block of a damaged file may hold an infinite scale: counted with the points
            for start in range(0, rows, _ROWS_AT_ONCE):
                some = slice(start, start + _ROWS_AT_ONCE)
                result[some] = quants.dequantize(stored[some], GGMLQuantizationType(tensor.kind))
    except NotImplementedError as error:
        raise FormatError(
            f"The tensor {entry} in {path} is quantized as {entry.dtype}, which the gguf library cannot dequantize. "
            "Give a GGUF that keeps its embeddings in F16, Q8_0 or a K-type."
        ) from error
    return result.reshape(entry.shape)
