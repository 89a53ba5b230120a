"""Which rows of a fastText model belong to a word's character n-grams."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_START, _FACTOR = 2166136261, 16777619


def ngram_rows(
    words: Sequence[bytes], *, minn: int, maxn: int, bucket: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    r"""Hash the n-grams of `<word>` of `minn` to `maxn` characters into buckets, for many words at once.

    Parameters
    ----------
    words : sequence of bytes
        UTF-8 as stored; a byte that is no UTF-8 counts as what its upper bits say, as in fastText.
    minn, maxn : int
        Lengths in characters, the marks `<` and `>` included.
    bucket : int
        Number of buckets.

    Returns
    -------
    owners : numpy.ndarray
        `(n_ngrams,)` int64: position in `words` of each n-gram.
    buckets : numpy.ndarray
        `(n_ngrams,)` int64 in [0, bucket).

    Notes
    -----
    FNV-1a with bytes sign-extended to 32 bits, as compiled fastText computes it: $h \leftarrow (h \oplus b)\,16777619$.

    References
    ----------
    Bojanowski et al., Enriching Word Vectors with Subword Information, TACL 5 (2017), section 3.2, and `dictionary.cc`
    of fastText.

    Examples
    --------
    >>> owners, buckets = ngram_rows([b"a", b"bc"], minn=3, maxn=3, bucket=1000)
    >>> owners.tolist(), buckets.tolist()
    ([0, 1, 1], [600, 888, 980])
    """
    marked = [b"<" + word + b">" for word in words]
    data = np.frombuffer(b"".join(marked), dtype=np.uint8)
    lengths = np.array([len(word) for word in marked], dtype=np.int64)
    word_end = np.cumsum(lengths)
    owner = np.repeat(np.arange(len(words), dtype=np.int64), lengths)
    begins_character = (data & 0xC0) != 0x80
    at_word_start = np.zeros(len(data), dtype=bool)
    at_word_start[word_end - lengths] = True
    signed = data.view(np.int8).astype(np.int32).view(np.uint32)

    here = np.flatnonzero(begins_character)  # the next byte of every n-gram that still grows
    first = here.copy()
    hashes = np.full(len(here), _START, dtype=np.uint32)
    n_characters = np.zeros(len(here), dtype=np.int64)
    owners, buckets = [], []
    while len(here):
        hashes = (hashes ^ signed[here]) * np.uint32(_FACTOR)
        n_characters += begins_character[here]
        here = here + 1
        ends_word = here == word_end[owner[first]]
        complete = ends_word | begins_character[np.minimum(here, len(data) - 1)]
        lone_mark = (n_characters == 1) & (at_word_start[first] | ends_word)
        kept = complete & (n_characters >= minn) & ~lone_mark
        owners.append(owner[first[kept]])
        buckets.append((hashes[kept] % np.uint32(bucket)).astype(np.int64))
        grows = ~ends_word & ~(complete & (n_characters == maxn))
        here, first, hashes, n_characters = here[grows], first[grows], hashes[grows], n_characters[grows]
    if not owners:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    return np.concatenate(owners), np.concatenate(buckets)
