"""Figures of table studies: functions from a frame to a matplotlib Figure, None where there is nothing to draw."""

from theodolite.report.figures import estimators, local, norms, redundancy, removal, scale, training
from theodolite.report.figures.estimators import dimension_by_estimator
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.local import local_dimension_histogram
from theodolite.report.figures.norms import norm_histogram
from theodolite.report.figures.redundancy import redundancy_over_width
from theodolite.report.figures.removal import removal_sweep
from theodolite.report.figures.scale import dimension_over_scale
from theodolite.report.figures.training import dimension_over_training

__all__ = [
    "FAMILIES",
    "FigureFamily",
    "dimension_by_estimator",
    "dimension_over_scale",
    "dimension_over_training",
    "local_dimension_histogram",
    "norm_histogram",
    "redundancy_over_width",
    "removal_sweep",
]

FAMILIES: tuple[FigureFamily, ...] = (
    estimators.FAMILY,
    scale.FAMILY,
    training.FAMILY,
    norms.FAMILY,
    removal.FAMILY,
    local.FAMILY,
    redundancy.FAMILY,
)
"""In the order of a report."""
