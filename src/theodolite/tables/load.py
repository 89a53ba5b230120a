"""`load_table`: from a reference to a table, reading one tensor and nothing else of the weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.tables.checkpoint import Checkpoint
from theodolite.tables.embeddings import Which, find_embeddings
from theodolite.tables.entries import check_table, hash_tensor, list_tables
from theodolite.tables.gguf_file import GgufFile
from theodolite.tables.in_memory import InMemory, table_in_memory
from theodolite.tables.model_config import CONFIG, ModelConfig, read_config
from theodolite.tables.npy_file import ARRAY
from theodolite.tables.quantized import refuse_packed, refuse_quantized
from theodolite.tables.reference import SELECTOR_WORDS, Reference
from theodolite.tables.source import Source, locate
from theodolite.tables.surroundings import UNKNOWN, Surroundings
from theodolite.tables.table import Rows, Table
from theodolite.tables.vocabulary import Vocabulary, read_vocabulary
from theodolite.tables.word_reference import first_rows, read_word_table
from theodolite.tables.wordvector_file import VECTORS, WordVectorFile

COUNTS = "token_counts.npy"
TOKENIZER_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which tensor a reference means.

    Attributes
    ----------
    tensor : str
        Name in the checkpoint.
    which : str
        "input", "output", or the tensor's name.
    tied : bool or None
        Whether input and output embedding are one matrix; None where that is not known.
    scale : float
        The factor that the model puts on the input embedding.
    surroundings : Surroundings
        What stands between the tables and the blocks, where that is known.
    found_by : str
        "name", "convention", "transformers" or "only matrix".
    """

    tensor: str
    which: str
    tied: bool | None = None
    scale: float = 1.0
    found_by: str
    surroundings: Surroundings = UNKNOWN


def load_table(
    reference: str | Path | Reference | InMemory,
    *,
    which: str | None = None,
    rows: Rows = "all",
    limit: int | None = None,
) -> Table:
    """Read one table; of the weights, only the bytes of that tensor.

    Parameters
    ----------
    reference : str, pathlib.Path, Reference, or an object in memory
        `[scheme:]location[@revision][#selector]`: `bundled:pocket-128@step512#output`, a model folder,
        `weights.safetensors#wte.weight`, `pytorch_model.bin#name`, `array.npy`, `arrays.npz#name`, `model.gguf#output`,
        `glove.txt`, `vectors.bin#first50000`. Or a tensor, an array, a `torch.nn.Module`, or word vectors of gensim.
    which : str, optional
        "input" (or "embedding"), "output" (or "unembedding"), or the name of a tensor: the same as `#selector`. Without
        either, the input embedding.
    rows : {"all", "tokenizer", "trimmed"}
        Which rows to keep, see `Table.select`.
    limit : int, optional
        Take only the first so many stored rows. Files of word vectors have the most frequent words first, and are read
        no further.

    Returns
    -------
    Table
        Points in the stored dtype, memory-mapped where the file allows; the raw matrix, without the scaling that some
        architectures apply (recorded in `provenance["embedding_scale"]`).

    Raises
    ------
    ReferenceSyntaxError
        If the reference does not follow the grammar.
    NotFoundError
        If the file, folder, revision or tensor does not exist.
    FormatError
        If a file is damaged, or the tensor is no matrix of floating-point numbers.
    UnsafeFileError
        If a file could only be read by running code that is in it.
    ParameterError
        If `which` contradicts the reference, `rows` needs a tokenizer that is not there, or `limit` is not positive.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = tempfile.mkdtemp()
    >>> np.save(f"{folder}/array.npy", np.eye(3, dtype=np.float32))
    >>> table = load_table(f"{folder}/array.npy")
    >>> table.n_tokens, table.n_dims, table.which
    (3, 3, 'array')
    """
    if limit is not None and limit < 1:
        raise ParameterError(f"limit={limit} rows leave no table. Give a positive number, or None for all rows.")
    if not isinstance(reference, str | Path | Reference):
        return first_rows_of(table_in_memory(reference, which=which), limit).select(rows)
    parsed = Reference.parse(reference)
    if which is not None:
        wanted = SELECTOR_WORDS.get(which.lower(), which)
        if parsed.selector not in (None, wanted):
            raise ParameterError(
                f"which={which!r} contradicts the reference {parsed}, which already names {parsed.selector!r}. "
                "Give one of the two."
            )
        parsed = parsed.select(wanted)
    source = locate(parsed)
    checkpoint = source.open()
    if isinstance(checkpoint.only_file, WordVectorFile):
        return read_word_table(parsed, checkpoint.only_file, limit).select(rows)
    config = read_config_of(source, checkpoint)
    choice = choose(source, checkpoint, config)
    entry = checkpoint.entry(choice.tensor)
    refuse_quantized(entry, checkpoint)
    check_table(entry)
    points = checkpoint.read(choice.tensor)
    n_rows = entry.shape[0]
    vocabulary = vocabulary_for(source, checkpoint, choice, config, n_rows)
    counts = _read_counts(source, n_rows) if vocabulary is not None else None
    known = None if vocabulary is None else np.array(sorted(i for i in vocabulary.pieces if i < n_rows), dtype=np.int64)
    table = Table(
        points=points,
        token_ids=np.arange(n_rows, dtype=np.int64),
        tokens=None if vocabulary is None else tuple(map(vocabulary.display, range(n_rows))),
        which=choice.which,
        tied=choice.tied,
        n_vocabulary=None if vocabulary is None else vocabulary.size,
        special_ids=frozenset() if vocabulary is None else vocabulary.special_ids,
        counts=counts,
        n_stored=n_rows,
        known_ids=known,
        provenance={
            "reference": str(parsed),
            "scheme": parsed.scheme,
            "revision": parsed.revision,
            **source.origin,
            "folder": str(source.place if source.place.is_dir() else source.place.parent),
            "file": str(entry.file),
            "format": checkpoint.format_of(choice.tensor),
            "tensor": choice.tensor,
            "which": choice.which,
            "found_by": choice.found_by,
            "tied": choice.tied,
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "n_bytes": entry.n_bytes,
            "sha256": hash_tensor(points),
            "model_type": None if config is None else config.model_type,
            "architecture": None if config is None or not config.architectures else config.architectures[0],
            "embedding_scale": choice.scale,
            **choice.surroundings.as_dict(),
            "tokenizer": None if vocabulary is None else str(vocabulary.file),
        },
        vocabulary=vocabulary,
    )
    return first_rows_of(table, limit).select(rows)


