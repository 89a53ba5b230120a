"""Geometry that two clouds or tables share: cosines, overlap, angles, representational similarity, LLE weights."""

from theodolite.similarity.angles import NeighborAngles, cloud_angles, neighbor_angles
from theodolite.similarity.cosines import MeanCosine, cloud_cosines, mean_cosine
from theodolite.similarity.graph_statistics import GraphStatistics, graph_statistics
from theodolite.similarity.norms import Norms, norms
from theodolite.similarity.overlap import Overlap, cloud_overlaps, neighborhood_overlap, overlap_of_distances

__all__ = [
    "GraphStatistics",
    "MeanCosine",
    "NeighborAngles",
    "Norms",
    "Overlap",
    "cloud_angles",
    "cloud_cosines",
    "cloud_overlaps",
    "graph_statistics",
    "mean_cosine",
    "neighbor_angles",
    "neighborhood_overlap",
    "norms",
    "overlap_of_distances",
]
