"""TwoNN at larger scales: the decimation curve."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.points import Points, clean_points
from theodolite.core.seeds import generator_from
from theodolite.dimension.cloud_estimators import cloud_twonn
from theodolite.dimension.clouds import CloudDimensions, same_width
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.ratios import require_whole
from theodolite.dimension.twonn import Method, twonn
from theodolite.neighborhoods import cloud_neighbors, neighbors


def twonn_decimation(
    points: Points,
    *,
    parts: tuple[int, ...] = (1, 2, 4, 8, 16),
    discard: float | None = None,
    method: Method = "fit",
    seed: int = 0,
) -> tuple[DimensionEstimate, ...]:
    """Measure TwoNN on ever smaller random parts of the points, whose neighbors are ever farther; each positive.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, finite; duplicates are collapsed once, before anything is drawn.
    parts : tuple of int
        Into how many disjoint parts of equal size the points are cut.
    discard, method : float or None, {"fit", "ml"}
        As in `twonn`.
    seed : int
        Decides the order in which the points are cut up.

    Returns
    -------
    tuple of DimensionEstimate
        One for each entry of `parts`: the mean over its parts, with their standard deviation over sqrt(number of parts)
        for the standard error (that of `twonn` for the whole). `radius` is the mean distance to the second neighbor.

    Raises
    ------
    ParameterError
        If `parts` is empty, or leaves parts of fewer than 10 points.

    Notes
    -----
    Thinning removes structure below a scale, such as noise, and also raises the finite-sample bias. GRIDE reaches the
    same radii with all points and is the better scale analysis; this one is for comparison with published curves.
    DADApy's `return_id_scaling_2NN` draws its own parts: only the first value is comparable digit for digit.

    References
    ----------
    E. Facco, M. d'Errico, A. Rodriguez, A. Laio, Sci. Rep. 7, 12140 (2017), doi:10.1038/s41598-017-11873-y.

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(400, 3))
    >>> [one.params["parts"] for one in twonn_decimation(points, parts=(1, 4))]
    [1, 4]
    """
    values, order = _shuffled(points, parts, seed)
    curve = []
    for n_parts in parts:
        graphs = [
            neighbors(values[torch.from_numpy(np.sort(part)).to(values.device)], k=2)
            for part in np.array_split(order, n_parts)
        ]
        readings = [twonn(graph, discard=discard, method=method) for graph in graphs]
        single = np.array([one.value for one in readings])
        curve.append(
            DimensionEstimate(
                value=float(single.mean()),
                stderr=readings[0].stderr if n_parts == 1 else float(single.std(ddof=1)) / math.sqrt(n_parts),
                method="twonn_decimation",
                params={**readings[0].params, "parts": n_parts, "seed": seed},
                n1=1,
                n2=2,
                radius=float(np.mean([one.radius for one in readings])),
                n_used=sum(one.n_used for one in readings),
                n_dropped=sum(one.n_dropped for one in readings),
                n_dims=int(values.shape[1]),
            )
        )
    return tuple(curve)


def cloud_twonn_decimation(
    clouds: Points | Sequence[Points],
    *,
    parts: tuple[int, ...] = (1, 2, 4, 8, 16),
    discard: float | None = None,
    method: Method = "fit",
    seed: int = 0,
) -> CloudDimensions:
    """Measure TwoNN on ever smaller random parts of each cloud; positive, dimensionless.

    Parameters
    ----------
    clouds : torch.Tensor, numpy.ndarray or sequence of them
        `(n_clouds, n_points, n_dims)`, or clouds `(n_points, n_dims)` of different lengths, finite.
    parts, discard, method, seed
        As in `twonn_decimation`.

    Returns
    -------
    CloudDimensions
        One column for each entry of `parts` (in `choices`); equal to `twonn_decimation(clouds[i])`. The parts of all
        clouds are searched in one call of `cloud_neighbors`.

    Raises
    ------
    ParameterError
        If `parts` is empty, or leaves parts of fewer than 10 points, or clouds differ in their columns.
    PointsError
        If a cloud is not finite; the message names it.

    Examples
    --------
    >>> clouds = np.random.default_rng(0).normal(size=(2, 400, 3))
    >>> cloud_twonn_decimation(clouds, parts=(1, 4)).value.shape
    (2, 2)
    """
    cut = []
    for number, points in enumerate(same_width(clouds)):
        try:
            cut.append(_shuffled(points, parts, seed))
        except PointsError as error:
            raise PointsError(f"Cloud {number}: {error}") from error
        except ParameterError as error:
            raise ParameterError(f"Cloud {number}: {error}") from error
    columns = []
    for n_parts in parts:
        pieces = [
            values[torch.from_numpy(np.sort(part)).to(values.device)]
            for values, order in cut
            for part in np.array_split(order, n_parts)
        ]
        read = cloud_twonn(cloud_neighbors(pieces, k=2, precision="float64"), discard=discard, method=method)
        single, errors, radius = (of.reshape(len(cut), n_parts) for of in (read.value, read.stderr, read.radius))
        columns.append(
            (
                single.mean(axis=1),
                errors[:, 0] if n_parts == 1 else single.std(axis=1, ddof=1) / math.sqrt(n_parts),
                radius.mean(axis=1),
                read.n_used.reshape(len(cut), n_parts).sum(axis=1),
                read.n_dropped.reshape(len(cut), n_parts).sum(axis=1),
            )
        )
    value, stderr, mean_radius, n_used, n_dropped = (np.stack(column, axis=1) for column in zip(*columns, strict=True))
    return CloudDimensions(
        value=value,
        stderr=stderr,
        radius=mean_radius,
        n_used=n_used,
        n_dropped=n_dropped,
        n1=np.ones(len(parts), dtype=np.int64),
        n2=np.full(len(parts), 2),
        method="twonn_decimation",
        params={**read.params, "seed": seed},
        n_dims=read.n_dims,
        choices={"parts": np.array(parts)},
    )


def _shuffled(points: Points, parts: tuple[int, ...], seed: int) -> tuple[torch.Tensor, npt.NDArray[np.int64]]:
    """Return the distinct points, and the order in which they are cut up; refuse parts of too few."""
    values = clean_points(points).values
    n_points = len(values)
    seed = require_whole(seed, "seed", method="twonn_decimation")
    parts = tuple(require_whole(one, "parts", method="twonn_decimation") for one in parts)
    if not parts or min(parts) < 1 or n_points // max(parts) < 10:
        raise ParameterError(
            f"parts={parts} must name numbers of parts with at least 10 of the {n_points} distinct points in each."
        )
    return values, generator_from("twonn_decimation", seed).permutation(n_points)
