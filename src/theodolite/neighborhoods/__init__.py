"""Exact nearest neighbors: one table -> NeighborGraph, and the hubness of a graph."""

from theodolite.neighborhoods.graph import Metric, NeighborGraph
from theodolite.neighborhoods.hubs import Hubness, hubness
from theodolite.neighborhoods.kernel import Method
from theodolite.neighborhoods.search import neighbors

__all__ = ["Hubness", "Method", "Metric", "NeighborGraph", "hubness", "neighbors"]
