"""Canonical JSON and content hashes: the identity of configs, units and files."""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def canonical_json(value: Any) -> str:
    """Return `value` as JSON with sorted keys and no optional white space.

    Parameters
    ----------
    value : Any
        Dicts with string keys, lists, tuples, strings, numbers, booleans and None. NaN and infinities are refused,
        because two NaN are not equal and a hash of them would say that they are.

    Returns
    -------
    str
        The same text for equal values, on every platform.

    Examples
    --------
    >>> canonical_json({"b": 1, "a": (1, 2.5, None)})
    '{"a":[1,2.5,null],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def hash_json(value: Any) -> str:
    """Return the sha256 hex digest of `canonical_json(value)`.

    Examples
    --------
    >>> hash_json({"a": 1, "b": 2}) == hash_json({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def hash_file(path: Path) -> str:
    """Return the sha256 hex digest of a file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def without_nan(value: Any) -> Any:
    """Return a value with None for every number that JSON cannot hold, in mappings and lists too.

    Examples
    --------
    >>> without_nan({"p": float("nan"), "levels": (0.5, float("inf"))})
    {'p': None, 'levels': [0.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: without_nan(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(one) for one in value]
    return value
