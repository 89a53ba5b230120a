"""How often each token occurs, from a file of the user's."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.tables import Table


def with_counts(table: Table, path: Path) -> Table:
    """Return a table whose tokens have the counts of a file.

    Parameters
    ----------
    table : Table
        All rows of a table.
    path : pathlib.Path
        A TSV file in UTF-8 with the columns `id` (a row of the table) or `token` (as theodolite shows it), and
        `count`. Tokens that the file does not name count 0.

    Returns
    -------
    Table
        The same rows, with `counts`.

    Raises
    ------
    NotFoundError
        If the file cannot be read.
    FormatError
        If a column is missing, a line is no count, or none of the tokens is one of the table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"Cannot read the counts in {path}: {error}. It must be a TSV file in UTF-8.") from error
    columns = set(lines[0]) if lines else set()
    if "count" not in columns or not columns & {"id", "token"}:
        raise FormatError(
            f"{path} has the columns {', '.join(map(str, columns)) or '(none)'}, but counts need the column count, and "
            "id or token."
        )
    places = {str(token_id): index for index, token_id in enumerate(table.token_ids)}
    key = "id"
    if "id" not in columns:
        key = "token"
        places = {token: index for index, token in enumerate(table.tokens or ())}
    counts = np.zeros(table.n_tokens, dtype=np.int64)
    n_known = 0
    for number, line in enumerate(lines, start=2):
        text = line["count"] or ""
        if not (text.isascii() and text.isdigit()):
            raise FormatError(f"Line {number} of {path} gives the count {text!r}. It must be a whole number.")
        place = places.get(line[key] or "")
        if place is not None:
            counts[place] += int(text)
            n_known += 1
    if n_known == 0:
        raise FormatError(f"No token of the {len(lines)} in {path} is one of {table.provenance['reference']}.")
    return replace(table, counts=counts)
