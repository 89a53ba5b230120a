"""Figures of table studies: functions from a frame to a matplotlib Figure, None where there is nothing to draw."""

from theodolite.report.figures import (
    estimators,
    frequency,
    local,
    norms,
    redundancy,
    removal,
    removal_wide,
    scale,
    sizes,
    training,
)
from theodolite.report.figures.estimators import dimension_by_estimator
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.frequency import dimension_by_frequency
from theodolite.report.figures.local import local_dimension_histogram
from theodolite.report.figures.norms import norm_histogram
from theodolite.report.figures.redundancy import redundancy_over_width
from theodolite.report.figures.removal import removal_sweep
from theodolite.report.figures.removal_wide import removal_by_estimator
from theodolite.report.figures.scale import dimension_over_scale
from theodolite.report.figures.sizes import dimension_over_size
from theodolite.report.figures.training import dimension_over_training

__all__ = [
    "FAMILIES",
    "FigureFamily",
    "dimension_by_estimator",
    "dimension_by_frequency",
    "dimension_over_scale",
    "dimension_over_size",
    "dimension_over_training",
    "local_dimension_histogram",
    "norm_histogram",
    "redundancy_over_width",
    "removal_by_estimator",
    "removal_sweep",
]

FAMILIES: tuple[FigureFamily, ...] = (
    estimators.FAMILY,
    scale.FAMILY,
    training.FAMILY,
    norms.FAMILY,
    removal.FAMILY,
    removal_wide.FAMILY,
    local.FAMILY,
    frequency.FAMILY,
    redundancy.FAMILY,
    sizes.FAMILY,
)
"""In the order of a report."""
