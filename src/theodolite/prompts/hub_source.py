"""Prompts from a data set on the Hub: of a split, only the columns and rows that are needed."""

import json
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from theodolite.core.errors import FormatError, ParameterError
from theodolite.core.number_format import format_bytes
from theodolite.prompts.files import COLUMNS, Record, check_field, decoded, parquet_records, text_records
from theodolite.prompts.hub_files import README, choose_files, ending_of
from theodolite.prompts.packed import GZIP, ZSTD, unpacked
from theodolite.prompts.parquet_footer import TAIL, RowGroup, footer_length, row_groups
from theodolite.tables.hub_file import RemoteFile
from theodolite.tables.hub_repository import HubRepository
from theodolite.tables.hub_resolve import resolve
from theodolite.tables.reference import Reference

_MOST = 1_000_000_000
"""Bytes that are fetched without being asked for a number of rows."""
_LONGEST_README = 4_000_000
_FIRST_PIECE = 1 << 20
_NEAR = 1 << 16
"""Bytes between two columns that are fetched with them, because another request takes longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What is needed of a split.

    Attributes
    ----------
    field : str
        Column that holds the texts.
    columns : tuple of str
        Columns beside it, where there are such.
    rows : frozenset of int or None
        Rows to read, from 0; None for all.
    most : int or None
        Read the first so many rows only.
    """

    field: str
    columns: tuple[str, ...] = ()
    rows: frozenset[int] | None = None
    most: int | None = None

    @property
    def end(self) -> int | None:
        """The row after the last that is needed; None where all are."""
        last = None if self.rows is None else max(self.rows, default=-1) + 1
        return min((one for one in (last, self.most) if one is not None), default=None)

    def holds(self, start: int, end: int) -> bool:
        """Say whether one of the rows `start` to `end` is needed."""
        if self.end is not None and start >= self.end:
            return False
        return self.rows is None or any(start <= row < end for row in self.rows)


def hub_records(source: str, needed: Needed) -> tuple[list[Record], dict[str, Any], str]:
    """Return the records of a split of a data set, where they are from, and what to call its prompts.

    Parameters
    ----------
    source : str
        `hub:owner/name[@revision][#part]`: the part is a split, a configuration, `configuration/split` or a file.
    needed : Needed
        Which columns and rows.

    Returns
    -------
    tuple of (list of Record, dict, str)
        Rows are numbered over all files of the split; rows that lie beside those needed may be among them.

    Raises
    ------
    NotFoundError, RemoteError
        If it does not exist, cannot be reached, or may not be read; if there is no such part.
    FormatError
        If a file is damaged.
    ParameterError
        If a row does not exist; if more than a gigabyte would be fetched and nothing says how many rows.
    """
    reference = Reference.parse(source)
    data = resolve(reference, kind="dataset")
    config, split, names = choose_files(data.files, _readme(data), reference.selector, place=str(data.place))
    stem = data.repository.rpartition("/")[2]
    files = [_File.of(data, name) for name in names]
    if needed.end is None:
        _check_amount(files, needed, str(reference))
    found: list[Record] = []
    start = 0
    for file in files:
        if needed.end is not None and start >= needed.end:
            break
        records, n_rows = file.records(needed, start)
        found += records
        start += n_rows
    if needed.rows and max(needed.rows) >= start and (needed.most is None or start < needed.most):
        raise ParameterError(
            f"Row {max(needed.rows)} is not among the rows of {reference} (0 to {start - 1}). Were the rows made for "
            "another data set?"
        )
    origin = {
        "kind": "hub",
        "path": str(reference),
        "repository": data.repository,
        "commit": data.commit,
        "endpoint": data.endpoint_host,
        "configuration": config,
        "split": split,
        "files": list(names),
    }
    return found, origin, stem


def _readme(data: HubRepository) -> str:
    """Return the README of a data set; empty where it has none, or none that a person wrote."""
    there = data.files.get(README)
    if there is None or (there.size or 0) > _LONGEST_README:
        return ""
    return data.bring(README).read_text("utf-8", errors="replace")


def _check_amount(files: list["_File"], needed: Needed, reference: str) -> None:
    """Refuse to fetch much more than anyone wants by mistake."""
    total = 0
    for place, file in enumerate(files):
        total += file.n_missing(needed)
        if total > _MOST:
            more = f" for the first {place + 1} of {len(files)} files" if place + 1 < len(files) else ""
            raise ParameterError(
                f"{reference} would fetch {format_bytes(total)}{more}. Say how many rows are wanted (first_rows=, "
                "--first-rows), which rows (an index file), or name a smaller part or a file behind #."
            )


