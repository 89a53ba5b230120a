"""Token clouds of prompts, layer by layer: dimension at every scale, similarity of layers, and the loss."""

from collections.abc import Sequence

import polars as pl

from theodolite.report.chapter import Chapter, Section, Summary
from theodolite.report.chapters.layers import (
    check_figures,
    dimension_figures,
    lens_figures,
    loss_figures,
    pair_figures,
    similarity_figures,
)
from theodolite.report.chapters.layers.headline import headline, opening
from theodolite.report.chapters.layers.prompts_view import prompt_sections
from theodolite.report.chapters.layers.tables import tables


def _sections(frame: pl.DataFrame, summary: Summary) -> Sequence[Section]:
    return [*tables(summary), *prompt_sections(frame)]


CHAPTER = Chapter(
    noun="profile",
    title="The token cloud over layers",
    nav="Layers",
    lead="GRIDE dimension (neighbors 2 and 4; else what the headings name) of the cloud of a prompt's tokens, mean "
    "over prompts ± its standard error. There is no one dimension of a cloud: the figures show every scale.",
    note="With loss: range over layers of the Pearson correlation, over prompts, between the logarithm of the "
    "dimension and the prompt's mean loss. Overlap: share of the k nearest neighbors that a layer shares with the "
    "next, range over layers. Mean cosine: over all pairs, the diagonal included.",
    headline=headline,
    opening=opening,
    families=(
        *dimension_figures.FAMILIES,
        *similarity_figures.FAMILIES,
        *pair_figures.FAMILIES,
        *loss_figures.FAMILIES,
        *lens_figures.FAMILIES,
        *check_figures.FAMILIES,
    ),
    sections=_sections,
    terminal=("n_prompts", "first", "peak", "peak_layer", "last", "correlation", "cosine", "overlap", "loss"),
    essential=("first", "peak", "last"),
)
