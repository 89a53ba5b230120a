"""A model along training: when its dimension falls, how far, and what else changes with it."""

from collections.abc import Sequence

import polars as pl

from theodolite.report.chapter import Chapter, Section, Summary
from theodolite.report.chapters.tables.readings import all_readings
from theodolite.report.chapters.training import companions, estimators
from theodolite.report.chapters.training.headline import headline, opening
from theodolite.report.figures import training


def _sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    return all_readings(summary, at="at every checkpoint and scale")


CHAPTER = Chapter(
    noun="table",
    title="The fall of the dimension",
    nav="Fall",
    lead="TwoNN ± one standard error at the first checkpoint and on the plateau that follows. An untrained table reads "
    "what a random one of its size does: that is the estimator's doing. The fall below it is what training did.",
    note="Half done, nine tenths done: the first checkpoint at which the curve has come down by that share of its "
    "whole fall. Plateau: mean of the checkpoints from which nine tenths are done for good.",
    headline=headline,
    opening=opening,
    families=(training.FAMILY, estimators.FAMILY, companions.FAMILY),
    sections=_sections,
    terminal=("first", "null", "plateau", "plateau_null", "half", "done", "steepest", "loss"),
    essential=("first", "plateau", "half"),
)
