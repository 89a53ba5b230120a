"""`read_prompts`: texts from a file, a folder, a list, or the examples that ship with the package."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.core.hashing import hash_file, hash_json
from theodolite.prompts.prompt import Prompt, Prompts
from theodolite.prompts.rows import read_rows

_EXAMPLES = Path(__file__).parent / "examples.jsonl"
_NAMES = ("name", "id")

Record = tuple[str, Any]
"""Where a record stands, for messages, and what it holds: a text or a dict."""


def read_prompts(
    source: str | Path | Sequence[str | Prompt],
    *,
    field: str = "text",
    label: str | None = None,
    rows: str | Path | Iterable[int] | None = None,
    where: tuple[str, str] | None = None,
) -> Prompts:
    """Read prompts.

    Parameters
    ----------
    source : str, pathlib.Path or sequence
        "examples" (the prompts that ship with the package); a `.jsonl` file (objects or strings, one on each line); a
        `.json` file (a list of them); a `.parquet` file; any other file (one text); a folder (each `.txt` file in it is
        one text, by name); or a list of texts or prompts.
    field : str
        Where objects and columns hold the text.
    label : str or None
        Label of prompts that name none.
    rows : str, pathlib.Path, iterable of int or None
        Which rows to keep: numbers from 0, or an index file for `read_rows`. None keeps all.
    where : tuple of str or None
        A column and the value, as text, of the records to keep, such as `("type", "jailbreak")`. None keeps all.

    Returns
    -------
    Prompts
        With names, labels and sources where the records have `name` (or `id`), `label`, `source`. Without, a name is
        made of the file's and the row, and the source is the file's name. A name that occurs again gets its row behind
        it.

    Raises
    ------
    NotFoundError
        If file or folder do not exist, or the folder holds no `.txt` file.
    FormatError
        If a file is not UTF-8 or not valid JSON (the line is named), a record has no such field, or there is no text.
    ParameterError
        If rows do not exist.

    Examples
    --------
    >>> prompts = read_prompts(["One", "   ", "Two"], label="benign")
    >>> prompts.texts, prompts.empty, prompts.items[1].name
    (('One', 'Two'), (1,), 'prompt-2')
    """
    origin: dict[str, Any] = {"field": field} if where is None else {"field": field, "where": "=".join(where)}
    if isinstance(source, str | Path):
        place = _EXAMPLES if source == "examples" else Path(source).expanduser()
        if not place.exists():
            raise NotFoundError(
                f"There are no prompts at {source}. Give a .jsonl, .json, .parquet or text file, a folder of .txt "
                "files, or "
                'the word "examples".'
            )
        records, kind, stem = _records(place, field, where)
        origin |= {"kind": kind, "path": "examples" if place == _EXAMPLES else str(place)}
        origin["sha256"] = hash_file(place) if place.is_file() else hash_json([text for _, text in records])
    else:
        records, stem = [(f"item {i}", item) for i, item in enumerate(source)], "prompt"
        origin |= {"kind": "list", "path": None}
    found = list(_prompts(records, field=field, label=label, stem=stem, where=where))
    found = [prompt if prompt.source or stem == "prompt" else replace(prompt, source=stem) for prompt in found]
    if "sha256" not in origin:
        origin["sha256"] = hash_json([prompt.text for prompt in found])
    held = _with_own_names([prompt for prompt in found if prompt.text.strip()])
    if not held:
        chosen = f" with {'='.join(where)}" if where else ""
        raise FormatError(
            f"{origin['path'] or 'The list'} holds no text{chosen}: {len(found)} rows, all without. Give at least one "
            "prompt."
        )
    prompts = Prompts(
        items=tuple(held), origin=origin, empty=tuple(prompt.row for prompt in found if not prompt.text.strip())
    )
    if rows is None:
        return prompts
    return prompts.select(read_rows(rows).tolist() if isinstance(rows, str | Path) else rows)


def _records(place: Path, field: str, where: tuple[str, str] | None) -> tuple[list[Record], str, str]:
    """Return the records of a file or folder, what kind it is, and what to call its prompts."""
    if place.is_dir():
        files = sorted(path for path in place.iterdir() if path.suffix == ".txt" and path.is_file())
        if not files:
            raise NotFoundError(f"The folder {place} holds no .txt file. Give a folder with one text in each file.")
        texts = [(str(file), {field: read_text(file), "name": file.stem}) for file in files]
        return texts, "folder", place.resolve().name
    if place.suffix == ".jsonl":
        return list(_lines(place)), "jsonl", place.stem
    if place.suffix == ".json":
        return _list(place), "json", place.stem
    if place.suffix == ".parquet":
        return _parquet(place, field, where), "parquet", place.stem
    return [(str(place), {field: read_text(place), "name": place.stem})], "text", place.stem


def read_text(file: Path) -> str:
    """Read a text file in UTF-8.

    Raises
    ------
    FormatError
        If a byte is not UTF-8; the message names line and byte.
    """
    stored = file.read_bytes()
    try:
        return stored.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = stored[: error.start].count(b"\n") + 1
        raise FormatError(
            f"{file} is not UTF-8: line {line} holds the byte 0x{stored[error.start]:02x}. Save it as UTF-8."
        ) from error


def _lines(place: Path) -> Iterator[Record]:
    """Yield the records of a jsonl file; blank lines are no rows."""
    for number, line in enumerate(read_text(place).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            yield f"{place}, line {number}", json.loads(line)
        except ValueError as error:
            raise FormatError(
                f"{place}, line {number} is no valid JSON: {error}. Each line is one object or one string."
            ) from error


def _list(place: Path) -> list[Record]:
    try:
        values = json.loads(read_text(place))
    except ValueError as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{place} is no valid JSON: {error}. Needed is a list of strings or objects.") from error
    if not isinstance(values, list):
        raise FormatError(
            f"{place} holds no list at its top, but a {type(values).__name__}. Needed is a list of prompts."
        )
    return [(f"{place}, item {i}", value) for i, value in enumerate(values)]


def _parquet(place: Path, field: str, where: tuple[str, str] | None) -> list[Record]:
    import polars  # noqa: PLC0415 (only for this format)

    try:
        columns = polars.read_parquet_schema(place)
        if field not in columns:
            raise FormatError(f"{place} has no column {field!r}. It has {', '.join(columns)}. Name one with field=.")
        wanted = [
            name for name in dict.fromkeys((field, *_NAMES, "label", "source", *(where or ())[:1])) if name in columns
        ]
        table = polars.read_parquet(place, columns=wanted)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise FormatError(f"{place} cannot be read as parquet: {str(error)[:200]}. Download it again.") from error
    return [(f"{place}, row {i}", row) for i, row in enumerate(table.iter_rows(named=True))]


def _prompts(
    records: Iterable[Record], *, field: str, label: str | None, stem: str, where: tuple[str, str] | None
) -> Iterator[Prompt]:
    """Turn records into prompts, those without text included."""
    for row, (place, record) in enumerate(records):
        if isinstance(record, Prompt):
            yield replace(record, row=row, label=record.label if record.label is not None else label)
            continue
        values = {field: record} if isinstance(record, str) else record
        if not isinstance(values, dict):
            raise FormatError(
                f"{place} is a {type(record).__name__}. A prompt is a string, or an object with {field!r}."
            )
        if where is not None and where[0] not in values:
            raise FormatError(f"{place} has no {where[0]!r} to choose by. It has {', '.join(map(str, values))}.")
        if where is not None and str(values[where[0]]) != where[1]:
            continue
        if field not in values:
            raise FormatError(
                f"{place} has no {field!r}. It has {', '.join(map(str, values)) or 'nothing'}; see field=."
            )
        text = values[field]
        if not isinstance(text, str) and text is not None:
            raise FormatError(f"{place} holds a {type(text).__name__} in {field!r}, where a text is needed.")
        if text and any("\ud800" <= character <= "\udfff" for character in text):
            raise FormatError(f"{place} holds half of a surrogate pair, which is no character. Save it as UTF-8 again.")
        name = next((values[key] for key in _NAMES if values.get(key) is not None), f"{stem}-{row}")
        own = values.get("label")
        origin = values.get("source")
        yield Prompt(
            text=text or "",
            name=str(name),
            row=row,
            label=label if own is None else str(own),
            source=None if origin is None else str(origin),
        )


def _with_own_names(prompts: list[Prompt]) -> list[Prompt]:
    """Put the row behind every name that occurs more than once."""
    counts = Counter(prompt.name for prompt in prompts)
    return [
        prompt if counts[prompt.name] == 1 else replace(prompt, name=f"{prompt.name}#{prompt.row}")
        for prompt in prompts
    ]
