"""The linear maps themselves: each a function of the moments of paired rows, in closed form."""

import math

import numpy as np
import numpy.typing as npt

from theodolite.transfer.moments import Moments

Floats = npt.NDArray[np.float64]

PENALTIES = tuple(10.0**power for power in range(-8, 3))
_CUTOFF = 1e-14


def least_squares(found: Moments, *, penalty: float = 0.0) -> Floats:
    """Return the `(d_y, d_x)` matrix A that minimizes sum |A x - y|^2 + penalty * s * |A|^2, s the mean square of x.

    Parameters
    ----------
    found : Moments
        Of the pairs.
    penalty : float
        Ridge penalty in units of the mean eigenvalue of the second moments of x; 0 for plain least squares.

    Returns
    -------
    numpy.ndarray
        Directions in which x has no spread (eigenvalues below 1e-14 of the largest) are mapped to 0.

    Notes
    -----
    Normal equations through the eigenvectors of x x'; in float64 that is exact to about 1e-16 times the squared
    condition number of x.
    """
    values, vectors = np.linalg.eigh(found.xx)
    keep = values > _CUTOFF * values[-1]
    values, vectors = values[keep], vectors[:, keep]
    shrunk = values + penalty * float(np.trace(found.xx)) / len(found.xx)
    matrix: Floats = (vectors / shrunk @ (vectors.T @ found.xy)).T
    return matrix


def procrustes(found: Moments, *, scaled: bool = False) -> Floats:
    """Return the semi-orthogonal matrix nearest to mapping x onto y, `(d_y, d_x)`.

    Parameters
    ----------
    found : Moments
        Of the pairs.
    scaled : bool
        Whether to multiply by the factor that fits best.

    Returns
    -------
    numpy.ndarray
        With orthonormal columns where the target is at least as wide, orthonormal rows where it is narrower: the
        orthogonal solution of the narrower side padded with zeros.

    References
    ----------
    P. Schönemann, Psychometrika 31, 1 (1966), doi:10.1007/BF02289451.
    """
    left, values, right = np.linalg.svd(found.xy.T, full_matrices=False)
    matrix: Floats = left @ right
    if scaled:
        matrix = matrix * (float(values.sum()) / float(np.sum((matrix @ found.xx) * matrix)))
    return matrix


def low_rank(found: Moments, rank: int) -> Floats:
    """Return the map of at most this rank with the least squared error (reduced-rank regression), `(d_y, d_x)`.

    References
    ----------
    A. J. Izenman, J. Multivar. Anal. 5, 248 (1975), doi:10.1016/0047-259X(75)90042-1.
    """
    full = least_squares(found)
    fitted = full @ found.xx @ full.T
    _, vectors = np.linalg.eigh(fitted)
    top = vectors[:, ::-1][:, :rank]
    matrix: Floats = top @ (top.T @ full)
    return matrix


def ranks(found: Moments) -> list[int]:
    """Return the ranks to choose from: the powers of two below full rank, and full rank."""
    full = min(found.xy.shape)
    return sorted({*(2**power for power in range(int(math.log2(full)) + 1)), full})
