"""Which rows of a frame a figure or a table shows, in which order and under which name."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from theodolite.core.visible import visible
from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.dimension.config import MEASURED, NULLS
from theodolite.studies.revisions import MAIN

WHICH_FIRST = ("input", "output")
CONDITION_LABELS = {"gaussian": "Gaussian null", "permuted": "permuted null", "covariance": "covariance null"}
METHOD_LABELS = {
    "twonn": "TwoNN",
    "twonn_fit": "TwoNN",
    "twonn_ml": "TwoNN (maximum likelihood)",
    "mle": "MLE",
    "gride": "GRIDE",
    "ess": "ESS",
    "tle": "TLE",
    "mom": "MOM",
    "mada": "MADA",
    "local_twonn": "local TwoNN",
    "local_pca": "local PCA",
    "adaptive": "adaptive",
    "fisher_separability": "Fisher separability",
    "persistence_dimension": "PHdim",
    "participation_ratio": "participation ratio",
}
TOKEN = "token"
"""Measure of the rows that hold what the explorer shows of single tokens: thousands for each table."""
_TYPES = {"str": pl.String, "int": pl.Int64, "float": pl.Float64}
_LONGEST_LABEL = 36


def prepared(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that hold a finite number and are not for the explorer, with all columns and the column `label`.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study; columns may be missing.

    Returns
    -------
    polars.DataFrame
        Columns of `COLUMNS` in their order, then `label`: the short name of the model, with the kept rows behind it
        where the frame holds several choices.
    """
    return labeled(frame).filter(pl.col("value").is_finite() & pl.col("measure").ne_missing(TOKEN))


def labeled(frame: pl.DataFrame) -> pl.DataFrame:
    """Return all rows with all columns of a table study and the column `label`, as in `prepared`.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a table study; columns may be missing.

    Returns
    -------
    polars.DataFrame
        Rows without a number as well.
    """
    missing = [pl.lit(None).alias(name) for name in COLUMNS if name not in frame.columns]
    frame = frame.with_columns(missing).select(
        [pl.col(name).cast(_TYPES[column.dtype], strict=False) for name, column in COLUMNS.items()]
    )
    kept = frame["rows"].unique().drop_nulls().to_list()
    names = short_names(frame["model"].unique().drop_nulls().to_list())
    label = pl.col("model").replace_strict(names, default=pl.col("model"), return_dtype=pl.String)
    if len(kept) > 1:
        label = pl.format("{}, {} rows", label, pl.col("rows").fill_null("all"))
    return frame.with_columns(label.alias("label"))


def short_names(models: Iterable[str]) -> dict[str, str]:
    """Name each model as briefly as keeps the names apart.

    Parameters
    ----------
    models : iterable of str
        References.

    Returns
    -------
    dict
        Reference to name: without its scheme and folders, unless another reference would get the same name.

    Examples
    --------
    >>> short_names(["bundled:pocket-64", "/home/me/models/gpt2"])
    {'bundled:pocket-64': 'pocket-64', '/home/me/models/gpt2': 'gpt2'}
    """
    models = list(models)
    names = {model: re.sub(r"^[a-z]+:", "", model).rstrip("/\\").replace("\\", "/").split("/")[-1] for model in models}
    taken = list(names.values())
    unique = {model: name if name and taken.count(name) == 1 else model for model, name in names.items()}
    return {model: _shortened(visible(name)) for model, name in unique.items()}


def last_revisions(frame: pl.DataFrame) -> pl.DataFrame:
    """Keep one revision of each model: `main` where there is one, else the one with the largest step.

    Parameters
    ----------
    frame : polars.DataFrame
        Prepared rows.

    Returns
    -------
    polars.DataFrame
        The rows of these revisions.
    """
    ranked = frame.with_columns(
        (pl.col("step").is_null() | (pl.col("revision") == MAIN)).fill_null(value=True).alias("_is_main")
    )
    last = (
        ranked.select("model", "revision", "step", "_is_main")
        .unique()
        .sort("model", "_is_main", "step", "revision", nulls_last=False)
        .group_by("model", maintain_order=True)
        .last()
        .select("model", "revision")
    )
    return frame.join(last, on=["model", "revision"], how="semi", nulls_equal=True)


def headline_method(frame: pl.DataFrame) -> str | None:
    """Return the method whose number stands for a table: TwoNN where it is there, else the first by name.

    Parameters
    ----------
    frame : polars.DataFrame
        Prepared rows.

    Returns
    -------
    str or None
        None where the frame holds no dimension.
    """
    methods = sorted(frame.filter(pl.col("measure") == "dimension")["method"].drop_nulls().unique().to_list())
    return min(methods, key=lambda name: (not name.startswith("twonn"), len(name), name), default=None)


