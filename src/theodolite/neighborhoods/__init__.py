"""Exact nearest neighbors: one table or many small clouds -> NeighborGraph, and the hubness of a graph."""

from theodolite.neighborhoods.clouds import CloudNeighbors, cloud_neighbors
from theodolite.neighborhoods.cross import CrossNeighbors, cross_neighbors
from theodolite.neighborhoods.graph import Metric, NeighborGraph
from theodolite.neighborhoods.hubs import Hubness, hubness
from theodolite.neighborhoods.kernel import Method
from theodolite.neighborhoods.search import neighbors

__all__ = [
    "CloudNeighbors",
    "CrossNeighbors",
    "Hubness",
    "Method",
    "Metric",
    "NeighborGraph",
    "cloud_neighbors",
    "cross_neighbors",
    "hubness",
    "neighbors",
]
