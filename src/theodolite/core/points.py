"""The door for points: one place that checks, converts and cleans what is handed to the numerics.

The policy for awkward rows lives here and nowhere else:

* rows with NaN or infinities are refused by row number, or dropped and counted (`nonfinite="drop"`);
* exact duplicates (bitwise equal after conversion, -0.0 equal to 0.0) are collapsed to their first occurrence and
  counted, or kept (`duplicates="keep"`), in which case they come out at distance exactly 0;
* zero rows are points like any other and are counted;
* bfloat16 and float16 are converted once to float32, integers to float64; float32 and float64 stay as they are.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import GeometryWarning, ParameterError, PointsError

Points: TypeAlias = torch.Tensor | npt.NDArray[Any]
Nonfinite = Literal["error", "drop"]
Duplicates = Literal["collapse", "keep"]

_VALUES_PER_CHUNK = 1 << 16  # 256 KiB of float32: the passes below stay in cache
_ROWS_NAMED = 5
_KEY_COLUMNS = 8
_WITHOUT_FLOAT64 = ("mps",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanPoints:
    """Points that the numerics may use without further checks, and what was left out to get them.

    Attributes
    ----------
    values : torch.Tensor
        `(n_points, n_dims)`, float32 or float64, on the device of the input, finite; a view of the input where
        nothing had to be changed.
    rows : numpy.ndarray
        `(n_points,)` int64: the row of the input that each point came from, ascending.
    n_given : int
        Rows of the input.
    n_nonfinite : int
        Rows dropped because they hold NaN or an infinity.
    n_duplicates : int
        Rows dropped because an equal row came before (0 with `duplicates="keep"`).
    n_zero : int
        All-zero rows of the input.
    """

    values: torch.Tensor
    rows: npt.NDArray[np.int64]
    n_given: int
    n_nonfinite: int
    n_duplicates: int
    n_zero: int

    @property
    def n_points(self) -> int:
        """Number of points that remain."""
        return int(self.values.shape[0])

    @property
    def n_dims(self) -> int:
        """Extrinsic dimension: the number of columns."""
        return int(self.values.shape[1])


def as_points(points: Points) -> torch.Tensor:
    """Return `points` as a two-dimensional float32 or float64 tensor, sharing memory where possible.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, any real dtype, any device.

    Returns
    -------
    torch.Tensor
        float64 for float64 (and wider) and integer input, float32 for every narrower floating type. Detached from
        autograd; on the CPU where the device has no float64 (mps).

    Raises
    ------
    PointsError
        If the array is not two-dimensional, has no columns, is sparse or masked, or is not real.

    Examples
    --------
    >>> as_points(np.zeros((3, 2), dtype=np.float16)).dtype
    torch.float32
    """
    if isinstance(points, torch.Tensor):
        tensor = points.detach()
        if tensor.layout != torch.strided:
            raise PointsError(f"Points must be a dense table, but this tensor is {tensor.layout}. Pass .to_dense().")
        tensor = tensor.resolve_neg()
        if tensor.device.type in _WITHOUT_FLOAT64:
            tensor = tensor.cpu()
        if tensor.is_meta:
            raise PointsError("Points must be numbers, but this tensor is on the device meta, which holds none.")
    else:
        array = _as_array(points)
        if array.dtype.kind not in "fiub":
            raise PointsError(f"Points must be real numbers, but the array has dtype {array.dtype}.")
        if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # torch knows no wider numbers
            array = array.astype(np.float64)
        with warnings.catch_warnings():  # a read-only (memory-mapped) array is only read here
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
            native = array.astype(array.dtype.newbyteorder("="), copy=False)
            tensor = torch.from_numpy(native if native.flags.c_contiguous else np.ascontiguousarray(native))
    if tensor.ndim != 2:
        raise PointsError(
            f"Points must be a table of shape (n_points, n_dims), but this array has shape {tuple(tensor.shape)}. "
            "Pass one row for each point."
        )
    if tensor.shape[1] == 0:
        raise PointsError(f"Points need at least one coordinate, but the array has shape {tuple(tensor.shape)}.")
    if tensor.is_complex():
        raise PointsError(f"Points must be real numbers, but the tensor has dtype {tensor.dtype}.")
    if tensor.dtype in (torch.float32, torch.float64):
        return tensor
    return tensor.to(torch.float32 if tensor.is_floating_point() else torch.float64)


def _as_array(points: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return an array, or say why there is none: rows of different lengths, or numbers below a mask."""
    if isinstance(points, np.ma.MaskedArray) and np.ma.is_masked(points):
        raise PointsError(
            f"{int(points.mask.sum())} entries of this array are masked, so their numbers are not to be used. Pass "
            'points.filled(np.nan) with nonfinite="drop", or the rows without a mask.'
        )
    try:
        return np.asarray(points)
    except ValueError as error:
        raise PointsError(f"Points must be a table of numbers, with rows of one length: {error}") from error


