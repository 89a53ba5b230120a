"""Reading prompts from every kind of source; what is wrong with a file is said with the line."""

import importlib
import json
import platform
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tokenizers import Tokenizer

from theodolite import bundled
from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.prompts import Prompt, read_prompts, read_rows, tokenize

TOOLS = Path(__file__).parents[2] / "tools"


def test_jsonl_objects_strings_blank_lines_and_rows_without_text(tmp_path):
    file = tmp_path / "mine.jsonl"
    lines = [
        {"text": "One\u2028line", "name": "first", "label": 1, "source": "web"},
        "Two",
        {"text": "  "},
        {"text": None, "id": 7},
        {"text": "Three", "id": 9},
    ]
    file.write_text("\ufeff" + "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    prompts = read_prompts(file, label="benign")
    assert prompts.texts == ("One\u2028line", "Two", "Three")
    assert [(p.name, p.row, p.label, p.source) for p in prompts] == [
        ("first", 0, "1", "web"),
        ("mine-1", 1, "benign", "mine"),
        ("9", 4, "benign", "mine"),
    ]
    assert prompts.empty == (2, 3)
    assert prompts.origin["kind"] == "jsonl"
    assert prompts.labels == ("1", "benign", "benign")


def test_names_that_occur_again_get_their_row(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"text": "x", "name": "n"}\n{"text": "y", "name": "n"}\n{"text": "z", "name": "m"}'
    )
    assert [prompt.name for prompt in read_prompts(tmp_path / "a.jsonl")] == ["n#0", "n#1", "m"]


def test_folder_text_file_json_parquet_and_list_agree(tmp_path):
    texts = ["Première phrase.\n", "Second text", "Third"]
    folder = tmp_path / "texts"
    folder.mkdir()
    for i, text in enumerate(texts):
        (folder / f"{i}.txt").write_text(text, encoding="utf-8")
    (folder / "notes.md").write_text("not a prompt")
    (tmp_path / "all.json").write_text(json.dumps([{"instruction": text} for text in texts]), encoding="utf-8")
    pl.DataFrame({"text": texts, "other": [1, 2, 3], "label": [True, False, None]}).write_parquet(
        tmp_path / "all.parquet"
    )
    assert read_prompts(folder).texts == tuple(texts)
    assert [prompt.name for prompt in read_prompts(str(folder))] == ["0", "1", "2"]
    assert read_prompts(folder / "0.txt").texts == (texts[0],)
    assert read_prompts(tmp_path / "all.json", field="instruction").texts == tuple(texts)
    from_parquet = read_prompts(tmp_path / "all.parquet", label="?")
    assert from_parquet.texts == tuple(texts)
    assert from_parquet.labels == ("True", "False", "?")
    assert read_prompts(texts).texts == tuple(texts)
    chosen = read_prompts(tmp_path / "all.parquet", where=("other", "2"))
    assert (chosen.texts, chosen.items[0].row, chosen.origin["where"]) == ((texts[1],), 1, "other=2")
    with pytest.raises(FormatError, match="has no 'kind' to choose by"):
        read_prompts(tmp_path / "all.parquet", where=("kind", "2"))
    with pytest.raises(FormatError, match="holds no text with other=9"):
        read_prompts(tmp_path / "all.parquet", where=("other", "9"))
    again = read_prompts([Prompt(text="a", name="kept", row=9, source="s")], label="x")
    assert again.items == (Prompt(text="a", name="kept", row=0, label="x", source="s"),)


