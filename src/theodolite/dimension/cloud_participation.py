"""The participation ratio of many clouds: one product for each, no standard errors."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points, as_points
from theodolite.neighborhoods.clouds import CloudNeighbors


def cloud_participation_ratio(
    clouds: Points | Sequence[Points], *, found: CloudNeighbors | None = None
) -> npt.NDArray[np.float64]:
    """Measure the participation ratio of each of many clouds; in [1, min(n_points - 1, n_dims)].

    Parameters
    ----------
    clouds : torch.Tensor, numpy.ndarray or sequence of them
        `(n_clouds, n_points, n_dims)`, or clouds `(n_points, n_dims)` of different lengths, on any device.

    found : CloudNeighbors, optional
        What `cloud_neighbors(clouds, moments=True)` found: all clouds that needed no cleaning are measured already.

    Returns
    -------
    numpy.ndarray
        `(n_clouds,)` float64; NaN where a cloud has fewer than two points, is not finite, or has no variance.

    Raises
    ------
    ParameterError
        If the neighbors are those of another number of clouds.

    Notes
    -----
    As `participation_ratio`, without its standard error, which costs twice the product: over many prompts the scatter
    of the readings says how sure their mean is. The product is taken in the precision of the points, of centered rows
    scaled by a power of two, with sums in float64: good to about 1e-6 of itself for float32, and so are
    the sums of `found` (`theodolite.neighborhoods.cloud_moments`).

    References
    ----------
    P. Gao et al., A theory of multineuronal dimensionality, dynamics and measurement, bioRxiv 214262 (2017),
    doi:10.1101/214262.

    Examples
    --------
    >>> cross = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> cloud_participation_ratio([cross, cross[:2], cross[:1]]).tolist()
    [2.0, 1.0, nan]
    """
    each = [as_points(points) for points in clouds]
    moments = None if found is None else found.moments
    if moments is None:
        return np.array([_ratio(values) for values in each])
    if len(moments.energies) != len(each):
        raise ParameterError(f"{len(moments.energies)} clouds were searched, but {len(each)} were given.")
    known = zip(each, moments.traces, moments.energies, strict=True)
    return np.array([_ratio(values) if np.isnan(energy) else trace**2 / energy for values, trace, energy in known])


def _ratio(values: torch.Tensor) -> float:
    n_points, n_dims = values.shape
    if n_points < 2:
        return float("nan")
    centered = values - values.mean(dim=0, dtype=torch.float64).to(values.dtype)
    peak = float(centered.abs().amax())
    if not 0 < peak < float("inf"):
        return float("nan")
    centered *= 2.0 ** -np.frexp(peak)[1]
    if centered.device.type == "cpu":
        rows = centered.numpy()
        gram = rows @ rows.T if n_points < n_dims else rows.T @ rows  # numpy sees the symmetry and computes half
        trace, energy = float(gram.trace(dtype=np.float64)), float(np.vecdot(gram, gram).sum(dtype=np.float64))
    else:
        wide = centered.to(torch.float64)
        product = wide @ wide.T if n_points < n_dims else wide.T @ wide
        trace, energy = float(product.trace()), float(product.square().sum())
    return trace**2 / energy if energy > 0 else float("nan")