def clean_points(points: Points, *, nonfinite: Nonfinite = "error", duplicates: Duplicates = "collapse") -> CleanPoints:
    """Apply the policy for awkward rows and say what it did.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_points, n_dims)`, any real dtype, any device.
    nonfinite : {"error", "drop"}
        What to do with rows that hold NaN or an infinity.
    duplicates : {"collapse", "keep"}
        Whether equal rows become one point.

    Returns
    -------
    CleanPoints
        What remains, where it came from, and how many rows were left out for which reason.

    Raises
    ------
    ParameterError
        If `nonfinite` or `duplicates` is none of its words.
    PointsError
        If rows are not finite and `nonfinite="error"`, if nothing remains, or if all rows are equal.

    Warns
    -----
    GeometryWarning
        If rows that are not finite were dropped.

    Examples
    --------
    >>> clean = clean_points(np.array([[0.0, 0.0], [1.0, 2.0], [1.0, 2.0]]))
    >>> clean.n_points, clean.n_duplicates, clean.n_zero, clean.rows.tolist()
    (2, 1, 1, [0, 1])
    """
    for name, given, known in (
        ("nonfinite", nonfinite, get_args(Nonfinite)),
        ("duplicates", duplicates, get_args(Duplicates)),
    ):
        if given not in known:
            raise ParameterError(f"{name} must be {' or '.join(map(repr, known))}, not {given!r}.")
    values = as_points(points)
    n_given = int(values.shape[0])
    rows = torch.arange(n_given, device=values.device)

    finite, zero = _row_flags(values)
    n_zero = int(zero.sum())
    n_nonfinite = n_given - int(finite.sum())
    if n_nonfinite:
        named = torch.nonzero(~finite).flatten()[:_ROWS_NAMED].tolist()
        message = (
            f"{n_nonfinite} of {n_given} rows hold NaN or infinite values "
            f"(row {', '.join(map(str, named))}{', ...' if n_nonfinite > len(named) else ''})"
        )
        if nonfinite == "error":
            raise PointsError(f'{message}. Repair them, or pass nonfinite="drop" to leave them out.')
        warnings.warn(f"{message}; they are left out.", GeometryWarning, stacklevel=2)
        rows = rows[finite]
        values = values[finite]
    if values.shape[0] == 0:
        raise PointsError(f"No point remains of {n_given} rows: the table is empty or nothing in it is finite.")

    if _constant(values):
        if values.shape[0] == 1:
            raise PointsError(f"One point remains of {n_given}, and a single one has no geometry. Give more rows.")
        raise PointsError(f"All {values.shape[0]} rows are equal: a constant table has no geometry.")
    n_duplicates = 0
    if duplicates == "collapse":
        first = first_occurrences(values)
        n_duplicates = int(values.shape[0]) - int(first.sum())
        if n_duplicates:
            rows = rows[first]
            values = values[first]
    return CleanPoints(
        values=values,
        rows=rows.cpu().numpy(),
        n_given=n_given,
        n_nonfinite=n_nonfinite,
        n_duplicates=n_duplicates,
        n_zero=n_zero,
    )


def _constant(values: torch.Tensor) -> bool:
    """Say whether there are several rows and all are equal."""
    return values.shape[0] > 1 and torch.equal(values[0], values[-1]) and bool((values == values[0]).all())


