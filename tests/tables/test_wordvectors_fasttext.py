"""fastText's native files: n-grams as gensim hashes them, models of every setting, and everything that can be wrong."""

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theodolite.core.errors import FormatError
from theodolite.tables import describe, load_table
from theodolite.tables.fasttext_ngrams import ngram_rows

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from gensim.models import FastText
    from gensim.models.fasttext import ft_ngram_hashes, save_facebook_model

SENTENCES = [
    ["ein", "theodolit", "mißt", "winkel", "</s>"],
    ["теодолит", "измеряет", "углы", "</s>"],
    ["日本語", "a", "é", "🙂", "naïve", "</s>"],
] * 3


@pytest.mark.parametrize(("minn", "maxn"), [(1, 1), (1, 4), (3, 6), (2, 3), (5, 5), (7, 20)])
@settings(max_examples=40, deadline=None)
@given(words=st.lists(st.text(st.characters(blacklist_categories=("Cs",)), max_size=12), min_size=1, max_size=6))
def test_ngrams_are_those_of_gensim(minn: int, maxn: int, words: list[str]) -> None:
    owners, buckets = ngram_rows([word.encode() for word in words], minn=minn, maxn=maxn, bucket=1009)
    for i, word in enumerate(words):
        assert sorted(buckets[owners == i]) == sorted(ft_ngram_hashes(word, minn, maxn, 1009))


def test_no_words_have_no_ngrams() -> None:
    owners, buckets = ngram_rows([], minn=3, maxn=6, bucket=10)
    assert (len(owners), len(buckets)) == (0, 0)


@pytest.mark.parametrize(("minn", "maxn", "bucket"), [(3, 6, 200), (1, 2, 7), (2, 5, 5000), (0, 0, 0)])
def test_models_that_gensim_writes(minn: int, maxn: int, bucket: int, tmp_path: Path) -> None:
    """The new layout, with magic number and version."""
    path = tmp_path / "model.bin"
    shape = {"min_n": minn, "max_n": maxn, "bucket": bucket} if maxn else {"min_n": 3, "max_n": 2, "bucket": 100}
    model = FastText(SENTENCES, vector_size=6, min_count=1, epochs=1, seed=1, workers=1, **shape)
    save_facebook_model(model, str(path))
    if not maxn:  # gensim writes the buckets of a model without n-grams, but not their lengths
        data = bytearray(path.read_bytes())
        struct.pack_into("<2i", data, 8 + 9 * 4, 0, 0)
        path.write_bytes(bytes(data))
    table = load_table(path)
    assert table.provenance["format"] == "fasttext"
    for i, token in enumerate(table.tokens or ()):
        wanted = model.wv.vectors[model.wv.key_to_index[token]] if maxn else model.wv.vectors_vocab[i]
        np.testing.assert_allclose(table.points[i].numpy(), wanted, rtol=0, atol=2e-7)
    assert table.counts is not None
    assert dict(zip(table.tokens or (), table.counts.tolist(), strict=True))["</s>"] == 9
    assert set(np.flatnonzero(np.array(table.tokens) == "</s>")) == table.special_ids
    n_rows = len(table.tokens or ()) + (bucket or 100) if maxn else len(table.tokens or ())
    assert describe(path).n_bytes_read == n_rows * 6 * 4


def model(
    *,
    words: tuple[bytes, ...] = (b"a", b"bc"),
    labels: tuple[bytes, ...] = (),
    magic: int | None = 793712314,
    version: int = 12,
    dim: int = 3,
    kind: int = 2,
    bucket: int = 4,
    minn: int = 2,
    maxn: int = 3,
    n_entries: int | None = None,
    n_words: int | None = None,
    pruned: int = -1,
    quantized: bool = False,
    n_inputs: int | None = None,
    width: int | None = None,
    matrix: bytes | None = None,
) -> bytes:
    """Write a model by hand; any part may lie."""
    n_words = len(words) if n_words is None else n_words
    n_inputs = len(words) + bucket if n_inputs is None else n_inputs
    data = b"" if magic is None else struct.pack("<2i", magic, version)
    data += struct.pack("<12id", dim, 5, 5, 1, 5, 1, 2, kind, bucket, minn, maxn, 100, 1e-4)
    data += struct.pack("<3iq", n_words + len(labels) if n_entries is None else n_entries, n_words, len(labels), 100)
    data += b"" if magic is None else struct.pack("<q", pruned)
    for i, word in enumerate((*words, *labels)):
        data += word + b"\x00" + struct.pack("<qb", 10 + i, int(word in labels))
    data += b"" if magic is None else struct.pack("<?", quantized)
    data += struct.pack("<2q", n_inputs, dim if width is None else width)
    return data + (np.arange((len(words) + bucket) * dim, dtype="<f4").tobytes() if matrix is None else matrix)


