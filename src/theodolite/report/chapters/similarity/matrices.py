"""Heat maps: how alike every two models are in all cosines of their tokens."""

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from theodolite.report.chapters.similarity.rows import kind_title, kinds_in, largest, measured, names_in, tokens_used
from theodolite.report.figures import canvas, likeness
from theodolite.report.figures.family import FigureFamily, always
from theodolite.report.figures.wording import joined

_WORDS = {"raw": "", "centered": ", centered"}


def matrix_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the correlation of all cosines of each pair of models, raw and centered.

    With standard error and null; names end in an asterisk where a model is untied.
    """
    rows = measured(frame, "rsa").filter(pl.col("which") != "states")
    names = _starred(frame)
    return rows.select(
        "which",
        "method",
        pl.col("model_a").replace_strict(names, return_dtype=pl.String).alias("first"),
        pl.col("model_b").replace_strict(names, return_dtype=pl.String).alias("second"),
        "value",
        "stderr",
        "null",
        "null_stderr",
        "n_used",
    )


def similarity_matrices(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw a heat map of all pairs of models for each kind of table, raw and centered."""
    data = matrix_data(frame)
    if data.is_empty():
        return None
    names = list(_starred(frame).values())
    shown = [(which, method) for which in kinds_in(data) for method in _WORDS]
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(shown), height=3.0, shared=False)
        for axes, (which, method) in zip(panels, shown, strict=True):
            values = np.full((len(names), len(names)), np.nan)
            np.fill_diagonal(values, 1.0)
            for row in data.filter((pl.col("which") == which) & (pl.col("method") == method)).iter_rows(named=True):
                i, j = names.index(row["first"]), names.index(row["second"])
                values[i, j] = values[j, i] = row["value"]
            likeness.square(axes, values)
            places = range(len(names))
            axes.set_xticks(places, names, rotation=30, ha="right", rotation_mode="anchor")
            axes.set_yticks(places, names)
            axes.set_title(f"{kind_title(which)}{_WORDS[method]}")
    return figure


def _starred(frame: pl.DataFrame) -> dict[str, str]:
    """Return reference to short name, with an asterisk behind untied models as in the paper's figure."""
    sides = [
        frame.select(pl.col(f"model_{side}").alias("model"), pl.col(f"tied_{side}").alias("tied")) for side in "ab"
    ]
    untied = set(pl.concat(sides).filter(pl.col("tied").eq(other=False))["model"])
    return {model: f"{name}*" if model in untied else name for model, name in names_in(frame).items()}


def _caption(frame: pl.DataFrame) -> str:
    data = matrix_data(frame)
    error = largest(data, "stderr")
    return joined(
        f"Pearson correlation of the cosines of all pairs of tokens in two models, {tokens_used(data)}.",
        f"Standard errors (leaving out one token at a time) are at most {error}." if error else "",
        "Asterisk: input and output embedding are not tied. Centered: the mean row is subtracted first.",
    )


MATRICES = FigureFamily(
    name="similarity_matrices",
    data=matrix_data,
    draw=similarity_matrices,
    title=always("Global similarity of every two models"),
    caption=_caption,
    sources=("lee2025",),
)
