"""The participation ratio: how many directions share the variance."""

import math

import torch

from theodolite.core.errors import PointsError
from theodolite.core.points import Nonfinite, Points, clean_points
from theodolite.dimension.estimate import DimensionEstimate

_VALUES_PER_BLOCK = 1 << 22  # 32 MiB of float64
_PAIRED_ROWS = 1024
_LOWEST_EXPONENT = -1000  # numbers below 2**-1000 have lost digits already


def participation_ratio(points: Points, *, nonfinite: Nonfinite = "error") -> DimensionEstimate:
    """Measure the linear dimension as the participation ratio of the covariance spectrum; in [1, min(n - 1, n_dims)].

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, any real dtype, any device.
    nonfinite : {"error", "drop"}
        What to do with rows that hold NaN or an infinity. Equal rows are kept: they are part of a covariance.

    Returns
    -------
    DimensionEstimate
        With `n1`, `n2` None and `radius` NaN: the whole cloud is one neighborhood.

    Raises
    ------
    PointsError
        If rows are not finite (named by number), fewer than two remain, or all are equal.

    Notes
    -----
    With the eigenvalues lambda of the covariance C of the centered rows,

        (sum lambda)^2 / sum lambda^2 = tr(C)^2 / tr(C^2),

    and both traces come from the smaller of the two Gram matrices, accumulated in float64 in blocks; no spectrum is
    computed, and 1/n against 1/(n-1) cancels. One eigenvalue gives 1, n_dims equal ones give n_dims. With n points the
    reading cannot exceed n - 1 and is low unless n is far above it: n isotropic rows read about 1 / (1/n_dims + 1/n).

    Standard error: the infinitesimal jackknife over rows drawn independently, from the influence of each row on both
    traces, less what it counts twice: the part of tr(C^2) that belongs to pairs of rows, which is most of it when n is
    not far above n_dims (taken from up to 1024 rows). Heavy tails (a few rogue rows) are in it.

    References
    ----------
    P. Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, bioRxiv 214262 (2017),
    doi:10.1101/214262.

    Examples
    --------
    >>> cross = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> participation_ratio(cross).value
    2.0
    """
    clean = clean_points(points, nonfinite=nonfinite, duplicates="keep")
    values = clean.values
    n_points, n_dims = values.shape
    if n_points < 2:
        raise PointsError(f"A covariance needs at least 2 points, but {n_points} of {clean.n_given} rows remain.")
    size = max(1, _VALUES_PER_BLOCK // n_dims)
    mean = values.mean(dim=0, dtype=torch.float64)
    blocks = [slice(start, start + size) for start in range(0, n_points, size)]
    peak = max(float((values[block].to(torch.float64) - mean).abs().max()) for block in blocks)
    exponent = max(math.frexp(peak)[1], _LOWEST_EXPONENT)
    power = 2.0**-exponent  # squares of squares stay in range; a power of two changes no digit

    def centered(block: slice) -> torch.Tensor:
        return (values[block].to(torch.float64) - mean) * power

    if n_points < n_dims:
        rows = centered(slice(None))
        gram = rows @ rows.T
        lengths = gram.diagonal() / n_points
        energies = (gram * gram).sum(dim=1) / n_points**2
    else:
        gram = torch.zeros(n_dims, n_dims, dtype=torch.float64, device=values.device)
        for block in blocks:
            rows = centered(block)
            gram.addmm_(rows.T, rows)
        gram /= n_points
        lengths = torch.empty(n_points, dtype=torch.float64, device=values.device)
        energies = torch.empty_like(lengths)
        for block in blocks:
            rows = centered(block)
            lengths[block] = (rows * rows).sum(dim=1) / n_points
            energies[block] = ((rows @ gram) * rows).sum(dim=1) / n_points
    trace, energy = float(lengths.sum()), float(energies.sum())
    value = trace**2 / energy
    # each row's influence on value: on tr(C), and on tr(C^2), where it meets every other row twice and itself once
    own = (lengths * n_points).square()
    on_trace = lengths * n_points - trace
    on_energy = 2 * energies * n_points - own / n_points - (2 * energy - float(own.sum()) / n_points**2)
    single = float((2 * on_trace / trace - on_energy / energy).square().sum())
    stride = -(-n_points // _PAIRED_ROWS)
    rows = (values[::stride].to(torch.float64) - mean) * power
    means = ((energies * n_points**2 - own) / (n_points - 1))[::stride]
    pairs = (rows @ rows.T).square() - means[:, None] - means[None, :] + float(means.mean())
    pairs.fill_diagonal_(0.0)
    twice = 2 * float(pairs.square().sum()) / (energy**2 * len(rows) * max(1, len(rows) - 1))
    return DimensionEstimate(
        value=value,
        stderr=value * math.sqrt(max(single - twice, single / 4)) / n_points,
        method="participation_ratio",
        params={},
        n1=None,
        n2=None,
        radius=math.nan,
        n_used=n_points,
        n_dropped=clean.n_nonfinite,
        n_dims=n_dims,
    )
