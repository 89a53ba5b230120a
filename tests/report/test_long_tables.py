"""What a layer study says of very many prompts, in the memory and on a page that a reader has."""

import polars as pl
import pytest

from theodolite.report.chapters.layers import CHAPTER, prompts_view
from theodolite.report.chapters.layers.prompts_view import prompt_sections
from theodolite.studies.layers import study as layers
from theodolite.studies.layers import summary as layer_summary
from theodolite.studies.layers.summary import profiles, read
from theodolite.studies.reported import summary_of


@pytest.fixture(scope="module", autouse=True)
def few_resamples():
    """Intervals are not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_summary, "_N_BOOTSTRAP", 20)
        yield


@pytest.fixture(scope="module")
def frame(layers_frame):
    return layers_frame


@pytest.fixture(scope="module")
def coded(frame):
    return read(frame.lazy())


def test_text_as_codes_takes_less_memory_and_says_the_same(frame, coded):
    assert coded.schema["measure"] == pl.Categorical
    stored = coded.with_columns(pl.col(pl.Categorical).cast(pl.String), pl.col(pl.Int32).cast(pl.Int64))
    assert stored.equals(frame, null_equal=True)
    assert coded.estimated_size() < 0.6 * frame.estimated_size()
    summary = layers.summarize(frame)
    assert repr(layers.summarize(coded)) == repr(summary)
    assert layers.summary_frame(coded).equals(layers.summary_frame(frame), null_equal=True)
    assert layers.find(coded) == layers.find(frame)
    for family in CHAPTER.families:
        assert family.data(coded).equals(family.data(frame), null_equal=True)
    assert repr(CHAPTER.sections(coded, summary)) == repr(CHAPTER.sections(frame, summary))


def test_profiles_come_in_the_order_of_the_table(frame):
    place = ["model", "control", "positions", "layer", "layer_to", "measure", "method", "n1", "scale"]
    rows = frame.filter(pl.col("measure") != "surprisal").select(place).unique(maintain_order=True)
    assert profiles(frame).select(place).equals(rows, null_equal=True)
    assert profiles(frame.filter(pl.col("measure") == "surprisal")).is_empty()


def test_averages_are_the_same_however_the_rows_are_divided(frame, monkeypatch):
    whole = profiles(frame)
    monkeypatch.setattr(layer_summary, "_MOST_AT_ONCE", 10)
    assert profiles(frame).equals(whole, null_equal=True)
    assert profiles(frame.lazy()).equals(whole, null_equal=True)


def test_a_run_without_rows_is_read_as_no_columns():
    assert read(pl.LazyFrame()).equals(pl.DataFrame())


def test_the_summary_of_a_long_table_is_made_from_the_scan(frame, tmp_path):
    frame.write_parquet(tmp_path / "table.parquet")
    made = summary_of(layers).make(pl.scan_parquet(tmp_path / "table.parquet"))
    assert made.equals(layers.summary_frame(frame), null_equal=True)


def test_a_page_shows_the_first_of_very_many_prompts(frame, monkeypatch):
    everything = {section.id: section for section in prompt_sections(frame)}["prompts"]
    assert everything.content["fold"].startswith("12 prompts as written")
    monkeypatch.setattr(prompts_view, "_MOST_PROMPTS", 5)
    shown = {section.id: section for section in prompt_sections(frame)}["prompts"]
    assert shown.content["fold"].startswith("The first 5 of 12 prompts as written")
    assert shown.content["lines"] == everything.content["lines"][:5]
