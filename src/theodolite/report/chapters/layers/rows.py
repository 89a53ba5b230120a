"""Which rows of a layer study a figure shows, averaged over prompts and named for people."""

import polars as pl
import polars.selectors as cs

from theodolite.core.number_format import counted, format_range
from theodolite.report.selection import method_label, short_names
from theodolite.studies.layers.columns import COLUMNS
from theodolite.studies.layers.config import (
    BLOCK_SHUFFLE,
    FULL_SHUFFLE,
    RANDOM_VOCABULARY,
    STRUCTURED,
    WORD_REPLACEMENT,
)
from theodolite.studies.layers.findings import Rows
from theodolite.studies.layers.summary import correlations, profiles
from theodolite.studies.revisions import named_model

_TYPES = {"str": pl.String, "int": pl.Int64, "float": pl.Float64}
_HELD = {"str": cs.string() | cs.categorical(), "int": cs.integer(), "float": cs.float()}
"""Types that a column may have until its rows are few."""
_CONTROL_ORDER = (STRUCTURED, BLOCK_SHUFFLE, WORD_REPLACEMENT, FULL_SHUFFLE, RANDOM_VOCABULARY)
POSITIONS = {"all": "all tokens", "first": "first of each token type"}


def prepared(frame: pl.DataFrame, *measures: str) -> pl.DataFrame:
    """Return the rows of some measures that hold a finite number, with the column `name`.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study; columns may be missing.
    *measures : str
        Which measures; all where none is named.

    Returns
    -------
    polars.DataFrame
        Columns of `COLUMNS`, then `name`: the short name of the model.
    """
    return named(finite(frame, *measures).collect())


def finite(frame: pl.DataFrame, *measures: str) -> pl.LazyFrame:
    """Return the rows of some measures that hold a finite number, as they are stored and not read yet.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study; columns may be missing.
    *measures : str
        Which measures; all where none is named.

    Returns
    -------
    polars.LazyFrame
        Columns of `COLUMNS`, each of any type of its kind.
    """
    missing = [pl.lit(None).alias(name) for name in COLUMNS if name not in frame.columns]
    rows = frame.lazy().filter(pl.col("measure").is_in(list(measures))) if measures else frame.lazy()
    rows = rows.with_columns(missing).select(list(COLUMNS))
    held = {kind: set(cs.expand_selector(frame, one)) for kind, one in _HELD.items()}
    rows = rows.with_columns(
        pl.col(name).cast(_TYPES[one.dtype], strict=False)
        for name, one in COLUMNS.items()
        if name not in held[one.dtype]
    )
    return rows.filter(pl.col("value").is_finite() | (pl.col("measure") == "surprisal"))  # none of the first token


def named(rows: pl.DataFrame, *, among: pl.DataFrame | None = None) -> pl.DataFrame:
    """Return rows with the types that the study stores, and the short name of each model.

    Parameters
    ----------
    rows : polars.DataFrame
        With columns `model` and `revision`.
    among : polars.DataFrame, optional
        The same columns of all models that names must tell apart, where these are more: names of frames that are joined
        must be made among the same models.

    Returns
    -------
    polars.DataFrame
        The same rows, with the column `name`.
    """
    rows = _with_references(rows.with_columns(cs.signed_integer().cast(pl.Int64)))
    known = rows if among is None else _with_references(among)
    names = short_names(known["name"].unique(maintain_order=True).drop_nulls().to_list())
    in_order = pl.Enum(list(dict.fromkeys(names.values())))  # sorts as the study lists its models
    short = pl.col("name").replace_strict(names, default=None, return_dtype=pl.String)
    return rows.with_columns(short.cast(in_order))


