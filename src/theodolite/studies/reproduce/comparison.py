"""One line of a reproduction: what the paper says, what we find, and whether they agree."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any, Literal

import polars as pl

from theodolite.core.number_format import format_value

Agreement = Literal[
    "agrees", "differs", "supported", "not supported", "undecided", "not applicable", "not comparable", "not run"
]

OTHER_MODEL = "another model than those given"
_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a paper says beside what we find.

    Attributes
    ----------
    paper, figure : str
        Where the paper says it.
    claim : str
        The quantity, or the sentence.
    subject : str
        What it is about here: a model, a table, a pair.
    published, ours : str
        In words or numbers.
    agreement : str
        `agrees` or `differs` for a number of the same model, within the tolerance of the note; the verdict of our
        finding for a sentence; `not comparable` for a number of another model or of other prompts; `not run`.
    note : str
        The tolerance, or why there is no comparison.
    study : str
        The study that has ours; empty for none.
    first_layer : int or None
        Layer of the first of the values below.
    published_values, our_values, differences : tuple of float
        Layer by layer, or one; differences are in the units of the note.
    """

    paper: str
    figure: str
    claim: str
    subject: str
    published: str
    ours: str
    agreement: Agreement
    note: str = ""
    study: str = ""
    first_layer: int | None = None
    published_values: tuple[float, ...] = ()
    our_values: tuple[float, ...] = ()
    differences: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as a dict fit for JSON."""
        return asdict(self)


def comparison_frame(comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """Return comparisons as a frame of text, for `comparison.csv`.

    Parameters
    ----------
    comparisons : sequence of Comparison
        In the order to show.

    Returns
    -------
    polars.DataFrame
        One row for each; the values of layers are left out.
    """
    names = ("paper", "figure", "claim", "subject", "published", "ours", "agreement", "note", "study")
    rows = [{name: getattr(one, name) for name in names} for one in comparisons]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String))


def layer_frame(comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """Return the values that are compared, one row for each layer, for `layers.csv`.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Those without values give no row.

    Returns
    -------
    polars.DataFrame
        figure, claim, subject, layer (none for a number of no layer), published, ours, difference.
    """
    schema = {
        **dict.fromkeys(("figure", "claim", "subject"), pl.String),
        "layer": pl.Int64,
        **dict.fromkeys(("published", "ours", "difference"), pl.Float64),
    }
    rows = [
        {
            "figure": one.figure,
            "claim": one.claim,
            "subject": one.subject,
            "layer": None if one.first_layer is None else one.first_layer + place,
            "published": published,
            "ours": _at(one.our_values, place),
            "difference": _at(one.differences, place),
        }
        for one in comparisons
        for place, published in enumerate(one.published_values)
    ]
    return pl.DataFrame(rows, schema=schema)


def written(values: Sequence[float]) -> str:
    """Write values of layers in one line: all of a few, else the first, the highest and the last.

    Examples
    --------
    >>> written([3.12, 5.0, 7.26, 6.78])
    '3.12 ... 7.26 (highest) ... 6.78'
    """
    if len(values) <= _MOST_SHOWN:
        return ", ".join(format_value(one) for one in values)
    highest = max((one for one in values if not isnan(one)), default=nan)
    return f"{format_value(values[0])} ... {format_value(highest)} (highest) ... {format_value(values[-1])}"


def _at(values: Sequence[float], place: int) -> float | None:
    return values[place] if place < len(values) else None
