"""`read_prompts`: texts from a file, a folder, a list, the Hub, or the examples that ship with the package."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.core.hashing import hash_file, hash_json
from theodolite.core.number_format import counted
from theodolite.prompts.files import Record, records_of
from theodolite.prompts.prompt import Prompt, Prompts
from theodolite.prompts.rows import read_rows

_EXAMPLES = Path(__file__).parent / "examples.jsonl"
_NAMES = ("name", "id")
_HUB = "hub:"


def read_prompts(
    source: str | Path | Sequence[str | Prompt],
    *,
    field: str = "text",
    label: str | None = None,
    rows: str | Path | Iterable[int] | None = None,
    first_rows: int | None = None,
    where: tuple[str, str] | None = None,
) -> Prompts:
    """Read prompts.

    Parameters
    ----------
    source : str, pathlib.Path or sequence
        "examples" (the prompts that ship with the package); a `.jsonl` file (objects or strings, one on each line); a
        `.json` file (a list of them); a `.parquet`, `.csv` or `.tsv` file; one of the four in text packed by gzip or
        zstd; any other file (one text); a folder (each `.txt` file in it is one text, by name; no hidden ones); a data
        set on the Hub (below); or a list of texts or prompts.
    field : str
        Where objects and columns hold the text.
    label : str or None
        Label of prompts that name none.
    rows : str, pathlib.Path, iterable of int or None
        Which rows to keep: numbers from 0, or an index file for `read_rows`. None keeps all.
    first_rows : int or None
        Read the first so many rows only; None reads all.
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
        If file or folder do not exist, the folder holds no `.txt` file, or the Hub has no such data set, part or file.
    RemoteError
        If the Hub cannot be reached, or does not let this account read.
    FormatError
        If a file is not UTF-8 or not valid JSON (the line is named), a record has no such field, or there is no text.
    ParameterError
        If rows do not exist, or more than a gigabyte of the Hub would be read without a word on how many rows.

    Notes
    -----
    `hub:owner/name[@revision][#part]` is a data set on the Hub. The part is a split (`#test`), a configuration
    (`#wikitext-2-raw-v1`), both (`#wikitext-2-raw-v1/test`) or a file (`#data/extra.jsonl`); without one it is the
    default configuration and its split train. Which files that are is read from the header of the data set's README,
    as the Hub does, or from their names. Of parquet files only the columns of text, name, label and source are fetched,
    and only the row groups that hold the rows asked for; of `.jsonl` only the beginning, where the first rows are
    enough. What was fetched is kept in the cache (`theodolite cache`). A data set that is made by a script can be read
    from the copy that the Hub makes of it: `hub:owner/name@refs/convert/parquet`.

    Examples
    --------
    >>> prompts = read_prompts(["One", "   ", "Two"], label="benign")
    >>> prompts.texts, prompts.empty, prompts.items[1].name
    (('One', 'Two'), (1,), 'prompt-2')
    """
    if first_rows is not None and first_rows < 1:
        raise ParameterError(f"first_rows={first_rows} leaves nothing to read. Take at least 1.")
    chosen = read_rows(rows).tolist() if isinstance(rows, str | Path) else None if rows is None else list(rows)
    columns = (where[0],) if where is not None else ()
    origin: dict[str, Any] = {"field": field} if where is None else {"field": field, "where": "=".join(where)}
    if _is_on_hub(source):
        from theodolite.prompts.hub_source import Needed, hub_records  # noqa: PLC0415 (needs an HTTP client)

        wanted = None if chosen is None else frozenset(chosen)
        needed = Needed(field=field, columns=columns, rows=wanted, most=first_rows)
        records, about, stem = hub_records(str(source), needed)
        origin |= about
    elif isinstance(source, str | Path):
        place = _EXAMPLES if source == "examples" else Path(source).expanduser()
        if not str(source).strip() or not place.exists():
            raise NotFoundError(
                f"There are no prompts at {str(source) or repr(source)}. Give a .jsonl, .json, .parquet, .csv or text "
                'file, a folder of .txt files, hub:owner/name for a data set on the Hub, or the word "examples".'
            )
        records, kind, stem = records_of(place, field=field, columns=columns)
        origin |= {"kind": kind, "path": "examples" if place == _EXAMPLES else str(place)}
        origin["sha256"] = hash_file(place) if place.is_file() else hash_json([one.value for one in records])
    else:
        records, stem = [Record(row, f"item {row}", item) for row, item in enumerate(source)], "prompt"
        origin |= {"kind": "list", "path": None}
    if first_rows is not None:
        records = records[:first_rows] if chosen is None else [one for one in records if one.row < first_rows]
        origin["first_rows"] = first_rows
    found = list(_prompts(records, field=field, label=label, stem=stem, where=where))
    found = [prompt if prompt.source or stem == "prompt" else replace(prompt, source=stem) for prompt in found]
    if "sha256" not in origin:
        origin["sha256"] = hash_json([prompt.text for prompt in found])
    held = _with_own_names([prompt for prompt in found if prompt.text.strip()])
    if not held:
        which = f" with {'='.join(where)}" if where else ""
        raise FormatError(
            f"{origin['path'] or 'The list'} holds no text{which}: {counted(len(found), 'row')}, all without. Give "
            "at least one "
            "prompt."
        )
    prompts = Prompts(
        items=tuple(held), origin=origin, empty=tuple(prompt.row for prompt in found if not prompt.text.strip())
    )
    return prompts if chosen is None else prompts.select(chosen)


def source_name(source: str) -> str:
    """Return what to call a source of prompts in a table: the name of a file, or a data set with its part.

    Parameters
    ----------
    source : str
        As `read_prompts` takes it.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> source_name("texts/mine.jsonl"), source_name("hub:owner/pile@main#train")
    ('mine.jsonl', 'owner/pile@main#train')
    """
    return source.removeprefix(_HUB) if _is_on_hub(source) else PurePath(source).name


def _is_on_hub(source: object) -> bool:
    """Say whether a source is a data set on the Hub; a file of this name wins."""
    return isinstance(source, str) and source.startswith(_HUB) and not Path(source).exists()


def _prompts(
    records: Iterable[Record], *, field: str, label: str | None, stem: str, where: tuple[str, str] | None
) -> Iterator[Prompt]:
    """Turn records into prompts, those without text included."""
    for row, place, record in records:
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
                f"{place} has no {field!r}. It has {', '.join(map(str, values)) or 'nothing'}. Name what holds the "
                "text with field=."
            )
        text = values[field]
        if not isinstance(text, str) and text is not None:
            raise FormatError(
                f"{place} holds no text in {field!r}, but {text!r:.40} ({type(text).__name__}). Give a text."
            )
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
