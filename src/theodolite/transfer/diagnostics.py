"""How well a map does on rows it was not fitted on: explained variance, retrieval, lengths."""

import numpy as np
import numpy.typing as npt

from theodolite.transfer.linear_map import MapDiagnostics
from theodolite.transfer.moments import Moments, Pairs, Rows, blocks

Floats = npt.NDArray[np.float64]

_QUERIES_PER_BLOCK = 512
_NEAREST = 10


def diagnose(
    matrix: Floats,
    bias: Floats | None,
    *,
    fitted: Moments,
    held_out: Pairs,
    candidates: Rows,
    objective: str,
    singular_values: Floats,
) -> MapDiagnostics:
    """Judge a map y = matrix x + bias.

    Parameters
    ----------
    matrix, bias : numpy.ndarray, None
        Fitted without the held-out pairs.
    fitted : Moments
        Of the pairs it was fitted on.
    held_out : Pairs
        The pairs that judge it; there may be none.
    candidates : numpy.ndarray
        Rows of y among which a mapped row is to find its own.
    objective : str
        See `MapDiagnostics`.
    singular_values : numpy.ndarray
        Of the map fitted on everything.

    Returns
    -------
    MapDiagnostics
        With NaN where there are no held-out pairs.
    """
    judged = held_out.moments() if len(held_out) else None
    ranks, cosines, lengths = _retrieve(matrix, bias, held_out, candidates)
    return MapDiagnostics(
        n_fitted=fitted.n_rows,
        n_held_out=len(held_out),
        r2_fitted=_explained(matrix, bias, fitted, fitted.mean_y),
        r2_held_out=float("nan") if judged is None else _explained(matrix, bias, judged, fitted.mean_y),
        retrieval_1=_mean(ranks < 1),
        retrieval_10=_mean(ranks < _NEAREST),
        n_candidates=len(candidates),
        held_out_cosine=_mean(cosines),
        norm_change=_mean(lengths),
        singular_values=singular_values,
        objective=objective,
    )


def _explained(matrix: Floats, bias: Floats | None, found: Moments, center: Floats) -> float:
    spread = found.spread_about(center)
    return 1.0 - found.squared_error(matrix, bias) / spread if spread > 0 else float("nan")


def _mean(values: npt.NDArray[np.generic]) -> float:
    return float(np.mean(values.astype(np.float64))) if len(values) else float("nan")


def _retrieve(
    matrix: Floats, bias: Floats | None, pairs: Pairs, candidates: Rows
) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
    """Return for each held-out pair how many candidates are nearer than its own row, the cosine, the length ratio."""
    x, y, rows_x, rows_y = pairs.x, pairs.y, pairs.rows_x, pairs.rows_y
    ranks = np.zeros(len(rows_x), dtype=np.int64)
    cosines, lengths = np.empty(len(rows_x)), np.empty(len(rows_x))
    for start in range(0, len(rows_x), _QUERIES_PER_BLOCK):
        block = slice(start, start + _QUERIES_PER_BLOCK)
        mapped = x.take(rows_x[block]) @ matrix.T
        if bias is not None:
            mapped = mapped + bias
        own = y.take(rows_y[block])
        own_unit = _unit(own)
        mapped_unit = _unit(mapped)
        cosines[block] = np.sum(mapped_unit * own_unit, axis=1)
        true = np.linalg.norm(own, axis=1)
        ratio = np.linalg.norm(mapped, axis=1) / np.where(true > 0, true, 1.0)
        lengths[block] = np.where(true > 0, ratio, np.nan)
        for part in blocks(len(candidates)):
            others = _unit(y.take(candidates[part])) @ mapped_unit.T
            nearer = others > cosines[block]
            nearer &= candidates[part][:, None] != rows_y[block][None, :]
            ranks[block] += nearer.sum(axis=0)
    return ranks, cosines, lengths[np.isfinite(lengths)]


def _unit(rows: Floats) -> Floats:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)
