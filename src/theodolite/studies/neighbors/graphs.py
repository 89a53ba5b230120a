"""The graph of a neighbors run: its blocks merged, or a graph from a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from theodolite.core.errors import RunError
from theodolite.neighborhoods import NeighborGraph
from theodolite.neighborhoods import load_graph as graph_of_file
from theodolite.runs import Run, open_run
from theodolite.runs.folder.unit_file import UnitRecord, read_unit_file
from theodolite.studies.neighbors.config import COUNT, NEIGHBORHOOD

_STUDY = "neighbors"
_AGAIN = "Run the study again: the blocks that are there are kept."


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a table of the study says of all blocks together.

    Attributes
    ----------
    counts : dict of str to int
        Rows given, measured, nonfinite, duplicates, zero.
    k, n_dims : int
        Neighbors of each point; columns of the table.
    metric : str
        What was measured.
    """

    counts: dict[str, int]
    k: int
    n_dims: int
    metric: Any

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Account":
        """Read the account of a frame with at least one block.

        Raises
        ------
        RunError
            If its blocks contradict each other.
        """
        light = frame.drop("neighbors", "distances")
        counted = light.filter(pl.col("measure") == COUNT).select("method", "value").unique()
        settings = light.filter(pl.col("measure") == NEIGHBORHOOD).select("scale", "extrinsic", "metric").unique()
        if settings.height != 1 or counted["method"].n_unique() != counted.height:
            raise RunError(f"The blocks of this table are not of one search, or there are none. {_AGAIN}")
        k, n_dims, metric = settings.row(0)
        counts = {method: int(value) for method, value in counted.iter_rows()}
        return cls(counts=counts, k=k, n_dims=n_dims, metric=metric)


def is_complete(frame: pl.DataFrame) -> bool:
    """Say whether a table of the study holds every point.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a neighbors study, or of none.

    Returns
    -------
    bool
        False where blocks are missing.
    """
    if frame.is_empty():
        return False
    n_points = int((frame["measure"] == NEIGHBORHOOD).sum())
    return n_points > 0 and n_points == Account.of(frame).counts["measured"]


def graph_of_table(frame: pl.DataFrame) -> NeighborGraph:
    """Return the graph that the rows of a neighbors study hold.

    Parameters
    ----------
    frame : polars.DataFrame
        The whole table.

    Returns
    -------
    NeighborGraph
        As `merged_graph` returns it, but for `n_redone` and `path`, which a table does not hold: 0 and "table".

    Raises
    ------
    RunError
        If blocks are missing or contradict each other.
    """
    merger = _Merger(Account.of(frame))
    for some in frame.iter_slices(_POINTS_AT_ONCE):
        merger.add(some)
    return merger.finish(n_redone=0, path="table")


def merged_graph(run: Run) -> NeighborGraph:
    """Merge the blocks of a neighbors run into the graph of the single search.

    Parameters
    ----------
    run : Run
        A finished run of the study `neighbors`.

    Returns
    -------
    NeighborGraph
        Equal to `neighbors(table.select(rows).points, k=k, metric=metric, nonfinite="drop")` in every index and every
        bit of the distances; `n_redone` is added up over the blocks, `path` names each kernel. Blocks are read one
        after the other: beside the graph one of them is in memory.

    Raises
    ------
    RunError
        If the run is of another study, or blocks are missing or contradict each other.
    FormatError
        If the file of a block is damaged.
    """
    study = run.manifest["study"]
    if study != _STUDY:
        raise RunError(f"{run.path} is a run of the study {study!r}, which holds no graph. Give one of {_STUDY!r}.")
    units, finished = run.store.read_plan(), run.store.finished_keys()
    missing = sum(unit.key not in finished for unit in units)
    if missing or not units:
        raise RunError(f"{missing} of {len(units)} blocks of {run.path} are missing. {_AGAIN}")
    merger: _Merger | None = None
    records: list[UnitRecord] = []
    for unit in units:
        frame, record = read_unit_file(run.store.unit_path(unit.key))
        merger = merger or _Merger(Account.of(frame))
        if Account.of(frame) != merger.account:
            raise RunError(f"The blocks are not of one search. {_AGAIN}")
        merger.add(frame)
        records.append(record)
    assert merger is not None
    paths = dict.fromkeys(str(record.notes.get("path", "unknown")) for record in records)
    return merger.finish(n_redone=sum(int(record.notes.get("n_redone", 0)) for record in records), path=" ".join(paths))


