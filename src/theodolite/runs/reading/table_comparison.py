"""Two tables of one study row by row: which rows only one of them has, and how far the numbers of the others differ."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from theodolite.runs.columns import Column, is_key_column

_PART_ROWS = 1 << 20  # of both tables so many rows are in memory at a time
_EXAMPLES = 5
_DIGITS = 6  # of a position on a continuous axis, which two machines may not round alike
_PLACE, _LEFT, _RIGHT = "__place", "__left", "__right"


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberDifference:
    """How far one column of one measure differs between two tables, over the rows that both have.

    Attributes
    ----------
    measure : str or None
        What was measured; None in a table without the column `measure`.
    column : str
        The column: `value`, `stderr`, `n_used`, ...
    n_compared : int
        Rows of this measure in both tables.
    n_differ : int
        Rows beyond the tolerance, or where only one table has a number.
    max_abs : float
        Largest absolute difference; 0 where the column holds no numbers.
    max_rel : float
        Largest difference over the larger of the two magnitudes.
    max_stderrs : float or None
        Largest difference in units of the larger standard error, of the column `value` where one is known.
    worst : mapping of str to Any
        The row that differs most: what names it, and `a` and `b`; empty where every row is within the tolerance.
    """

    measure: str | None
    column: str
    n_compared: int
    n_differ: int
    max_abs: float
    max_rel: float
    max_stderrs: float | None
    worst: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """Where two tables differ.

    Attributes
    ----------
    n_rows : tuple of int
        Rows of each.
    only : tuple of int
        Rows that only the first has, and only the second.
    examples : tuple of list
        Of each, what names a few of these rows.
    keys : list of str
        Columns that tell rows apart.
    columns : list of str
        Columns that only one table has or that are of another type, in words.
    differences : list of NumberDifference
        Columns of measures that are not equal to the last bit.
    """

    n_rows: tuple[int, int]
    only: tuple[int, int]
    examples: tuple[list[dict[str, Any]], list[dict[str, Any]]]
    keys: list[str]
    columns: list[str]
    differences: list[NumberDifference]

    @property
    def agree(self) -> bool:
        """Whether both have the same rows and columns, and every number is within the tolerance."""
        return not any(self.only) and not self.columns and not any(one.n_differ for one in self.differences)


def compare_tables(
    a: pl.LazyFrame,
    b: pl.LazyFrame,
    *,
    columns: Mapping[str, Column] | None = None,
    rtol: float = 0.0,
    atol: float = 0.0,
) -> TableComparison:
    """Compare two tables of one study.

    Parameters
    ----------
    a, b : polars.LazyFrame
        The tables. They are read in parts of about a million rows.
    columns : mapping of str to Column, optional
        The study's `COLUMNS`, which say which columns name a row (`is_key_column`); without them, types and names do.
    rtol, atol : float
        Numbers agree when they differ by at most `atol + rtol * max(|a|, |b|)`. Two NaN agree, and two missing values.

    Returns
    -------
    TableComparison
        Rows that share all their keys are paired in their order in the table.

    Examples
    --------
    >>> a = pl.LazyFrame({"layer": [0, 1], "value": [1.0, 2.0]})
    >>> found = compare_tables(a, a.with_columns(pl.col("value") + 0.5), atol=0.1)
    >>> found.agree, found.differences[0].n_differ, found.differences[0].max_abs
    (False, 2, 0.5)
    """
    left, right = a.collect_schema(), b.collect_schema()
    shared = [name for name in left if right.get(name) == left[name]]
    known = {name: (columns or {}).get(name) or _guess(left[name]) for name in shared}
    keys = [name for name in shared if is_key_column(name, known[name])]
    values = [name for name in shared if name not in keys]
    n_rows = (_height(a), _height(b))
    n_parts = max(1, math.ceil(max(n_rows) / _PART_ROWS))
    tally = _Tally(keys=keys, values=values, rtol=rtol, atol=atol, measured=left.get("measure") == pl.String)
    for part in range(n_parts):
        tally.add(*(_part(one, keys, values, part, n_parts) for one in (a, b)))
    return TableComparison(
        n_rows=n_rows,
        only=(tally.only[0], tally.only[1]),
        examples=(tally.examples[0], tally.examples[1]),
        keys=keys,
        columns=_column_differences(left, right),
        differences=tally.differences(),
    )


def _guess(dtype: pl.DataType) -> Column:
    return Column(dtype="float" if dtype.is_float() else "str" if dtype == pl.String else "int", meaning="")


def _height(table: pl.LazyFrame) -> int:
    return int(table.select(pl.len()).collect().item())


def _column_differences(left: pl.Schema, right: pl.Schema) -> list[str]:
    lines = [f"only in the first: {name}" for name in left if name not in right]
    lines += [f"only in the second: {name}" for name in right if name not in left]
    lines += [f"{name}: {left[name]} -> {right[name]}" for name in left if name in right and left[name] != right[name]]
    return lines


def _part(table: pl.LazyFrame, keys: Sequence[str], values: Sequence[str], part: int, n_parts: int) -> pl.DataFrame:
    """Return the rows whose keys fall into one part, and the place of each among the rows of equal keys."""
    schema = table.collect_schema()
    rounded = [pl.col(name).round_sig_figs(_DIGITS) for name in keys if schema[name].is_float()]
    chosen = table.select([*keys, *values]).with_columns(rounded)
    if n_parts > 1 and keys:
        chosen = chosen.filter(pl.struct(keys).hash(seed=0) % n_parts == part)
    elif part:
        chosen = chosen.clear()
    place = pl.int_range(pl.len(), dtype=pl.Int64)
    return chosen.with_columns((place.over(keys) if keys else place).alias(_PLACE)).collect()


class _Tally:
    """What is known of two tables after some of their parts."""

    def __init__(self, *, keys: Sequence[str], values: Sequence[str], rtol: float, atol: float, measured: bool) -> None:
        self.keys, self.values, self.rtol, self.atol = keys, values, rtol, atol
        self.by = ["measure"] if measured and "measure" in keys else []
        self.only = [0, 0]
        self.examples: list[list[dict[str, Any]]] = [[], []]
        self.found: dict[tuple[str | None, str], NumberDifference] = {}

    def add(self, left: pl.DataFrame, right: pl.DataFrame) -> None:
        """Take in the rows of one part of both tables."""
        names = [*self.keys, _PLACE]
        joined = left.with_columns(pl.lit(True).alias(_LEFT)).join(
            right.with_columns(pl.lit(True).alias(_RIGHT)), on=names, how="full", coalesce=True, nulls_equal=True
        )
        for side, absent in enumerate((_RIGHT, _LEFT)):
            alone = joined.filter(pl.col(absent).is_null())
            self.only[side] += alone.height
            room = _EXAMPLES - len(self.examples[side])
            self.examples[side] += alone.sort(names, nulls_last=True).head(room).select(self.keys).to_dicts()
        both = joined.filter(pl.col(_LEFT) & pl.col(_RIGHT))
        for name in self.values:
            self._add_column(both, name, left.schema[name].is_numeric())

    def _add_column(self, both: pl.DataFrame, name: str, is_numeric: bool) -> None:
        a, b = pl.col(name), pl.col(f"{name}_right")
        shown = both.select(*self.keys, a.alias("a"), b.alias("b"), *self._measures_of(a, b, name, is_numeric))
        groups = shown.group_by(self.by, maintain_order=True) if self.by else [((None,), shown)]
        for (measure,), rows in groups:
            self._join(rows, None if measure is None else str(measure), name)

    def _measures_of(self, a: pl.Expr, b: pl.Expr, name: str, is_numeric: bool) -> list[pl.Expr]:
        """Return the expressions `differs`, `off`, `relative` and `stderrs` for one column."""
        unequal = a.ne_missing(b)
        nothing = pl.lit(None, dtype=pl.Float64)
        if not is_numeric:
            return [unequal.alias("differs"), *(nothing.alias(one) for one in ("off", "relative", "stderrs"))]
        x, y = a.cast(pl.Float64), b.cast(pl.Float64)
        finite = x.is_finite() & y.is_finite()
        off = pl.when(finite).then((x - y).abs())
        larger = pl.max_horizontal(x.abs(), y.abs())
        differs = unequal & (off > self.atol + self.rtol * larger).fill_null(True)
        stderrs = nothing
        if name == "value" and "stderr" in self.values:
            scale = pl.max_horizontal("stderr", "stderr_right")
            stderrs = pl.when(scale.is_finite() & (scale > 0)).then(off / scale)
        return [
            differs.alias("differs"),
            off.alias("off"),
            pl.when(larger > 0).then(off / larger).otherwise(off).alias("relative"),
            stderrs.alias("stderrs"),
        ]

    def _join(self, rows: pl.DataFrame, measure: str | None, name: str) -> None:
        """Add the rows of one measure to what is known of it."""
        differing = rows.filter("differs")
        worst: dict[str, Any] = {}
        if differing.height:
            first = differing.sort("off", descending=True, nulls_last=False).row(0, named=True)
            named = {key: first[key] for key in self.keys if first[key] is not None and key not in self.by}
            worst = {**named, "a": first["a"], "b": first["b"]}
        old = self.found.get((measure, name))
        off, stderrs = _largest(rows["off"]), rows["stderrs"].max()
        known = [float(one) for one in (stderrs, old and old.max_stderrs) if isinstance(one, int | float)]
        if old and old.worst and not (worst and off > old.max_abs):
            worst = dict(old.worst)
        self.found[measure, name] = NumberDifference(
            measure=measure,
            column=name,
            n_compared=rows.height + (old.n_compared if old else 0),
            n_differ=differing.height + (old.n_differ if old else 0),
            max_abs=max(off, old.max_abs if old else 0.0),
            max_rel=max(_largest(rows["relative"]), old.max_rel if old else 0.0),
            max_stderrs=max(known, default=None),
            worst=worst
            if worst and (old is None or not old.worst or off > old.max_abs)
            else (old.worst if old else {}),
        )

    def differences(self) -> list[NumberDifference]:
        """Return the columns of measures that are not equal, the ones beyond the tolerance first."""
        unequal = [one for one in self.found.values() if one.n_differ or one.max_abs > 0]
        return sorted(unequal, key=lambda one: (one.n_differ == 0, -one.max_rel, one.measure or "", one.column))


def _largest(numbers: pl.Series) -> float:
    found = numbers.max()
    return float(found) if isinstance(found, int | float) else 0.0
