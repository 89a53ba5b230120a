"""Trends, knees and correlations of measured numbers, each with its uncertainty; knows nothing of geometry.

Every function takes arrays and returns a frozen result. Random draws are seeded, so equal input gives equal output.
Values that are not finite are left out and counted; where too little remains, the result is NaN and says why.
"""

from theodolite.statistics.correlation import (
    Correlation,
    correlation,
    correlations,
    partial_correlation,
    partial_correlations,
)
from theodolite.statistics.drop import Drop, drop
from theodolite.statistics.knee import Knee, knee
from theodolite.statistics.trend import Trend, trend

__all__ = [
    "Correlation",
    "Drop",
    "Knee",
    "Trend",
    "correlation",
    "correlations",
    "drop",
    "knee",
    "partial_correlation",
    "partial_correlations",
    "trend",
]
