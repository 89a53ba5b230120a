"""Phrases that captions share, made from the rows that are drawn."""

import polars as pl

from theodolite.core.number_format import format_range
from theodolite.report.selection import CONDITION_LABELS, is_measured, labels_in, nulls_in, used_range

_MOST_NAMED = 4


def listed(names: list[str]) -> str:
    """Join names as a sentence does.

    Parameters
    ----------
    names : list of str
        What to name.

    Returns
    -------
    str
        Such as `a, b and c`; the number left out where there are many.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    if len(names) > _MOST_NAMED + 1:
        names = [*names[:_MOST_NAMED], f"{len(names) - _MOST_NAMED} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def joined(*parts: str) -> str:
    """Join parts of a caption, leaving out the empty ones."""
    return " ".join(part for part in parts if part)


def tables_named(data: pl.DataFrame) -> str:
    """Name the models in the rows of a figure."""
    return listed(labels_in(data.filter(is_measured()) if "condition" in data.columns else data))


def points_behind(data: pl.DataFrame) -> str:
    """Say how many points the measured readings rest on; empty where the rows do not say."""
    used = used_range(data.filter(is_measured()) if "condition" in data.columns else data)
    return f"n\u00a0=\u00a0{format_range(*used, whole=True)} distinct rows per table." if used else ""


def against_nulls(data: pl.DataFrame, *, color: str = "in the color of the table") -> str:
    """Say what the null curves are; empty where there are none."""
    kinds = nulls_in(data)
    if not kinds:
        return ""
    meaning = {
        "gaussian": "independent Gaussian entries, total variance as in the table",
        "permuted": "each column of the table shuffled on its own",
        "covariance": "Gaussian entries with the covariance of the table",
    }
    parts = [f"{CONDITION_LABELS[kind]} ({meaning[kind]})" for kind in kinds]
    return f"Dashed, {color}: the mean estimate over draws of random tables of the same size, {listed(parts)}."
