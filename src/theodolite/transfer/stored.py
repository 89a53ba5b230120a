"""Maps as files: the numbers as safetensors, everything else as JSON in its metadata; nothing is ever unpickled."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from theodolite.core.errors import FormatError
from theodolite.core.hashing import canonical_json
from theodolite.core.tensor_file import new_file, read_tensors
from theodolite.transfer.linear_map import LinearMap, MapDiagnostics

FORMAT = "theodolite.linear_map"
_VERSION = 1


def save_map(linear_map: LinearMap, path: Path | str) -> None:
    """Write a map; a file that is there is not overwritten.

    Parameters
    ----------
    linear_map : LinearMap
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
    tensors = {"matrix": np.ascontiguousarray(linear_map.matrix)}
    if linear_map.bias is not None:
        tensors["bias"] = linear_map.bias
    described: dict[str, Any] = {
        "version": _VERSION,
        "kind": linear_map.kind,
        "space": linear_map.space,
        "source": dict(linear_map.source),
        "target": dict(linear_map.target),
        "params": dict(linear_map.params),
        "diagnostics": None,
    }
    if linear_map.diagnostics is not None:
        numbers = asdict(linear_map.diagnostics)
        tensors["singular_values"] = np.ascontiguousarray(numbers.pop("singular_values"))
        described["diagnostics"] = {name: _jsonable(value) for name, value in numbers.items()}
    save_file(tensors, place, metadata={"format": FORMAT, "map": canonical_json(described)})


def load_map(path: Path | str) -> LinearMap:
    """Read a map that `save_map` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    LinearMap
        Equal to the one saved, bit for bit.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If the file is no safetensors file, or holds no map.
    """
    place = Path(path)
    missing = f"There is no map at {place}. Write one with `save_map`."
    tensors, metadata = read_tensors(place, missing=missing, advice="Save the map again.")
    if metadata.get("format") != FORMAT:
        raise FormatError(f"{place} is no map of theodolite: its metadata name the format {metadata.get('format')!r}.")
    try:
        return _map(json.loads(metadata["map"]), tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"The description in {place} is damaged ({error!r}). Save the map again.") from error


def _jsonable(value: Any) -> Any:
    """Return None for a NaN, which JSON cannot hold."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _map(described: dict[str, Any], tensors: dict[str, Any]) -> LinearMap:
    """Build the map from its two halves."""
    if described["version"] != _VERSION:
        raise ValueError(f"version {described['version']}")
    matrix = tensors["matrix"]
    if matrix.ndim != 2 or matrix.dtype != np.float64 or not np.isfinite(matrix).all():
        raise ValueError(f"matrix of shape {matrix.shape} and dtype {matrix.dtype}")
    numbers = described["diagnostics"]
    diagnostics = None
    if numbers is not None:
        known: dict[str, Any] = {name: math.nan if value is None else value for name, value in numbers.items()}
        diagnostics = MapDiagnostics(**known, singular_values=tensors["singular_values"])
    return LinearMap(
        matrix=matrix,
        bias=tensors.get("bias"),
        kind=described["kind"],
        space=described["space"],
        source=described["source"],
        target=described["target"],
        params=described["params"],
        diagnostics=diagnostics,
    )
