"""The proof that a candidate search in low precision missed nobody.

A search ranks the points y around a point x by the score q(x, y) = |y|^2 / 2 - x.y, computed from rounded rows in
rounded arithmetic. With x' and y' the rounded rows, D = |x' - y'| and d = |x - y|:

* rounding of rows: |D - d| <= |x - x'| + |y - y'|, with the norms of the actual rounding errors;
* q(x', y') = (D^2 - |x'|^2) / 2 exactly, and what is computed differs from it by at most
  gamma (|x'| |y'| + |y'|^2 / 2) (the product, whatever the order of summation) + the rounding of |y'|^2 / 2 and of
  the difference.

A point that is missing from the candidates although d <= r would have |y'| <= |x'| + r + |x - x'| + |y - y'|, so
everything above is bounded by quantities of x alone, and so is its computed score: `score_limit`. If the
candidates are all points whose computed score is below a cut, and the cut lies above the limit, nobody within r is
missing.

No bound here holds "usually": every constant is a worst case, evaluated in float64 and widened by `_SLACK` for the
rounding of that evaluation itself.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

FLOAT64_UNIT = 2.0**-53
FLOAT32_UNIT = 2.0**-24
_SLACK = 1.0 + 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """How scores were computed, as far as the proof needs to know.

    Attributes
    ----------
    product : float
        gamma: the error of a computed score is at most `product * (|x'| |y'| + |y'|^2 / 2) + tiny`, beside the rounding
        of |y'|^2 / 2 and of the final difference; the square is included because a product routine may start from it.
    square : float
        Relative error of the stored |y'|^2 / 2.
    unit : float
        Unit roundoff of the score.
    evaluation : float
        Relative error of squares evaluated in float64 for the proof itself.
    tiny : float
        What underflow may add to the error of a score, in units of scores.
    """

    product: float
    square: float
    unit: float
    evaluation: float
    tiny: float


def floating(n_dims: int, *, unit: float, smallest: float) -> Arithmetic:
    """Return the arithmetic of a product of floating-point rows.

    Parameters
    ----------
    n_dims : int
        Length of the rows.
    unit : float
        Unit roundoff: 2**-24 for float32, 2**-53 for float64.
    smallest : float
        Smallest normal number: numbers below it may be flushed to zero.

    Notes
    -----
    gamma_n = n u / (1 - n u) bounds the error of an inner product of length n in any order of summation, fused or not
    (Higham, "Accuracy and Stability of Numerical Algorithms", 2002, section 3.1).

    Examples
    --------
    >>> round(floating(768, unit=FLOAT32_UNIT, smallest=2.0**-126).product / 2.0**-24)
    769
    """
    terms = (n_dims + 1) * unit
    evaluation = (n_dims + 16) * FLOAT64_UNIT
    return Arithmetic(
        product=terms / (1.0 - terms),
        square=unit + evaluation,
        unit=unit,
        evaluation=evaluation,
        tiny=4.0 * (n_dims + 2) * smallest,
    )


def whole(n_dims: int, *, step: float) -> Arithmetic:
    """Return the arithmetic of whole multiples of `step`: exact, but for |y'|^2 / 2 rounded down to a whole number.

    Examples
    --------
    >>> whole(768, step=2.0).tiny
    2.0
    """
    evaluation = (n_dims + 16) * FLOAT64_UNIT
    return Arithmetic(product=0.0, square=0.0, unit=0.0, evaluation=evaluation, tiny=0.5 * step * step)


def difference_error(n_dims: int) -> float:
    """Bound the relative error of a distance computed from float64 coordinate differences, whatever the order."""
    return (n_dims + 8) * FLOAT64_UNIT


def score_limit(
    *, radius: Vector, norms: Vector, errors: Vector, worst_error: float, relative_error: float, arithmetic: Arithmetic
) -> Vector:
    """Bound the computed score of every point within `radius` from above.

    Parameters
    ----------
    radius : numpy.ndarray
        `(m,)` distance within which nobody may be missed.
    norms : numpy.ndarray
        `(m,)` norms |x'| of the rounded rows.
    errors : numpy.ndarray
        `(m,)` rounding errors |x - x'|.
    worst_error : float
        Largest rounding error of any point.
    relative_error : float
        Largest |y - y'| / |y'| of any point (infinite where it is not known).
    arithmetic : Arithmetic
        How scores were computed.

    Returns
    -------
    numpy.ndarray
        `(m,)`: a point with a larger computed score is farther than `radius`.

    Examples
    --------
    >>> exact = Arithmetic(product=0.0, square=0.0, unit=0.0, evaluation=0.0, tiny=0.0)
    >>> one = np.ones(1)
    >>> limit = score_limit(radius=one, norms=one, errors=0 * one, worst_error=0, relative_error=0, arithmetic=exact)
    >>> float(limit[0])  # (r^2 - |x|^2) / 2
    0.0
    """
    near = norms + radius + errors  # |y'| <= near + |y - y'|
    if relative_error < 0.5:
        other = np.minimum(worst_error, near * (relative_error / (1.0 - relative_error)))
    else:
        other = np.full_like(near, worst_error)
    distance = radius + errors + other
    reach = near + other
    half_square = reach**2 / 2.0
    product = norms * reach
    rounding = (
        arithmetic.product * (product + half_square)
        + arithmetic.square * half_square
        + arithmetic.unit * (half_square * (1.0 + arithmetic.square) + product * (1.0 + arithmetic.product))
        + arithmetic.evaluation * (distance**2 + norms**2)
        + arithmetic.tiny
    )
    exact = (distance - norms) * (distance + norms) / 2.0
    return exact + rounding * _SLACK
