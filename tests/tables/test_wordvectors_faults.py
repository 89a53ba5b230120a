"""Word-vector files that lie, break off or are something else: one clear paragraph, in bounded memory."""

import gzip
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from theodolite.core.errors import FormatError, UnsafeFileError
from theodolite.tables import load_table
from theodolite.tables.wordvector_layout import find_layout

GOOD = b"".join(b"word%d 0.25 -1.5 3e-2\n" % i for i in range(40))
ROW = np.array([0.25, -1.5, 3e-2], dtype="<f4").tobytes()
BINARY = b"".join(b"word%d " % i + ROW + b"\n" for i in range(40))


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


TEXT_LIES = {
    "header counts too many": (b"41 3\n" + GOOD, "the header counts 41 words, but there are 40.*#first40"),
    "header counts too few": (b"39 3\n" + GOOD, "goes on after the 39 words .*#first39"),
    "header of other columns": (b"40 4\n" + GOOD, "claims 40 words of 4 numbers, but its first word has 3"),
    "header without columns": (b"40 0\n" + GOOD, "claims 40 words of 0 numbers; at least one"),
    "header without rows": (b"0 3\n", "claims 0 words of 3 numbers; at least one"),
    "header of a million columns": (b"2 1000000\n" + GOOD, "at most 131072 numbers are needed"),
    "header of 100 GB": (
        b"100000000 250\n" + b"a " + b"1 " * 250,
        "claims 100000000 words of 250 numbers, but the file",
    ),
    "header of many digits": (b"99999999999999999 3\n" + GOOD, "claims 99999999999999999 words of 3 numbers, but"),
    "header and nothing": (
        b"3 2\n",
        "claims 3 words of 2 numbers, which takes 27 bytes|header counts 3 words, but there are 0",
    ),
    "prose after the header": (b"3 2\n" + b"Call me Ishmael. " * 100, "neither a word and its numbers nor binary"),
    "a number missing": (GOOD + b"dog 0.25 -1.5\n", "Line 41 of .* has 2 numbers after its word, but 3 are needed"),
    "a number missing, header": (b"41 3\n" + GOOD + b"dog 0.25 -1.5\n", "Line 42 of .* has 2 numbers"),
    "a number too many": (GOOD + b"dog 0.2500 1 -1.5 2\n", "Line 41 of .* has 4 numbers after its word, but 3"),
    "no number": (GOOD + b"dog 0.25 x1 3\n", "Line 41 of .* has b'x1' where a number is needed"),
    "a decimal comma": (GOOD + b"dog 0,25 1 3\n", "Line 41 of .* has b'0,25' where"),
    "underscore in a number": (GOOD + b"dog 1_0 1 3\n", "Line 41 of .* has b'1_0' where"),
    "two numbers in one": (GOOD + b"dog 0.1-0.2 0.5\n", "Line 41 of .* has 2 numbers"),
    "two in one and a double blank": (GOOD + b"dog 0.1-0.2  0.5\n", "Line 41 of .* has 2 numbers"),
    "a word alone": (GOOD + b"dog\n" + GOOD, "Line 41 of .* has 0 numbers after its word"),
    "a blank line": (GOOD + b"\n" + GOOD, "Line 41 of .* has 0 numbers after its word"),
    "only numbers": (GOOD + b"0.25 1 3\n" + GOOD, "Line 41 of .* has 2 numbers after its word"),
    "cut inside a line": (GOOD[:-12], "Line 40 of .* has 1 numbers after its word"),
    "too large for float32": (GOOD + b"dog 1 1e39 2\n", "Line 41 of .* number too large for float32"),
    "too large for float64": (GOOD + b"dog 1 -1e400 inf\n", "Line 41 of .* number too large for float32"),
}


@pytest.mark.parametrize("case", TEXT_LIES)
def test_damaged_text(case: str, tmp_path: Path) -> None:
    data, match = TEXT_LIES[case]
    for path in (put(tmp_path / "x.txt", data), put(tmp_path / "x.bin", data)):
        with pytest.raises(FormatError, match=match):
            load_table(path)
    if case in ("header of 100 GB", "header of many digits"):
        return  # gzip may hold that much for all one can know without unpacking it
    with pytest.raises(FormatError, match=match):
        load_table(put(tmp_path / "x.gz", gzip.compress(data)))


def test_the_words_before_the_damage_can_be_read(tmp_path: Path) -> None:
    path = put(tmp_path / "x.txt", GOOD + b"dog 0.25\n" + GOOD)
    with pytest.raises(FormatError, match="read only the lines before with #first39"):
        load_table(path)
    assert load_table(f"{path}#first40").n_tokens == 40


BINARY_LIES = {
    "header counts too many": (b"41 3\n" + BINARY + b"\x00" * 20, "header counts 41 words, but there are 40.*#first40"),
    "header counts too few": (b"39 3\n" + BINARY, "goes on after the 39 words .*#first39"),
    "header of 100 GB": (b"100000000 250\n" + BINARY, "takes 100100000000 bytes or more, but the file has only 8"),
    "cut": (b"40 3\n" + BINARY[:-30], "header counts 40 words, but there are 38"),
    "no blank after a word": (b"90 3\n" + BINARY + b"\x01" * 70_000, "no word ends within 65536 bytes after row 40"),
}


