"""Prompts of data sets on the Hub: the right files, the right rows, and no more bytes than these take."""

import gzip
import json
import random
import struct
from functools import cache

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, RemoteError
from theodolite.prompts import hub_source, read_prompts
from theodolite.prompts.hub_files import choose_files
from theodolite.prompts.parquet_footer import TAIL, footer_length, row_groups
from theodolite.tables import cached_models, clear_cache

N_ROWS, GROUP = 600, 100
HEADERS = 300_000
"""Bytes for lists of files and footers."""


@cache
def words(row):
    """Return a text of some 3,000 letters that does not pack well."""
    return f"row {row} {random.Random(row).randbytes(1500).hex()}"


@pytest.fixture
def pile(hub, tmp_path):
    """Publish 1,200 rows in two parquet files, each text beside something heavier that nobody wants."""
    folder = tmp_path / "pile"
    (folder / "data").mkdir(parents=True)
    for part in range(2):
        rows = range(part * N_ROWS, (part + 1) * N_ROWS)
        columns = {
            "heavy": [random.Random(row).randbytes(6000) for row in rows],
            "text": [words(row) for row in rows],
            "meta": [{"set": f"s{row % 3}"} for row in rows],
            "id": [f"doc{row}" for row in rows],
        }
        pl.DataFrame(columns).write_parquet(folder / "data" / f"train-{part:05}-of-00002.parquet", row_group_size=GROUP)
    hub.add("datasets/owner/pile", folder)
    return folder


def n_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_columns_of_parquet_are_all_that_is_fetched(hub, pile):
    prompts = read_prompts("hub:owner/pile")
    assert [prompt.text for prompt in prompts] == [words(row) for row in range(2 * N_ROWS)]
    assert (prompts.items[7].name, prompts.items[7].row, prompts.items[7].source) == ("doc7", 7, "pile")
    texts = sum(len(words(row)) for row in range(2 * N_ROWS))
    assert hub.sent < texts + HEADERS < 0.5 * n_bytes(pile)
    commit = hub.repositories["datasets/owner/pile"].commits["main"]
    assert (prompts.origin["kind"], prompts.origin["commit"], prompts.origin["split"]) == ("hub", commit, "train")
    hub.forget()
    assert read_prompts("hub:owner/pile").texts == prompts.texts
    assert hub.sent == 0, "nothing is fetched twice"


def test_rows_are_fetched_with_their_row_groups(hub, pile, tmp_path):
    chosen = read_prompts("hub:owner/pile", rows=[750, 3])
    assert [(one.row, one.text, one.name) for one in chosen] == [(750, words(750), "doc750"), (3, words(3), "doc3")]
    assert hub.sent < 2 * GROUP * 3100 + HEADERS
    hub.forget()
    first = read_prompts("hub:owner/pile", first_rows=150)
    assert [one.row for one in first] == list(range(150))
    assert hub.sent < GROUP * 3100 + HEADERS, "the first group is there"
    local = read_prompts(pile / "data" / "train-00000-of-00002.parquet", first_rows=150)
    assert local.texts == first.texts
    with pytest.raises(ParameterError, match="Row 5000 is not among the rows"):
        read_prompts("hub:owner/pile", rows=[5000])


def test_more_than_a_gigabyte_is_asked_about(hub, pile, monkeypatch):
    monkeypatch.setattr(hub_source, "_MOST", 500_000)
    with pytest.raises(
        ParameterError, match=r"would fetch 9\d\d\S*\skB for the first 1 of 2 files\. Say how many rows"
    ):
        read_prompts("hub:owner/pile")
    assert hub.sent < HEADERS
    assert len(read_prompts("hub:owner/pile", first_rows=10)) == 10