@dataclass(frozen=True, slots=True)
class _File:
    """A file of a data set, on the Hub or downloaded whole earlier."""

    place: str
    kind: str
    whole: Path | None
    remote: RemoteFile

    @classmethod
    def of(cls, data: HubRepository, name: str) -> "_File":
        return cls(str(data.asked(name)), ending_of(name), data.whole(name), data.remote(name))

    def records(self, needed: Needed, start: int) -> tuple[list[Record], int]:
        """Return the records that are needed, and how many rows the file has: at least, where it was not read whole."""
        try:
            return self._records(needed, start)
        except FormatError:
            self.remote.forget()  # the next answer may be better
            raise

    def _records(self, needed: Needed, start: int) -> tuple[list[Record], int]:
        if self.kind == ".parquet":
            return self._parquet(needed, start)
        if self.kind in ("", ".txt"):
            text = decoded(self._content(), self.place)
            name = Path(self.remote.name).stem
            return [Record(start, self.place, {needed.field: text, "name": name})], 1
        most = None if needed.end is None else needed.end - start
        found = list(islice(self._text_records(most), most))
        return [one._replace(row=start + one.row) for one in found], len(found)

    def n_missing(self, needed: Needed) -> int:
        """Return how many bytes would be fetched for all rows."""
        if self.whole is not None:
            return 0
        if self.kind != ".parquet":
            return self.remote.n_missing(0, self.remote.size)
        spans = [span for group in self._groups() for span in _spans(group, needed)]
        return sum(self.remote.n_missing(*span) for span in spans)

    def _content(self) -> bytes:
        """Return the whole file."""
        if self.whole is not None:
            return self.whole.read_bytes()
        return self._fetched(0, self.remote.size)

    def _fetched(self, begin: int, end: int) -> bytes:
        kept = self.remote.fetch(begin, end, what="texts")
        with kept.path.open("rb") as file:
            file.seek(begin - kept.begin)
            return file.read(end - begin)

    def _text_records(self, most: int | None) -> Iterator[Record]:
        """Yield the records of a file of text; of lines no more is read than hold `most` of them."""
        kind = "." + self.kind.split(".")[1]
        in_part = most is not None and self.whole is None and not self.kind.endswith(ZSTD)
        if kind == ".jsonl" and in_part:
            return text_records(self._first_lines(most or 0), kind, self.place)
        if kind == ".json" and in_part and _holds_lines(self._first_lines(1)):
            return text_records(self._first_lines(most or 0), ".jsonl", self.place)
        if self.kind.endswith(ZSTD) and self.whole is None:
            self._refuse_large()
        text = decoded(unpacked(self._content(), self.place), self.place)
        return text_records(text, ".jsonl" if kind == ".json" and _holds_lines(text) else kind, self.place)

    def _refuse_large(self) -> None:
        """Refuse to fetch a large file of which only the first rows may be wanted."""
        missing = self.remote.n_missing(0, self.remote.size)
        if missing > _MOST:
            raise ParameterError(
                f"{self.place} would fetch {format_bytes(missing)}: what zstd packed is read as a whole, however few "
                "rows are wanted. Name a smaller file behind #, or download it."
            )

    def _first_lines(self, most: int) -> str:
        """Return the first lines that are not blank, fetched in ever larger pieces."""
        packed = zlib.decompressobj(wbits=31) if self.kind.endswith(GZIP) else None
        content, at, length, complete = b"", 0, _FIRST_PIECE, True
        while at < self.remote.size:
            end = min(self.remote.size, at + length)
            piece = self._fetched(at, end)
            try:
                while packed is not None and piece:
                    content += packed.decompress(piece)
                    piece, complete = packed.unused_data, packed.eof
                    packed = zlib.decompressobj(wbits=31) if complete else packed
            except zlib.error as error:
                raise FormatError(f"{self.place} cannot be unpacked: {error}. Try again later.") from error
            content += piece
            at, length = end, 2 * length
            whole, newline, _ = content.rpartition(b"\n")
            if sum(bool(line.strip()) for line in whole.split(b"\n")) >= most:
                return decoded(whole + newline, self.place)
        if not complete:
            raise FormatError(f"{self.place} cannot be unpacked: it ends too early. Is it damaged?")
        return decoded(content, self.place)

    def _groups(self) -> tuple[RowGroup, ...]:
        """Return the row groups of a parquet file."""
        size = self.remote.size
        if size < 2 * TAIL:
            raise FormatError(f"{self.place} has {size} bytes, which is no parquet file.")
        length = footer_length(self.remote.read_at(size - TAIL, TAIL), size, place=self.place)
        footer = self.remote.read_at(size - TAIL - length, length)
        return row_groups(footer, size=size, place=self.place)

    def _parquet(self, needed: Needed, start: int) -> tuple[list[Record], int]:
        """Read the row groups that are needed out of a file that holds nothing else."""
        if self.whole is not None:
            found = list(parquet_records(self.whole, self.place, field=needed.field, columns=needed.columns))
            return _kept(found, needed, start), len(found)
        groups, size = self._groups(), self.remote.size
        found = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "columns.parquet"
            with path.open("wb") as file:
                file.truncate(size)  # takes no room where nothing is written
                tail = TAIL + footer_length(self.remote.read_at(size - TAIL, TAIL), size, place=self.place)
                for begin, content in ((0, b"PAR1"), (size - tail, self.remote.read_at(size - tail, tail))):
                    file.seek(begin)
                    file.write(content)
                wanted = [one for one in groups if needed.holds(start + one.start, start + one.start + one.n_rows)]
                for group in wanted:
                    check_field(needed.field, group.columns, self.place)
                    for begin, end in _spans(group, needed):
                        file.seek(begin)
                        file.write(self._fetched(begin, end))
            for group in wanted:
                found += parquet_records(
                    path,
                    self.place,
                    field=needed.field,
                    columns=needed.columns,
                    first=group.start,
                    n_rows=group.n_rows,
                )
        return _kept(found, needed, start), sum(group.n_rows for group in groups)


def _kept(records: list[Record], needed: Needed, start: int) -> list[Record]:
    """Return records numbered over all files, without those behind the last that is needed."""
    numbered = (one._replace(row=start + one.row) for one in records)
    return [one for one in numbered if needed.end is None or one.row < needed.end]


def _spans(group: RowGroup, needed: Needed) -> list[tuple[int, int]]:
    """Return the stretches of a row group that hold the columns that are needed."""
    names = (needed.field, *COLUMNS, *needed.columns)
    spans = sorted(span for name in dict.fromkeys(names) for span in group.columns.get(name, ()))
    merged: list[tuple[int, int]] = []
    for begin, end in spans:
        if merged and begin - merged[-1][1] <= _NEAR:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _holds_lines(text: str) -> bool:
    """Say whether a file called .json holds an object in each line, as many on the Hub do, and not one list."""
    line = text.lstrip().partition("\n")[0]
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
