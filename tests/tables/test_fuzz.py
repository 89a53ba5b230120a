"""Mutated real files raise a TheodoliteError or load; nothing else, and never slowly."""

import io
import json
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from theodolite.core.errors import TheodoliteError
from theodolite.tables import describe, load_table

QUICK = settings(max_examples=300, deadline=5000, suppress_health_check=[HealthCheck.too_slow])
HEADER = {
    "a": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]},
    "b": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [48, 56]},
}


def files() -> dict[str, bytes]:
    """Return one real file of each format."""
    tensors = {"a": torch.randn(4, 3), "b": torch.randn(2, 2).bfloat16(), "c": torch.arange(3)}
    zipped, old, array = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save(tensors, zipped)
    torch.save(tensors, old, _use_new_zipfile_serialization=False)
    np.save(array, np.ones((4, 3), dtype=np.float32))
    return {
        "x.safetensors": save(tensors),
        "x.bin": zipped.getvalue(),
        "old.bin": old.getvalue(),
        "x.npy": array.getvalue(),
    }


FILES = files()
MUTATIONS = st.lists(
    st.tuples(st.sampled_from(["flip", "cut", "insert", "drop"]), st.floats(0, 1), st.binary(min_size=1, max_size=8)),
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
        else:
            data = data[:at] + data[at + len(new) :]
    return data


def read(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        for act in (describe, lambda place: load_table(f"{place}#a" if name != "x.npy" else place)):
            message = ""
            try:
                act(path)
            except TheodoliteError as error:
                message = str(error)
            assert len(message) < 2000
            assert "\n" not in message


@pytest.mark.parametrize("name", FILES)
@QUICK
@given(mutations=MUTATIONS)
def test_mutated_files(name: str, mutations: list[tuple[str, float, bytes]]) -> None:
    read(name, mutate(FILES[name], mutations))


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