def test_lines_are_fetched_from_the_beginning(hub, tmp_path):
    folder = tmp_path / "lines"
    folder.mkdir()
    lines = "".join(json.dumps({"instruction": words(row), "label": row % 2}) + "\n" for row in range(1000))
    (folder / "train.jsonl").write_text(lines)
    (folder / "test.json").write_text("".join(lines.splitlines(keepends=True)[:500]))
    (folder / "validation.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    hub.add("datasets/owner/lines", folder)
    few = read_prompts("hub:owner/lines", field="instruction", first_rows=20)
    assert few.texts == tuple(words(row) for row in range(20))
    assert few.labels[:2] == ("0", "1")
    assert hub.sent < (1 << 20) + HEADERS < len(lines)
    for split, most in (("test", 30), ("validation", 700), ("validation", None), ("test", None)):
        found = read_prompts(f"hub:owner/lines#{split}", field="instruction", first_rows=most)
        assert found.texts == tuple(words(row) for row in range(len(found)))
        assert len(found) == most or (most is None and len(found) in (500, 1000))


def test_what_zstd_packed_is_fetched_whole_if_it_is_not_large(hub, tmp_path, monkeypatch, zstd_lines):
    folder = tmp_path / "packed"
    folder.mkdir()
    (folder / "train.jsonl.zst").write_bytes(zstd_lines)
    hub.add("datasets/owner/packed", folder)
    with monkeypatch.context() as least:
        least.setattr(hub_source, "_MOST", 20)
        with pytest.raises(
            ParameterError, match=r"train\.jsonl\.zst would fetch .*: what zstd packed is read as a whole"
        ):
            read_prompts("hub:owner/packed", first_rows=1)
    assert read_prompts("hub:owner/packed", first_rows=1).texts == ("One" + 7 * " one",)
    monkeypatch.setattr(hub_source, "_MOST", 20)
    assert len(read_prompts("hub:owner/packed", first_rows=2)) == 2, "it is there"


def test_configurations_splits_revisions_and_single_files(hub, tmp_path):
    folder = tmp_path / "many"
    for name, text in (
        ("en/a.jsonl", "en"),
        ("en/b.jsonl", "en test"),
        ("de/train.jsonl", "de"),
        ("notes/extra.txt", "one text"),
        ("table.csv", "from csv"),
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        is_lines = name.endswith("jsonl")
        file.write_text(json.dumps({"text": text}) if is_lines else f'"text"\n"{text}"\n' if "csv" in name else text)
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: en\n  default: true\n  data_files:\n  - split: train\n    path: en/a*\n"
        "  - split: test\n    path:\n    - en/[b-c].jsonl\n- config_name: de\n  data_dir: de\n  data_files: '**'\n"
        "- config_name: tables\n  data_files: {all: '*.csv'}\n---\nwords"
    )
    hub.add("datasets/owner/many", folder)
    other = tmp_path / "other"
    (other / "en" / "test").mkdir(parents=True)
    (other / "en" / "train").mkdir()
    for split in ("test", "train"):
        pl.DataFrame({"text": [f"copy of {split}"]}).write_parquet(other / "en" / split / "0000.parquet")
    hub.add("datasets/owner/many", other, revision="refs/convert/parquet")
    for reference, text in (
        ("", "en"),
        ("#test", "en test"),
        ("#en/test", "en test"),
        ("#de", "de"),
        ("#tables", "from csv"),
        ("#notes/extra.txt", "one text"),
        ("@refs/convert/parquet#test", "copy of test"),
        ("@refs/convert/parquet", "copy of train"),
    ):
        assert read_prompts(f"hub:owner/many{reference}").texts == (text,), reference
    with pytest.raises(NotFoundError, match=r"has nothing called 'fr'.*#en/train, #en/test, #de/train, #tables/all\."):
        read_prompts("hub:owner/many#fr")
    with pytest.raises(FormatError, match=r"many@\w+/en/a\.jsonl, line 1 has no 'prompt'\. It has text"):
        read_prompts("hub:owner/many", field="prompt")


@pytest.mark.parametrize(
    ("files", "selector", "found"),
    [
        (["a.parquet"], None, ("default", "train", ("a.parquet",))),
        (["train.csv", "test.csv"], None, ("default", "train", ("train.csv",))),
        (["data/dev.jsonl", "data/dev.parquet"], None, ("default", "validation", ("data/dev.parquet",))),
        (["hh/train.jsonl.gz", "red/train.jsonl.gz"], "red", ("red", "train", ("red/train.jsonl.gz",))),
        (["data/auto-00000-of-00001.parquet"], "auto", ("default", "auto", ("data/auto-00000-of-00001.parquet",))),
        (["en/c4-train.00000-of-01024.json.gz"], "en/train", ("en", "train", ("en/c4-train.00000-of-01024.json.gz",))),
        (["x/partial-train/0000.parquet"], None, ("x", "train", ("x/partial-train/0000.parquet",))),
        (["attraining.txt", "dataset_infos.json"], "train", ("default", "train", ("attraining.txt",))),
    ],
)  # fmt: skip
def test_names_say_which_split(files, selector, found):
    assert choose_files(files, "", selector, place="x") == found


@pytest.mark.parametrize("header", ["", ": {", "configs: 3", "configs: [1, {data_files: 5}]", "2024-99-01"])
def test_a_readme_that_says_nothing_leaves_it_to_the_names(header):
    assert choose_files(["train.txt"], f"---\n{header}\n---", None, place="x")[1] == "train"


def test_what_cannot_be_read_says_so(hub, tmp_path):
    with pytest.raises(NotFoundError, match=r"There is no data set owner/none on the Hub at 127\.0\.0\.1"):
        read_prompts("hub:owner/none")
    with pytest.raises(NotFoundError, match="hub:owner/name for a data set"):
        read_prompts("owner/none")
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"x")
    hub.add("datasets/owner/images", folder)
    with pytest.raises(NotFoundError, match=r"holds no file with texts that is read .*refs/convert/parquet"):
        read_prompts("hub:owner/images")
    for name, stored, message in (
        ("a.parquet", b"x" * 40, "does not end as a parquet file does"),
        ("b.parquet", b"x", "has 1 bytes, which is no parquet file"),
        ("c.parquet", b"PAR1" + b"\xff" * 30 + struct.pack("<I", 20) + b"PAR1", "footer of .* is damaged"),
        ("d.jsonl.gz", b"x", "cannot be unpacked"),
        ("e.csv", b"text,b\n1\n", "line 2 has not as many values"),
        ("f.tsv", b'text\n"1', "cannot be read as a table"),
    ):
        (folder / name).write_bytes(stored)
        hub.add("datasets/owner/images", folder, revision=name)
        with pytest.raises(FormatError, match=message):
            read_prompts(f"hub:owner/images@{name}#{name}")
    with pytest.raises(FormatError, match="cannot be unpacked"):
        read_prompts("hub:owner/images@f.tsv#d.jsonl.gz", first_rows=1)
    with pytest.raises(ParameterError, match="first_rows=0 leaves nothing to read"):
        read_prompts(["a"], first_rows=0)


