import csv
import hashlib
import io
import os
import subprocess
import sys
from itertools import pairwise

import polars as pl
import pytest

from theodolite.core.errors import FormatError, RunError
from theodolite.runs import Column
from theodolite.runs.folder.summary_file import summary_csv
from theodolite.runs.folder.table import default_summary, write_table

COLUMNS = {
    "value": Column(dtype="float", meaning="a number"),
    "token": Column(dtype="str", meaning="a token"),
}


def rows(start, stop):
    numbers = range(start, stop)
    return pl.DataFrame(
        {"value": [one / 7 for one in numbers], "token": [("a", "b", None)[one % 3] for one in numbers]}
    )


def cut(frame, *places):
    edges = [0, *places, frame.height]
    return [frame[start:stop] for start, stop in pairwise(edges)]


def test_equal_rows_give_equal_bytes_however_they_were_put_together(tmp_path):
    frame = rows(0, 300_000)  # more than one row group
    ways = {"whole": [frame], "halves": cut(frame, 150_000), "crumbs": cut(frame, 10, 11, 4_000, 262_144, 299_999)}
    written = {name: write_table(tmp_path / name, pieces, COLUMNS) for name, pieces in ways.items()}
    assert len({(tmp_path / name).read_bytes() for name in ways}) == 1
    assert set(written.values()) == {(300_000, hashlib.sha256((tmp_path / "whole").read_bytes()).hexdigest())}
    assert pl.read_parquet(tmp_path / "crumbs").equals(frame, null_equal=True)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_table_does_not_depend_on_the_number_of_cores(tmp_path):
    write_table(tmp_path / "here", cut(rows(0, 300_000), 1000), COLUMNS)
    source = (
        "import sys, polars as pl; from pathlib import Path; from theodolite.runs import Column\n"
        "from theodolite.runs.folder.table import write_table\n"
        "frame = pl.read_parquet(sys.argv[1]); assert pl.thread_pool_size() == 5\n"
        "write_table(Path(sys.argv[2]), [frame], {'value': Column(dtype='float', meaning=''), "
        "'token': Column(dtype='str', meaning='')})"
    )
    arguments = [sys.executable, "-c", source, str(tmp_path / "here"), str(tmp_path / "there")]
    subprocess.run(arguments, check=True, env={**os.environ, "POLARS_MAX_THREADS": "5"})
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_a_table_without_rows_has_its_columns(tmp_path):
    assert write_table(tmp_path / "table", [], COLUMNS)[0] == 0
    assert pl.read_parquet(tmp_path / "table").schema == {"value": pl.Float64, "token": pl.String}


@pytest.mark.parametrize("problem", [KeyboardInterrupt(), FormatError("a unit is damaged"), MemoryError()])
def test_what_stops_the_rows_stops_the_table_and_leaves_the_old_one(tmp_path, problem):
    def frames():
        yield rows(0, 100_000)
        raise problem

    path = tmp_path / "table.parquet"
    path.write_bytes(b"old")
    with pytest.raises(type(problem)):
        write_table(path, frames(), COLUMNS)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_while_the_table_is_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"old")
    source = (
        "import resource, signal, sys; from pathlib import Path; import polars as pl\n"
        "from theodolite.runs import Column; from theodolite.runs.folder.table import write_table\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "frame = pl.DataFrame({'value': [one / 7 for one in range(300_000)]})\n"
        "write_table(Path(sys.argv[1]), [frame], {'value': Column(dtype='float', meaning='')})"
    )
    ended = subprocess.run([sys.executable, "-c", source, str(path)], check=False, capture_output=True, text=True)
    assert "RunError: Cannot write" in ended.stderr
    assert "File too large. Free some space" in ended.stderr
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_is_written_in_a_fraction_of_its_memory(tmp_path):
    source = (
        "import resource, sys; from pathlib import Path; import polars as pl\n"
        "from theodolite.runs import Column; from theodolite.runs.folder.table import write_table\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "frames = (pl.select(pl.int_range(n * 10**5, (n + 1) * 10**5).cast(pl.Float64).sqrt().alias('value'))"
        " for n in range(int(sys.argv[2])))\n"
        "write_table(Path(sys.argv[1]), frames, {'value': Column(dtype='float', meaning='')}); print(most())"
    )

    def most(n_frames):
        arguments = [sys.executable, "-c", source, str(tmp_path / "table"), str(n_frames)]
        threads = {**os.environ, "POLARS_MAX_THREADS": "2"}  # each of which keeps memory of its own
        return float(subprocess.run(arguments, check=True, capture_output=True, text=True, env=threads).stdout)

    assert most(120) - most(20) < 40  # megabytes, where the rows are 80 more


def test_the_default_summary_is_small():
    assert default_summary(pl.DataFrame({"a": range(5000)})).height == 1000
    assert default_summary(pl.DataFrame({"a": range(5)})).height == 5


@pytest.mark.parametrize("token", ['<script>"x"</script>', "a\nb", "a,b", "½ \U0001f600", "\0", "\x1b[31m"])
def test_hostile_text_reads_back_from_the_summary(token):
    text = summary_csv([{"token": token, "value": -1.5}]).decode()
    assert list(csv.DictReader(io.StringIO(text, newline=""))) == [{"token": token, "value": "-1.5"}]


@pytest.mark.parametrize("token", ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_text_is_no_formula_for_a_spreadsheet(token):
    text = summary_csv([{"token": token}]).decode()
    assert list(csv.DictReader(io.StringIO(text, newline=""))) == [{"token": f"'{token}"}]


def test_a_summary_without_rows_has_its_header_where_it_is_a_frame():
    assert summary_csv(pl.DataFrame(schema={"a": pl.Int64, "b": pl.String})) == b"a,b\r\n"
    assert summary_csv([]) == b"\r\n"


def test_lone_surrogates_do_not_stop_a_summary():
    assert summary_csv([{"token": "\udc80"}]) == b"token\r\n\\udc80\r\n"


@pytest.mark.parametrize("summary", [None, 3, [1], "text"])
def test_a_summary_is_a_frame_or_rows(summary):
    with pytest.raises(RunError, match="must be a polars DataFrame or a list of dicts, but this is a"):
        summary_csv(summary)
