"""TwoNN at larger scales: the decimation curve."""

import math

import numpy as np
import torch

from theodolite.core.errors import ParameterError
from theodolite.core.points import Points, clean_points
from theodolite.core.seeds import generator_from
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.ratios import require_whole
from theodolite.dimension.twonn import Method, twonn
from theodolite.neighborhoods import neighbors


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
    values = clean_points(points).values
    n_points = len(values)
    seed = require_whole(seed, "seed", method="twonn_decimation")
    parts = tuple(require_whole(one, "parts", method="twonn_decimation") for one in parts)
    if not parts or min(parts) < 1 or n_points // max(parts) < 10:
        raise ParameterError(
            f"parts={parts} must name numbers of parts with at least 10 of the {n_points} distinct points in each."
        )
    order = generator_from("twonn_decimation", seed).permutation(n_points)
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
