"""Intrinsic dimension: estimators from a neighbor graph, a linear companion, and null clouds to compare with.

Every estimator is a pure function that returns a frozen `DimensionEstimate` (or a tuple of them, one for each scale).
"""

from theodolite.dimension.estimate import DimensionEstimate
from theodolite.dimension.gride import gride
from theodolite.dimension.likelihood import mle
from theodolite.dimension.nulls import null_points
from theodolite.dimension.participation import participation_ratio
from theodolite.dimension.twonn import twonn

__all__ = ["DimensionEstimate", "gride", "mle", "null_points", "participation_ratio", "twonn"]
