"""Texts that are packed by gzip or zstd."""

import gzip
import io
import zlib

from theodolite.core.errors import FormatError

GZIP, ZSTD = ".gz", ".zst"
PACKED = (GZIP, ZSTD)
"""Endings of files that are unpacked."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def unpacked(stored: bytes, place: str) -> bytes:
    """Return the content of a file of text that may be packed, as its name says.

    Parameters
    ----------
    stored : bytes
        What the file holds.
    place : str
        Its name, for its ending and for messages.

    Returns
    -------
    bytes
        The same where the name ends in neither of `PACKED`.

    Raises
    ------
    FormatError
        If it is packed and damaged, or by zstd with a window of more than 128 MiB.
    """
    if place.endswith(GZIP):
        try:
            return gzip.decompress(stored)
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(f"{place} cannot be unpacked: {error}. Download it again.") from error
    return _from_zstd(stored, place) if place.endswith(ZSTD) else stored


def _from_zstd(stored: bytes, place: str) -> bytes:
    """Unpack by polars, which reads tables in packed text: here a table of one field, whose lines end at zero bytes."""
    import polars  # noqa: PLC0415 (only for this format)

    if not stored.startswith(_ZSTD_MAGIC):
        raise FormatError(f"{place} cannot be unpacked: it does not begin as a zstd file does. Download it again.")
    try:
        found = polars.read_csv(
            io.BytesIO(stored),
            has_header=False,
            separator="\x01",
            eol_char="\x00",
            quote_char=None,
            schema={"text": polars.String},
        )
    except (polars.exceptions.PolarsError, OSError) as error:
        raise FormatError(
            f"{place} cannot be unpacked: {str(error)[:200]}. Download it again; needed is text in UTF-8, packed by "
            "zstd with a window of at most 128 MiB (zstd --long=27)."
        ) from error
    return "\x00".join(found["text"].fill_null("").to_list()).encode()
