"""Figures and headline of a rank study, drawn from curves with a planted knee."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from theodolite.report.chapters import chapter_of
from theodolite.report.chapters.rank.figures import loss_increase_against_rank, perplexity_against_rank, rank_data
from theodolite.runs.rows import frame_from_rows
from theodolite.studies.rank import findings as rank_findings
from theodolite.studies.rank import summary as rank_summary
from theodolite.studies.rank.columns import COLUMNS
from theodolite.studies.rank.curves import RankCurve, read_models

RANKS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
N_WINDOWS, N_SEEDS, N_TOKENS, N_DIMS = 12, 2, 1000, 64


def planted_frame(*, knee=16.0, falls_on=0.0, model="bundled:pocket-64", trained=True, dimension=17.0):
    """Losses that fall by half a nat per doubling up to a knee, and by `falls_on` beyond; windows share their noise."""
    generator = np.random.default_rng(0)
    text = generator.normal(size=N_WINDOWS)
    rows = []

    def add(**columns):
        blank = dict.fromkeys(COLUMNS)
        rows.append({**blank, "model": model, "revision": "main", "side": "input", "extrinsic": N_DIMS, **columns})

    def windows(level, **columns):
        values = level + text + 0.01 * generator.normal(size=N_WINDOWS)
        for x, value in enumerate(values):
            add(measure="window_loss", x=float(x), value=float(value), **columns)

    windows(5.0, condition="base")
    add(condition="base", measure="parameters", value=float(N_TOKENS * N_DIMS))
    add(condition="base", measure="dimension", method="twonn", scale=2, value=dimension, stderr=0.3)
    add(condition="base", measure="dimension", method="gride", scale=64, value=dimension + 1)
    curves = [("truncated", "svd", None)]
    if trained:
        curves += [(name, method, seed) for name, method in (("update", "svd"), ("adapter", "lora")) for seed in (0, 1)]
        for seed in range(N_SEEDS):
            windows(4.0, condition="full", seed=seed)
    for condition, method, seed in curves:
        floor = 5.0 if condition == "truncated" else 4.0
        for rank in RANKS:
            u = np.log2(rank / knee)
            level = floor + (-0.5 * u if u < 0 else -falls_on * u) + falls_on * np.log2(N_DIMS / knee)
            shared = {"condition": condition, "method": method, "seed": seed, "rank": rank}
            windows(level, **shared)
            add(measure="parameters", value=float(rank * (N_TOKENS + N_DIMS)), **shared)
    return frame_from_rows(rows, COLUMNS)


@pytest.fixture(scope="module")
def frame():
    return planted_frame()


def verdicts(frame):
    return {(one.id, one.subject.split(", ")[1]): one.verdict for one in rank_findings.find(frame)}


def test_a_knee_at_the_dimension_supports_the_claim(frame):
    found = verdicts(frame)
    for curve in ("table cut to a rank", "trained update cut to a rank", "trained adapter"):
        assert found["knee-at-dimension", curve] == "supported"
        assert found["dimension-suffices", curve] == "supported"
        assert found["recommended-rank", curve] == "supported"


@pytest.mark.parametrize(
    ("settings", "verdict", "said"),
    [
        ({"dimension": 50.0}, "not supported", "The knee is elsewhere, at 0.32"),
        ({"dimension": 3.0}, "not supported", "The knee is elsewhere, at 5.3"),
        ({"falls_on": 0.3}, "not supported", "bends but goes on falling"),
        ({"falls_on": 0.125}, "undecided", "whether to less than 25"),
        ({"falls_on": 0.5}, "not supported", "has no knee in the rank"),
        ({"falls_on": 0.9}, "undecided", "No knee can be placed: the curve has no convex bend"),
    ],
)
def test_curves_that_say_otherwise_do_not(settings, verdict, said):
    (finding,) = (
        one for one in rank_findings.find(planted_frame(trained=False, **settings)) if one.id == "knee-at-dimension"
    )
    assert said in finding.evidence
    assert finding.verdict == verdict


@pytest.mark.parametrize(
    ("left_low", "verdict", "said"),
    [(0.44, "not supported", "goes on falling, whether it bends or not"), (0.2, "undecided", "within its noise")],
)
def test_a_bend_within_the_noise_denies_nothing_unless_the_loss_goes_on_falling(monkeypatch, left_low, verdict, said):
    frame = planted_frame(trained=False, falls_on=0.3)
    (curve,) = read_models(frame)[0].curves
    unsure = replace(curve.knee(), supported=False, p_value=0.16, bic_gain=3.5, left_low=left_low)
    monkeypatch.setattr(RankCurve, "knee", lambda _: unsure)
    finding = next(one for one in rank_findings.find(frame) if one.id == "knee-at-dimension")
    assert finding.verdict == verdict
    assert said in finding.evidence


def test_a_rank_that_costs_too_much_is_said_to():
    found = verdicts(planted_frame(knee=40.0, dimension=10.0, trained=False))
    assert found["dimension-suffices", "table cut to a rank"] == "not supported"


@pytest.mark.parametrize(("tolerated", "verdict"), [(0.02, "not supported"), (0.29, "undecided"), (0.4, "supported")])
def test_a_recommendation_within_the_noise_is_undecided(monkeypatch, tolerated, verdict):
    """At rank 48, the largest that saves anything, this loss lies 0.29 nats above the ceiling."""
    monkeypatch.setattr(rank_findings, "TOLERANCE", tolerated)
    found = verdicts(planted_frame(knee=16.0, falls_on=0.7, trained=False))
    assert found["recommended-rank", "table cut to a rank"] == verdict


def test_the_recommendation_is_the_smallest_rank_within_the_tolerance(frame):
    rows = [row for row in rank_summary.summarize(frame) if row["measure"] == "recommended_rank"]
    cut = {row["params"]["tolerance"]: row for row in rows if row["condition"] == "truncated"}
    assert cut[0.05]["value"] == 16  # exactly where the planted loss reaches the ceiling
    assert cut[0.5]["value"] == 12  # 0.21 nats above it; rank 8 would cost 0.5
    assert cut[0.05]["params"]["saved"] == pytest.approx(1 - 16 * 1064 / 64000)
    late = rank_summary.summarize(planted_frame(knee=64.0, trained=False))
    assert [row["value"] for row in late if row["measure"] == "recommended_rank"][:3] == [None] * 3
    assert json.dumps(late, allow_nan=False)


@pytest.mark.parametrize("layout", ["wide", "narrow"])
def test_curves_are_drawn_where_they_were_measured(frame, layout):
    figure = perplexity_against_rank(frame, layout=layout)
    cut, trained = figure.axes
    data = rank_data(frame).filter(pl.col("rank").is_not_null())
    (line,) = (one for one in cut.lines if len(one.get_xdata()) == len(RANKS))
    wanted = data.filter(pl.col("curve") == "table cut to a rank")
    np.testing.assert_allclose(line.get_ydata(), wanted["perplexity"], rtol=1e-9)
    assert sum(len(one.get_xdata()) == len(RANKS) for one in trained.lines) == 2
    marks = [one for one in cut.lines if one.get_marker() == "|"]
    assert [one.get_xdata()[0] for one in marks] == pytest.approx([16], rel=0.05)
    assert "10^" not in "".join(label.get_text() for label in cut.get_yticklabels())


def test_increases_are_those_of_the_data(frame):
    figure = loss_increase_against_rank(frame)
    drawn = [line.get_ydata() for line in figure.axes[0].lines if len(line.get_xdata()) == len(RANKS)]
    data = rank_data(frame).filter(pl.col("rank").is_not_null())
    for line, curve in zip(drawn, data["curve"].unique(maintain_order=True), strict=True):
        wanted = np.maximum(data.filter(pl.col("curve") == curve)["loss_increase"], 1e-3)
        np.testing.assert_allclose(line, wanted, rtol=1e-9)


def test_models_stay_apart_and_what_was_not_measured_is_left_out(frame):
    both = pl.concat([frame, planted_frame(model="bundled:pocket-128", trained=False, dimension=20.0)])
    assert [axes.get_title(loc="left") for axes in perplexity_against_rank(both).axes] == [
        "pocket-64, cut, not trained",
        "pocket-64, trained",
        "pocket-128, cut, not trained",
    ]
    assert perplexity_against_rank(frame.clear()) is None
    assert loss_increase_against_rank(frame.clear()) is None
    assert rank_data(frame.clear()).is_empty()
    bare = frame.filter(pl.col("measure") != "dimension")
    assert perplexity_against_rank(bare) is not None
    assert {one.id for one in rank_findings.find(bare)} == {"recommended-rank"}
    assert rank_findings.find(frame.filter(pl.col("condition") != "base")) == []


def test_the_chapter_tells_the_ranks(frame):
    chapter = chapter_of("rank")
    table = chapter.headline(rank_summary.summarize(frame), rank_findings.find(frame))
    assert [row.which for row in table.rows] == ["cut", "trained update, cut", "adapter"]
    assert table.rows[0].cells["rank"].value == 16
    assert table.rows[0].cells["knee"].value == pytest.approx(16, rel=0.05)
    assert set(chapter.terminal) <= set(table.columns)
    opening = " ".join(chapter.opening(table))
    assert "dimension of 17.0" in opening
    assert "A table cut to a rank stops improving around rank 16" in opening
    assert "A trained adapter stops improving around rank 16" in opening
    going_on = planted_frame(falls_on=0.3, trained=False)
    table = chapter.headline(rank_summary.summarize(going_on), [])
    assert "A table cut to a rank goes on improving with the rank" in " ".join(chapter.opening(table))
    sections = chapter.sections(frame, rank_summary.summarize(frame))
    assert [section.id for section in sections] == ["recommended", "readings"]
    assert len(sections[1].content["lines"]) == 3 * len(RANKS)
    assert chapter.opening(chapter.headline([], [])) == []
    for family in chapter.families:
        assert "12" in family.caption(frame)
        assert "pocket-64" in family.title(frame)
