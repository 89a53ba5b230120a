"""One table in units: whatever the blocks, the order and the stops, the graph is that of the single search."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from safetensors.torch import save_file

import theodolite as td
from theodolite import runs, studies
from theodolite.core.errors import FormatError, NotFoundError, ParameterError, PointsError, RunError, RunWarning
from theodolite.dimension import gride, mle, twonn
from theodolite.neighborhoods import save_graph
from theodolite.runs import Outcome
from theodolite.runs.folder.unit_file import read_unit_record
from theodolite.runs.reading.table_comparison import compare_tables
from theodolite.runs.workers.processes import ProcessRunner
from theodolite.studies.neighbors import graphs as neighbor_graphs
from theodolite.studies.neighbors import study
from theodolite.studies.neighbors.config import BLOCK_ROWS, Config
from theodolite.studies.neighbors.graphs import graph_of_table, is_complete, load_graph, merged_graph
from theodolite.studies.neighbors.readings import readings_of

NOT_IN_A_TABLE = ("n_redone", "path")


def awkward(n_points=500, seed=0):
    """Return rows of very different length on a few dimensions, with copies, zeros, NaN and a common offset."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n_points, 4)) @ rng.normal(size=(4, 20)) * rng.lognormal(size=(n_points, 1)) + 8.0
    points = points.astype(np.float32)
    points[40:60] = points[300:320]
    points[[5, 70]] = 0.0
    points[71] = 2.0 * points[72]
    points[[9, 450], 2] = np.nan, np.inf
    return points


@pytest.fixture
def awkward_file(tmp_path):
    np.save(tmp_path / "awkward.npy", awkward())
    return tmp_path / "awkward.npy"


def search(reference, out, **settings):
    return studies.run("neighbors", reference=str(reference), out=out, **{"k": 8, "blocks": 4, **settings})


def single(points, **settings):
    with pytest.warns(td.GeometryWarning, match="left out"):
        return td.neighbors(points, nonfinite="drop", **{"k": 8, **settings})


def same(one, other, *, without=NOT_IN_A_TABLE):
    for name in (one.name for one in fields(one) if one.name not in without):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("blocks", [1, 3, 8, 60])
def test_the_merged_graph_is_the_single_one(awkward_file, tmp_path, metric, blocks):
    run = search(awkward_file, tmp_path / "run", metric=metric, blocks=blocks)
    assert run.status == "success", run.failures()
    merged, wanted = merged_graph(run), single(awkward(), metric=metric)
    same(merged, wanted)
    same(graph_of_table(run.table()), wanted)
    assert merged.exact
    notes = [read_unit_record(run.store.unit_path(unit.key)).notes for unit in run.store.read_plan()]
    assert merged.n_redone == sum(one["n_redone"] for one in notes)
    assert merged.path == "float32/cpu"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_stored_dtype(tmp_path, dtype):
    points = torch.from_numpy(awkward()[72:440]).to(dtype)
    save_file({"points": points}, tmp_path / "t.safetensors")
    run = search(f"{tmp_path}/t.safetensors#points", tmp_path / "run", blocks=5, k=64)
    same(merged_graph(run), td.neighbors(points, k=64))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_points=st.integers(4, 40), data=st.data())
def test_any_table_any_k_any_blocks(tmp_path_factory, seed, n_points, data):
    points = np.random.default_rng(seed).integers(-2, 3, (n_points, 3)).astype(np.float32)
    n_distinct = len(np.unique(points, axis=0))
    if n_distinct < 2:
        return
    k, blocks = data.draw(st.integers(1, n_distinct - 1)), data.draw(st.integers(1, n_distinct))
    folder = tmp_path_factory.mktemp("any")
    np.save(folder / "points.npy", points)
    run = search(folder / "points.npy", folder / "run", k=k, blocks=blocks)
    same(merged_graph(run), td.neighbors(points, k=k))


def test_rows_that_the_tokenizer_does_not_know_are_no_neighbors(tmp_path):
    run = search("bundled:pocket-64", tmp_path, rows="trimmed", blocks=2)
    table = td.load_table("bundled:pocket-64").select("trimmed")
    assert table.n_tokens < table.n_stored
    same(merged_graph(run), td.neighbors(table.points, k=8))
    points = run.table().filter(pl.col("measure") == "neighborhood")
    assert points["token_id"].to_list() == table.token_ids[points["row"].to_numpy()].tolist()
    assert points["token"].to_list() == [table.tokens[row] for row in points["row"]]


