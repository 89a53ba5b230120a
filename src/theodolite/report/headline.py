"""The headline table of a chapter, one line for each subject, and the cells that all tables are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from theodolite.core.number_format import format_count, format_percent, format_value


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in a table.

    Attributes
    ----------
    text : str
        As shown.
    value : float or None
        As sorted.
    doubtful : bool
        Whether a finding says that the number is not to be trusted.
    """

    text: str
    value: float | None = None
    doubtful: bool = False

    @classmethod
    def number(cls, value: float | None, stderr: float | None = None) -> Self:
        """Return a number with its standard error; a dash where there is none."""
        return cls(format_value(value, stderr), value)

    @classmethod
    def count(cls, value: float | None) -> Self:
        """Return a whole number; a dash where there is none."""
        return cls(format_count(value), value)

    @classmethod
    def percent(cls, fraction: float | None, stderr: float | None = None) -> Self:
        """Return a fraction in per cent; a dash where there is none."""
        return cls(format_percent(fraction, stderr), fraction)

    @classmethod
    def of(cls, row: Mapping[str, Any] | None) -> Self:
        """Return `value` of a row with its `stderr`; a dash where there is no row."""
        return cls.number(None) if row is None else cls.number(row["value"], row["stderr"])


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadlineRow:
    """What the report says about one subject, such as a table, in one line.

    Attributes
    ----------
    name, revision, which : str
        Short name of the model, revision where it is not main, and what of it: the kind of table, the prompts ...
    reference : str
        The model as given.
    cells : dict
        Column to Cell.
    share : float or None
        A number between 0 and 1, for the bar in the chapter's `bar` column.
    doubtful : bool
        Whether a finding says that the number is not to be trusted.
    notes : tuple of str
        What a reader should know.
    """

    name: str
    revision: str = ""
    which: str
    reference: str
    cells: dict[str, Cell]
    share: float | None = None
    doubtful: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadlineTable:
    """The headline table.

    Attributes
    ----------
    columns : dict
        Column key to heading; columns that no row has are absent.
    rows : tuple of HeadlineRow
        In the order to show.
    """

    columns: dict[str, str]
    rows: tuple[HeadlineRow, ...]

    @classmethod
    def of(cls, headings: Mapping[str, str], rows: Iterable[HeadlineRow | None]) -> Self:
        """Return the table of the rows that there are, without the columns that no row has."""
        kept = tuple(row for row in rows if row is not None)
        return cls(
            {key: text for key, text in headings.items() if any(row.cells[key].value is not None for row in kept)}, kept
        )
