"""Word vectors in every format: the same numbers as gensim and as each other, no word lost, no word invented."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.tables import Table, describe, load_table
from theodolite.tables.wordvector_layout import find_layout
from theodolite.tables.wordvector_stream import BLOCK, Stream

SHAPES = {
    "gensim/crime-and-punishment.vec": ("word2vec text", 291, 5),
    "gensim/euclidean_vectors.bin": ("word2vec binary", 2747, 10),
    "gensim/high_precision.kv.txt": ("word2vec text", 2, 2),
    "gensim/lee_fasttext.bin": ("fasttext", 1762, 10),
    "gensim/lee_fasttext.vec": ("word2vec text", 1762, 10),
    "gensim/pang_lee_polarity_fasttext.bin": ("fasttext", 1694, 100),
    "gensim/pang_lee_polarity_fasttext.vec": ("word2vec text", 1694, 100),
    "gensim/test_glove.txt": ("glove text", 76, 50),
    "gensim/word2vec_pre_kv_c": ("word2vec text", 1750, 10),
    "glove50d5k/glove.50d.5k.txt": ("glove text", 5050, 50),
    "glove50d5k/glove.50d.5k.word2vec.txt": ("word2vec text", 5050, 50),
    "word2vec1000/word2vec.300d.1k.bin": ("word2vec binary", 1000, 300),
    "word2vec1000/word2vec.300d.1k.txt": ("word2vec text", 1000, 300),
}


@pytest.fixture
def vectors(shared_data: Path) -> Path:
    return shared_data / "wordvectors"


def as_gensim(path: Path) -> tuple[list[str], np.ndarray]:
    """Read a file with gensim."""
    import warnings  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gensim.models import KeyedVectors  # noqa: PLC0415
        from gensim.models.fasttext import load_facebook_vectors  # noqa: PLC0415

        layout = find_layout(path)
        assert layout is not None
        if layout.kind == "fasttext":
            found = load_facebook_vectors(str(path))
        else:
            found = KeyedVectors.load_word2vec_format(
                str(path),
                binary=layout.kind == "word2vec binary",
                no_header=layout.kind == "glove text",
                unicode_errors="surrogateescape",
                datatype=np.dtype(layout.dtype).type,
            )
    return found.index_to_key, found.vectors


def text_of(table: Table) -> list[str]:
    assert table.vocabulary is not None
    return [table.vocabulary.pieces[int(row)] for row in table.token_ids]


@pytest.mark.parametrize("name", SHAPES)
def test_every_real_file(name: str, vectors: Path) -> None:
    table = load_table(vectors / name)
    kind, n_rows, n_dims = SHAPES[name]
    assert (table.provenance["format"], *table.points.shape) == (kind, n_rows, n_dims)
    assert (table.which, table.n_stored, table.n_vocabulary) == ("vectors", n_rows, n_rows)
    assert table.tokens is not None
    assert len(set(table.tokens)) == n_rows
    assert torch.isfinite(table.points).all()
    json.dumps(dict(table.provenance))
    found = describe(vectors / name)
    assert (found.format, found.tensors[0].shape, found.selected) == (kind, (n_rows, n_dims), "vectors")


@pytest.mark.parametrize("name", [name for name in SHAPES if "pang_lee_polarity_fasttext.bin" not in name])
def test_values_are_those_of_gensim(name: str, vectors: Path) -> None:
    table = load_table(vectors / name)
    words, values = as_gensim(vectors / name)
    assert text_of(table) == words
    if name == "gensim/lee_fasttext.bin":  # sums of about 20 float32 rows, added in another order
        np.testing.assert_allclose(table.points.numpy(), values, rtol=0, atol=1e-6)
    else:
        np.testing.assert_array_equal(table.points.numpy(), values)


def test_a_supervised_model_which_gensim_refuses(vectors: Path) -> None:
    """Its rows are the words' own; the file printed from it agrees to the five digits printed."""
    binary = load_table(vectors / "gensim/pang_lee_polarity_fasttext.bin")
    text = load_table(vectors / "gensim/pang_lee_polarity_fasttext.vec")
    assert text_of(binary) == text_of(text)
    np.testing.assert_allclose(binary.points.numpy(), text.points.numpy(), rtol=1e-4, atol=1e-9)
    assert binary.counts is not None
    assert binary.counts[:4].tolist() == [0x105, 0xD7, 0xC8, 0xBD]  # as a hex dump of the file shows
    assert describe(vectors / "gensim/pang_lee_polarity_fasttext.bin").n_bytes_read == 1694 * 100 * 4


