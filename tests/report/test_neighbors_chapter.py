"""Figures, headline and sections of a neighbors study, from a table that the study itself wrote."""

import numpy as np
import polars as pl
import pytest

from theodolite import report, studies
from theodolite.neighborhoods import graph_from_neighbors, hubness
from theodolite.report.chapters import chapter_of
from theodolite.report.chapters.neighbors.distances import distances_data
from theodolite.report.chapters.neighbors.occurrences import occurrences_data
from theodolite.report.chapters.neighbors.scales import scales_data
from theodolite.report.figure_files import figure_bytes
from theodolite.runs import Column
from theodolite.runs.rows import frame_from_rows
from theodolite.studies.neighbors import study as neighbors
from theodolite.studies.neighbors.columns import COLUMNS
from theodolite.studies.neighbors.graphs import graph_of_table

CHAPTER = chapter_of("neighbors")
FAMILIES = {family.name: family for family in CHAPTER.families}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chapter")
    rng = np.random.default_rng(0)
    points = rng.normal(size=(600, 5)) @ rng.normal(size=(5, 16)) * rng.lognormal(size=(600, 1))
    points[7] = points[3]
    np.save(folder / "table.npy", points.astype(np.float32))
    return studies.run("neighbors", reference=str(folder / "table.npy"), k=16, blocks=3, out=folder / "run")


@pytest.fixture(scope="module")
def frame(run):
    return run.table()


def headline_of(frame):
    return CHAPTER.headline(neighbors.summarize(frame), neighbors.find(frame))


@pytest.mark.parametrize("layout", ["wide", "narrow"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_figure_is_drawn_and_hostile_names_stay_text(frame, name, layout):
    hostile = frame.with_columns(pl.lit("./$x^2$ <b>名\u202e").alias("model"))
    svg = figure_bytes(FAMILIES[name].draw(hostile, layout=layout), text_as="none").decode()
    assert "mathdefault" not in svg
    text = FAMILIES[name].title(hostile) + FAMILIES[name].caption(hostile)
    assert "\u202e" not in text
    assert "None" not in text
    assert "nan" not in text


@pytest.mark.parametrize("name", FAMILIES)
def test_while_blocks_are_missing_there_is_no_figure(frame, name):
    for part in (pl.DataFrame(), frame.clear(), frame.filter(pl.col("block") > 0)):
        assert FAMILIES[name].draw(part) is None
        assert FAMILIES[name].data(part).is_empty()
        assert headline_of(part).rows == ()
        assert CHAPTER.opening(headline_of(part)) == []
        assert CHAPTER.sections(part, neighbors.summarize(part)) == []


def test_data_are_what_the_graph_says(frame):
    graph = graph_of_table(frame)
    data = distances_data(frame)
    assert data["rank"].to_list() == list(range(1, 17))
    assert data["quantile_0.25"].to_numpy() == pytest.approx(np.quantile(graph.distances, 0.25, axis=0), rel=1e-12)
    counts = hubness(graph).counts
    data = occurrences_data(frame)
    for occurrences, share in data.select("occurrences", "share_at_least").iter_rows():
        assert share == (counts >= occurrences).mean()
    assert data["share_by_chance"].is_between(0, 1).all()
    assert set(scales_data(frame)["method"]) == {"gride", "mle", "twonn"}


def test_the_headline_is_one_line_and_one_sentence_more(frame):
    table = headline_of(frame)
    assert len(table.rows) == 1
    cells = table.rows[0].cells
    assert (cells["k"].text, cells["n_used"].text, cells["extrinsic"].text) == ("16", "599", "16")
    assert set(CHAPTER.terminal) <= table.columns.keys()
    first, second = CHAPTER.opening(table)
    assert first.startswith("The exact 16 nearest neighbors of 599 points of table.npy")
    assert (
        f"TwoNN reads a dimension of {cells['twonn'].text}, GRIDE at its widest scale {cells['gride'].text}" in second
    )


def test_sections_name_the_popular_points_and_count_the_rows(frame):
    sections = {one.id: one for one in CHAPTER.sections(frame, neighbors.summarize(frame))}
    assert sections.keys() == {"popular", "rows", "readings"}
    counts = hubness(graph_of_table(frame)).counts
    listed = sections["popular"].data
    assert listed["neighbor of"].to_list() == sorted(counts.tolist(), reverse=True)[:20]
    assert sections["rows"].data["count"].to_list() == [600.0, 599.0, 1.0, 0.0, 0.0]


def test_one_neighbor_is_a_graph_without_curves():
    columns = {**COLUMNS, "neighbors": Column(dtype="List(Int32)", meaning="")}
    graph = graph_from_neighbors([[1], [0], [1]], [[1.0], [1.0], [2.0]], n_dims=4)
    shared = {"model": "m", "revision": "main", "which": "input", "rows": "all", "metric": "euclidean", "extrinsic": 4}
    rows = [
        {"measure": "neighborhood", "row": i, "scale": 1, "value": d, "neighbors": [j], "distances": [d], "block": 0}
        for i, (j, d) in enumerate(zip(graph.indices[:, 0].tolist(), graph.distances[:, 0].tolist(), strict=True))
    ]
    rows += [
        {"measure": "count", "method": kind, "value": float(count), "block": 0}
        for kind, count in {"given": 3, "measured": 3, "nonfinite": 0, "duplicates": 0, "zero": 0}.items()
    ]
    frame = frame_from_rows([{**dict.fromkeys(columns), **shared, **row} for row in rows], columns)
    assert headline_of(frame).rows == ()
    assert FAMILIES["distance_by_rank"].draw(frame) is None
    assert FAMILIES["dimension_over_scale"].draw(frame) is None
    assert FAMILIES["occurrences_of_points"].draw(frame) is not None


def test_the_page_holds_figures_claims_and_tokens(run):
    frame = run.table()
    page = report.write(run, summary=neighbors.summarize(frame), findings=neighbors.find(frame)).read_text()
    for text in ("The neighbor graph", "A few points are neighbors of many.", "Radovanović", "distance_by_rank"):
        assert text in page
    files = {path.name for path in (run.path / "figures").iterdir()}
    assert {f"{name}.{kind}" for name in FAMILIES for kind in ("svg", "png", "csv")} <= files
    assert "After ." not in page  # distances by rank are nobody's figure
