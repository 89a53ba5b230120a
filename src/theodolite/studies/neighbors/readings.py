"""What a neighbor graph says: dimensions at every scale, distances by rank, who is a neighbor of many."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from weakref import ref

import numpy as np
import numpy.typing as npt
import polars as pl

from theodolite.core.errors import PointsError
from theodolite.dimension import DimensionEstimate, gride, mle, twonn
from theodolite.neighborhoods import Hubness, NeighborGraph, hubness
from theodolite.studies.neighbors.config import NEIGHBORHOOD
from theodolite.studies.neighbors.graphs import Account, graph_of_table, is_complete
from theodolite.studies.revisions import model_name

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MLE_K = (2, 3, 5, 10, 20, 50)
_TOKENS_LISTED = 20
_SUBJECT = ("model", "revision", "which", "rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphReadings:
    """What was read of one graph.

    Attributes
    ----------
    model, revision, which, rows : str
        The table.
    account : Account
        Rows given, measured and left out; k, columns, metric.
    estimates : tuple of DimensionEstimate
        Of every estimator at every scale, without values of single points.
    refusals : tuple of str
        Why an estimator could not read the graph.
    quantiles : numpy.ndarray
        `(k, 5)` float64: `QUANTILES` of the distance to each neighbor over the points.
    hubs : Hubness
        How often each point is a neighbor.
    popular : polars.DataFrame
        The points that are most often neighbors: row, token_id, token, count.
    """

    model: str
    revision: str
    which: str
    rows: str
    account: Account
    estimates: tuple[DimensionEstimate, ...]
    refusals: tuple[str, ...]
    quantiles: npt.NDArray[np.float64]
    hubs: Hubness
    popular: pl.DataFrame

    @property
    def subject(self) -> str:
        """Reference and table, as findings name them."""
        model = model_name(self.model, self.revision)
        return f"{model} {self.which}".rstrip()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame by identity, not held: equal only to itself, and to nothing once it is gone."""

    number: int
    frame: "ref[pl.DataFrame]" = field(compare=False)

    def __eq__(self, other: object) -> bool:
        mine = self.frame()
        return isinstance(other, _Seen) and mine is not None and mine is other.frame()

    def __hash__(self) -> int:
        return hash(self.number)


def readings_of(frame: pl.DataFrame) -> GraphReadings | None:
    """Read the graph of a finished neighbors study; the last frame's readings are kept while the frame lives.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    GraphReadings or None
        None where blocks are missing.
    """
    return _readings(_Seen(id(frame), ref(frame)))


@lru_cache(maxsize=1)
def _readings(seen: _Seen) -> GraphReadings | None:
    frame = seen.frame()
    if frame is None or not is_complete(frame):
        return None
    graph = graph_of_table(frame)
    points = frame.select(*_SUBJECT, "measure", "row", "token_id", "token").filter(pl.col("measure") == NEIGHBORHOOD)
    first = points.row(0, named=True)
    estimates, refusals = _estimates(graph)
    hubs = hubness(graph)
    most = np.argsort(-hubs.counts, kind="stable")[:_TOKENS_LISTED]
    return GraphReadings(
        **{name: first[name] for name in _SUBJECT},
        account=Account.of(frame),
        estimates=estimates,
        refusals=refusals,
        quantiles=np.array([np.quantile(column, QUANTILES) for column in graph.distances.T]),
        hubs=hubs,
        popular=points.select("row", "token_id", "token")[most.tolist()].with_columns(
            pl.Series("count", hubs.counts[most])
        ),
    )


def _estimates(graph: NeighborGraph) -> tuple[tuple[DimensionEstimate, ...], tuple[str, ...]]:
    """Read the graph by every estimator that it has neighbors for."""
    found: list[DimensionEstimate] = []
    refusals: list[str] = []

    def take(read: Callable[[], tuple[DimensionEstimate, ...]]) -> None:
        try:
            found.extend(replace(one, pointwise=None) for one in read())
        except PointsError as error:
            refusals.append(str(error))

    if graph.k > 1:
        take(lambda: (twonn(graph),))
        take(lambda: (twonn(graph, method="ml"),))
        for k in MLE_K:
            if k <= graph.k:
                take(partial(_by_likelihood, graph, k))
        take(lambda: gride(graph))
    return tuple(found), tuple(dict.fromkeys(refusals))


def _by_likelihood(graph: NeighborGraph, k: int) -> tuple[DimensionEstimate, ...]:
    return (mle(graph, k=k),)
