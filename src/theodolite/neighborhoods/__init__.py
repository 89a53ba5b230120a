"""Exact nearest neighbors: one table, in blocks or whole, or many small clouds -> NeighborGraph; hubness of a graph."""

from theodolite.neighborhoods.blocks import BlockSearch, block_bounds, block_search, merge_graphs
from theodolite.neighborhoods.clouds import CloudNeighbors, cloud_neighbors
from theodolite.neighborhoods.cross import CrossNeighbors, CrossSearch, cross_neighbors, cross_search
from theodolite.neighborhoods.given import graph_from_distances, graph_from_neighbors
from theodolite.neighborhoods.graph import Metric, NeighborGraph
from theodolite.neighborhoods.hubs import Hubness, hubness
from theodolite.neighborhoods.kernel import Method
from theodolite.neighborhoods.search import neighbors
from theodolite.neighborhoods.stored import load_graph, save_graph

__all__ = [
    "BlockSearch",
    "CloudNeighbors",
    "CrossNeighbors",
    "CrossSearch",
    "Hubness",
    "Method",
    "Metric",
    "NeighborGraph",
    "block_bounds",
    "block_search",
    "cloud_neighbors",
    "cross_neighbors",
    "cross_search",
    "graph_from_distances",
    "graph_from_neighbors",
    "hubness",
    "load_graph",
    "merge_graphs",
    "neighbors",
    "save_graph",
]
