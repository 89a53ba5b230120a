"""Torch files read as descriptions give what torch itself gives, and nothing makes them do anything else."""

import io
import json
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from theodolite.core.errors import FormatError, UnsafeFileError
from theodolite.tables import torch_pickle
from theodolite.tables.hub_errors import Asked
from theodolite.tables.hub_file import RemoteFile
from theodolite.tables.hub_stretches import Kept
from theodolite.tables.hub_tensors import RemoteSafetensors
from theodolite.tables.hub_torch import RemoteTorch
from theodolite.tables.torch_file import TorchFile
from theodolite.tables.torch_pickle import flatten, read_state


class NearFile(RemoteFile):
    """A remote file that is here."""

    def __init__(self, path: Path) -> None:
        asked = Asked(endpoint="https://example.org", repository="a/b", revision="0" * 40, file=path.name)
        super().__init__(asked, "", size=path.stat().st_size, commit="0" * 40, folder=path.parent / "none")
        self._path = path

    def fetch(self, begin: int, end: int, *, what: str) -> Kept:
        assert 0 <= begin <= end <= self.size, what
        return Kept(begin=0, end=self.size, path=self._path, etag=None)


FLOATING = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
OTHERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.complex64)


def make_state() -> dict[str, object]:
    """Return what checkpoints hold: every dtype, views, transposes, shared storages, nested dicts, parameters."""
    generator = torch.Generator().manual_seed(0)
    big = torch.randn(40, 8, generator=generator)
    state: dict[str, object] = {
        str(dtype).removeprefix("torch."): torch.randn(7, 3, generator=generator).to(dtype) for dtype in FLOATING
    }
    state |= {str(dtype).removeprefix("torch."): torch.ones(5, 2, dtype=dtype) for dtype in OTHERS}
    state |= {"rows": big[10:20], "columns": big[:, 2:5], "transposed": big.t(), "every other": big[::2], "whole": big}
    state |= {
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 4),
        "parameter": torch.nn.Parameter(torch.ones(3, 3)),
    }
    state |= {"float8": torch.ones(4, 4).to(torch.float8_e4m3fn), "uint16": torch.ones(2, 2, dtype=torch.uint16)}
    state |= {
        "nested": OrderedDict(a=torch.zeros(2), deeper={"b": torch.ones(1, 1)}),
        "tied": big,
        "step": 3,
        "note": "x",
    }
    state["optimizer"] = {"betas": (0.9, 0.99), "list": [1, None, True, 2.5, 1 << 40], 7: torch.ones(1)}
    return state


