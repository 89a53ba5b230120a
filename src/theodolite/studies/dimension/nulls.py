"""Random tables to compare with: each is drawn several times, and once for all tables that it is the null of.

What decides a null is its content, never the place of its unit: of a Gaussian table its shape, of the others the table
whose columns or covariance they keep. So the numbers are the same whatever the order of the units or who does them, and
all checkpoints of a model share one Gaussian null.
"""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean, variance
from typing import Any

import torch

from theodolite.core.errors import GeometryWarning, PointsError
from theodolite.core.hashing import canonical_json
from theodolite.core.points import clean_points
from theodolite.core.seeds import seed_from
from theodolite.dimension.nulls import deviation_of, gaussian_points, null_draws
from theodolite.runs import Unit
from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.dimension.config import GAUSSIAN, NULL_DRAWS
from theodolite.studies.rows import Row, RowMaker
from theodolite.tables import Table

_WHOLE = 5000
"""Rows up to which every draw is searched whole."""
_STATED = 10
"""Degrees of freedom that the error an estimator states counts as, beside those of the spread of the draws."""
_SETTINGS = ("k", "mle_k", "discard", "seed")
_PLACE = ("model", "revision", "step", "which", "rows")
_KEY = ("measure", "method", "params", "n1", "scale", "x")


class Wanted:
    """Gathers the nulls of the tables of a plan, each once, and makes their units.

    Attributes
    ----------
    study : str
        Whose units they are.
    version : int
        Its version.
    """

    def __init__(self, study: str, version: int) -> None:
        self.study = study
        self.version = version
        self._found: dict[str, tuple[dict[str, Any], list[dict[str, Any]], dict[str, str]]] = {}

    def add(self, kind: str, table: Table, make: RowMaker, params: Mapping[str, Any], *, draws: int) -> list[str]:
        """Note that a table is compared with a null.

        Parameters
        ----------
        kind : str
            One of `NULLS`.
        table : Table
            The rows that are measured.
        make : RowMaker
            Of the table.
        params : Mapping
            Those of the table's own units.
        draws : int
            How often the null is drawn.

        Returns
        -------
        list of str
            What `unit` knows the null by where it is new; empty where an earlier table has the same, or nothing remains
            of this one that a null could resemble.
        """
        place = {name: make.shared[name] for name in _PLACE}
        wanted = {"condition": kind, "draws": draws, **{name: params[name] for name in _SETTINGS}}
        if kind == GAUSSIAN:
            size = _size(table)
            if size is None:
                return []
            n_points, deviation, dtype = size
            wanted |= {"n_points": n_points, "n_dims": table.n_dims, "dtype": dtype}
            place["deviation"] = deviation
            said = {"label": f"{kind} {n_points} x {table.n_dims}", "group": f"{kind} {n_points} x {table.n_dims}"}
        else:
            wanted |= {name: params[name] for name in ("content", "limit")}
            said = {"label": f"{params['reference']} {params['which']} {kind}", "group": params["reference"]}
        name = canonical_json(wanted)
        if name in self._found:
            self._found[name][1].append(place)
            return []
        where = {} if kind == GAUSSIAN else {name: params[name] for name in ("reference", "which", "rows", "counts")}
        self._found[name] = ({**wanted, **where}, [place], said)
        return [name]

    def unit(self, name: str) -> Unit:
        """Make the unit of a null, for all tables that want it."""
        params, places, said = self._found[name]
        others = f" ({len(places)} tables)" if len(places) > 1 else ""
        return Unit(
            study=self.study,
            version=self.version,
            params={**params, "places": places},
            group=said["group"],
            label=said["label"] + others,
        )


