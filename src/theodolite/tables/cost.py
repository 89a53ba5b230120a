"""What reading a reference costs before anything is read: bytes that would come from the Hub, and memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from theodolite.core.errors import NotFoundError
from theodolite.tables.inspection import describe
from theodolite.tables.load import choose, read_config_of
from theodolite.tables.reference import Reference
from theodolite.tables.source import locate

_ITEM_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What reading a reference takes.

    Attributes
    ----------
    reference : str
        As it was given.
    what : str
        The tensors or the model that would be read, in words.
    n_bytes : int
        Their size where they are.
    n_missing : int
        How much of it would be fetched; 0 where everything is on this machine.
    memory : int
        Bytes of the numbers in memory: of the largest table, which is read one at a time, or of the whole model.
    shapes : tuple of tuple of int
        Rows and columns of each table; empty for a model.
    """

    reference: str
    what: str
    n_bytes: int
    n_missing: int
    memory: int
    shapes: tuple[tuple[int, ...], ...] = ()


def cost_of_tables(reference: str | Path | Reference, which: Sequence[str] = ("input", "output")) -> Cost:
    """Say what reading the tables of a reference costs, from headers alone.

    Parameters
    ----------
    reference : str, pathlib.Path or Reference
        As for `load_table`. A selector says which table is meant.
    which : sequence of str
        Which of its embeddings are wanted; one that is not there is passed over, and of a tied pair one is read.

    Returns
    -------
    Cost
        Its memory is that of the largest table in float32.

    Raises
    ------
    ReferenceSyntaxError, NotFoundError, FormatError, UnsafeFileError, RemoteError
        As `load_table`.

    Examples
    --------
    >>> cost_of_tables("bundled:pocket-64").n_missing
    0
    """
    parsed = Reference.parse(reference)
    found = describe(parsed)
    source = locate(parsed)
    checkpoint = source.open()
    names = [name for name in (getattr(found, one, None) for one in which) if name is not None]
    if parsed.selector is not None or not names:
        names = [choose(source, checkpoint, read_config_of(source, checkpoint)).tensor]
    if found.tied:
        names = names[:1]
    entries = [checkpoint.entry(name) for name in dict.fromkeys(names)]
    return Cost(
        reference=str(parsed),
        what=", ".join(entry.name for entry in entries),
        n_bytes=sum(entry.n_bytes for entry in entries),
        n_missing=sum(checkpoint.n_missing(entry.name) for entry in entries),
        memory=max(prod(entry.shape) for entry in entries) * _ITEM_BYTES["float32"],
        shapes=tuple(tuple(entry.shape) for entry in entries),
    )


def cost_of_model(reference: str | Path | Reference, *, dtype: str = "float32") -> Cost:
    """Say what running a model costs, from headers and the list of its files alone.

    Parameters
    ----------
    reference : str, pathlib.Path or Reference
        As for `model_folder`.
    dtype : str
        Precision that it is loaded in; "stored" is the checkpoint's own.

    Returns
    -------
    Cost
        Its memory is that of all weights; states and logits come on top.

    Raises
    ------
    ReferenceSyntaxError, NotFoundError, FormatError, UnsafeFileError, RemoteError
        As `model_folder`.

    Examples
    --------
    >>> cost = cost_of_model("bundled:pocket-64")
    >>> cost.memory == 2 * cost_of_model("bundled:pocket-64", dtype="bfloat16").memory
    True
    """
    parsed = Reference.parse(reference).select(None)
    found = describe(parsed)
    n_numbers = sum(prod(tensor.shape) for tensor in found.tensors)
    n_bytes, n_missing = (found.n_bytes_total, 0) if parsed.scheme != "hub" else _to_download(parsed)
    return Cost(
        reference=str(parsed),
        what="the whole model",
        n_bytes=n_bytes,
        n_missing=n_missing,
        memory=found.n_bytes_total if dtype == "stored" else n_numbers * _ITEM_BYTES.get(dtype, 4),
    )


def _to_download(reference: Reference) -> tuple[int, int]:
    """Return the bytes of the files that a model on the Hub takes, and of those that are not here."""
    from theodolite.tables.hub_resolve import resolve  # noqa: PLC0415 (local models need no HTTP client)
    from theodolite.tables.hub_snapshot import files_of  # noqa: PLC0415
    from theodolite.tables.hub_source import downloaded  # noqa: PLC0415

    try:
        model = resolve(reference)
    except NotFoundError:
        there = downloaded(reference)
        if there is None:
            raise
        return sum(path.stat().st_size for path in there.iterdir() if path.is_file()), 0
    sizes = {name: model.files[name].size or 0 for name in files_of(model)}
    return sum(sizes.values()), sum(size for name, size in sizes.items() if model.whole(name) is None)
