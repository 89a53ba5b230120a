"""Parquet files that know their own checksum, so that a truncation or a flipped bit shows without a second file.

The file's key-value metadata holds one JSON text. It begins with the sha256 of the whole file, taken with the 64 digits
set to zero, and goes on with whatever the writer wants to say beside the rows.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import polars as pl

from theodolite.core.errors import FormatError
from theodolite.core.hashing import canonical_json
from theodolite.runs.folder.location import Location

_ENTRY = "theodolite"
# canonical JSON has no white space outside strings and escapes quotes inside them, so no content can look like this
_MARK = b'{"sha256" : "'
_BLANK = b"0" * 64


def sealed_bytes(frame: pl.DataFrame, content: Mapping[str, Any]) -> bytes:
    """Return rows and what is said beside them as one sealed file.

    Parameters
    ----------
    frame : polars.DataFrame
        The rows.
    content : mapping
        Fit for JSON, not empty, without an entry `sha256`.

    Returns
    -------
    bytes
        A parquet file; equal input gives equal bytes, with one version of polars.
    """
    text = canonical_json(content).encode("utf-8", "backslashreplace").decode()  # JSON reads \\udc80 back
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer, compression="zstd", metadata={_ENTRY: (_MARK + _BLANK).decode() + '",' + text.removeprefix("{")}
    )
    data = bytearray(buffer.getvalue())
    start = data.rfind(_MARK) + len(_MARK)
    assert data[start : start + 64] == _BLANK
    data[start : start + 64] = hashlib.sha256(data).hexdigest().encode()
    return bytes(data)


def read_sealed(path: Location) -> bytes:
    """Return the content of a sealed file once its checksum fits.

    Raises
    ------
    FormatError
        If the file cannot be read, or is not what `sealed_bytes` made, bit by bit.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"Cannot read the unit file {path}: {error.strerror}.") from error
    start = data.rfind(_MARK) + len(_MARK)
    if start < len(_MARK):
        raise FormatError(f"The unit file {path} is damaged or was not written by theodolite.")
    stated = data[start : start + 64]
    digest = hashlib.sha256(data[:start])
    digest.update(_BLANK)
    digest.update(data[start + 64 :])
    if digest.hexdigest().encode() != stated:
        raise FormatError(
            f"The unit file {path} is damaged: its checksum does not fit. Run the study again to redo it."
        )
    return data


def said_beside(data: bytes) -> dict[str, Any]:
    """Return what a sealed file says beside its rows; `read_sealed` has checked it."""
    content: dict[str, Any] = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[_ENTRY])
    content.pop("sha256")
    return content
