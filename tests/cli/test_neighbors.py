"""`theodolite neighbors`: a run, one JSON object, a graph that can be loaded."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import theodolite as td


@pytest.mark.usefixtures("every_figure")
def test_the_graph_is_searched_in_blocks_and_read(theodolite, table_file, tmp_path):
    command = ("neighbors", table_file, "--k", "16", "--blocks", "5", "--out", "run")
    done = theodolite(*command, "--save", "graph.safetensors", "--json")
    assert done.code == 0, done.err
    content = done.json
    assert (content["command"], content["status"]) == ("neighbors", "success")
    assert {row["measure"] for row in content["rows"]} == {"dimension", "hubness", "distance", "count"}
    assert {one["id"] for one in content["findings"]} == {"one-number", "hubs"}
    wanted = td.neighbors(np.load(table_file), k=16)
    for source in ("run", "graph.safetensors"):
        graph = td.load_graph(tmp_path / source)
        assert_array_equal(graph.indices, wanted.indices)
        assert_array_equal(graph.distances, wanted.distances)
    assert (tmp_path / "run" / "report.html").is_file()


def test_people_read_sentences(theodolite, table_file):
    done = theodolite("neighbors", table_file, "--k", "8", "--metric", "cosine", "--out", "run")
    assert done.code == 0, done.err
    assert "The exact 8 nearest neighbors of 400 points of table.npy" in done.out
    assert "A few points are neighbors of many." in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Nothing to search: name a table"),
        (("{table}", "--blocks", "401"), "400 rows cannot be cut into blocks=401"),
        (("{table}", "--k", "400"), "k=400 needs at least 401. Lower k"),
        (("{table}", "--metric", "manhattan"), "manhattan"),
    ],
)
def test_what_cannot_be_searched_is_refused(theodolite, table_file, arguments, message):
    done = theodolite("neighbors", *(one.format(table=table_file) for one in arguments))
    assert done.code in (1, 2)
    assert message in done.err


def test_a_file_that_is_there_stops_the_command_before_the_work(theodolite, table_file, tmp_path):
    done = theodolite("neighbors", table_file, "--out", "run", "--save", table_file)
    assert done.code == 2
    assert "is there already" in done.err
    assert not (tmp_path / "run").exists()


def test_shards_search_their_blocks_and_the_last_one_saves_the_graph(theodolite, table_file, tmp_path):
    command = ("neighbors", table_file, "--k", "8", "--blocks", "4", "--out", "run", "--save", "graph.safetensors")
    assert theodolite(*command, "--shard", "1/2").code == 0
    assert not (tmp_path / "graph.safetensors").exists()
    done = theodolite(*command, "--shard", "2/2")
    assert done.code == 0, done.err
    assert_array_equal(td.load_graph("graph.safetensors").indices, td.neighbors(np.load(table_file), k=8).indices)
