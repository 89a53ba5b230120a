"""Graphs written to a file and read again: equal bit for bit, or refused."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.neighborhoods import cloud_neighbors, graph_from_distances, load_graph, neighbors, save_graph


def graphs():
    points = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
    points[10] = points[20]
    yield neighbors(points, k=7)
    yield neighbors(points, k=7, metric="cosine", queries=np.array([150, 3, 9]))
    yield cloud_neighbors(points[None, :64], k=5).graph(0)
    yield graph_from_distances(np.abs(np.subtract.outer(np.arange(9.0), np.arange(9.0))), n_dims=1, k=3)


@pytest.mark.parametrize("graph", list(graphs()))
def test_a_graph_comes_back_as_it_was(graph, tmp_path):
    path = tmp_path / "graph.safetensors"
    save_graph(graph, path)
    back = load_graph(path)
    for one in fields(graph):
        before, after = getattr(graph, one.name), getattr(back, one.name)
        assert type(before) is type(after)
        assert_array_equal(after, before)
        assert getattr(before, "dtype", None) == getattr(after, "dtype", None)


def test_twelve_bytes_for_a_neighbor(tmp_path):
    points = np.random.default_rng(0).normal(size=(2000, 3))
    save_graph(neighbors(points, k=32), tmp_path / "graph")
    assert (tmp_path / "graph").stat().st_size < 12.2 * 2000 * 32


def test_nothing_is_overwritten_and_folders_are_not_made(tmp_path):
    graph = next(graphs())
    save_graph(graph, tmp_path / "graph")
    with pytest.raises(ParameterError, match="graph is there already"):
        save_graph(graph, tmp_path / "graph")
    with pytest.raises(NotFoundError, match=r"The folder .*nowhere does not exist"):
        save_graph(graph, tmp_path / "nowhere" / "graph")


def test_what_is_no_graph_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="There is no graph at"):
        load_graph(tmp_path / "nothing")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(FormatError, match="cannot be read as safetensors"):
        load_graph(tmp_path / "text")
    save_file({"indices": np.zeros(3)}, tmp_path / "other")
    with pytest.raises(FormatError, match="is no graph of theodolite: its metadata name the format None"):
        load_graph(tmp_path / "other")
    save_file(
        {"indices": np.zeros(3)}, tmp_path / "torn", metadata={"format": "theodolite.neighbor_graph", "graph": "{}"}
    )
    with pytest.raises(FormatError, match="is damaged"):
        load_graph(tmp_path / "torn")


@pytest.mark.parametrize("place", [-1, -5000])
def test_one_flipped_bit_is_noticed(place, tmp_path):
    path = tmp_path / "graph"
    save_graph(next(graphs()), path)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="the checksum does not fit"):
        load_graph(path)