def test_words_composed_of_ngrams_are_those_that_fasttext_printed(vectors: Path) -> None:
    binary, text = (load_table(vectors / f"gensim/lee_fasttext.{ending}") for ending in ("bin", "vec"))
    assert text_of(binary) == text_of(text)
    np.testing.assert_allclose(binary.points.numpy(), text.points.numpy(), rtol=1e-4, atol=1e-5)


def test_the_same_table_in_two_formats(vectors: Path) -> None:
    plain = load_table(vectors / "glove50d5k/glove.50d.5k.txt")
    headed = load_table(vectors / "glove50d5k/glove.50d.5k.word2vec.txt")
    assert torch.equal(plain.points, headed.points)
    assert plain.tokens == headed.tokens
    assert plain.provenance["sha256"] == headed.provenance["sha256"]
    text = load_table(vectors / "word2vec1000/word2vec.300d.1k.txt")
    binary = load_table(vectors / "word2vec1000/word2vec.300d.1k.bin")
    assert torch.equal(text.points, binary.points)
    assert text.tokens == binary.tokens


def test_bytes_that_are_no_utf8_stay_visible(vectors: Path) -> None:
    table = load_table(vectors / "gensim/pang_lee_polarity_fasttext.vec")
    assert table.tokens is not None
    odd = [token for token in table.tokens if "\\x" in token]
    assert len(odd) == 5
    assert "\\x97" in odd
    assert "clich\\xe9s" in odd
    stored = (vectors / "gensim/pang_lee_polarity_fasttext.vec").read_bytes()
    for token, text in zip(table.tokens, text_of(table), strict=True):
        if "\\x" in token:
            assert b"\n" + text.encode("utf-8", "surrogateescape") + b" " in stored


def test_digits_that_float32_does_not_hold(vectors: Path) -> None:
    table = load_table(vectors / "gensim/high_precision.kv.txt")
    assert table.points.dtype == torch.float64
    assert table.points.tolist() == [
        [-0.0007369244245224787, -8.269973595356034e-05],
        [-0.0008546282343595379, 0.0007694142576316829],
    ]