def test_two_numbers_of_blocks_give_tables_that_agree(awkward_file, tmp_path):
    tables = [search(awkward_file, tmp_path / str(n), blocks=n).table() for n in (2, 5)]
    points = [table.filter(pl.col("measure") == "neighborhood").lazy() for table in tables]
    found = compare_tables(*points, columns=study.COLUMNS)
    assert found.only == (0, 0)
    assert {one.column for one in found.differences} == {"block"}
    assert compare_tables(points[0], points[0], columns=study.COLUMNS).differences == []


class Backwards:
    """Does the units from the last to the first."""

    name, workers = "backwards", 1

    def map(self, work, units):
        for unit in reversed(units):
            yield work(unit)


class Forgetful:
    """Lets go of what was loaded before each unit, as if each were done in a process of its own."""

    name, workers = "forgetful", 1

    def map(self, work, units):
        for unit in units[::2] + units[1::2]:
            study._table.cache_clear()
            study._search.cache_clear()
            outcome = work(unit)
            assert isinstance(outcome, Outcome)
            yield outcome


@pytest.mark.parametrize("runner", [Backwards(), Forgetful()])
def test_any_order_and_any_process_gives_the_same_bytes(awkward_file, tmp_path, runner):
    first = search(awkward_file, tmp_path / "serial")
    config = Config(str(awkward_file), k=8, blocks=4)
    other = runs.execute(study, config, out=tmp_path / "other", resolve=studies.STUDIES, runner=runner)
    assert other.manifest["table"] == first.manifest["table"]
    assert other.warnings == first.warnings


@pytest.mark.slow
def test_processes_give_the_same_bytes(awkward_file, tmp_path):
    first = search(awkward_file, tmp_path / "serial")
    config, runner = Config(str(awkward_file), k=8, blocks=4), ProcessRunner(workers=2)
    other = runs.execute(study, config, out=tmp_path / "other", resolve=studies.STUDIES, runner=runner)
    assert other.manifest["table"] == first.manifest["table"]