def first_rows_of(table: Table, limit: int | None) -> Table:
    """Return the first `limit` rows of a table."""
    return table if limit is None or limit >= table.n_tokens else table.take(np.arange(limit))


def read_config_of(source: Source, checkpoint: Checkpoint) -> ModelConfig | None:
    """Read what the weights say about their model, or the config.json that belongs to them; None where nothing does."""
    if isinstance(checkpoint.only_file, GgufFile):
        return checkpoint.only_file.config
    folder = source.companion(CONFIG)
    return None if folder is None else read_config(folder)


def choose(source: Source, checkpoint: Checkpoint, config: ModelConfig | None) -> Choice:
    """Decide which tensor is meant.

    Raises
    ------
    NotFoundError
        If the named tensor, or the embedding asked for, is not there.
    FormatError
        If nothing says which of several matrices is meant.
    """
    selector = source.reference.selector
    own = checkpoint.only_file
    if isinstance(own, WordVectorFile):
        first_rows(source.reference)
        return Choice(tensor=VECTORS, which=VECTORS, found_by="only matrix")
    if selector is not None and (selector in checkpoint or selector not in ("input", "output")):
        name = checkpoint.entry(selector).name
        return Choice(tensor=name, which=name, found_by="name")
    whole = source.place.is_dir() or len(checkpoint.names) > 1 or isinstance(own, GgufFile)
    if config is not None and whole:
        which: Which = "output" if selector == "output" else "input"
        refuse_packed(which, checkpoint.names, checkpoint.place)
        found = find_embeddings(checkpoint, config)
        return Choice(
            tensor=found.name(which, checkpoint),
            which=which,
            tied=found.tied,
            scale=found.scale if which == "input" else 1.0,
            found_by=found.found_by,
            surroundings=found.surroundings,
        )
    if checkpoint.names == (ARRAY,) and selector is None:
        return Choice(tensor=ARRAY, which=ARRAY, found_by="only matrix")
    tables = [entry for entry in checkpoint.entries().values() if entry.is_table]
    if len(tables) == 1 and selector is None:
        return Choice(tensor=tables[0].name, which=tables[0].name, found_by="only matrix")
    asked = f"the {selector} embedding" if selector else "the table"
    if source.place.is_dir():
        raise NotFoundError(
            f"{checkpoint.place} has no {CONFIG}, so nothing says which tensor is {asked}. Put it beside the weights. "
            f"{list_tables(checkpoint.entries().values())}"
        )
    raise FormatError(
        f"Nothing says which tensor of {checkpoint.place} is {asked}: there is no {CONFIG} beside it. "
        f"{list_tables(checkpoint.entries().values())}"
    )


def vocabulary_for(
    source: Source, checkpoint: Checkpoint, choice: Choice, config: ModelConfig | None, n_rows: int
) -> Vocabulary | None:
    """Read the tokenizer if the rows of the chosen tensor are its tokens.

    That is so for an input or output embedding, and for a tensor named by hand with as many rows as the vocabulary.
    """
    if choice.which not in ("input", "output") and (config is None or config.vocab_size != n_rows):
        return None
    if isinstance(checkpoint.only_file, GgufFile):
        return checkpoint.only_file.vocabulary
    folder = source.companion(*TOKENIZER_FILES)
    if folder is None or source.place.suffix in (".npy", ".npz") or choice.which == VECTORS:
        return None
    return read_vocabulary(folder)


def _read_counts(source: Source, n_rows: int) -> npt.NDArray[np.int64] | None:
    """Read how often each token was seen in training; ids beyond the file were never seen."""
    folder = source.companion(COUNTS)
    if folder is None:
        return None
    path = folder / COUNTS
    try:
        stored = np.lib.format.open_memmap(path, mode="r")  # np.load takes zips too, and leaves a damaged one open
    except Exception as error:  # a damaged header makes numpy's parser fail in every way there is
        reason = " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
        raise FormatError(f"{path} is damaged: {reason}. Remove it, or save the counts again.") from error
    if stored.ndim != 1 or stored.dtype.kind not in "iu" or len(stored) > n_rows or (stored < 0).any():
        raise FormatError(
            f"{path} should hold one count for each of {n_rows} tokens, but has shape {stored.shape} and dtype "
            f"{stored.dtype}. Remove it, or save the counts again."
        )
    counts = np.zeros(n_rows, dtype=np.int64)
    counts[: len(stored)] = stored
    return counts
