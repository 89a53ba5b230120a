"""Where the members of one list are found in another, for many pairs of lists."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Places = npt.NDArray[np.int16]

_ROWS_PER_CHUNK = 256  # places of a small cloud stay in the cache
_PLACES_PER_CHUNK = 1 << 21  # 4 MiB of int16


def positions_in(first: Indices, second: Indices, *, n_ids: int) -> Iterator[tuple[slice, Places]]:
    """Find for each member of each row of `first` its place in the same row of `second`.

    Parameters
    ----------
    first, second : numpy.ndarray
        `(n_rows, n_first)` and `(n_rows, n_second)` int64: ids below `n_ids`, distinct within a row.
    n_ids : int
        Number of ids.

    Yields
    ------
    rows : slice
        Some of the rows.
    places : numpy.ndarray
        `(n_some, n_first)` int16: from 0, and `n_second` where the member does not occur.

    Notes
    -----
    A row of places, one for each id, is written through one list, read through the other and put back: a few passes
    over the lists and none over all ids.

    Examples
    --------
    >>> [places.tolist() for _, places in positions_in(np.array([[0, 7, 2]]), np.array([[2, 0]]), n_ids=8)]
    [[[1, 2, 0]]]
    """
    n_rows, n_second = len(first), second.shape[1]
    step = max(1, min(n_rows, _ROWS_PER_CHUNK, _PLACES_PER_CHUNK // n_ids))
    table = np.full(step * n_ids, n_second, dtype=np.int16)
    order = np.arange(n_second, dtype=np.int16)
    for start in range(0, n_rows, step):
        chunk = slice(start, min(start + step, n_rows))
        offset = np.arange(chunk.stop - start)[:, None] * n_ids
        held = second[chunk] + offset
        table[held] = order
        places = table.take(first[chunk] + offset)
        table[held] = n_second
        yield chunk, places
