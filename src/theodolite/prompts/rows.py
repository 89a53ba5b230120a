"""Index files: which rows of a data set an experiment used."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import FormatError, NotFoundError

KNOWN = {
    "viswanathan2025-50": (
        *(587, 718, 1110, 1218, 1257, 1387, 1475, 1553, 2015, 2259),
        *(2341, 2570, 2941, 3135, 3218, 3392, 3688, 3848, 3946, 4027),
        *(4338, 4770, 5190, 5359, 5486, 5740, 6565, 6893, 7015, 7048),
        *(7130, 7265, 7387, 7447, 7505, 8014, 8025, 8087, 8438, 8820),
        *(8971, 9064, 9083, 9113, 9187, 9330, 9690, 9755, 9953, 9966),
    ),
}
"""Rows that a paper used, by name: of Pile-10k, the 50 prompts that viswanathan2025 shuffles."""


def read_rows(path: str | Path) -> npt.NDArray[np.int64]:
    r"""Read row numbers from a file, or those that a paper used.

    Parameters
    ----------
    path : str or pathlib.Path
        `.npy` (a flat array of whole numbers), `.json` (a list), or a text file with one number on each line; or a name
        of `KNOWN`, such as viswanathan2025-50.

    Returns
    -------
    numpy.ndarray
        Row numbers from 0, int64, in the order of the file.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If it holds anything but whole numbers from 0, or none.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "rows.txt"
    >>> _ = file.write_text("0\n19\n22\n")
    >>> read_rows(file)
    array([ 0, 19, 22])
    """
    file = Path(path)
    if not file.is_file():
        if str(path) in KNOWN:
            return np.array(KNOWN[str(path)], dtype=np.int64)
        raise NotFoundError(
            f"There is no file {file} with row numbers. Check the path. Known by name: {', '.join(KNOWN)}."
        )
    try:
        if file.suffix == ".npy":
            with file.open("rb") as opened:
                found = np.lib.format.read_array(opened, allow_pickle=False)
        elif file.suffix == ".json":
            found = np.array(json.loads(file.read_text(encoding="utf-8")))
        else:
            found = np.array([int(line) for line in file.read_text(encoding="utf-8").split()])
    except (ValueError, OSError, EOFError) as error:
        raise FormatError(
            f"{file} holds no row numbers: {' '.join(str(error).split())[:200]}. Needed is a flat .npy array, a JSON "
            "list, or one number on each line."
        ) from error
    if found.dtype.kind in "iu" and found.size and found.min() < 0:
        raise FormatError(f"{file} names row {found.min()}, but rows are counted from 0. Count from the first row.")
    if found.ndim != 1 or found.dtype.kind not in "iu" or not found.size:
        raise FormatError(
            f"{file} holds an array of shape {found.shape} and type {found.dtype}; needed are whole numbers from 0, "
            "at least one, in one row."
        )
    rows: npt.NDArray[np.int64] = found.astype(np.int64)
    return rows
