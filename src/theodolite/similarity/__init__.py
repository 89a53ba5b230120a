"""Geometry that two clouds or tables share: cosines, overlap, angles, representational similarity, LLE weights."""

from theodolite.similarity.angles import NeighborAngles, cloud_angles, neighbor_angles
from theodolite.similarity.coherence import Coherence, coherence
from theodolite.similarity.cosines import MeanCosine, cloud_cosines, mean_cosine
from theodolite.similarity.graph_statistics import GraphStatistics, graph_statistics
from theodolite.similarity.imbalance import InformationImbalance, information_imbalance
from theodolite.similarity.kernel_alignment import KernelAlignment, cka
from theodolite.similarity.lle import LleWeights, lle_weights
from theodolite.similarity.lle_similarity import LleSimilarity, lle_similarity
from theodolite.similarity.norms import Norms, norms
from theodolite.similarity.overlap import Overlap, cloud_overlaps, neighborhood_overlap, overlap_of_distances
from theodolite.similarity.overlap_error import overlap_stderr
from theodolite.similarity.overlap_null import OverlapNull, overlap_null
from theodolite.similarity.rank_correlation import RankCorrelation, rsa_spearman
from theodolite.similarity.resampling import rsa_bootstrap, rsa_permutations
from theodolite.similarity.rsa import Rsa, RsaMatrix, rsa, rsa_matrix

__all__ = [
    "Coherence",
    "GraphStatistics",
    "InformationImbalance",
    "KernelAlignment",
    "LleSimilarity",
    "LleWeights",
    "MeanCosine",
    "NeighborAngles",
    "Norms",
    "Overlap",
    "OverlapNull",
    "RankCorrelation",
    "Rsa",
    "RsaMatrix",
    "cka",
    "cloud_angles",
    "cloud_cosines",
    "cloud_overlaps",
    "coherence",
    "graph_statistics",
    "information_imbalance",
    "lle_similarity",
    "lle_weights",
    "mean_cosine",
    "neighbor_angles",
    "neighborhood_overlap",
    "norms",
    "overlap_null",
    "overlap_of_distances",
    "overlap_stderr",
    "rsa",
    "rsa_bootstrap",
    "rsa_matrix",
    "rsa_permutations",
    "rsa_spearman",
]
