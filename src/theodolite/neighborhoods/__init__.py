"""Exact nearest neighbors: one table -> NeighborGraph, and the hubness of a graph."""

from theodolite.neighborhoods.graph import Metric, NeighborGraph
from theodolite.neighborhoods.hubs import Hubness, hubness
from theodolite.neighborhoods.search import Method, neighbors

__all__ = ["Hubness", "Method", "Metric", "NeighborGraph", "hubness", "neighbors"]
