import csv
import io

import polars as pl
import pytest

from theodolite.core.errors import RunError
from theodolite.runs.table import default_summary, summary_csv, table_bytes


def test_equal_rows_give_equal_bytes_however_they_were_put_together():
    n_rows = 300_000  # more than one row group
    frame = pl.DataFrame({"value": [number / 7 for number in range(n_rows)], "token": ["a", "b", None] * (n_rows // 3)})
    pieces = pl.concat([frame[:10], frame[10:200_000], frame[200_000:]], rechunk=False)
    assert pieces.n_chunks() > 1
    assert table_bytes(frame) == table_bytes(frame) == table_bytes(pieces)


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
