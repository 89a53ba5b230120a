"""Turn a folder of plain texts into a tokenizer, token streams and baseline losses for the pocket family."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

log = logging.getLogger("pocket")

END_OF_TEXT = "<|endoftext|>"
PADDING = "<|padding|>"
CONTEXT = 256
VALIDATION_RULE = (
    "sort the n books by file name and hold out k of them evenly spaced, at the positions "
    "floor((i + 1/2) n / k) for i = 0..k-1, counted from 0"
)
UNIGRAM_RULE = "add-one smoothed token frequencies of the training text"
BIGRAM_RULE = (
    "interpolated Witten-Bell: (c(a, b) + t(a) p(b)) / (c(a) + t(a)), with c the pair counts of the training text, "
    "t(a) the number of distinct successors of a, p the unigram baseline"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What the token files next to it were made from, and what the simplest models score on them."""

    name: str
    validation_rule: str
    training_files: tuple[str, ...]
    validation_files: tuple[str, ...]
    sha256: str
    n_tokens_training: int
    n_tokens_validation: int
    n_windows_validation: int
    n_targets_validation: int
    unigram: float
    bigram: float


def split_books(folder: Path, n_validation: int) -> tuple[list[Path], list[Path]]:
    """Split the ``.txt`` files of a folder into training and validation books by `VALIDATION_RULE`.

    Parameters
    ----------
    folder : Path
        Folder with one ``.txt`` file a book.
    n_validation : int
        Number of books to hold out, at least 1 and fewer than there are.

    Returns
    -------
    tuple of list of Path
        Training books and validation books, both sorted by name.

    Raises
    ------
    ValueError
        If the folder does not hold more than `n_validation` books.
    """
    books = sorted(folder.glob("*.txt"), key=lambda path: path.name)
    if not 1 <= n_validation < len(books):
        raise ValueError(
            f"{folder} holds {len(books)} .txt files, but holding out {n_validation} for validation needs at least one "
            f"held out and one left to train on. Change --validation-books or add texts."
        )
    held_out = {(2 * i + 1) * len(books) // (2 * n_validation) for i in range(n_validation)}
    return [b for i, b in enumerate(books) if i not in held_out], [books[i] for i in sorted(held_out)]


def train_tokenizer(texts: Iterable[str], n_tokens: int) -> Tokenizer:
    """Train a byte-level BPE with exactly `n_tokens` entries, `END_OF_TEXT` being 0 and `PADDING` 1."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens,
        special_tokens=[END_OF_TEXT, PADDING],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer=trainer)
    if tokenizer.get_vocab_size() != n_tokens:
        raise ValueError(
            f"the texts give {tokenizer.get_vocab_size()} distinct tokens, but {n_tokens} were asked for. "
            f"Lower --vocabulary (at least 258) or add texts."
        )
    return tokenizer


def encode_books(tokenizer: Tokenizer, books: Sequence[Path]) -> list[np.ndarray]:
    """Encode each book as ``END_OF_TEXT`` followed by its tokens, uint16 of shape ``(n_tokens,)``."""
    first = tokenizer.token_to_id(END_OF_TEXT)
    return [
        np.asarray([first, *tokenizer.encode(book.read_text(encoding="utf-8")).ids], dtype=np.uint16) for book in books
    ]


def validation_windows(books: Sequence[np.ndarray], n_per_book: int) -> np.ndarray:
    """Cut evenly spaced windows of ``CONTEXT + 1`` tokens out of each book, shape ``(n_windows, CONTEXT + 1)``."""
    windows = []
    for book in books:
        n_available = len(book) - CONTEXT - 1
        if n_available < 0:
            raise ValueError(
                f"a validation book has {len(book)} tokens, but a window needs {CONTEXT + 1}. Use longer texts."
            )
        starts = np.unique(np.linspace(0, n_available, num=n_per_book, dtype=np.int64))
        windows.extend(book[start : start + CONTEXT + 1] for start in starts)
    return np.stack(windows)


def baselines(training: np.ndarray, counts: np.ndarray, windows: np.ndarray) -> tuple[float, float]:
    """Mean loss (nats/token) of a unigram and of a bigram model on the targets of the validation windows.

    Parameters
    ----------
    training : ndarray
        Training stream, uint16 of shape ``(n_tokens,)``.
    counts : ndarray
        How often each id occurs in it, int64 of shape ``(n_vocabulary,)``.
    windows : ndarray
        Validation windows of shape ``(n_windows, CONTEXT + 1)``; the first column is context only.

    Notes
    -----
    The smoothing is `UNIGRAM_RULE` and `BIGRAM_RULE`.
    """
    n_vocabulary = len(counts)
    unigram = (counts + 1) / (counts.sum() + n_vocabulary)
    pairs, pair_counts = np.unique(training[:-1].astype(np.int64) * n_vocabulary + training[1:], return_counts=True)
    n_successors = np.bincount(pairs // n_vocabulary, minlength=n_vocabulary)
    n_followed = np.bincount(training[:-1], minlength=n_vocabulary)
    previous, target = windows[:, :-1].astype(np.int64).ravel(), windows[:, 1:].astype(np.int64).ravel()
    wanted = previous * n_vocabulary + target
    position = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    count = np.where(pairs[position] == wanted, pair_counts[position], 0)
    weight = n_successors[previous]
    total = n_followed[previous] + weight
    bigram = np.where(
        total > 0, (count + weight * unigram[target]) / np.maximum(total, 1), unigram[target]
    )  # a context that was never seen falls back to the unigram model
    return float(-np.log(unigram[target]).mean()), float(-np.log(bigram).mean())


def prepare(
    texts: Path, work: Path, *, name: str, n_validation: int, n_vocabulary: int, n_windows_per_book: int = 64
) -> Corpus:
    """Write tokenizer, token streams, counts and the corpus record into `work`; same input, same bytes."""
    training_books, held_out = split_books(texts, n_validation)
    work.mkdir(parents=True, exist_ok=True)
    log.info("tokenizer: %d training books, held out %s", len(training_books), ", ".join(b.name for b in held_out))
    tokenizer = train_tokenizer((b.read_text(encoding="utf-8") for b in training_books), n_vocabulary)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        unk_token=END_OF_TEXT,
        pad_token=PADDING,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(work / "tokenizer")
    training = np.concatenate(encode_books(tokenizer, training_books))
    held_out_streams = encode_books(tokenizer, held_out)
    windows = validation_windows(held_out_streams, n_windows_per_book)
    counts = np.bincount(training, minlength=n_vocabulary).astype(np.int64)
    unigram, bigram = baselines(training, counts, windows)
    digest = hashlib.sha256()
    for book in sorted([*training_books, *held_out], key=lambda path: path.name):
        digest.update(book.read_bytes())
    corpus = Corpus(
        name=name,
        validation_rule=VALIDATION_RULE,
        training_files=tuple(b.name for b in training_books),
        validation_files=tuple(b.name for b in held_out),
        sha256=digest.hexdigest(),
        n_tokens_training=len(training),
        n_tokens_validation=sum(map(len, held_out_streams)),
        n_windows_validation=len(windows),
        n_targets_validation=len(windows) * CONTEXT,
        unigram=unigram,
        bigram=bigram,
    )
    np.save(work / "training.npy", training)
    np.save(work / "validation.npy", windows)
    np.save(work / "token_counts.npy", counts)
    (work / "corpus.json").write_text(json.dumps(asdict(corpus), indent=1) + "\n", encoding="utf-8")
    log.info("tokens: %d training; unigram %.4f, bigram %.4f nats", len(training), unigram, bigram)
    return corpus


def read_corpus(work: Path) -> Corpus:
    """Read the record that `prepare` wrote."""
    path = work / "corpus.json"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Run the step 'tokenizer' first.")
    record = json.loads(path.read_text(encoding="utf-8"))
    record["training_files"] = tuple(record["training_files"])
    record["validation_files"] = tuple(record["validation_files"])
    return Corpus(**record)
