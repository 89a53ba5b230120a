"""Numbers that the papers print, as data: what a reproduction is compared with."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

Mark = Literal["published", "digitised", "reported"]

_FILE = Path(__file__).with_name("published.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A number of a paper, or one for each layer.

    Attributes
    ----------
    paper : str
        kataiwa2025, lee2025 or viswanathan2025.
    figure : str
        Where the paper has it.
    quantity : str
        What was measured, such as `dimension` or `correlation with loss`.
    model : str
        What it was measured on, such as `gpt2`, in lower case; or a class of models, such as `pythia suite`.
    mark : {"published", "digitised", "reported"}
        In the paper or its authors' arrays; read off a printed figure; quoted by others.
    preset : str or None
        Version of the paper that it belongs to.
    scale : int or None
        Outer neighbor of the estimate, or number of neighbors of an overlap.
    first_layer : int or None
        Layer of the first value; None for a number that belongs to no layer.
    n : int or None
        Prompts that it is a mean or correlation over.
    values : tuple of float
        One value, or one for each layer. Empty where only a range is known.
    sd : tuple of float
        Standard deviations over prompts, where printed.
    low, high : float or None
        Ends of a range.
    tolerance : float or None
        Relative difference that still counts as agreement: how far choices that the paper does not state move it.
    note : str
        What a reader should know.
    """

    paper: str
    figure: str
    quantity: str
    model: str
    mark: Mark
    preset: str | None = None
    scale: int | None = None
    first_layer: int | None = None
    n: int | None = None
    values: tuple[float, ...] = ()
    sd: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    tolerance: float | None = None
    note: str = ""


@lru_cache
def published(paper: str, *, preset: str | None = None) -> tuple[Published, ...]:
    """Return the numbers of a paper.

    Parameters
    ----------
    paper : str
        kataiwa2025, lee2025 (which has none that are known here) or viswanathan2025.
    preset : str, optional
        Only those of this version of the paper.

    Returns
    -------
    tuple of Published
        In the order of the paper.

    Examples
    --------
    >>> [one.values[0] for one in published("kataiwa2025") if one.model == "pythia-160m"]
    [27]
    """
    entries = json.loads(_FILE.read_text(encoding="utf-8"))
    made = (
        Published(**{name: _frozen(value) for name, value in entry.items()} | {"model": entry["model"].lower()})
        for entry in entries
    )
    return tuple(one for one in made if one.paper == paper and preset in (None, one.preset))


def _frozen(value: object) -> object:
    return tuple(float("nan") if one is None else one for one in value) if isinstance(value, list) else value