@pytest.mark.parametrize("name", SHAPES)
def test_gzip_is_seen_by_its_content(name: str, vectors: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"  # no ending at all
    packed.write_bytes(gzip.compress((vectors / name).read_bytes(), 1))
    table, plain = load_table(f"{tmp_path}/packed"), load_table(vectors / name)
    assert torch.equal(table.points, plain.points)
    assert table.tokens == plain.tokens
    assert table.provenance["format"] == f"{SHAPES[name][0]}, gzip"
    assert describe(packed).tensors[0].shape == plain.points.shape


@pytest.mark.parametrize("ending", [".bin", ".txt", ".vec", ".pt", "", ".anything"])
def test_the_name_of_the_file_does_not_count(ending: str, vectors: Path, tmp_path: Path) -> None:
    for name in ("gensim/lee_fasttext.bin", "gensim/euclidean_vectors.bin", "gensim/test_glove.txt"):
        path = tmp_path / f"file{ending}"
        path.write_bytes((vectors / name).read_bytes())
        assert torch.equal(load_table(path).points, load_table(vectors / name).points)


def test_first_rows(vectors: Path) -> None:
    for name in SHAPES:
        whole = load_table(vectors / name)
        n = min(100, whole.n_tokens - 1)
        for some in (load_table(vectors / name, limit=n), load_table(f"{vectors / name}#first{n}")):
            assert torch.equal(some.points, whole.points[:n])
            assert some.tokens == (whole.tokens or ())[:n]
            assert (some.n_stored, some.which) == (n, "vectors")
    assert load_table(f"{vectors / name}#first9", limit=7).n_tokens == 7
    assert load_table(vectors / name, limit=10**9).n_tokens == whole.n_tokens


@pytest.mark.parametrize("packed", [False, True])
def test_the_rest_of_the_file_is_not_read(packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"".join(b"word%d %s\n" % (i, b" ".join(b"%.4f" % (j / 7) for j in range(40))) for i in range(40_000))
    (tmp_path / "x").write_bytes(gzip.compress(text, 1) if packed else text)
    given = []
    read = Stream.read

    def counted(self: Stream, n_bytes: int = BLOCK) -> bytes:
        given.append(len(data := read(self, n_bytes)))
        return data

    monkeypatch.setattr(Stream, "read", counted)
    assert load_table(f"{tmp_path}/x#first1000").n_tokens == 1000
    assert sum(given) == 3 * BLOCK < len(text) / 3, "once each to tell the format, to count lines and to read them"


def test_limit_of_other_tables(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(5))
    assert load_table(tmp_path / "x.npy", limit=2).points.tolist() == np.eye(5)[:2].tolist()
    with pytest.raises(ParameterError, match=r"limit=0 rows leave no table"):
        load_table(tmp_path / "x.npy", limit=0)


@pytest.mark.parametrize("selector", ["output", "first0", "firstly", "words"])
def test_there_is_one_table(selector: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(TEXT)
    assert load_table(f"{tmp_path}/x.txt#vectors").n_tokens == 3
    for act in (load_table, describe):
        if act is describe and selector == "output":
            assert "no 'output'" in describe(f"{tmp_path}/x.txt#output").notes[-1]
            continue
        with pytest.raises(NotFoundError, match=f"one table called 'vectors', and no '{selector}'"):
            act(f"{tmp_path}/x.txt#{selector}")


TEXT = b"the 0.5 1 -2\nof 1e-3 nan inf\nand 3 4 5\n"
VALUES = [[0.5, 1, -2], [1e-3, float("nan"), float("inf")], [3, 4, 5]]


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip(),
        TEXT.replace(b"\n", b" \n"),
        TEXT.replace(b"\n", b"\r\n"),
        TEXT.replace(b" ", b"\t"),
        TEXT.replace(b" ", b"  "),
        TEXT + b"\n \n\n",
        b"\xef\xbb\xbf" + TEXT,
        b"3 3\n" + TEXT,
        b" 3  3 \r\n" + TEXT.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf3 3\n" + TEXT + b"\n",
    ],
)
def test_spellings_of_one_table(text: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(text)
    table = load_table(f"{tmp_path}/x")
    assert table.tokens == ("the", "of", "and")
    np.testing.assert_array_equal(table.points.numpy(), np.array(VALUES, dtype=np.float32))


def test_words_with_blanks_numbers_and_nothing_in_them(tmp_path: Path) -> None:
    """glove.840B has `. . .` and `at name@domain.com` as words."""
    words = [b"the", b". . .", b"at name@domain.com", b"2000", b"7 8", b"", b"\xc2\xa0", b"\xe2\x80\xa8", b"\x0c", b'"']
    text = b"".join(word + b" 0.25 -1.5 3\n" for word in words)
    (tmp_path / "x.txt").write_bytes(text)
    table = load_table(tmp_path / "x.txt")
    assert text_of(table) == [word.decode() for word in words]
    assert (table.points == torch.tensor([0.25, -1.5, 3])).all()


def test_first_of_repeated_words_wins_and_they_are_counted(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"5 2\na 1 1\nb 2 2\na 3 3\nc 4 4\na 5 5\n")
    rows = b"".join(word + b" " + struct.pack("<2f", i, i) for i, word in enumerate([b"a", b"b", b"a", b"c", b"a"], 1))
    (tmp_path / "x.bin").write_bytes(b"5 2\n" + rows)
    for name in ("x.txt", "x.bin"):
        table = load_table(tmp_path / name)
        assert table.points.tolist() == [[1, 1], [2, 2], [4, 4]]
        assert (table.tokens, table.token_ids.tolist()) == (("a", "b", "c"), [0, 1, 3])
        assert (table.n_stored, dict(table.left_out)) == (5, {"repeated_word": 2})
        assert table.select("trimmed").left_out == {"repeated_word": 2, "beyond_tokenizer": 0, "special": 0}


def test_different_bytes_never_become_one_token(tmp_path: Path) -> None:
    """A byte that is no UTF-8 is shown as an escape; a word that spells out that escape gets two backslashes."""
    words = [b"\xe9", b"\\xe9", "é".encode(), b"\\\\xe9", b"\xe9\xa9"]
    (tmp_path / "x.txt").write_bytes(b"".join(word + b" 1 2\n" for word in words))
    table = load_table(tmp_path / "x.txt")
    assert table.tokens == ("\\xe9", "\\\\xe9", "é", "\\\\\\\\xe9", "\\xe9\\xa9")
    assert table.left_out == {}


def test_marks_that_are_no_words_are_special(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"</s> 1 2\nthe 3 4\n<unk> 5 6\n")
    table = load_table(tmp_path / "x.txt", rows="trimmed")
    assert table.tokens == ("the",)
    assert table.left_out == {"beyond_tokenizer": 0, "special": 2}


@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_binary_of_any_bytes(newline: bytes, tmp_path: Path) -> None:
    """Numbers whose bytes are blanks, line ends and NUL do not mislead the reader."""
    generator = np.random.default_rng(0)
    values = generator.choice(np.frombuffer(b" \n\x00a0. ", np.uint8), size=(500, 6 * 4)).astype(np.uint8).view("<f4")
    words = [f"w{i}".encode() for i in range(500)]
    rows = [word + b" " + row.tobytes() + newline for word, row in zip(words, values, strict=True)]
    (tmp_path / "x.bin").write_bytes(b"500 6\n" + b"".join(rows))
    table = load_table(tmp_path / "x.bin")
    assert table.points.numpy().tobytes() == values.tobytes()
    assert text_of(table) == [word.decode() for word in words]


def test_blocks_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines and rows that are cut by the end of a block are put together again."""
    values = np.arange(600, dtype=np.float32).reshape(50, 12)
    words = [f"word{i}" for i in range(50)]
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, values, strict=True)]
    (tmp_path / "x.txt").write_text("\n".join(lines))
    rows = [word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(words, values, strict=True)]
    (tmp_path / "x.bin").write_bytes(b"50 12\n" + b"".join(rows))
    for size in (1, 7, 100, 1000):
        monkeypatch.setattr("theodolite.tables.wordvector_text.BLOCK", size)
        monkeypatch.setattr("theodolite.tables.word2vec_binary.BLOCK", size)
        for name in ("x.txt", "x.bin"):
            table = load_table(tmp_path / name)
            assert table.points.tolist() == values.tolist()
            assert table.tokens == tuple(words)


def test_numbers_too_small_become_zero(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"a 1e-400 1\nb 1e-46 -1e-400\n")
    assert load_table(tmp_path / "x.txt").points.tolist() == [[0, 1], [0, 0]]


def test_float32_written_with_all_digits_of_a_double_is_float32(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    lines = [f"w{i} " + " ".join(repr(float(x)) for x in row) for i, row in enumerate(values)]
    (tmp_path / "x.txt").write_text("\n".join(lines))
    table = load_table(tmp_path / "x.txt")
    assert table.points.dtype == torch.float32
    assert (table.points.numpy() == values).all()
