"""What a reference leads to, from headers alone."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.tables.checkpoint import Checkpoint
from theodolite.tables.embeddings import Embeddings, find_embeddings
from theodolite.tables.gguf_file import GgufFile
from theodolite.tables.load import COUNTS, choose, read_config_of, vocabulary_for
from theodolite.tables.reference import Reference
from theodolite.tables.source import locate
from theodolite.tables.surroundings import UNKNOWN, FinalNorm
from theodolite.tables.wordvector_file import WordVectorFile


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSummary:
    """One tensor as its header describes it.

    Attributes
    ----------
    name, dtype, file : str
        Name, torch's word for the dtype, and the file (name only).
    shape : tuple of int
        As stored.
    n_bytes : int
        Size on disk.
    role : {"", "input", "output", "input and output"}
        What the model uses it for.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    n_bytes: int
    file: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What can be read at a place; no weights were read to know it.

    Attributes
    ----------
    reference : str
        As it was given.
    place : str
        The folder or file.
    format : str
        "safetensors", "torch", "npy", "npz", "gguf", "word2vec text", "word2vec binary", "glove text" or "fasttext".
    model_type, architecture : str or None
        From config.json, or from the metadata of a GGUF file.
    quantization : str or None
        How config.json says that the checkpoint is quantized; None where it does not.
    tensors : tuple of TensorSummary
        Every tensor, in the order of the file.
    input, output : str or None
        Names of the two embeddings; None where there is none, or nothing says which.
    tied : bool or None
        Whether they are one matrix.
    embedding_scale : float
        The factor that the model puts on the input embedding.
    final_norm : FinalNorm or None
        The norm between the last block and the output embedding; None where there is none, or it is not known.
    logit_scale : float
        The factor between the product of a state with a row of the output embedding and the logit.
    before_blocks, after_blocks : tuple of str or None
        Modules between input embedding and first block, and between final norm and output embedding; None where they
        are not known.
    selected : str or None
        The tensor that `load_table` would read.
    n_bytes_read : int
        Bytes that this would read.
    n_bytes_total : int
        Bytes of all tensors.
    n_vocabulary : int or None
        Number of ids that have a token.
    n_padded : int or None
        Rows of the selected table without a token.
    special_tokens : mapping of int to str
        Special ids and what they are written as.
    has_counts : bool
        Whether training counts are known.
    notes : tuple of str
        What could not be decided, in sentences.
    """

    reference: str
    place: str
    format: str
    model_type: str | None
    architecture: str | None
    quantization: str | None
    tensors: tuple[TensorSummary, ...]
    input: str | None
    output: str | None
    tied: bool | None
    embedding_scale: float
    final_norm: FinalNorm | None
    logit_scale: float
    before_blocks: tuple[str, ...] | None
    after_blocks: tuple[str, ...] | None
    selected: str | None
    n_bytes_read: int
    n_bytes_total: int
    n_vocabulary: int | None
    n_padded: int | None
    special_tokens: dict[int, str]
    has_counts: bool
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the same as nested dicts and lists, fit for JSON."""
        return asdict(self)


def describe(reference: str | Path | Reference) -> Inspection:
    """Say what can be read at a reference: tensors, which are the embeddings, the tokenizer, the bytes it would take.

    Parameters
    ----------
    reference : str, pathlib.Path or Reference
        As for `load_table`.

    Returns
    -------
    Inspection
        From headers and the files beside the weights. Old torch files that are no zip have no header and are read
        whole.

    Raises
    ------
    ReferenceSyntaxError, NotFoundError, FormatError, UnsafeFileError
        As `load_table`; but where only the choice of a table fails, the reason is a note.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = tempfile.mkdtemp()
    >>> np.save(f"{folder}/array.npy", np.eye(3, dtype=np.float32))
    >>> found = describe(f"{folder}/array.npy")
    >>> found.tensors[0].shape, found.n_bytes_read
    ((3, 3), 36)
    """
    parsed = Reference.parse(reference)
    source = locate(parsed)
    checkpoint = source.open()
    entries = checkpoint.entries()
    config = read_config_of(source, checkpoint)
    own = checkpoint.only_file
    notes: list[str] = []
    embeddings = None
    if isinstance(own, WordVectorFile):
        notes.append("Each row has a word of its own; the words are read together with the vectors.")
    elif config is not None and (source.place.is_dir() or len(entries) > 1 or isinstance(own, GgufFile)):
        try:
            embeddings = find_embeddings(checkpoint, config)
            if embeddings.missing:
                notes.append(f"{embeddings.missing[0].upper()}{embeddings.missing[1:]}.")
        except FormatError as error:
            notes.append(str(error))
    choice = vocabulary = None
    try:
        choice = choose(source, checkpoint, config)
        vocabulary = vocabulary_for(source, checkpoint, choice, config, entries[choice.tensor].shape[0])
    except (FormatError, NotFoundError) as error:
        if parsed.selector is not None and parsed.selector not in ("input", "output"):
            raise
        if str(error) not in notes:
            notes.append(str(error))
    n_padded = None
    if choice is not None and vocabulary is not None:
        n_rows = entries[choice.tensor].shape[0]
        n_padded = n_rows - sum(1 for token_id in vocabulary.pieces if token_id < n_rows)
    around = UNKNOWN if embeddings is None else embeddings.surroundings
    return Inspection(
        reference=str(parsed),
        place=str(checkpoint.place),
        format=_format(checkpoint),
        model_type=None if config is None else config.model_type,
        architecture=None if config is None or not config.architectures else config.architectures[0],
        quantization=None if config is None else config.quantization,
        tensors=tuple(
            TensorSummary(
                name=entry.name,
                shape=entry.shape,
                dtype=entry.dtype,
                n_bytes=entry.n_bytes,
                file=entry.file.name,
                role=_role(entry.name, embeddings),
            )
            for entry in entries.values()
        ),
        input=None if embeddings is None else embeddings.input,
        output=None if embeddings is None else embeddings.output,
        tied=None if embeddings is None else embeddings.tied,
        embedding_scale=1.0 if embeddings is None else embeddings.scale,
        final_norm=around.final_norm,
        logit_scale=around.logit_scale,
        before_blocks=around.before_blocks,
        after_blocks=around.after_blocks,
        selected=None if choice is None else choice.tensor,
        n_bytes_read=0 if choice is None else entries[choice.tensor].n_bytes,
        n_bytes_total=sum(entry.n_bytes for entry in entries.values()),
        n_vocabulary=None if vocabulary is None else vocabulary.size,
        n_padded=n_padded,
        special_tokens={}
        if vocabulary is None
        else {token_id: vocabulary.display(token_id) for token_id in sorted(vocabulary.special_ids)},
        has_counts=source.companion(COUNTS) is not None,
        notes=tuple(notes),
    )


def _format(checkpoint: Checkpoint) -> str:
    return checkpoint.format_of(checkpoint.names[0]) if checkpoint.names else "safetensors"


def _role(name: str, embeddings: Embeddings | None) -> str:
    """Say what the model uses a tensor for."""
    if embeddings is None:
        return ""
    return " and ".join(
        role for role, used in (("input", embeddings.input), ("output", embeddings.output)) if used == name
    )