def load_graph(source: Run | Path | str) -> NeighborGraph:
    """Load a neighbor graph: of a run of the study `neighbors`, or a file.

    Parameters
    ----------
    source : Run or path
        A run, its folder, or a file that `save_graph` wrote.

    Returns
    -------
    NeighborGraph
        Every estimator takes it.

    Raises
    ------
    NotFoundError
        If there is nothing there.
    RunError
        If the folder is no finished run of this study.
    FormatError
        If the file is no graph, or was damaged.

    Examples
    --------
    >>> import tempfile
    >>> import theodolite as td
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = td.run("neighbors", reference="bundled:pocket-64", k=8, blocks=3, out=folder)
    ...     graph = load_graph(run)
    >>> graph.n_points, graph.k
    (4096, 8)
    """
    if isinstance(source, Run):
        return merged_graph(source)
    place = Path(source)
    return graph_of_file(place) if place.is_file() else merged_graph(open_run(place))


class _Merger:
    """Gathers blocks into arrays that are made once."""

    def __init__(self, account: Account) -> None:
        n_points = account.counts["measured"]
        self.account = account
        self.rows = np.empty(n_points, dtype=np.int64)
        self.indices = np.empty((n_points, account.k), dtype=np.int64)
        self.distances = np.empty((n_points, account.k), dtype=np.float64)
        self.filled = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Add points in the order of the rows."""
        points = frame.filter(pl.col("measure") == NEIGHBORHOOD)
        near, apart = points["neighbors"].explode().to_numpy(), points["distances"].explode().to_numpy()
        start, stop = self.filled, self.filled + points.height
        shape = points.height, self.account.k
        if stop > len(self.rows) or len(near) != shape[0] * shape[1] or len(apart) != len(near):
            raise RunError(f"The blocks hold more points or neighbors than they say. {_AGAIN}")
        self.rows[start:stop] = points["row"].to_numpy()
        self.indices[start:stop] = near.reshape(shape)
        self.distances[start:stop] = apart.reshape(shape)
        self.filled = stop

    def finish(self, *, n_redone: int, path: str) -> NeighborGraph:
        """Return the graph, its neighbors numbered as points."""
        account, rows = self.account, self.rows
        n_given = account.counts["given"]
        if self.filled != len(rows):
            raise RunError(f"{len(rows) - self.filled} of {len(rows)} points are missing. {_AGAIN}")
        if (np.diff(rows, prepend=-1, append=n_given) <= 0).any():
            raise RunError(f"The blocks are not in the order of their rows. {_AGAIN}")
        point_of: npt.NDArray[np.int64] = np.full(n_given, -1, dtype=np.int64)
        point_of[rows] = np.arange(len(rows))
        for some in np.array_split(self.indices, max(1, len(rows) // _POINTS_AT_ONCE)):
            some[:] = point_of[some]
            if (some < 0).any():
                raise RunError(f"A point has a neighbor that is in no block. {_AGAIN}")
        return NeighborGraph(
            indices=self.indices,
            distances=self.distances,
            rows=rows,
            n_given=n_given,
            n_nonfinite=account.counts["nonfinite"],
            n_duplicates=account.counts["duplicates"],
            n_zero=account.counts["zero"],
            n_dims=account.n_dims,
            metric=account.metric,
            exact=True,
            n_redone=n_redone,
            path=path,
        )


_POINTS_AT_ONCE = 1 << 16
