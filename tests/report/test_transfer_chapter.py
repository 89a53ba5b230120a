"""The transfer chapter shows what a run holds: one line a contrast, both figures, the maps."""

import polars as pl
import pytest

from theodolite.report.chapters import chapter_of
from theodolite.studies.transfer import study as transfer
from theodolite.studies.transfer.columns import COLUMNS

BLANK = dict.fromkeys(COLUMNS)
PLACE = {"source": "bundled:pocket-256", "target": "bundled:pocket-128", "space": "output"}


def rows_of(contrast, *, kept, low):
    shared = {**BLANK, **PLACE, "contrast": contrast, "tokens": "last", "layer": 4, "source_layer": 4, "chosen": True}

    def row(measure, role, condition, value, **columns):
        return {**shared, "measure": measure, "role": role, "condition": condition, "value": value, **columns}

    ends = {"low": low, "high": kept + 0.1, "stderr": 0.05, "n_used": 24}
    beyond = {"low": kept - 0.25, "high": kept - 0.15, "stderr": 0.025, "n_used": 24}
    yield row("working_strength", "native", "native", -0.5)
    yield row("working_strength", "native", "native", 0.5)
    for role, condition, value in (("native", "native", 1.0), ("transferred", "least_squares", kept)):
        yield row("effect", role, condition, value, low=value - 0.1, high=value + 0.1, stderr=0.05, n_used=24)
        yield row("monotone", role, condition, 1.0)
        for strength in (-0.5, 0.5):
            change = strength * value
            yield row("margin_change", role, condition, change, strength=strength, low=change - 0.1, high=change + 0.1)
            yield row("perplexity", role, condition, 120.0, strength=strength)
    yield row("perplexity", "none", "none", 80.0, strength=0.0, chosen=None)
    yield row("effect_retained", "transferred", "least_squares", kept, **ends)
    yield row("effect_retained", "control", "random", 0.2, draw=0, **ends)
    yield row("effect", "control", "random", 0.2, draw=0, low=0.1, high=0.3, n_used=24)
    yield row("margin_change", "control", "random", 0.1, draw=0, strength=0.5, low=0.0, high=0.2)
    yield row("cosine", "transferred", "least_squares", 0.8)
    yield row("beyond_control", "control", "random", kept - 0.2, **beyond)
    share = 0.0 if kept > 0.3 else 0.3
    yield row("draws_as_good", "control", "random", share, low=share / 2, high=share + 0.1, n_used=39)
    yield row("draws_keep", "control", "random", 0.3, n_used=39)
    yield {
        **shared,
        "measure": "effect",
        "role": "native",
        "condition": "native",
        "layer": 2,
        "value": 0.4,
        "chosen": False,
    }
    yield {
        **shared,
        "measure": "r2_held_out",
        "role": "transferred",
        "condition": "least_squares",
        "value": 0.6,
        "chosen": None,
    }


@pytest.fixture
def frame():
    rows = [*rows_of("gender", kept=0.8, low=0.7), *rows_of("question", kept=0.1, low=-0.1)]
    return pl.DataFrame(rows, infer_schema_length=None)


def test_the_headline_has_one_line_for_each_contrast(frame):
    chapter = chapter_of("transfer")
    table = chapter.headline(transfer.summarize(frame), transfer.find(frame))
    first, second = table.rows
    assert (first.name, first.which, first.doubtful) == ("pocket-256", "to pocket-128, gender", False)
    assert first.cells["kept"].value == 0.8
    assert first.cells["control"].value == 0.3
    assert first.cells["perplexity"].value == pytest.approx(1.5)
    assert second.doubtful
    assert set(chapter.essential) <= set(chapter.terminal) <= set(table.columns)
    assert chapter.opening(table) == [
        "1 of 2 carried vectors steer beyond every control; they keep 0.800 of the effect."
    ]


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_figures_draw_what_their_data_hold(frame, layout):
    kept, curves = chapter_of("transfer").families
    assert len(kept.data(frame)) == 4
    assert len(curves.data(frame)) == 10
    (axes,) = kept.draw(frame, layout=layout).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["question", "gender"]
    assert len(curves.draw(frame, layout=layout).axes) == 2
    assert "24 held-out pairs" in kept.caption(frame)
    assert kept.draw(frame.clear()) is None
    assert curves.draw(frame.clear()) is None


def test_sections_hold_every_vector_and_the_maps(frame):
    chapter = chapter_of("transfer")
    sections = {one.id: one for one in chapter.sections(frame, transfer.summarize(frame))}
    assert list(sections) == ["effects", "side-effects", "layers", "maps"]
    assert len(sections["maps"].data) == 1
    assert len(sections["layers"].data) == 2
