"""The page: complete, offline, and safe whatever the tokens are."""

import base64
import csv
import hashlib
import io
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import polars as pl
import pytest

from theodolite import report
from theodolite.core.number_format import format_value
from theodolite.report.chapters.tables.headline import headline_table
from theodolite.report.chapters.tables.opening import opening_sentences
from theodolite.report.claims import gather
from theodolite.studies.finding import Finding

VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr"}


class Reader(HTMLParser):
    """Reads a page into lists of tags and texts, and minds that tags are closed in order."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts, self.open, self.ids = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))


@pytest.fixture(scope="module")
def read(page):
    return Reader(page)


def text_of(read):
    return " ".join(text for tag, text in read.texts if tag not in ("script", "style"))


def small_page(synthetic, folder, frame, *, findings=(), warnings=(), status="success", problems=(), **manifest):
    run = synthetic.make_run(folder, frame, **manifest)
    run.status, run.problems = status, list(problems)
    summary = synthetic.summary_of(frame) if frame.columns else []
    path = report.write(run, summary=summary, findings=list(findings), warnings=warnings, figures=False)
    return path.read_text(encoding="utf-8")


def test_page_is_one_small_file_that_parses(page, read):
    assert len(page.encode()) < 10_000_000
    assert page.startswith("<!DOCTYPE html>")
    assert sum(tag == "main" for tag, _ in read.tags) == 1
    assert len(read.ids) == len(set(read.ids))


def test_nothing_is_loaded_from_anywhere(page, read):
    policy = next(attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    start = page.rindex("<script>") + len("<script>")
    script = page[start : page.index("</script>", start)]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    for tag, attrs in read.tags:
        assert "src" not in attrs
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "use") or tag == "use"
        assert not [name for name in attrs if name.startswith("on")]
        if tag == "script":
            assert attrs in ({}, {"type": "application/json"})
        if "href" in attrs:
            assert re.match(r"#|data:text/csv;charset=utf-8,|https://arxiv\.org/abs/[0-9.]+$", attrs["href"])
    assert not re.findall(r"url\(\s*['\"]?(?!#)", page)
    assert "@import" not in page


def test_links_within_the_page_lead_somewhere(read):
    targets = {attrs["href"][1:] for _, attrs in read.tags if attrs.get("href", "").startswith("#")}
    assert targets <= set(read.ids)


def test_hostile_tokens_are_text(synthetic, page, read):
    assert [attrs for tag, attrs in read.tags if tag == "script"] == [{"type": "application/json"}, {}]
    assert [tag for tag, _ in read.tags].count("style") == 1
    assert "<img" not in page
    assert "document.title='pwned'" not in "".join(text for tag, text in read.texts if tag == "script")
    text = "".join(text for tag, text in read.texts)
    assert "<script>document.title='pwned'</script>" in text
    assert "{{7*7}}" in text
    assert "\\u202egnp.exe" in text
    assert "\\x00\\x1b[31m\\x07" in text
    assert not set(page) & set("\u202e\u202c\x00\x1b\x07\u200b\u2060\ufeff")
    assert "A" * 100 not in text


def test_strings_that_cannot_be_encoded_are_written_out(synthetic, tmp_path):
    frame = synthetic.make_frame({"m": 64}, checkpoints_of=None, which=("input",))
    finding = Finding(
        id="x",
        claim="half \ud83d</h3>",
        source="\u202e<i>",
        verdict="undecided",
        evidence="</p>{{1+1}}\x00",
        subject="m input",
    )
    text = small_page(
        synthetic,
        tmp_path / "r\udc80un",
        frame,
        findings=[finding],
        warnings=["bad \udcff<script>"],
        command=["a", "\ud800"],
    )
    for expected in (
        "half \\ud83d&lt;/h3&gt;",
        "\\u202e&lt;i&gt;",
        "&lt;/p&gt;{{1+1}}",
        "bad \\udcff&lt;script&gt;",
        "\\ud800",
    ):
        assert expected in text
    Reader(text)


def test_first_screen_answers_what_was_found(read, page):
    text = re.sub(r"\s+", " ", text_of(read))
    assert "7 of 8 tables of 4 models read a dimension of" in text
    assert "Do not trust the headline number of pocket-256 input" in text
    assert page.index('id="findings"') < page.index('id="headline"') < page.index('id="figures"')
    for words in ("not supported 7", "supported 1", "undecided", "half of the fall"):
        assert words in text


def test_numbers_on_the_page_are_those_of_the_frame(frame, page):
    row = frame.filter(
        (pl.col("model") == "bundled:pocket-128")
        & (pl.col("revision") == "main")
        & (pl.col("which") == "input")
        & (pl.col("condition") == "measured")
        & (pl.col("method") == "twonn")
        & (pl.col("measure") == "dimension")
    )
    shown = format_value(row["value"][0], row["stderr"][0]).replace(" ± ", "\u00a0±\u00a0")
    assert f'<span class="value">{shown}</span>' in page


def test_downloads_hold_the_data(read):
    links = {attrs["download"]: attrs["href"] for _, attrs in read.tags if "download" in attrs}
    assert {"dimension_over_scale.csv", "readings.csv"} <= set(links)
    content = unquote(links["readings.csv"].partition(",")[2])
    lines = list(csv.DictReader(io.StringIO(content)))
    assert len(lines) > 400
    assert {line["estimator"] for line in lines} >= {"TwoNN", "MLE", "GRIDE", "participation ratio"}


def test_failures_warnings_and_provenance_are_there(read):
    text = text_of(read)
    for words in (
        "bundled:pocket-64@step7 input <b>measured</b>",
        "failed 3 times",
        "240 rows are much shorter",
        "theodolite survey --out 'runs/first light'",
        "first light/study.yaml' --out",
        "2.13.0",
        "@misc{kataiwa2025",
        "Facco, Elena",
    ):
        assert words in text


@pytest.mark.parametrize("status", ["running", "partial", "interrupted", "failed"])
def test_unfinished_runs_and_limits_say_so_first(synthetic, tmp_path, status):
    text = small_page(
        synthetic,
        tmp_path / "run",
        pl.DataFrame(),
        status=status,
        units={"planned": 10, "kept": 1, "done": 3, "failed": 2},
        config={"limit": 500},
    )
    banner = text[: text.index('id="findings"')]
    assert "4 of 10 units done." in banner
    assert "limit of 500 rows" in banner
    assert "This run holds no dimension yet." in text
    Reader(text)


def test_a_finished_run_has_no_banner(page):
    assert 'class="banner"' not in page


@pytest.mark.parametrize("manifest", [{}, {"inputs": [], "config": {}, "units": {}, "warnings": [], "command": None}])
def test_a_bare_manifest_is_enough(synthetic, tmp_path, manifest):
    frame = synthetic.make_frame({"w.npy": 64}, checkpoints_of=None, nulls=False, which=("array",))
    run = synthetic.make_run(tmp_path / "run", frame)
    run.manifest = manifest
    (run.path / "study.yaml").unlink()
    text = report.write(run, summary=synthetic.summary_of(frame), findings=[], figures=False).read_text()
    Reader(text)
    assert "One table of w.npy reads a dimension of" in text
    assert "null</th>" not in text


def test_headline_leaves_out_what_was_not_measured(synthetic):
    frame = synthetic.make_frame({"m": 64}, checkpoints_of=None, nulls=False)
    table = headline_table(synthetic.summary_of(frame.filter(pl.col("condition") == "measured")))
    assert "gaussian" not in table.columns
    assert "unit_norm" not in table.columns
    assert headline_table([]).rows == ()
    assert opening_sentences(headline_table([])) == []


def test_headline_takes_main_and_says_which_rows_are_many(synthetic):
    summary = synthetic.summary_of(synthetic.make_frame({"bundled:pocket-128": 128}))
    for row in summary:
        if row["measure"] == "count" and row["method"] == "zero":
            row["value"] = 900
    table = headline_table(summary, [])
    assert [(row.name, row.which, row.revision) for row in table.rows] == [
        ("pocket-128", "input", ""),
        ("pocket-128", "output", ""),
    ]
    assert table.rows[0].notes == ("900 zero rows",)


def test_claims_show_the_exception_and_fold_the_rest(synthetic):
    claims = {claim.id: claim for claim in gather(synthetic.make_findings())}
    hub = claims["hub-of-short-rows"]
    assert hub.tally == (("not supported", 7), ("supported", 1))
    assert [one.subject for one in hub.shown] == ["pocket-256 input"]
    assert len(hub.folded) == 7
    assert hub.source_key == "quemy2026"
    assert claims["early-drop"].shown[0].subject == "pocket-128 input"
    other = Finding(id="y", claim="c", source="new (arXiv 3001.00001)", verdict="supported", evidence="e")
    assert gather([other])[0].source_url == "https://arxiv.org/abs/3001.00001"


def test_same_run_gives_the_same_page(synthetic, tmp_path):
    frame = synthetic.make_frame({"m": 64}, checkpoints_of=None, which=("input",))
    first = small_page(synthetic, tmp_path / "run", frame)
    assert small_page(synthetic, tmp_path / "run", frame) == first
    assert [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")] == []
