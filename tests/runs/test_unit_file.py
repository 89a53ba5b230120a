import errno
import io
import random
from pathlib import Path

import polars as pl
import pytest

from theodolite.core.errors import FormatError, RunError
from theodolite.runs import Column
from theodolite.runs.folder.atomic import cannot_write, remove_leftovers, write_atomically
from theodolite.runs.folder.unit_file import UnitRecord, read_unit_file, read_unit_record, write_unit_file
from theodolite.runs.rows import frame_from_rows

COLUMNS = {"token": Column(dtype="str", meaning="a token"), "value": Column(dtype="float", meaning="a number")}
LOOKALIKE = '{"sha256" : "' + "0" * 64 + '"'
RECORD = UnitRecord(
    key="0123456789abcdef0123",
    study="toy",
    version=1,
    label=LOOKALIKE,
    columns="layout",
    n_rows=2,
    seconds=0.5,
    inputs=[{"reference": LOOKALIKE, LOOKALIKE: "é"}],
    warnings=[LOOKALIKE],
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "unit.parquet"
    rows = [{"token": LOOKALIKE, "value": 1.0}, {"token": "<script>", "value": None}]
    write_unit_file(path, frame_from_rows(rows, COLUMNS), RECORD)
    return path


def test_a_unit_file_reads_back_even_where_its_content_looks_like_its_checksum(path):
    frame, record = read_unit_file(path)
    assert record == read_unit_record(path) == RECORD
    assert frame["token"].to_list() == [LOOKALIKE, "<script>"]


def test_a_unit_file_is_plain_parquet_for_everyone_else(path):
    assert pl.read_parquet(path).shape == (2, 2)


def test_every_flipped_bit_is_found(path):
    data = path.read_bytes()
    draw = random.Random(0)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(FormatError, match="is damaged"):
            read_unit_record(path)


def test_every_truncation_is_found(path):
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(FormatError, match="is damaged"):
            read_unit_file(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(FormatError, match=r"its checksum does not fit\. Run the study again"):
        read_unit_file(path)


def test_a_missing_unit_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FormatError, match=r"Cannot read the unit file .*none\.parquet: No such file"):
        read_unit_file(tmp_path / "none.parquet")


def test_a_record_of_another_version_is_refused(tmp_path):
    path = tmp_path / "unit.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("theodolite.runs.folder.unit_file.asdict", lambda _: {"key": "x", "unheard_of": 1})
        write_unit_file(path, frame_from_rows([], COLUMNS), RECORD)
    with pytest.raises(FormatError, match="written by another version of theodolite"):
        read_unit_record(path)


def test_a_parquet_file_of_someone_else_is_no_unit(tmp_path):
    path = tmp_path / "unit.parquet"
    buffer = io.BytesIO()
    pl.DataFrame({"a": [1]}).write_parquet(buffer)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(FormatError, match="was not written by theodolite"):
        read_unit_file(path)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(RunError, match=r"Cannot write .*file: No space left on device\. Free some space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_is_interrupted_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def interrupt(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_refusal_says_what_to_do():
    error = cannot_write(Path("runs/a"), PermissionError(errno.EACCES, "Permission denied"))
    assert str(error) == "Cannot write runs/a: Permission denied. Make the folder writable, or choose another one."
    assert "OSError" in str(cannot_write(Path("runs/a"), OSError()))


def test_leftovers_are_removed_and_nothing_else(tmp_path):
    for name in (".unit.parquet.0a1b2c3d.part", "unit.parquet", ".hidden"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".hidden", "unit.parquet"]