def headline(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the headline method, one for each table, revision, condition and position.

    Parameters
    ----------
    frame : polars.DataFrame
        Prepared rows.

    Returns
    -------
    polars.DataFrame
        Rows of the measure `dimension`.
    """
    method = headline_method(frame)
    chosen = frame.filter((pl.col("measure") == "dimension") & (pl.col("method") == (method or "")))
    return chosen.unique(subset=["label", "revision", "which", "condition", "x"], keep="first", maintain_order=True)


def which_in(frame: pl.DataFrame) -> list[str]:
    """Return the kinds of table in a frame: input, output, then other tensors by name.

    Parameters
    ----------
    frame : polars.DataFrame
        Prepared rows.

    Returns
    -------
    list of str
        Values of the column `which`.
    """
    found = frame["which"].drop_nulls().unique().to_list()
    return [w for w in WHICH_FIRST if w in found] + sorted(w for w in found if w not in WHICH_FIRST)


def labels_in(frame: pl.DataFrame) -> list[str]:
    """Return the labels in a frame, narrow tables first, then by name with numbers in their order.

    Parameters
    ----------
    frame : polars.DataFrame
        Prepared rows.

    Returns
    -------
    list of str
        Values of the column `label`.
    """
    widths = dict(frame.group_by("label").agg(pl.col("extrinsic").max()).iter_rows())
    return sorted((label for label in widths if label is not None), key=lambda n: (widths[n] or 0, _natural(n)))


def tables_in(frame: pl.DataFrame) -> list[tuple[str, str, pl.DataFrame]]:
    """Return the tables in a frame, in the order of `labels_in` and `which_in`.

    Parameters
    ----------
    frame : polars.DataFrame
        Prepared rows.

    Returns
    -------
    list of (str, str, polars.DataFrame)
        Label, kind and rows of each.
    """
    return [
        (label, which, rows)
        for label in labels_in(frame)
        for which in which_in(frame)
        if not (rows := frame.filter((pl.col("label") == label) & (pl.col("which") == which))).is_empty()
    ]


def nulls_in(frame: pl.DataFrame) -> list[str]:
    """Return the nulls in a frame, in the order of the study."""
    return [kind for kind in NULLS if kind in frame["condition"]]


def which_label(which: str) -> str:
    """Return the words for a kind of table.

    Parameters
    ----------
    which : str
        Value of the column `which`.

    Returns
    -------
    str
        Such as `input embedding`; the name of a tensor as it is.
    """
    return f"{which} embedding" if which in WHICH_FIRST else visible(which)


def method_label(method: str) -> str:
    """Return the name of an estimator as papers print it.

    Parameters
    ----------
    method : str
        Value of the column `method`.

    Returns
    -------
    str
        Such as `TwoNN`.
    """
    return METHOD_LABELS.get(method, visible(method.replace("_", " ")))


def parameters(text: str | None) -> dict[str, Any]:
    """Return the parameters that a row names.

    Parameters
    ----------
    text : str or None
        Value of the column `params`.

    Returns
    -------
    dict
        Empty where there are none or the text is no JSON object.
    """
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_measured() -> pl.Expr:
    """Return the expression that picks readings of the table itself."""
    return pl.col("condition") == MEASURED


def is_null_reading() -> pl.Expr:
    """Return the expression that picks readings of the null tables."""
    return pl.col("condition").is_in(NULLS)


def ends(numbers: pl.Series) -> tuple[float, float]:
    """Return the smallest and the largest number of a column.

    Parameters
    ----------
    numbers : polars.Series
        At least one that is not null.

    Returns
    -------
    tuple of float
        The two ends.

    Examples
    --------
    >>> ends(pl.Series([4, None, 2]))
    (2, 4)
    """
    found = numbers.drop_nulls().to_list()
    return min(found), max(found)


def used_range(frame: pl.DataFrame) -> Sequence[int]:
    """Return the smallest and the largest number of points behind the rows of a frame.

    Parameters
    ----------
    frame : polars.DataFrame
        Prepared rows.

    Returns
    -------
    sequence of int
        Empty where no row says.
    """
    used = frame["n_used"].drop_nulls()
    return [int(end) for end in ends(used)] if len(used) else []


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.findall(r"[0-9]+|[^0-9]+", name)]


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST_LABEL:
        return name
    half = (_LONGEST_LABEL - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
