"""Which tokens are points: windows of a long text, one position for each token type."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import ParameterError
from theodolite.core.hashing import hash_json
from theodolite.core.seeds import generator_from

Ids = npt.NDArray[np.int64]
Choice = Literal["all", "first", "random"]


def as_ids(token_ids: npt.ArrayLike) -> Ids:
    """Return token ids as a flat int64 array.

    Raises
    ------
    ParameterError
        If they are no flat array of whole numbers, or there are none.
    """
    found = np.asarray(token_ids)
    if found.ndim != 1 or not found.size or found.dtype.kind not in "iu":
        raise ParameterError(
            f"Token ids of shape {found.shape} and type {found.dtype} were given; needed is a flat list of at least "
            "one whole number."
        )
    return found.astype(np.int64)


def windows(
    token_ids: npt.ArrayLike, n_tokens: int, *, stride: int | None = None, most: int | None = None
) -> npt.NDArray[np.int64]:
    """Cut a long text into windows of equal length; what is left at the end is not used.

    Parameters
    ----------
    token_ids : array-like
        Token ids of the text, `(n,)`.
    n_tokens : int
        Length of a window.
    stride : int or None
        Distance between the beginnings of windows; None puts them one after the other.
    most : int or None
        At most so many windows, spread evenly over the text; None keeps all.

    Returns
    -------
    numpy.ndarray
        Shape `(n_windows, n_tokens)`, int64.

    Raises
    ------
    ParameterError
        If a number is below 1 or the text is shorter than one window.

    Examples
    --------
    >>> windows(range(7), 3)
    array([[0, 1, 2],
           [3, 4, 5]])
    """
    ids = as_ids(np.fromiter(token_ids, dtype=np.int64) if isinstance(token_ids, range) else token_ids)
    for name, value in (("n_tokens", n_tokens), ("stride", stride), ("most", most)):
        if value is not None and value < 1:
            raise ParameterError(f"{name}={value} is not possible; it must be at least 1.")
    if len(ids) < n_tokens:
        raise ParameterError(
            f"The text has {len(ids)} tokens, fewer than one window of {n_tokens}. Give a longer text."
        )
    starts = np.arange(0, len(ids) - n_tokens + 1, stride or n_tokens)
    if most is not None and most < len(starts):
        starts = starts[(np.arange(most) * len(starts)) // most]
    cut: npt.NDArray[np.int64] = ids[starts[:, None] + np.arange(n_tokens)]
    return cut


def positions(token_ids: npt.ArrayLike, *, choice: Choice = "all", seed: int | str = 0) -> Ids:
    """Choose which positions of a prompt are points of its cloud.

    Parameters
    ----------
    token_ids : array-like
        Token ids of the prompt, `(n_tokens,)`.
    choice : {"all", "first", "random"}
        All positions; the first occurrence of each token; or one occurrence of each at random.
    seed : int or str
        Decides the random choice, together with the ids.

    Returns
    -------
    numpy.ndarray
        Indices in ascending order, int64.

    Raises
    ------
    ParameterError
        If the choice is unknown or the ids are no flat list.

    Notes
    -----
    Copies of a token are near each other whatever the context, and become one another's nearest neighbors: the
    dimension of a cloud of all positions is lower for that reason alone.

    Examples
    --------
    >>> positions([5, 7, 5, 9], choice="first")
    array([0, 1, 3])
    """
    ids = as_ids(token_ids)
    if choice not in get_args(Choice):
        raise ParameterError(f"choice={choice!r} is not known. Choose one of {', '.join(get_args(Choice))}.")
    if choice == "all":
        return np.arange(len(ids), dtype=np.int64)
    order = np.arange(len(ids), dtype=np.int64)
    if choice == "random":
        order = generator_from("positions", seed, hash_json(ids.tolist())).permutation(len(ids)).astype(np.int64)
    return np.sort(order[np.unique(ids[order], return_index=True)[1]])
