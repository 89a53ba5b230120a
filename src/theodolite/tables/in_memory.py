"""Tables that are already in memory: tensors, arrays, modules of torch, word vectors of gensim."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.tables.entries import TensorEntry, check_table, find_entry, hash_tensor, list_tables
from theodolite.tables.model_config import parse_config
from theodolite.tables.reference import SELECTOR_WORDS
from theodolite.tables.table import Table
from theodolite.tables.word_table import build_word_table

PLACE = Path("(in memory)")


@runtime_checkable
class KeyedVectors(Protocol):
    """What gensim's KeyedVectors offer."""

    index_to_key: Sequence[str]
    vectors: npt.NDArray[np.floating]


InMemory: TypeAlias = torch.Tensor | npt.NDArray[Any] | torch.nn.Module | KeyedVectors
"""What `load_table` takes besides references. A gensim model is taken for the KeyedVectors in its `wv`."""


def table_in_memory(value: InMemory, *, which: str | None) -> Table:
    """Make a table of an object.

    Parameters
    ----------
    value : torch.Tensor, numpy.ndarray, torch.nn.Module or gensim.models.KeyedVectors
        A tensor on another device is copied to the CPU; otherwise nothing is copied.
    which : str or None
        "input", "output" or the name of a parameter, for a module. Other objects have one table.

    Returns
    -------
    Table
        With tokens where the object has words. `provenance["reference"]` is "in memory", and its sha256 tells two
        objects apart.

    Raises
    ------
    ParameterError
        If the object is none of these, or has one table and `which` asks for another.
    NotFoundError
        If a module has no such embedding or parameter.
    FormatError
        If the tensor is no matrix of floating-point numbers.
    """
    if isinstance(value, torch.nn.Module):
        return _of_module(value, which)
    words = getattr(value, "wv", value)
    if which not in (None, "input", "embedding"):
        raise ParameterError(f"which={which!r} needs a module; a {type(value).__name__} in memory holds one table.")
    if isinstance(words, KeyedVectors):
        points = torch.from_numpy(np.asarray(words.vectors))
        texts = [word.encode("utf-8", errors="surrogateescape") for word in words.index_to_key]
        if len(texts) != len(points) or len(set(texts)) != len(texts):
            raise FormatError(
                f"The word vectors in memory have {len(points)} rows but {len(set(texts))} different words. Give "
                "gensim's KeyedVectors as gensim made them."
            )
        return build_word_table(
            points=points,
            words=texts,
            rows=np.arange(len(texts), dtype=np.int64),
            n_stored=len(texts),
            counts=None,
            file=PLACE,
            provenance=_provenance(value, _check("vectors", points), "vectors", None),
        )
    if isinstance(value, np.ndarray):
        try:
            value = torch.from_numpy(value.astype(value.dtype.newbyteorder("="), copy=False))
        except TypeError as error:
            raise FormatError(
                f"An array of dtype {value.dtype} is no table. Give float64, float32 or float16."
            ) from error
    if not isinstance(value, torch.Tensor):
        raise ParameterError(
            f"A {type(value).__name__} is no table. Give a reference as text, a tensor, an array, a torch.nn.Module, "
            "or KeyedVectors of gensim."
        )
    points = _check("tensor", value.detach())
    return _plain_table(points, _provenance(value, points, "tensor", None), tied=None)


