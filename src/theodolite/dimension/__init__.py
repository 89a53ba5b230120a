"""Intrinsic dimension: estimators from a neighbor graph, a linear companion, and null clouds to compare with.

Every estimator is a pure function that returns a frozen `DimensionEstimate` (or a tuple of them, one for each scale).
"""

from theodolite.dimension.adaptive import adaptive, cloud_adaptive
from theodolite.dimension.advice import Calibration, Recommendation, calibrate, recommend_scale
from theodolite.dimension.cloud_distances import cloud_correlation_dimension, cloud_mada, cloud_mom
from theodolite.dimension.cloud_estimators import cloud_gride, cloud_mle, cloud_twonn
from theodolite.dimension.cloud_local import cloud_ess, cloud_local_pca, cloud_local_twonn, cloud_tle
from theodolite.dimension.cloud_participation import cloud_participation_ratio
from theodolite.dimension.clouds import CloudDimensions
from theodolite.dimension.correlation import correlation_dimension
from theodolite.dimension.decimation import cloud_twonn_decimation, twonn_decimation
from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.gride import gride
from theodolite.dimension.homogeneity import Linearity, constant_density_neighbors, twonn_linearity
from theodolite.dimension.jackknife import jackknife
from theodolite.dimension.likelihood import mle
from theodolite.dimension.local_twonn import local_twonn
from theodolite.dimension.moments import mada, mom
from theodolite.dimension.nulls import null_draws, null_points
from theodolite.dimension.participation import participation_ratio
from theodolite.dimension.persistence import cloud_persistence_dimension, persistence_dimension
from theodolite.dimension.principal import local_pca
from theodolite.dimension.scikit_dimension import scikit_dimension
from theodolite.dimension.separability import cloud_fisher_separability, fisher_separability
from theodolite.dimension.skewness import ess
from theodolite.dimension.tight import tle
from theodolite.dimension.twonn import twonn

__all__ = [
    "Calibration",
    "CloudDimensions",
    "DimensionEstimate",
    "Linearity",
    "Recommendation",
    "adaptive",
    "calibrate",
    "cloud_adaptive",
    "cloud_correlation_dimension",
    "cloud_ess",
    "cloud_fisher_separability",
    "cloud_gride",
    "cloud_local_pca",
    "cloud_local_twonn",
    "cloud_mada",
    "cloud_mle",
    "cloud_mom",
    "cloud_participation_ratio",
    "cloud_persistence_dimension",
    "cloud_tle",
    "cloud_twonn",
    "cloud_twonn_decimation",
    "constant_density_neighbors",
    "correlation_dimension",
    "ess",
    "fisher_separability",
    "gride",
    "jackknife",
    "local_pca",
    "local_twonn",
    "mada",
    "mle",
    "mom",
    "null_draws",
    "null_points",
    "participation_ratio",
    "persistence_dimension",
    "recommend_scale",
    "scikit_dimension",
    "tle",
    "twonn",
    "twonn_decimation",
    "twonn_linearity",
]