def as_numbers(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor that torch can compare: 8-bit floats as 64-bit ones."""
    return tensor.double() if tensor.dtype == torch.float8_e4m3fn else tensor


def test_as_torch_loads_it(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    torch.save(make_state(), path)
    ours = RemoteTorch(NearFile(path))
    theirs = flatten(path, torch.load(path, weights_only=True), torch.Tensor)
    assert list(ours.entries) == list(theirs)
    for name, tensor in theirs.items():
        entry = ours.entries[name]
        assert (entry.shape, entry.dtype) == (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")), name
        read = ours.read(name)
        assert read.stride() == tensor.stride()
        assert torch.equal(as_numbers(read), as_numbers(tensor)), name
    assert ours.same_storage("whole", "tied")
    assert not ours.same_storage("whole", "rows")
    assert torch.equal(ours.read_rows("rows", torch.tensor([0, 9])), theirs["rows"][[0, 9]])
    assert torch.equal(ours.read_rows("columns", torch.tensor([3])), theirs["columns"][[3]])


@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict"])
def test_the_usual_wrappers_leave_no_prefix(tmp_path: Path, wrapper: str) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({wrapper: torch.nn.Linear(3, 2).state_dict(), "epoch": 4}, path)
    assert list(RemoteTorch(NearFile(path)).entries) == ["weight", "bias"]
    torch.save(torch.ones(3, 3), path)
    assert list(RemoteTorch(NearFile(path)).entries) == ["tensor"]


def test_kinds_of_tensors_that_are_no_table_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.bin"
    sparse = torch.eye(4).to_sparse()
    torch.save({"sparse": sparse, "meta": torch.empty(3, 3, device="meta"), "table": torch.ones(2, 2)}, path)
    assert list(RemoteTorch(NearFile(path)).entries) == ["table"]


def test_a_zip_with_a_comment_and_one_that_is_large_in_its_own_words(tmp_path: Path) -> None:
    path = tmp_path / "commented.bin"
    torch.save({"a": torch.ones(3, 2)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"x" * 40_000
    assert torch.equal(RemoteTorch(NearFile(path)).read("a"), torch.ones(3, 2))


def test_endless_values_from_a_short_pickle(tmp_path: Path, monkeypatch) -> None:
    """Sixteen dicts, each nine times in the one before: 9**16 names from a few hundred bytes."""
    inner: dict[str, object] = {"a": 1}
    for _ in range(16):
        inner = dict.fromkeys("abcdefghi", inner)
    path = tmp_path / "nested.bin"
    torch.save(inner, path)
    monkeypatch.setattr(torch_pickle, "_MOST_VALUES", 10_000)
    with pytest.raises(FormatError, match="nests more than 10000 values"):
        RemoteTorch(NearFile(path))


def test_endless_steps(monkeypatch) -> None:
    monkeypatch.setattr(torch_pickle, "_MOST_STEPS", 10_000)
    with pytest.raises(FormatError, match="more than 10000 steps"):
        read_state(Path("x.bin"), b"\x80\x02" + b"N" * 10_100 + b".")


def pickled() -> bytes:
    out = io.BytesIO()
    torch.save({"a": torch.ones(30, 4), "b": {"c": torch.zeros(3, dtype=torch.bfloat16)}}, out)
    with zipfile.ZipFile(out) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


PICKLE = pickled()


@settings(max_examples=300, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(PICKLE) - 1), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, len(PICKLE)),
)
def test_a_mutated_pickle_is_read_or_refused(changes: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(PICKLE)
    for at, value in changes:
        content[at] = value
    try:
        state = read_state(Path("x.bin"), bytes(content[: cut or None]))
    except FormatError:
        return
    assert all(min((*one.shape, *one.strides, one.offset, 0)) == 0 for one in state.values())


def saved(state: dict[str, torch.Tensor]) -> bytes:
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


WHOLE = saved({"table": torch.ones(50, 4)})


@settings(max_examples=150, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=3),
    cut=st.integers(0, len(WHOLE)),
)
def test_a_mutated_file_is_read_or_refused(tmp_path_factory, changes: list[tuple[int, int]], cut: int) -> None:
    content = bytearray(WHOLE)
    for at, value in changes:
        content[at] = value
    path = tmp_path_factory.getbasetemp() / "mutated.bin"
    path.write_bytes(content[: cut or None])
    try:
        file = RemoteTorch(NearFile(path))
        shapes = {name: file.read(name).shape for name in file.entries}
    except FormatError:
        return
    assert shapes == {name: entry.shape for name, entry in file.entries.items()}


def test_a_dtype_that_torch_does_not_have(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F6_E2M3", "shape": [4, 4], "data_offsets": [0, 12]}}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    with pytest.raises(FormatError, match=r"a \(4 x 4, float6_e2m3\) .* has a dtype that this version of torch"):
        RemoteSafetensors(NearFile(path)).read("a")


class Claim:
    """Pickles to a request for a terabyte."""

    def __reduce__(self) -> tuple:
        return bytearray, (10**12,)


@pytest.mark.parametrize("form", ["zip", "old"])
def test_a_file_here_that_asks_for_memory(tmp_path: Path, form: str) -> None:
    path = tmp_path / "pytorch_model.bin"
    content = pickle.dumps({"a": Claim()}, protocol=2)
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", content)
            archive.writestr("archive/version", b"3")
    else:
        path.write_bytes(content)
    with pytest.raises(UnsafeFileError, match="asks for memory"):
        TorchFile(path)