def first_occurrences(values: torch.Tensor) -> torch.Tensor:
    """Mark each row that no earlier row equals.

    A few columns tell most rows apart; rows that share those with another are hashed whole to 64 bits, and only rows of
    equal hash are compared, so the answer is exact and costs little where there are few duplicates.

    Parameters
    ----------
    values : torch.Tensor
        `(n_points, n_dims)` float32 or float64.

    Returns
    -------
    torch.Tensor
        `(n_points,)` bool.

    Examples
    --------
    >>> first_occurrences(torch.tensor([[1.0], [0.0], [-0.0], [1.0]])).tolist()
    [True, True, False, False]
    """
    n_points, n_dims = values.shape
    first = torch.ones(n_points, dtype=torch.bool, device=values.device)
    alike = _alike(_row_hashes(values[:, :: -(-n_dims // _KEY_COLUMNS)]))
    if len(alike) == 0:
        return first
    hashes = _row_hashes(values, alike)
    _, group = torch.unique(hashes, return_inverse=True)
    leader = torch.full((len(alike),), n_points, device=values.device).scatter_reduce_(0, group, alike, "amin")[group]
    followers, leaders = alike[leader != alike], leader[leader != alike]
    first[followers] = False
    unlike = torch.zeros(len(followers), dtype=torch.bool, device=values.device)
    for chunk in _chunks(values, len(followers)):
        unlike[chunk] = (values[followers[chunk]] != values[leaders[chunk]]).any(dim=1)
    collided = followers[unlike]
    if len(collided):  # equal hashes, other coordinates: decide these few by sorting the rows themselves
        _, kept = np.unique((values[collided] + 0.0).cpu().numpy(), axis=0, return_index=True)
        first[collided[torch.from_numpy(kept).to(collided.device)]] = True
    return first


def _alike(hashes: torch.Tensor) -> torch.Tensor:
    """Find the rows whose hash another row has too, ascending."""
    ordered = np.sort(hashes.cpu().numpy())
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice) == 0:
        return torch.empty(0, dtype=torch.int64, device=hashes.device)
    return torch.nonzero(torch.isin(hashes, torch.from_numpy(np.unique(twice)).to(hashes.device))).flatten()


def _row_flags(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Say for each row whether it is finite and whether it is all zero, without a second table in memory.

    A norm that is finite and above zero says both at once; other rows, whose squares may only have overflowed, are
    looked at number by number.
    """
    finite = torch.ones(values.shape[0], dtype=torch.bool, device=values.device)
    zero = torch.zeros_like(finite)
    norms = torch.linalg.vector_norm(values, dim=1)
    odd = torch.nonzero(~((norms > 0) & (norms < torch.inf))).flatten()
    for chunk in _chunks(values, len(odd)):
        rows = odd[chunk]
        largest = values[rows].abs().amax(dim=1)
        finite[rows] = torch.isfinite(largest)
        zero[rows] = largest == 0
    return finite, zero


def _chunks(values: torch.Tensor, n_rows: int) -> Iterator[slice]:
    """Cut so many rows into slices of about `_VALUES_PER_CHUNK` numbers (much larger ones on a GPU)."""
    numbers = _VALUES_PER_CHUNK if values.device.type == "cpu" else _VALUES_PER_CHUNK << 8
    step = max(1, numbers // values.shape[1])
    for start in range(0, n_rows, step):
        yield slice(start, start + step)


def _row_hashes(values: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
    """Hash each row, or each of some, to an int64 by a random linear form over its bits (arithmetic modulo 2**64)."""
    narrow = values.dtype == torch.float32
    words = torch.int32 if narrow and values.shape[1] % 2 else torch.int64  # two float32 to a word where they fit
    n_words = values.shape[1] // 2 if narrow and words == torch.int64 else values.shape[1]
    draw = np.random.Generator(np.random.PCG64(0)).integers(-(2**63), 2**63, size=n_words, dtype=np.int64)
    weights = torch.from_numpy(draw | 1).to(values.device)
    n_rows = values.shape[0] if rows is None else len(rows)
    hashes = torch.empty(n_rows, dtype=torch.int64, device=values.device)
    for chunk in _chunks(values, n_rows):
        some = values[chunk if rows is None else rows[chunk]]
        bits = (some + 0.0).contiguous().view(words)  # adding 0.0 makes -0.0 equal to 0.0
        hashes[chunk] = (bits * weights).sum(dim=1)
    return hashes
