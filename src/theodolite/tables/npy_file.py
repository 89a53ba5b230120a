"""An array saved by `numpy.save`: one table without a name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from theodolite.core.errors import FormatError, UnsafeFileError
from theodolite.tables.entries import TensorEntry, find_entry

ARRAY = "array"


class NpyFile:
    """The one array of a `.npy` file, called "array".

    Parameters
    ----------
    path : pathlib.Path
        The file. Only its header is read.

    Raises
    ------
    UnsafeFileError
        If the array holds Python objects, which only a pickle can restore.
    FormatError
        If the file is no `.npy` file or is truncated.
    """

    format = "npy"

    def __init__(self, path: Path) -> None:
        self.path = path
        array = self._map()
        dtype = str(array.dtype.newbyteorder("="))
        entry = TensorEntry(name=ARRAY, shape=array.shape, dtype=dtype, n_bytes=array.nbytes, file=path)
        self.entries: Mapping[str, TensorEntry] = {ARRAY: entry}

    def read(self, name: str = ARRAY) -> torch.Tensor:
        """Return the array, memory-mapped where the machine's own byte order was stored."""
        find_entry(self.entries, name, str(self.path))
        array = self._map()
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))

    def _map(self) -> np.ndarray[Any, np.dtype[Any]]:
        """Map the file copy-on-write: nothing done to the tensor can reach the file."""
        try:
            with self.path.open("rb") as file:
                if file.read(6) != b"\x93NUMPY":
                    raise FormatError(
                        f"{self.path} is no .npy file: it does not begin with \\x93NUMPY. Save the array with "
                        "numpy.save, or rename the file after what it is."
                    )
            array: np.ndarray[Any, np.dtype[Any]] = np.load(self.path, mmap_mode="c", allow_pickle=False)
            return array
        except FormatError:
            raise
        except Exception as error:  # a damaged header makes numpy's parser fail in every way there is
            if "object" in str(error).lower() or "pickle" in str(error).lower():
                raise UnsafeFileError(
                    f"{self.path} holds Python objects, which only running code could restore. Save the array as "
                    "numbers: numpy.save(path, array.astype('float32'))."
                ) from error
            raise FormatError(
                f"{self.path} is truncated or damaged: {_one_line(error)}. Save it again with numpy.save."
            ) from error


def _one_line(error: Exception) -> str:
    """Return an error's message without line breaks."""
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