@pytest.mark.parametrize("case", BINARY_LIES)
def test_damaged_binary(case: str, tmp_path: Path) -> None:
    data, match = BINARY_LIES[case]
    for name in ("x.bin", "x.vectors"):
        with pytest.raises(FormatError, match=match):
            load_table(put(tmp_path / name, data))


def test_binary_cut_anywhere(tmp_path: Path) -> None:
    whole = b"40 3\n" + BINARY
    for keep in range(6, len(whole) - 1, 5):
        with pytest.raises(FormatError, match=r"takes .* bytes or more|header counts 40 words"):
            load_table(put(tmp_path / "x", whole[:keep]))


def test_text_cut_anywhere(tmp_path: Path) -> None:
    """A line that breaks off inside its last number is a shorter number: only the header's count or width tell."""
    whole = b"40 3\n" + GOOD
    for keep in range(6, len(whole) - 5, 3):
        try:
            table = load_table(put(tmp_path / "x.txt", whole[:keep]))
        except FormatError as error:
            assert "\n" not in str(error)  # noqa: PT017 - which of several messages does not matter
        else:
            assert whole[keep - 8 : keep].count(b"\n") == 0
            assert table.n_tokens == 40


@pytest.mark.parametrize(
    "data",
    [
        b"hello world\nand so on\n",
        b"chapter 1\nchapter 2\n",
        b"\xff\xfe" + "the 0.1 0.2\n".encode("utf-16-le"),
        b"<html>1 2</html>",
        bytes(200),
        b"a,1,2\nb,3,4\n",
    ],
)
def test_no_word_vectors(data: bytes, tmp_path: Path) -> None:
    path = put(tmp_path / "x.txt", data)
    assert find_layout(path) is None
    with pytest.raises(FormatError, match=r"none of the formats that are read"):
        load_table(path)


def test_pickles_of_gensim_are_not_unpickled(tmp_path: Path) -> None:
    path = put(tmp_path / "x.kv", pickle.dumps({"a": 1}))
    with pytest.raises(UnsafeFileError, match=r"gensim's \.kv .* pass the vectors to load_table"):
        load_table(path)


def test_truncated_gzip(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b"w%d %f %f\n" % (i, np.sin(i), np.cos(i)) for i in range(3000)))
    for keep in (5, 12, 300, len(packed) - 9, len(packed) - 1):
        with pytest.raises(FormatError, match=r"truncated or damaged"):
            load_table(put(tmp_path / "x.gz", packed[:keep]))


def test_gzip_bomb(tmp_path: Path) -> None:
    line = b"a " + b"0 " * 5000 + b"\n"
    bomb = gzip.compress(b"".join(line for _ in range(15_000)))
    assert len(bomb) < 1_000_000
    with pytest.raises(UnsafeFileError, match=r"unpacks to more than 100 times its size"):
        load_table(put(tmp_path / "x.gz", bomb))


def test_a_line_without_end(tmp_path: Path) -> None:
    data = GOOD + b"x" * 30_000_000
    with pytest.raises(FormatError, match=r"has a line of more than 16777216 bytes"):
        load_table(put(tmp_path / "x.txt", data))


def test_memory_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    path = put(tmp_path / "x.txt", b"40 3\n" + GOOD)
    monkeypatch.setattr("theodolite.tables.wordvector_words.np.empty", refuse)
    with pytest.raises(FormatError, match=r"claims 40 words of 3 numbers, and the 480 bytes .*#first100000"):
        load_table(path)


def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"cannot be read: Is a directory"):
        find_layout(tmp_path)


MEASURE = """
import sys
from pathlib import Path
from theodolite.tables import load_table

def peak():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

load_table(sys.argv[1], limit=1)  # imports and code pages are not what is measured
Path("/proc/self/clear_refs").write_text("5")  # begin the peak anew
before = peak()
table = load_table(sys.argv[1])
assert table.points.shape == (30_000, 200)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs /proc (Linux)")
@pytest.mark.parametrize(
    "kind", ["text", "binary", *(pytest.param(k, marks=pytest.mark.slow) for k in ("glove", "gzip"))]
)
def test_memory_is_the_matrix_and_the_words(kind: str, tmp_path: Path) -> None:
    """24 MB of numbers; a second copy anywhere would double that. Words, tokens and blocks take the rest."""
    values = np.random.default_rng(0).normal(size=(30_000, 200)).astype("<f4")
    path = tmp_path / "x"
    header = b"" if kind == "glove" else b"30000 200\n"
    if kind == "binary":
        path.write_bytes(header + b"".join(b"w%d " % i + row.tobytes() for i, row in enumerate(values)))
    else:
        few = [b" ".join(b"%.2f" % x for x in row) for row in values[:500]]
        text = header + b"".join(b"w%d %s\n" % (i, few[i % 500]) for i in range(30_000))
        path.write_bytes(gzip.compress(text, 1) if kind == "gzip" else text)
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    grown = int(done.stdout)
    assert 0.9 * values.nbytes < grown < 1.8 * values.nbytes


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"x\.txt is empty\. Copy or download it again"):
        load_table(put(tmp_path / "x.txt", b""))