def _with_references(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with text as text, and the column `name`: the model, with its revision where that is not main."""
    rows = rows.with_columns(cs.categorical().cast(pl.String))
    return rows.with_columns(named_model().alias("name"))


def averaged(frame: pl.DataFrame, *measures: str) -> pl.DataFrame:
    """Return the mean of some measures over prompts, one row for each place and scale.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    *measures : str
        Which measures.

    Returns
    -------
    polars.DataFrame
        As `theodolite.studies.layers.summary.profiles`, with the columns `name` and `condition`, the control in words.
    """
    means = named(profiles(finite(frame, *measures)))
    conditions = [control_label(*one) for one in means.select("control", "level").iter_rows()]
    return means.with_columns(pl.Series("condition", conditions, dtype=pl.String))


def correlations_named(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the Pearson correlations over prompts of the dimension of the clouds that figures show, by each estimator.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        As `theodolite.studies.layers.summary.correlations`, with the columns `name` and `estimator`.
    """
    chosen = (pl.col("statistic") == "pearson") & (pl.col("measure") == "dimension") & pl.col("value").is_finite()
    found = main_positions(correlations(finite(frame)).filter(chosen & (pl.col("layer") > 0)))
    rows = named(found, among=frame.select("model", "revision").unique(maintain_order=True))
    labels = [estimator_label(*one) for one in rows.select("method", "n1", "scale").iter_rows()]
    return rows.with_columns(pl.Series("estimator", labels, dtype=pl.String))


def estimator_label(method: str, n1: int | None, n2: int | None) -> str:
    """Return an estimator and in brackets what it compared, unless it chose that itself or read the whole cloud.

    Examples
    --------
    >>> estimator_label("gride", 2, 4), estimator_label("mle", 1, 20), estimator_label("twonn", 1, None)
    ('GRIDE (2 and 4)', 'MLE (k = 20)', 'TwoNN')
    """
    if n2 is None:
        return method_label(method)
    compared = f"{n1} and {n2}" if method in ("gride", "twonn") else f"k = {n2}"
    return f"{method_label(method)} ({compared})"


def control_label(control: str, level: float | None) -> str:
    """Return the words for a way of disturbing a prompt.

    Parameters
    ----------
    control : str
        Value of the column `control`.
    level : float or None
        Value of the column `level`.

    Returns
    -------
    str
        Such as `blocks permuted, S = 2`.

    Examples
    --------
    >>> control_label("block_shuffle", 2.0), control_label("structured", None)
    ('blocks permuted, S = 2', 'as written')
    """
    if control == BLOCK_SHUFFLE:
        return f"blocks permuted, S = {level:g}"
    if control == WORD_REPLACEMENT:
        return f"{100 * (level or 0):g} % of words replaced"
    return {STRUCTURED: "as written", FULL_SHUFFLE: "all tokens permuted", RANDOM_VOCABULARY: "random tokens"}.get(
        control, control
    )


def conditions_in(rows: pl.DataFrame) -> list[str]:
    """Return the conditions in a frame: the prompts as they are, then ever more disturbed ones."""
    found = rows.select("control", "level", "condition").unique().rows()
    known = {name: place for place, name in enumerate(_CONTROL_ORDER)}
    return [one[2] for one in sorted(found, key=lambda one: (known.get(one[0], len(known)), one[1] or 0.0, one[2]))]


def main_positions(rows: Rows) -> Rows:
    """Keep the rows of all positions where there are some, else those of the first of each token type."""
    there = rows.lazy().select(pl.col("positions").drop_nulls().unique()).collect()["positions"].to_list()
    return rows.filter(pl.col("positions") == ("all" if "all" in there else "first")) if there else rows


def structured(rows: Rows) -> Rows:
    """Keep the prompts as they are."""
    return rows.filter(pl.col("control") == STRUCTURED)


def prompts_behind(rows: pl.DataFrame) -> str:
    """Say how many prompts and tokens the means rest on; empty without rows."""
    if rows.is_empty():
        return ""
    counts, tokens = rows["n_prompts"].to_list(), rows["n_used"].drop_nulls().to_list()
    low, high = min(counts), max(counts)
    count = counted(high, "prompt") if low == high else f"{format_range(low, high, whole=True)} prompts"
    of = f" of {format_range(round(min(tokens)), round(max(tokens)), whole=True)} tokens" if tokens else ""
    return f"n\u00a0=\u00a0{count}{of}."
