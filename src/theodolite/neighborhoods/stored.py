"""Graphs as files: the numbers as safetensors, everything else as JSON in its metadata; nothing is ever unpickled."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from theodolite.core.errors import FormatError
from theodolite.core.hashing import canonical_json
from theodolite.core.tensor_file import new_file, read_tensors
from theodolite.neighborhoods.graph import NeighborGraph

FORMAT = "theodolite.neighbor_graph"
_VERSION = 1
_ARRAYS = ("indices", "distances", "rows", "queries")
_AGAIN = "Save the graph again."


def save_graph(graph: NeighborGraph, path: Path | str) -> None:
    """Write a graph: 12 bytes for each neighbor; a file that is there is not overwritten.

    Parameters
    ----------
    graph : NeighborGraph
        What to keep.
    path : path
        A new file, `.safetensors` by custom.

    Raises
    ------
    ParameterError
        If the file exists.
    NotFoundError
        If its folder does not.
    """
    place = new_file(path)
    tensors: dict[str, npt.NDArray[Any]] = {
        "indices": _narrow(graph.indices),
        "distances": np.ascontiguousarray(graph.distances),
        "rows": _narrow(graph.rows),
    }
    if graph.queries is not None:
        tensors["queries"] = _narrow(graph.queries)
    described = {one.name: getattr(graph, one.name) for one in fields(graph) if one.name not in _ARRAYS}
    described |= {"version": _VERSION, "sha256": _hash(tensors)}
    save_file(tensors, place, metadata={"format": FORMAT, "graph": canonical_json(described)})


def load_graph(path: Path | str) -> NeighborGraph:
    """Read a graph that `save_graph` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    NeighborGraph
        Equal to the one saved, bit for bit.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If the file is no safetensors file, holds no graph, or was damaged since.
    """
    place = Path(path)
    missing = f"There is no graph at {place}. Write one with `save_graph`."
    tensors, metadata = read_tensors(place, missing=missing, advice=_AGAIN)
    if metadata.get("format") != FORMAT:
        raise FormatError(
            f"{place} is no graph of theodolite: its metadata name the format {metadata.get('format')!r}."
        )
    try:
        described = json.loads(metadata["graph"])
        if described.pop("version") != _VERSION:
            raise ValueError("another version")
        if described.pop("sha256") != _hash(tensors):
            raise ValueError("the checksum does not fit")
        whole = {name: tensors[name].astype(np.int64) for name in tensors if name != "distances"}
        return NeighborGraph(**described, **whole, distances=tensors["distances"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"The graph in {place} is damaged ({error!r}). {_AGAIN}") from error


def _narrow(numbers: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Return whole numbers in 4 bytes where they fit."""
    fits = len(numbers) == 0 or int(numbers.max()) <= np.iinfo(np.int32).max
    return np.ascontiguousarray(numbers, dtype=np.int32 if fits else np.int64)


def _hash(tensors: dict[str, npt.NDArray[Any]]) -> str:
    """Return a hash of names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).ravel().view(np.uint8).data)
    return digest.hexdigest()
