"""A prompt and a collection of prompts."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prompt(Displayed):
    """One text.

    Attributes
    ----------
    text : str
        As it was stored; surrounding blanks are cut when it is tokenized.
    name : str
        What results call it; unique in its collection.
    row : int
        Number of its row in the source, from 0, rows without text included.
    label : str or None
        A class, such as "harmful".
    source : str or None
        Where texts of this kind come from; what a leave-one-source-out evaluation leaves out.
    """

    text: str
    name: str
    row: int
    label: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prompts(Displayed):
    """Prompts in the order of their source.

    Attributes
    ----------
    items : tuple of Prompt
        The prompts that hold text.
    origin : dict
        Fit for JSON: kind, path, sha256 of the file, field, rows chosen.
    empty : tuple of int
        Rows that hold no text and were left out.

    Examples
    --------
    >>> items = (Prompt(text="To be", name="a", row=0), Prompt(text="Or not", name="b", row=2))
    >>> Prompts(items=items, origin={}).select([2]).texts
    ('Or not',)
    """

    items: tuple[Prompt, ...]
    origin: dict[str, Any] = field(repr=False)
    empty: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Return how many prompts there are."""
        return len(self.items)

    def __iter__(self) -> Iterator[Prompt]:
        """Yield the prompts."""
        return iter(self.items)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts alone."""
        return tuple(prompt.text for prompt in self.items)

    @property
    def labels(self) -> tuple[str | None, ...]:
        """The labels alone."""
        return tuple(prompt.label for prompt in self.items)

    def select(self, rows: Iterable[int]) -> "Prompts":
        """Return the prompts of these rows of the source, in the order in which the rows are named.

        Parameters
        ----------
        rows : iterable of int
            Row numbers of the source, from 0, as published index files list them.

        Returns
        -------
        Prompts
            Rows without text stay left out and stay listed in `empty`.

        Raises
        ------
        ParameterError
            If a row does not exist or is named twice.
        """
        wanted = [int(row) for row in rows]
        held = {prompt.row: prompt for prompt in self.items}
        lost = [row for row in wanted if row not in held and row not in self.empty]
        twice = [row for row, count in Counter(wanted).items() if count > 1]
        if lost:
            there = f"0 to {max([*held, *self.empty])}" if held or self.empty else "none"
            raise ParameterError(
                f"Row {lost[0]} is not among the rows of the prompts ({there})"
                f"{f', nor are {len(lost) - 1} more of those named' if len(lost) > 1 else ''}. Were the rows made for "
                "another file?"
            )
        if twice:
            raise ParameterError(f"Row {twice[0]} is named {max(Counter(wanted).values())} times. Name each row once.")
        return replace(
            self,
            items=tuple(held[row] for row in wanted if row in held),
            empty=tuple(row for row in wanted if row in self.empty),
            origin={**self.origin, "n_rows_chosen": len(wanted)},
        )
