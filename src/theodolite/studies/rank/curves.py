"""Held-out loss against rank, as replicates over seeds and windows, read back from the rows of a rank study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from theodolite.statistics import Knee, knee
from theodolite.studies.revisions import model_name

Floats = npt.NDArray[np.float64]

TOLERANCES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Loss increases, in nats per token, for which a rank is recommended."""
TOLERANCE = 0.05
"""The one of the headline."""
FLAT = 0.25
"""Slope beyond a knee over the slope before it, up to which a curve counts as having flattened."""
DIMENSION = "twonn"
"""The estimate that knees are compared with."""
_NORMAL = 1.959964
_CURVES = ("truncated", "update", "adapter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number with a 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, stderr: float) -> "Interval":
        """Return the normal interval."""
        return cls(value=value, low=value - _NORMAL * stderr, high=value + _NORMAL * stderr)

    def exp(self) -> "Interval":
        """Return the interval of the exponential: of perplexity, from that of the loss."""
        return Interval(value=math.exp(self.value), low=math.exp(self.low), high=math.exp(self.high))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RankCurve:
    """The loss under one condition at each rank.

    Attributes
    ----------
    condition, method, side : str
        As in the table.
    ranks : numpy.ndarray
        `(n_ranks,)`, ascending.
    losses : numpy.ndarray
        `(n_seeds, n_windows, n_ranks)` nats per token.
    ceiling : numpy.ndarray
        `(n_seeds or 1, n_windows)`: the loss that no restriction of rank would give: the model as it is for a truncated
        table, the whole table trained for adapters and updates.
    parameters : numpy.ndarray
        `(n_ranks,)`: numbers held or trained.
    n_full : int
        Numbers of the whole table.
    """

    condition: str
    method: str
    side: str
    ranks: npt.NDArray[np.int64] = field(repr=False)
    losses: Floats = field(repr=False)
    ceiling: Floats = field(repr=False)
    parameters: npt.NDArray[np.int64] = field(repr=False)
    n_full: int

    @property
    def name(self) -> str:
        """What people call the curve."""
        names = {"svd": "table cut to a rank", "pca": "centered table cut to a rank", "lora": "trained adapter"}
        name = "trained update cut to a rank" if self.condition == "update" else names[self.method]
        return f"{name}, merged into the tied table" if self.side == "both" and self.condition == "adapter" else name

    def loss(self) -> list[Interval]:
        """Return the mean loss at each rank with its interval over windows and seeds."""
        return [mean_of(self.losses[:, :, place]) for place in range(len(self.ranks))]

    def increase(self) -> list[Interval]:
        """Return how far the loss lies above the ceiling at each rank, window by window."""
        above = self.losses - self.ceiling[:, :, None]
        return [mean_of(above[:, :, place]) for place in range(len(self.ranks))]

    def knee(self) -> Knee:
        """Return where the loss stops to fall with the logarithm of the rank."""
        return _knee(self.ranks.tobytes(), self.losses.tobytes(), self.losses.shape)

    def placed(self, found: Knee) -> tuple[int, int]:
        """Return the interval of the knee as finely as the measured ranks can place it."""
        low = self.ranks[self.ranks <= found.low]
        high = self.ranks[self.ranks >= found.high]
        return int(low[-1] if len(low) else self.ranks[0]), int(high[0] if len(high) else self.ranks[-1])

    def sufficient(self, tolerance: float) -> int | None:
        """Return the smallest rank from which on the loss is surely no more than `tolerance` above the ceiling."""
        within = np.array([one.high <= tolerance for one in self.increase()])
        if not within[-1]:
            return None
        return int(self.ranks[0 if within.all() else int(np.flatnonzero(~within)[-1]) + 1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelRanks:
    """What a rank study measured of one model.

    Attributes
    ----------
    model, revision : str
        As in the table.
    extrinsic : int
        Columns of the table.
    dimension : Interval or None
        TwoNN of the table.
    scales : tuple of tuple
        GRIDE at every scale: outer neighbor and value.
    base : Interval
        Loss of the model as it is.
    full : Interval or None
        Loss with the whole table trained.
    curves : tuple of RankCurve
        In the order truncated, update, adapter.
    """

    model: str
    revision: str
    extrinsic: int
    dimension: Interval | None
    scales: tuple[tuple[int, float], ...] = field(repr=False)
    base: Interval
    full: Interval | None
    curves: tuple[RankCurve, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """The reference."""
        return model_name(self.model, self.revision)


@lru_cache(maxsize=256)
def _knee(ranks: bytes, losses: bytes, shape: tuple[int, ...]) -> Knee:
    """Find the knee of a curve once, however often it is shown."""
    curves = np.frombuffer(losses, dtype=np.float64).reshape(shape)
    return knee(np.frombuffer(ranks, dtype=np.int64), curves, axis="log2", bend="convex", n_bootstrap=500)


def mean_of(values: Floats) -> Interval:
    """Return the mean of `(n_seeds, n_windows)` values, its error that of drawing seeds and that of drawing windows."""
    variance = 0.0
    for axis in (0, 1):
        means = values.mean(axis=1 - axis)
        if len(means) > 1:
            variance += float(means.var(ddof=1)) / len(means)
    return Interval.of(float(values.mean()), math.sqrt(variance))


def read_models(frame: pl.DataFrame) -> list[ModelRanks]:
    """Return what a rank study measured, model by model.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of ModelRanks
        Those whose untrained loss was measured, in the order of the table.
    """
    found = []
    for (model, revision), rows in frame.group_by("model", "revision", maintain_order=True):
        base = _windows(rows.filter(pl.col("condition") == "base"))
        if base is None:
            continue
        full = _windows(rows.filter(pl.col("condition") == "full"))
        dimensions = rows.filter(pl.col("measure") == "dimension")
        headline = dimensions.filter(pl.col("method") == DIMENSION).select("value", "stderr").rows()
        gride = dimensions.filter(pl.col("method") == "gride").sort("scale").select("scale", "value").rows()
        found.append(
            ModelRanks(
                model=str(model),
                revision=str(revision),
                extrinsic=rows["extrinsic"][0],
                dimension=Interval.of(*headline[0]) if headline else None,
                scales=tuple(gride),
                base=mean_of(base),
                full=None if full is None else mean_of(full),
                curves=tuple(_curves(rows, base, full)),
            )
        )
    return found


def _curves(rows: pl.DataFrame, base: Floats, full: Floats | None) -> Sequence[RankCurve]:
    curves = []
    n_full = int(rows.filter((pl.col("condition") == "base") & (pl.col("measure") == "parameters"))["value"].item())
    for condition in _CURVES:
        ceiling = base if condition == "truncated" else full
        of_condition = rows.filter(pl.col("condition") == condition)
        if ceiling is None:
            continue
        measured = of_condition.filter(pl.col("measure") == "window_loss")
        for (method, side), part in measured.group_by("method", "side", maintain_order=True):
            stacked = {rank: _windows(at) for (rank,), at in part.sort("rank").group_by("rank", maintain_order=True)}
            n_seeds = max(len(one) for one in stacked.values() if one is not None)
            whole = {rank: one for rank, one in stacked.items() if one is not None and len(one) == n_seeds}
            counts = of_condition.filter((pl.col("measure") == "parameters") & (pl.col("method") == method))
            parameters = dict(counts.select("rank", "value").rows())
            known = ceiling if len(ceiling) in (1, n_seeds) else ceiling.mean(axis=0, keepdims=True)
            curves.append(
                RankCurve(
                    condition=condition,
                    method=str(method),
                    side=str(side),
                    ranks=np.array(list(whole), dtype=np.int64),
                    losses=np.stack(list(whole.values()), axis=-1),
                    ceiling=known,
                    parameters=np.array([parameters[rank] for rank in whole], dtype=np.int64),
                    n_full=n_full,
                )
            )
    return curves


def _windows(rows: pl.DataFrame) -> Floats | None:
    """Return the losses `(n_seeds, n_windows)` of rows that differ in seed and window only."""
    losses = rows.filter(pl.col("measure") == "window_loss").sort("seed", "x")
    if losses.is_empty():
        return None
    n_windows = losses["x"].n_unique()
    return losses["value"].to_numpy().reshape(-1, n_windows)