@pytest.mark.parametrize("magic", [793712314, None])
def test_a_model_by_hand(magic: int | None, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(model(magic=magic, maxn=0))
    assert load_table(tmp_path / "x.bin").points.tolist() == [[0, 1, 2], [3, 4, 5]]
    (tmp_path / "x.bin").write_bytes(model(magic=magic))
    table = load_table(tmp_path / "x.bin")
    rows = np.arange(18.0).reshape(6, 3)
    for i, word in enumerate(["a", "bc"]):
        grams = ft_ngram_hashes(word, 2, 3, 4)
        np.testing.assert_allclose(table.points[i], (rows[i] + rows[[2 + g for g in grams]].sum(0)) / (1 + len(grams)))
    assert table.counts is not None
    assert table.counts.tolist() == [10, 11]


@pytest.mark.parametrize(("magic", "version"), [(793712314, 12), (793712314, 11), (None, 12)])
def test_supervised_models(magic: int | None, version: int, tmp_path: Path) -> None:
    """Labels are no words; before version 12 their words had no n-grams whatever the settings say."""
    data = model(labels=(b"__label__x",), kind=3, magic=magic, version=version)
    (tmp_path / "x.bin").write_bytes(data)
    table = load_table(tmp_path / "x.bin")
    assert table.tokens == ("a", "bc")
    plain = table.points.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert plain == (version == 11 or magic is None)


def test_bytes_that_are_no_utf8_have_the_ngrams_that_fasttext_gives_them(tmp_path: Path) -> None:
    """A byte with the upper bits 10 belongs to the character before it, whatever that is."""
    owners, buckets = ngram_rows([b"\x97"], minn=1, maxn=3, bucket=1 << 30)
    assert len(owners) == 1, "`<` with the byte, then `>`: one pair; each alone stands at a border"
    assert buckets.tolist() == [h % (1 << 30) for h in [fnv(b"<\x97>")]]


def fnv(data: bytes) -> int:
    value = 2166136261
    for byte in data:
        value = ((value ^ (byte | 0xFFFFFF00 if byte > 127 else byte)) * 16777619) & 0xFFFFFFFF
    return value


LIES = {
    "another version": (model(version=13), "version 13; versions 11 and 12 are read"),
    "quantized": (model(quantized=True), r"is a quantized fastText model \(\.ftz\)"),
    "pruned": (model(pruned=5), r"is a quantized fastText model \(\.ftz\)"),
    "more words than bytes": (model(n_words=2_000_000_000, n_entries=2_000_000_000), "claims 2000000000 entries"),
    "negative words": (model(n_words=-1), "claims -1 entries"),
    "entries do not add up": (model(n_entries=5), "claims 5 entries, 2 words and 0 labels, which cannot be"),
    "no words": (model(words=()), "claims 0 entries"),
    "one word too many": (model(n_words=3, bucket=3), "is truncated: its dictionary ends|do not fit|is damaged"),
    "label as word": (model(words=(b"a", b"b"), n_words=1, labels=(b"b",)), "do not fit its matrix|claims|damaged"),
    "matrix of another width": (model(width=4), "do not fit its matrix of 6 x 4"),
    "matrix of other rows": (model(n_inputs=7), "do not fit its matrix of 7 x 3"),
    "matrix of 100 GB": (model(dim=100_000, bucket=250_000, matrix=b""), "needs 100000800000 bytes after byte"),
    "matrix cut": (model(matrix=bytes(71)), "is truncated: its matrix of 6 x 3 needs 72 bytes"),
    "n-grams without buckets": (model(bucket=0), "0 n-grams of 2 to 3 characters, 3 columns"),
    "negative buckets": (model(bucket=-1, matrix=bytes(100)), "-1 n-grams of 2 to 3 characters"),
    "n-grams upside down": (model(minn=4, maxn=2), "n-grams of 4 to 2 characters"),
    "word without end": (model()[:92] + b"x" * 200_000, "a word has no end"),
}


@pytest.mark.parametrize("case", LIES)
def test_damaged_models(case: str, tmp_path: Path) -> None:
    data, match = LIES[case]
    (tmp_path / "x.bin").write_bytes(data)
    for act in (load_table, describe):
        with pytest.raises(FormatError, match=match):
            act(tmp_path / "x.bin")


def test_truncated_anywhere(tmp_path: Path) -> None:
    for whole in (model(), model(magic=None)):
        for keep in range(8, len(whole)):
            (tmp_path / "x.bin").write_bytes(whole[:keep])
            with pytest.raises(FormatError, match=r"truncated|damaged|no torch file"):
                load_table(tmp_path / "x.bin")


def test_truncated_gzip(tmp_path: Path) -> None:
    import gzip  # noqa: PLC0415

    noise = np.random.default_rng(0).bytes(6 * 3000 * 4)
    whole = gzip.compress(model(dim=3000, matrix=noise))
    assert len(whole) > 50_000
    for keep in (30, 200, 1000, len(whole) // 2, len(whole) - 20):
        (tmp_path / "x.bin.gz").write_bytes(whole[:keep])
        with pytest.raises(FormatError, match=r"truncated or damaged"):
            load_table(tmp_path / "x.bin.gz")
    (tmp_path / "short.gz").write_bytes(gzip.compress(model(dim=3000, matrix=noise[:-4])))
    with pytest.raises(FormatError, match=r"is truncated: its matrix ends after 71996 of 72000 bytes"):
        load_table(tmp_path / "short.gz")


def test_repeated_words(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(model(words=(b"a", b"b", b"a"), bucket=0, maxn=0))
    table = load_table(tmp_path / "x.bin")
    assert (table.tokens, table.points.tolist()) == (("a", "b"), [[0, 1, 2], [3, 4, 5]])
    assert dict(table.left_out) == {"repeated_word": 1}
