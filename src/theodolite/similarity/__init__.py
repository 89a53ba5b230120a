"""Geometry that two clouds or tables share: cosines, overlap, angles, representational similarity, LLE weights."""

from theodolite.similarity.angles import NeighborAngles, cloud_angles, neighbor_angles
from theodolite.similarity.cosines import MeanCosine, cloud_cosines, mean_cosine
from theodolite.similarity.graph_statistics import GraphStatistics, graph_statistics
from theodolite.similarity.lle import LleWeights, lle_weights
from theodolite.similarity.lle_similarity import LleSimilarity, lle_similarity
from theodolite.similarity.norms import Norms, norms
from theodolite.similarity.overlap import Overlap, cloud_overlaps, neighborhood_overlap, overlap_of_distances
from theodolite.similarity.resampling import rsa_bootstrap, rsa_permutations
from theodolite.similarity.rsa import Rsa, RsaMatrix, rsa, rsa_matrix

__all__ = [
    "GraphStatistics",
    "LleSimilarity",
    "LleWeights",
    "MeanCosine",
    "NeighborAngles",
    "Norms",
    "Overlap",
    "Rsa",
    "RsaMatrix",
    "cloud_angles",
    "cloud_cosines",
    "cloud_overlaps",
    "graph_statistics",
    "lle_similarity",
    "lle_weights",
    "mean_cosine",
    "neighbor_angles",
    "neighborhood_overlap",
    "norms",
    "overlap_of_distances",
    "rsa",
    "rsa_bootstrap",
    "rsa_matrix",
    "rsa_permutations",
]