def test_origin_follows_the_content(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    first = read_prompts(tmp_path).origin["sha256"]
    assert read_prompts(tmp_path).origin["sha256"] == first
    (tmp_path / "a.txt").write_text("two")
    assert read_prompts(tmp_path).origin["sha256"] != first


@pytest.mark.parametrize(
    ("name", "stored", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n\n{"text": }\n', r"a\.jsonl, line 3 is no valid JSON"),
        ("a.jsonl", b'{"text": "x"}\n{"tex": "y"}', r"line 2 has no 'text'\. It has tex"),
        ("a.jsonl", b'{"text": 5}', r"line 1 holds no text in 'text', but 5 \(int\)"),
        ("a.jsonl", b"[1]", "line 1 is a list"),
        ("a.jsonl", rb'{"text": "\ud800"}', "holds half of a surrogate pair"),
        ("a.jsonl", b"\n \n", "holds no text: 0 rows"),
        ("a.jsonl", b'{"text": " "}', "holds no text: 1 row, all without"),
        ("a.txt", b"", "holds no text"),
        ("a.txt", b"fine\nclich\xe9s", r"a\.txt is not UTF-8: line 2 holds the byte 0xe9"),
        ("a.json", b'{"text": "x"}', "holds no list at its top, but a dict"),
        ("a.json", b"[", "is no valid JSON"),
        ("a.json", b"\xff", "is not UTF-8"),
        ("a.parquet", b"PAR1", "cannot be read as parquet"),
    ],
)
def test_bad_files(name, stored, message, tmp_path):
    (tmp_path / name).write_bytes(stored)
    with pytest.raises(FormatError, match=message):
        read_prompts(tmp_path / name)


def test_what_does_not_exist(tmp_path):
    with pytest.raises(NotFoundError, match="There are no prompts at"):
        read_prompts(tmp_path / "nothing.jsonl")
    with pytest.raises(NotFoundError, match="There are no prompts at ''"):
        read_prompts("")
    (tmp_path / "._a.txt").write_bytes(b"\x00\xff what other systems put beside a file")
    with pytest.raises(NotFoundError, match=r"holds no \.txt file"):
        read_prompts(tmp_path)
    pl.DataFrame({"content": ["a"]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(FormatError, match=r"has no column 'text'\. It has content"):
        read_prompts(tmp_path / "a.parquet")


def test_rows_by_index_file(tmp_path):
    texts = ["a", " ", "c", "d"]
    np.save(tmp_path / "rows.npy", np.array([3, 0, 1], dtype=np.int32))
    (tmp_path / "rows.json").write_text("[3, 0, 1]")
    (tmp_path / "rows.txt").write_text("3\n0\n1\n")
    for name in ("rows.npy", "rows.json", "rows.txt"):
        chosen = read_prompts(texts, rows=tmp_path / name)
        assert (chosen.texts, chosen.empty) == (("d", "a"), (1,))
        assert read_rows(tmp_path / name).tolist() == [3, 0, 1]
    assert read_prompts(texts, rows=[2]).texts == ("c",)
    with pytest.raises(ParameterError, match=r"Row 4 is not among the rows of the prompts \(0 to 3\), nor are 1 more"):
        read_prompts(texts, rows=[0, 4, 9])
    with pytest.raises(ParameterError, match=r"Row 4 is not among the rows of the prompts \(0 to 3\)\. Were"):
        read_prompts(texts, rows=[4])
    with pytest.raises(ParameterError, match="Row 2 is named 3 times"):
        read_prompts(texts, rows=[2, 2, 0, 2])


@pytest.mark.parametrize(
    ("name", "stored", "message"),
    [
        ("rows.txt", b"1\ntwo", "holds no row numbers: invalid literal"),
        ("rows.txt", b"", "holds an array of shape"),
        ("rows.txt", b"4\n-1", "names row -1, but rows are counted from 0"),
        ("rows.json", b"[0.5]", "needed are whole numbers from 0"),
        ("rows.json", b"[[1]]", r"an array of shape \(1, 1\)"),
        ("rows.json", b"{", "holds no row numbers"),
        ("rows.npy", b"\x93NUMPY", "holds no row numbers"),
        ("rows.npy", b"PK\x03\x04 a zip that is none", "holds no row numbers"),
    ],
)
def test_bad_index_files(name, stored, message, tmp_path):
    (tmp_path / name).write_bytes(stored)
    with pytest.raises(FormatError, match=message):
        read_rows(tmp_path / name)
    with pytest.raises(NotFoundError, match="There is no file"):
        read_rows(tmp_path / "other")


def test_published_index_files(shared_data):
    folder = shared_data / "reference" / "viswanathan2025"
    chosen, subset = read_rows(folder / "filtered_indices.npy"), read_rows(folder / "subset_indices.npy")
    assert (len(chosen), len(subset)) == (2244, 50)
    assert chosen[:8].tolist() == [0, 19, 22, 28, 29, 40, 42, 45]
    texts = [f"text {row}" for row in range(10_000)]
    prompts = read_prompts(texts, rows=chosen)
    assert prompts.items[686].text == "text 3218"
    assert prompts.select(subset).items[14].row == 3218
    assert read_rows("viswanathan2025-50").tolist() == subset.tolist()


def test_rows_of_a_paper_go_by_name():
    rows = read_rows("viswanathan2025-50")
    assert (len(rows), rows[14]) == (50, 3218)
    assert (np.diff(rows) > 0).all()
    with pytest.raises(NotFoundError, match="Known by name: viswanathan2025-50"):
        read_rows("viswanathan2025-51")


def test_examples_are_long_many_and_of_several_kinds():
    prompts = read_prompts("examples")
    tokenizer = Tokenizer.from_file(str(bundled.path("pocket-256") / "tokenizer.json"))
    found = tokenize(prompts, tokenizer, minimum=300)
    assert len(found) == len(prompts) >= 24
    assert found.dropped == ()
    assert {prompt.label for prompt in prompts} == {"prose", "dialogue", "list", "code", "docs", "repetition"}
    assert {prompt.source for prompt in prompts} == {"own", "rule", "python"}
    assert len(set(prompts.texts)) == len(prompts)
    assert prompts.origin["path"] == "examples"


@pytest.mark.skipif(not TOOLS.exists(), reason="needs a checkout")
def test_examples_are_made_by_their_tool(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    tool = importlib.import_module("example_prompts")
    same_python = platform.python_version().startswith(tool.PYTHON)
    made = {record["name"]: record["text"] for record in tool.build() if same_python or record["source"] != "python"}
    shipped = {prompt.name: prompt.text for prompt in read_prompts("examples")}
    assert len(made) >= 23
    assert {name: shipped[name] for name in made} == made