def _of_module(module: torch.nn.Module, which: str | None) -> Table:
    """Find a table of a module: by its own word where it has one, otherwise its only embedding."""
    parameters = dict(module.named_parameters(remove_duplicate=False))
    wanted = None if which is None else SELECTOR_WORDS.get(which.lower(), which)
    if wanted not in (None, "input", "output"):
        entries = {name: _entry(name, tensor) for name, tensor in parameters.items()}
        name = find_entry(entries, wanted, f"this {type(module).__name__}").name
        points = _check(name, parameters[name].detach())
        return _plain_table(points, _provenance(module, points, name, None), tied=None)
    inputs, outputs = _asked(module, "get_input_embeddings"), _asked(module, "get_output_embeddings")
    if inputs is None and wanted != "output":
        inputs = _only_embedding(module, parameters)
    weight = outputs if wanted == "output" else inputs
    if weight is None:
        raise NotFoundError(
            f"This {type(module).__name__} names no output embedding (it has no get_output_embeddings, or one that "
            f"gives none). {list_tables(_entry(name, tensor) for name, tensor in parameters.items())}"
        )
    tied = None if outputs is None or inputs is None else outputs.data_ptr() == inputs.data_ptr()
    found = wanted or "input"
    name = next((name for name, tensor in parameters.items() if tensor is weight), found)
    points = _check(name, weight.detach())
    describe_config = getattr(getattr(module, "config", None), "to_dict", None)
    facts = describe_config() if callable(describe_config) else {}
    provenance = _provenance(module, points, name, tied, which=found)
    if facts:
        parsed = parse_config(facts)
        provenance["model_type"] = parsed.model_type
        provenance["embedding_scale"] = parsed.embedding_scale if found == "input" else 1.0
    return _plain_table(points, provenance, tied=tied)


def _asked(module: torch.nn.Module, method: str) -> torch.Tensor | None:
    """Return the weight of the embedding that a module names; None where it names none."""
    ask = getattr(module, method, None)
    try:
        found = ask() if callable(ask) else None
    except (NotImplementedError, AttributeError):
        found = None
    weight = getattr(found, "weight", None)
    return weight if isinstance(weight, torch.Tensor) else None


def _only_embedding(module: torch.nn.Module, parameters: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the weight of the only `torch.nn.Embedding` of a module that names none."""
    found = [inner for inner in module.modules() if isinstance(inner, torch.nn.Embedding)]
    if len(found) != 1:
        raise NotFoundError(
            f"This {type(module).__name__} has no get_input_embeddings and {len(found)} torch.nn.Embedding inside, so "
            "nothing says which table is meant. Name a parameter with which. "
            f"{list_tables(_entry(name, tensor) for name, tensor in parameters.items())}"
        )
    return found[0].weight


def _entry(name: str, tensor: torch.Tensor) -> TensorEntry:
    dtype = str(tensor.dtype).removeprefix("torch.")
    size = tensor.numel() * tensor.element_size()
    return TensorEntry(name=name, shape=tuple(tensor.shape), dtype=dtype, n_bytes=size, file=PLACE)


def _check(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Refuse what is no table; bring it to the CPU."""
    if tensor.is_meta:
        raise FormatError(f"The tensor {name!r} is on the meta device and has no numbers. Load the weights first.")
    check_table(_entry(name, tensor))
    return tensor.cpu()


def _provenance(
    value: object, points: torch.Tensor, name: str, tied: bool | None, *, which: str | None = None
) -> dict[str, Any]:
    entry = _entry(name, points)
    return {
        "reference": "in memory",
        "scheme": "memory",
        "revision": None,
        "folder": None,
        "file": None,
        "format": type(value).__name__,
        "tensor": name,
        "which": which or name,
        "found_by": "name" if which is None else "object",
        "tied": tied,
        "dtype": entry.dtype,
        "shape": list(entry.shape),
        "n_bytes": entry.n_bytes,
        "sha256": hash_tensor(points),
        "model_type": None,
        "architecture": type(value).__name__ if isinstance(value, torch.nn.Module) else None,
        "embedding_scale": 1.0,
        "tokenizer": None,
    }


def _plain_table(points: torch.Tensor, provenance: Mapping[str, Any], *, tied: bool | None) -> Table:
    n_rows = points.shape[0]
    return Table(
        points=points,
        token_ids=np.arange(n_rows, dtype=np.int64),
        tokens=None,
        which=str(provenance["which"]),
        tied=tied,
        n_vocabulary=None,
        special_ids=frozenset(),
        counts=None,
        n_stored=n_rows,
        known_ids=None,
        provenance=provenance,
    )
