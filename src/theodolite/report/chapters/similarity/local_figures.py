"""Local geometry: weights of neighbors beside nulls, and the dimension of tokens in two models."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from theodolite.core.number_format import format_value
from theodolite.report.chapters.similarity.rows import (
    NULL_NAMES,
    kind_title,
    kinds_in,
    largest,
    measured,
    names_in,
    tokens_used,
    with_pairs,
)
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily, always
from theodolite.report.figures.wording import joined
from theodolite.studies.similarity.config import GAUSSIAN, MEASURED, PERMUTED

_MOST_PAIRS = 6
_BINS = 40
_NULL_DASHES = {PERMUTED: (0, (1, 1.6)), GAUSSIAN: (0, (5, 2.5))}
_SMALLEST = 1e-4


def weights_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the share of tokens in each bin of the cosine between their weights, measured and in both nulls.

    `x` is the left edge of a bin, `share` what it holds.
    """
    rows = with_pairs(frame.filter(pl.col("measure") == "lle_histogram"), names_in(frame))
    return rows.select("pair", "which", "condition", "x", (pl.col("value") / pl.col("n_used")).alias("share"), "n_used")


def weights_histogram(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw how alike tokens are put together from their neighbors, a panel for each kind of table."""
    data = weights_data(frame)
    if data.is_empty():
        return None
    kinds = kinds_in(data)
    pairs = data["pair"].unique(maintain_order=True).to_list()[:_MOST_PAIRS]
    looks = canvas.Look.of(pairs)
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(kinds))
        for axes, which in zip(panels, kinds, strict=True):
            rows = data.filter((pl.col("which") == which) & pl.col("pair").is_in(pairs))
            for (pair, condition), one in rows.group_by("pair", "condition", maintain_order=True):
                null = condition != MEASURED
                axes.step(
                    one["x"],
                    one["share"].clip(_SMALLEST),
                    where="post",
                    color=canvas.QUIET if null else looks[str(pair)].color,
                    linestyle=_NULL_DASHES.get(str(condition), looks[str(pair)].dashes) if null else "-",
                    linewidth=0.8 if null else 1.5,
                )
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.set_ylim(bottom=0.8 * _SMALLEST)
            axes.set_title(kind_title(which))
            axes.set_xlabel("cosine between the weights of a token")
        for axes in panels if layout == "narrow" else panels[:1]:
            axes.set_ylabel("share of tokens")
        handles = [Line2D([], [], color=look.color, label=name) for name, look in looks.items()]
        handles += [
            Line2D([], [], color=canvas.QUIET, linestyle=dashes, label=NULL_NAMES[name])
            for name, dashes in _NULL_DASHES.items()
            if name in data["condition"]
        ]
        canvas.legend_below(figure, handles, layout)
    return figure


def dimension_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the local dimension of a sample of tokens in both models of each pair.

    `x` in the first model, `value` in the second.
    """
    rows = with_pairs(measured(frame, "token_dimension"), names_in(frame))
    return rows.select("pair", "which", "scale", "token", "x", "value")


def dimension_scatter(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the local dimension of tokens in one model against that in another.

    At most six pairs, of output embeddings where there are some.
    """
    data = dimension_data(frame)
    if data.is_empty():
        return None
    names = names_in(frame)
    which = kinds_in(data)[0]
    found = measured(frame, "dimension_pearson", method="pca").filter(pl.col("which") == which)
    found = found.filter(pl.col("scale") == pl.col("scale").max())
    shown = with_pairs(found, names).to_dicts()[:_MOST_PAIRS]
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(shown), height=2.4, columns=3, shared=False)
        for axes, pair in zip(panels, shown, strict=True):
            rows = data.filter((pl.col("which") == which) & (pl.col("pair") == pair["pair"]))
            counted = rows.group_by("x", "value", maintain_order=True).len()
            counted = counted.with_columns((2 * pl.col("len").log(2)).round().alias("step"))
            for alike in counted.partition_by("step", maintain_order=True):
                size = 2.0 + 5.0 * 2 ** (alike["step"][0] / 4)
                axes.scatter(alike["x"], alike["value"], s=size, color=canvas.SERIES[0], alpha=0.35, linewidths=0)
            axes.set_xlabel(names[pair["model_a"]])
            axes.set_ylabel(names[pair["model_b"]])
            axes.margins(0.06)
            axes.set_title(f"r = {format_value(pair['value'], pair['stderr'])}")
    return figure


def _weights_caption(frame: pl.DataFrame) -> str:
    data = weights_data(frame)
    more = data["pair"].n_unique() - _MOST_PAIRS
    k = largest(measured(frame, "lle"), "scale")
    return joined(
        f"Each token is written as a weighted sum of its {k} nearest tokens in each model; the cosine is between both "
        f"rows of weights, 0 where no neighbor is common. {tokens_used(data)}; {_BINS} bins, shares below {_SMALLEST} "
        "drawn there.",
        "Gray: the tokens of the second table permuted, and a Gaussian table of its size in its place."
        if data["condition"].n_unique() > 1
        else "",
        f"{more} further pairs are in the table only." if more > 0 else "",
    )


def _dimension_caption(frame: pl.DataFrame) -> str:
    data = dimension_data(frame)
    which = kinds_in(data)[0]
    rows = data.filter(pl.col("which") == which)
    each = largest(rows.group_by("pair").len(), "len")
    return joined(
        f"{kind_title(which)}: principal components that explain the variance of a token's {largest(rows, 'scale')} "
        f"nearest tokens, in two models; up to {each} tokens at random in each panel, larger points for more tokens.",
        "r: Pearson correlation over all tokens with its bootstrap error.",
    )


WEIGHTS = FigureFamily(
    name="neighbor_weights",
    data=weights_data,
    draw=weights_histogram,
    title=always("How tokens are put together from their neighbors"),
    caption=_weights_caption,
    sources=("lee2025",),
)
DIMENSIONS = FigureFamily(
    name="token_dimensions",
    data=dimension_data,
    draw=dimension_scatter,
    title=always("The local dimension of tokens in two models"),
    caption=_dimension_caption,
    sources=("lee2025",),
)
