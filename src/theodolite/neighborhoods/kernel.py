"""Which arithmetic finds candidates fastest on this machine and these points. Speed only: the answer is the same."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from theodolite.neighborhoods.certificate import FLOAT32_UNIT, Vector, floating, score_limit, whole
from theodolite.neighborhoods.prepare import Prepared
from theodolite.neighborhoods.rounding import LEVELS

Method = Literal["auto", "int8", "float32", "float64"]

_SAMPLE, _FEWEST_SAMPLE = 48, 8
_SCORES = 1 << 24  # of the sample, held at once
_SMALL = 4096  # points below which a sample says little and everything is fast
_QUANTILE = 0.9  # a few odd points (a hub, a cluster) are left to the second search rather than paid for by all
_BEYOND = 1.5  # what 90 % need beyond k, times this, is enough for nearly all
_MOST_BEYOND = 4096  # candidates: pools of more would not fit
_SHARE = 32  # a candidate measured costs as much as the products of so many in float64
_LONGEST = (1 << 30) // LEVELS**2  # columns: the square of a row, doubled, stays in int32


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to search: the arithmetic, and how many candidates each point wants to be certified by it."""

    method: Method
    n_wanted: int


def usual_candidates(prepared: Prepared, k: int) -> int:
    """Say how many candidates float32 usually needs to be sure of k neighbors."""
    return min(prepared.n_others, k + max(16, k // 4))


def plan_search(prepared: Prepared, k: int, method: Method, order: npt.NDArray[np.int64]) -> Plan:
    """Choose the arithmetic and the number of candidates.

    Parameters
    ----------
    prepared : Prepared
        The points, on a CPU.
    k : int
        Neighbors to find.
    method : {"auto", "int8", "float32", "float64"}
        What the caller asked for.
    order : numpy.ndarray
        `(n_points,)` a random order of the points; the first few are the sample.

    Returns
    -------
    Plan
        The decision. A bad one costs time only.
    """
    n_points, n_dims = prepared.values.shape
    usual = usual_candidates(prepared, k)
    if method == "int8" and n_dims > _LONGEST:
        method = "float32"
    if method == "float64":
        return Plan(method=method, n_wanted=usual)
    if prepared.asking is not None:
        return Plan(method="float32", n_wanted=usual)
    if n_points < _SMALL:
        return Plan(
            method="float32" if method == "auto" else method,
            n_wanted=usual if method != "int8" else min(n_points - 1, 2 * usual),
        )
    n_sample = min(_SAMPLE, max(_FEWEST_SAMPLE, _SCORES // n_points))
    in_float32, in_int8 = _candidates_wanted(prepared, k, order[:n_sample])
    most = min(n_points - 1, usual + _MOST_BEYOND)
    if method == "int8" or (method == "auto" and in_int8 <= 2 * k + 64 and n_dims <= _LONGEST and int8_pays(n_dims)):
        return Plan(method="int8", n_wanted=min(most, in_int8))
    if method == "auto" and in_float32 > min(most, usual + n_points // _SHARE):
        return Plan(method="float64", n_wanted=usual)
    return Plan(method="float32", n_wanted=min(most, in_float32))


def _candidates_wanted(prepared: Prepared, k: int, sample: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Count for a sample how many points cannot be ruled out in float32 and in int8; take what nearly all need."""
    values = prepared.values
    n_points, n_dims = values.shape
    x = prepared.seen(torch.from_numpy(sample))
    scores = torch.empty((len(sample), n_points), dtype=torch.float64, device=values.device)
    for chunk in prepared.chunks():
        y = prepared.seen(chunk)
        torch.addmm(y.square().sum(dim=1).mul_(0.5), x, y.T, alpha=-1.0, out=scores[:, chunk])
    scores.numpy()[np.arange(len(sample)), sample] = np.inf
    norms: Vector = x.square().sum(dim=1).sqrt().numpy()
    low = scores.numpy()
    low.partition(k - 1, axis=1)
    kth = low[:, k - 1]
    radius = np.sqrt(np.maximum(2.0 * kth + norms**2, 0.0))
    step = prepared.largest / LEVELS
    lost = step * np.sqrt(n_dims / 12.0)  # of a row rounded to whole steps, on average
    wanted = []
    for arithmetic, error, spare in (
        (floating(n_dims, unit=FLOAT32_UNIT, smallest=2.0**-126), FLOAT32_UNIT * float(norms.max()), 8),
        (whole(n_dims, step=step), 1.03 * lost, 8),
    ):
        limit = score_limit(
            radius=radius,
            norms=norms,
            errors=np.full_like(norms, error),
            worst_error=1.05 * error,
            relative_error=np.inf,
            arithmetic=arithmetic,
        )
        limit += limit - kth if arithmetic.product else 0.0  # the computed scores err as well
        usual = float(np.quantile((low <= limit[:, None]).sum(axis=1), _QUANTILE))
        wanted.append(k + spare + math.ceil(_BEYOND * max(0.0, usual - k)))
    return wanted[0], wanted[1]


@cache
def int8_pays(n_dims: int) -> bool:
    """Say whether products of int8 rows are exact on this processor, and clearly faster than float32 ones."""
    if not hasattr(torch, "_int_mm"):
        return False
    n_dims = max(16, n_dims // 16 * 16)
    x = torch.full((512, n_dims), LEVELS, dtype=torch.int8, device="cpu")
    x[1::2] = -LEVELS
    x[::3, ::2] = -LEVELS
    try:
        product = torch._int_mm(x, x.T)
    except RuntimeError:
        return False
    # at full scale, processors without the instruction saturate
    if not torch.equal(product, (x.double() @ x.double().T).to(torch.int32)):
        return False
    wide = x.to(torch.float32)
    return 1.5 * _seconds(lambda: torch._int_mm(x, x.T)) < _seconds(lambda: torch.mm(wide, wide.T))


def _seconds(call: Callable[[], object]) -> float:
    """Time a call: the best of five."""
    best = np.inf
    for _ in range(5):
        start = perf_counter()
        call()
        best = min(best, perf_counter() - start)
    return float(best)
