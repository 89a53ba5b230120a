"""Maps that carry nothing, to compare with; the third one, of permuted pairs, is `fit(..., permute=True)`."""

from dataclasses import replace

import numpy as np

from theodolite.core.errors import ParameterError
from theodolite.core.seeds import generator_from
from theodolite.transfer.linear_map import LinearMap


def random_map(like: LinearMap, *, seed: int = 0) -> LinearMap:
    """Return a Gaussian map with the shape and the Frobenius norm of another.

    Parameters
    ----------
    like : LinearMap
        The map to compare with.
    seed : int
        Decides the draw.

    Returns
    -------
    LinearMap
        Of kind "random", between the same models, without diagnostics.

    Notes
    -----
    It sends any one vector in a direction that is uniformly random: for a single vector, it is no other control than a
    random vector.

    Examples
    --------
    >>> like = LinearMap(matrix=np.eye(3), kind="identity", space="output")
    >>> round(float(np.linalg.norm(random_map(like).matrix)), 6) == round(3**0.5, 6)
    True
    """
    drawn = generator_from("transfer", "random_map", seed).normal(size=like.matrix.shape)
    matrix = drawn * (float(np.linalg.norm(like.matrix)) / float(np.linalg.norm(drawn)))
    return replace(like, matrix=matrix, bias=None, kind="random", params={"seed": seed}, diagnostics=None)


def identity_map(like: LinearMap) -> LinearMap:
    """Return the map that leaves vectors as they are: what one gets without Emb2Emb where widths agree.

    Parameters
    ----------
    like : LinearMap
        A map between models of one width.

    Returns
    -------
    LinearMap
        Of kind "identity".

    Raises
    ------
    ParameterError
        If the widths differ.

    Examples
    --------
    >>> identity_map(LinearMap(matrix=2 * np.eye(2), kind="ridge", space="output")).matrix
    array([[1., 0.],
           [0., 1.]])
    """
    if like.n_source != like.n_target:
        raise ParameterError(
            f"Models of {like.n_source} and {like.n_target} columns have no identity map. Leave this control out."
        )
    return replace(like, matrix=np.eye(like.n_source), bias=None, kind="identity", params={}, diagnostics=None)