def test_gated_offline_and_the_cache(hub, pile, monkeypatch):
    assert len(read_prompts("hub:owner/pile", first_rows=5)) == 5
    assert [one.repository for one in cached_models()] == ["datasets/owner/pile"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert len(read_prompts("hub:owner/pile", first_rows=5)) == 5
    with pytest.raises(NotFoundError, match=r"its texts \([\d,]+ bytes\) is not there"):
        read_prompts("hub:owner/pile", rows=[150])
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert clear_cache("datasets/owner/pile") > 0
    hub.repositories["datasets/owner/pile"].gated = True
    with pytest.raises(RemoteError, match=r"hub:owner/pile@\w+/data/train-0\S+ is gated.*/datasets/owner"):
        read_prompts("hub:owner/pile")


@pytest.fixture(scope="module")
def footer(tmp_path_factory):
    file = tmp_path_factory.mktemp("footer") / "a.parquet"
    pl.DataFrame({"text": ["a", "b", "c"], "n": [[1], [2], []]}).write_parquet(file, row_group_size=2)
    content = file.read_bytes()
    length = footer_length(content[-TAIL:], len(content), place="x")
    return content[-TAIL - length : -TAIL], len(content)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_footer_is_an_error_and_never_leads_outside(footer, data):
    content, size = footer
    groups = row_groups(content, size=size, place="x")
    assert [(one.start, one.n_rows, set(one.columns)) for one in groups] == [
        (0, 2, {"text", "n"}),
        (2, 1, {"text", "n"}),
    ]
    at = data.draw(st.integers(0, len(content) - 1))
    broken = content[:at] + data.draw(st.binary(max_size=8)) + content[at + data.draw(st.integers(0, 8)) :]
    try:
        found = row_groups(broken, size=size, place="x")
    except FormatError:
        return
    assert all(0 < begin <= end <= size for one in found for spans in one.columns.values() for begin, end in spans)
