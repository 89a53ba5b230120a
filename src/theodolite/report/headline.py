"""The headline table of a chapter: one line for each subject."""

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
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
    revision: str
    which: str
    reference: str
    cells: dict[str, Cell]
    share: float | None
    doubtful: bool
    notes: tuple[str, ...]


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