def test_a_block_whose_file_is_gone_or_damaged_is_done_again_and_no_other(awkward_file, tmp_path):
    first = search(awkward_file, tmp_path / "run")
    graph, table = merged_graph(first), first.manifest["table"]
    paths = [first.store.unit_path(unit.key) for unit in first.store.read_plan()]
    paths[1].unlink()
    with pytest.raises(RunError, match=r"1 of 4 blocks of .* are missing. Run the study again"):
        merged_graph(first)
    data = bytearray(paths[2].read_bytes())
    data[len(data) // 2] ^= 1
    paths[2].write_bytes(data)
    paths[1].write_bytes(data)
    with pytest.raises(FormatError, match="is damaged"):
        merged_graph(first)
    again = search(awkward_file, tmp_path / "run")
    assert again.manifest["units"] == {"planned": 4, "kept": 2, "done": 2, "failed": 0}
    assert again.manifest["table"] == table
    same(merged_graph(again), graph, without=())


def test_what_was_left_out_is_said_once(awkward_file, tmp_path):
    run = search(awkward_file, tmp_path / "run")
    assert run.warnings == [
        f"{awkward_file}: rows that repeat an earlier row were left out: 21.",
        f"{awkward_file}: rows that hold NaN or infinite values were left out: 2.",
    ]


def test_the_summary_reads_the_merged_graph(awkward_file, tmp_path):
    run, graph = search(awkward_file, tmp_path / "run", k=20), single(awkward(), k=20)
    rows = study.summarize(run.table())
    found = {(row["method"], row["scale"]): row for row in rows if row["measure"] == "dimension"}
    wanted = [("twonn", twonn(graph)), ("twonn_ml", twonn(graph, method="ml"))]
    wanted += [("mle", mle(graph, k=k)) for k in (2, 3, 5, 10, 20)] + [("gride", one) for one in gride(graph)]
    assert found.keys() == {(method, one.n2) for method, one in wanted}
    for method, one in wanted:
        row = found[method, one.n2]
        assert (row["value"], row["stderr"], row["n_used"]) == (one.value, one.stderr, one.n_used)
        assert row["redundancy"] == one.redundancy
    hubs, counts = td.hubness(graph), np.sort(np.bincount(graph.indices.ravel(), minlength=graph.n_points))
    shown = {row["method"]: row["value"] for row in rows if row["measure"] == "hubness"}
    assert shown["max"] == counts[-1] / 20
    assert shown["skewness"] == hubs.skewness
    assert shown["nobody"] == (counts == 0).mean()
    assert shown["top_share"] == counts[-4:].sum() / counts.sum()  # 477 points: the first hundredth is four
    medians = {row["scale"]: row["value"] for row in rows if row["measure"] == "distance"}
    assert medians == {rank: np.median(graph.distances[:, rank - 1]) for rank in (1, 2, 4, 8, 16, 20)}
    counted = {row["method"]: row["value"] for row in rows if row["measure"] == "count"}
    assert counted == {"given": 500, "measured": 477, "nonfinite": 2, "duplicates": 21, "zero": 2}
    csv = pl.read_csv(run.store.summary_path)
    assert csv.height == len(rows)


def test_findings_name_hubs_and_scales(tmp_path):
    rng = np.random.default_rng(0)
    star = rng.normal(size=(2000, 100))
    star[:20] *= 0.3  # near the middle, hence near everybody
    np.save(tmp_path / "star.npy", star.astype(np.float32))
    np.save(tmp_path / "flat.npy", rng.uniform(size=(2000, 2)).astype(np.float32))
    found = {}
    for name in ("star", "flat"):
        run = search(tmp_path / f"{name}.npy", tmp_path / name, k=32)
        found[name] = {one.id: one.verdict for one in study.find(run.table())}
    assert found["star"]["hubs"] == "supported"
    assert found["flat"] == {"one-number": "supported", "hubs": "not supported"}
    noisy = np.c_[rng.uniform(size=(2000, 1)) * 10, rng.normal(size=(2000, 5)) * 0.02]
    np.save(tmp_path / "noisy.npy", noisy.astype(np.float32))
    run = search(tmp_path / "noisy.npy", tmp_path / "noisy", k=64)
    assert {one.id: one.verdict for one in study.find(run.table())}["one-number"] == "not supported"


def test_a_table_is_gathered_in_slices(awkward_file, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbor_graphs, "_POINTS_AT_ONCE", 7)
    same(graph_of_table(search(awkward_file, tmp_path / "run").table()), single(awkward()))


def test_one_neighbor_makes_a_graph_and_no_dimension(awkward_file, tmp_path):
    run = search(awkward_file, tmp_path / "run", k=1)
    same(merged_graph(run), single(awkward(), k=1))
    assert {row["measure"] for row in study.summarize(run.table())} == {"hubness", "distance", "count"}


def test_a_table_with_a_block_missing_says_nothing(awkward_file, tmp_path):
    frame = search(awkward_file, tmp_path / "run").table()
    for part in (frame.filter(pl.col("block") != 2), frame.clear(), pl.DataFrame()):
        assert not is_complete(part)
        assert study.summarize(part) == []
        assert study.find(part) == []
        assert study.summary_frame(part).is_empty()
    with pytest.raises(RunError, match=r"\d+ of 477 points are missing. Run the study again"):
        graph_of_table(frame.filter(pl.col("block") != 2))


def test_tables_that_contradict_themselves_are_refused(awkward_file, tmp_path):
    frame = search(awkward_file, tmp_path / "run").table()
    other = search(awkward_file, tmp_path / "other", k=7).table()
    with pytest.raises(RunError, match="are not of one search"):
        graph_of_table(pl.concat([frame.filter(pl.col("block") < 2), other.filter(pl.col("block") >= 2)]))
    with pytest.raises(RunError, match="more points or neighbors than they say"):
        graph_of_table(pl.concat([frame, frame.filter(pl.col("block") == 0)]))
    with pytest.raises(RunError, match="not in the order of their rows"):
        graph_of_table(pl.concat([frame.filter(pl.col("block") != 0), frame.filter(pl.col("block") == 0)]))
    strange = frame.with_columns(pl.col("neighbors").list.eval(pl.element().replace(41, 301)))  # of which 301 is a copy
    with pytest.raises(RunError, match="a neighbor that is in no block"):
        graph_of_table(strange)


def test_readings_are_kept_for_the_frame_and_go_with_it(awkward_file, tmp_path):
    run = search(awkward_file, tmp_path / "run")
    one, other = run.table(), run.table()
    first = readings_of(one)
    assert readings_of(one) is first
    assert readings_of(other) is not first
    assert readings_of(other).subject == first.subject


def test_load_graph_takes_a_run_its_folder_and_a_file(awkward_file, tmp_path):
    run = search(awkward_file, tmp_path / "run")
    graph = load_graph(run)
    save_graph(graph, tmp_path / "graph.safetensors")
    for source in (run.path, str(run.path), tmp_path / "graph.safetensors"):
        same(td.load_graph(source), graph, without=())
    with pytest.raises(NotFoundError, match="There is no run at"):
        load_graph(tmp_path / "nothing")


def test_a_run_of_another_study_holds_no_graph(table_file, tmp_path):
    run = studies.run("dimension", references=[str(table_file)], k=8, nulls=[], limit=200, out=tmp_path / "run")
    with pytest.raises(RunError, match=r"is a run of the study 'dimension', which holds no graph"):
        load_graph(run.path)


def test_a_run_of_other_settings_is_not_continued(awkward_file, tmp_path):
    search(awkward_file, tmp_path / "run")
    with pytest.raises(RunError, match="blocks: 4 -> 5"):
        search(awkward_file, tmp_path / "run", blocks=5)


def test_the_number_of_blocks():
    assert Config("x").blocks_of(100) == 1
    assert [Config("x").blocks_of(BLOCK_ROWS + more) for more in (0, 1)] == [1, 2]
    assert Config("x", blocks=7).blocks_of(100) == 7
    with pytest.raises(ParameterError, match=r"100 rows cannot be cut into blocks=101\. Take 100 at most"):
        Config("x", blocks=101).blocks_of(100)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "Nothing to search: name a table"),
        ({"reference": "x", "k": 0}, "k=0 finds nothing"),
        ({"reference": "x", "blocks": 0}, "blocks=0 leaves nothing to do"),
    ],
)
def test_settings_that_no_unit_could_run_with(settings, message):
    with pytest.raises(ParameterError, match=message):
        Config(**settings)