def _size(table: Table) -> tuple[int, float, str] | None:
    """Return how many points a table has, their deviation to six digits, and their dtype; None where it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)  # the unit that measures the table says it
        try:
            values = clean_points(table.points, nonfinite="drop").values
        except PointsError:
            return None
    dtype = "float64" if values.dtype == torch.float64 else "float32"
    return len(values), float(f"{deviation_of(values):.6g}"), dtype


def draws_of(params: Mapping[str, Any], table: Table | None) -> Iterator[torch.Tensor]:
    """Draw the null of a unit as often as it says.

    Parameters
    ----------
    params : Mapping
        Of the unit.
    table : Table or None
        The rows that the null resembles; None for a Gaussian table, which needs their number only.

    Yields
    ------
    torch.Tensor
        `(n_points, n_dims)`, of unit variance for a Gaussian table. More draws go on from fewer.
    """
    kind = params["condition"]
    content = ("n_points", "n_dims", "dtype") if table is None else ("content", "limit")
    identity = canonical_json({name: params[name] for name in (*content, "seed")})
    seeds = [seed_from("null", kind, identity, number) for number in range(params["draws"])]
    if table is not None:
        yield from null_draws(clean_points(table.points, nonfinite="drop").values, kind, seeds=seeds)
        return
    for seed in seeds:
        yield gaussian_points(params["n_points"], params["n_dims"], seed=seed, dtype=getattr(torch, params["dtype"]))


def n_queries(points: torch.Tensor, draws: int) -> int | None:
    """Return how many points of each draw are searched, None for all: of a long table, three draws together cost one.

    Examples
    --------
    >>> rows = torch.arange(12_000.0)[:, None]
    >>> [n_queries(rows, draws) for draws in (1, 2, 3, 9)], n_queries(rows[:4000], 3)
    ([None, 6000, 4000, 4000], None)
    """
    if draws == 1 or len(points) <= _WHOLE:
        return None
    share = -(-len(points) // min(draws, NULL_DRAWS))
    return share if share < clean_points(points).n_points else None


def mean_of_draws(draws: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the mean of each number over the draws of a null.

    Parameters
    ----------
    draws : sequence of sequence of dict
        Rows of each draw.

    Returns
    -------
    list of dict
        One row for each number that a draw has; `n_draws` says how many have it, and `stderr` is the error of the mean.

    Notes
    -----
    With m draws, the standard error is the root of V / m. V is the variance of one draw as two sources tell it: the
    spread of the draws, which counts as the m - 1 degrees of freedom that it has, and the mean square of the errors
    that the draws state, which counts as ten. A few draws say little about their own spread, and a stated error may be
    off by a fifth. How often the mean, give or take this error, holds what many draws read is measured in
    `docs/survey.md`.
    """
    rows: dict[tuple[Any, ...], list[Row]] = {}
    for one in draws:
        for row in one:
            rows.setdefault(tuple(row[name] for name in _KEY), []).append(row)
    return [_mean(found) for found in rows.values()]


def _mean(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return {**rows[0], "n_draws": 1}
    values = [row["value"] for row in rows]
    stated = [row["stderr"] ** 2 for row in rows if row["stderr"] is not None and not math.isnan(row["stderr"])]
    pooled = variance(values)
    if stated:
        pooled = ((len(values) - 1) * pooled + _STATED * fmean(stated)) / (len(values) - 1 + _STATED)
    return {
        **rows[0],
        "value": fmean(values),
        "stderr": math.sqrt(pooled / len(values)),
        "radius": None if rows[0]["radius"] is None else fmean(row["radius"] for row in rows),
        "n_draws": len(values),
    }


def at_places(rows: Iterable[Row], params: Mapping[str, Any]) -> list[Row]:
    """Return the rows of a null once for each table that it is the null of, in the units of that table."""
    found = list(rows)
    return [_at(row, place) for place in params["places"] for row in found]


def _at(row: Row, place: Mapping[str, Any]) -> Row:
    scale = place.get("deviation", 1.0)
    radius = None if row["radius"] is None else scale * row["radius"]
    return {**row, **{name: place[name] for name in _PLACE}, "radius": radius}


def maker_of_null(params: Mapping[str, Any], n_dims: int) -> RowMaker:
    """Return the maker of the rows of a null, for the first table that it is the null of."""
    first = {name: params["places"][0][name] for name in _PLACE}
    return RowMaker.of(COLUMNS, condition=params["condition"], extrinsic=n_dims, **first)