def test_plans_that_cannot_be_done_are_refused_before_anything_is(awkward_file, tmp_path):
    with pytest.raises(ParameterError, match="500 rows cannot be cut into blocks=501"):
        search(awkward_file, tmp_path / "run", blocks=501)
    with pytest.raises(PointsError, match=r"500 would be searched \(rows=all\), but k=500 needs at least 501. Lower k"):
        search(awkward_file, tmp_path / "run", k=500)
    points = torch.from_numpy(awkward()[100:300])
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "gpt2", "tie_word_embeddings": false}')
    save_file({"wte.weight": points}, tmp_path / "model" / "model.safetensors")
    with pytest.raises(NotFoundError, match="has no output embedding, only input"):
        search(tmp_path / "model", tmp_path / "run", which="output")
    assert not (tmp_path / "run").exists()


def test_what_remains_after_cleaning_decides_in_the_unit(awkward_file, tmp_path):
    with pytest.warns(RunWarning, match="4 units failed"):
        run = search(awkward_file, tmp_path / "run", k=480)
    assert run.status == "failed"
    assert (
        "k=480 needs at least 481 points but only 477 remain after dropping 21 duplicates" in run.failures()[0].message
    )
    with pytest.warns(RunWarning, match="490 units failed"):
        run = search(awkward_file, tmp_path / "many", blocks=490)
    assert "477 points can be cut into 1 to 477 blocks, not into 490" in run.failures()[0].message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_fails_the_unit(awkward_file, tmp_path):
    with pytest.warns(RunWarning, match="4 units failed"):
        run = search(awkward_file, tmp_path / "run", device="cuda")
    assert "device=cuda, but torch sees no GPU here" in run.failures()[0].message


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_blocks_on_a_gpu_make_the_graph_of_one_search_there(awkward_file, tmp_path):
    merged = merged_graph(search(awkward_file, tmp_path / "run", device="cuda"))
    same(merged, single(torch.from_numpy(awkward()).cuda()))
    assert merged.path == "float32/cuda"


def test_a_table_that_changes_after_the_plan_is_noticed(awkward_file, tmp_path):
    units = study.plan(Config(str(awkward_file), k=8, blocks=2))
    np.save(awkward_file, awkward(seed=1))
    study._table.cache_clear()
    study._search.cache_clear()
    with pytest.raises(FormatError, match=r"awkward.npy changed after the run was planned. Run the study again"):
        study.run(units[0])


def test_units_know_what_decides_them(awkward_file):
    units = study.plan(Config(str(awkward_file), k=8, blocks=3))
    assert [unit.params["block"] for unit in units] == [0, 1, 2]
    assert len({unit.key for unit in units}) == 3
    assert {unit.group for unit in units} == {str(awkward_file)}
    assert units[0].label == f"{awkward_file} block 1 of 3"
    keys = {
        study.plan(Config(str(awkward_file), **{"k": 8, **more}))[0].key
        for more in ({}, {"k": 9}, {"metric": "cosine"})
    }
    assert len(keys) == 3


def test_tokens_that_no_file_of_text_can_hold_are_escaped():
    assert study._storable("\udc80x") == "\\udc80x"


def test_blocks_are_consecutive_rows(awkward_file, tmp_path):
    points = search(awkward_file, tmp_path / "run").table().filter(pl.col("measure") == "neighborhood")
    rows = points.group_by("block", maintain_order=True).agg(
        pl.col("row").min().alias("a"), pl.col("row").max().alias("b")
    )
    assert all(before < after for before, after in pairwise(rows.select("a", "b").to_numpy().ravel()))
