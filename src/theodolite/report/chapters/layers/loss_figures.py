"""How the dimension of a prompt's cloud goes with the loss and the entropy of the model on it."""

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.number_format import counted
from theodolite.report.chapters.layers.profile import correlated
from theodolite.report.chapters.layers.rows import correlations_named, main_positions, prepared, structured
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined

_SCALES = (2, 4, 8)
_FEWEST = 3


def correlation_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the Pearson correlation over prompts of ln dimension with the loss, at each layer, by each estimator.

    With its interval and p value, and the partial correlation given length, distinct tokens and repetition.
    Empty with fewer than three prompts.
    """
    shown = (pl.col("method") != "gride") | pl.col("scale").is_in(list(_SCALES))
    rows = correlations_named(frame).filter((pl.col("quantity") == "loss") & shown)
    return rows.select(
        *("name", "layer", "estimator", "method", "scale"),
        *("value", "low", "high", "p_value", "partial", "partial_p", "n_prompts"),
    ).sort("method", "scale", "name", "layer", maintain_order=True)


def scatter_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return loss, contextual entropy, dimension of the logits and length of the logit box of each prompt as it is.

    One row for each prompt and model; `dimension` is GRIDE of the logits at neighbors 2 and 4, else null, as `length`
    is where the box was not measured.
    """
    rows = structured(prepared(frame, "loss", "entropy", "logit_dimension", "box_length"))
    keys = ["name", "prompt", "prompt_row"]
    loss = rows.filter(pl.col("measure") == "loss").select(*keys, pl.col("value").alias("loss"))
    entropy = rows.filter((pl.col("measure") == "entropy") & (pl.col("method") == "model"))
    logits = main_positions(rows.filter(pl.col("measure") == "logit_dimension")).filter(
        (pl.col("method") == "gride") & (pl.col("scale") == _SCALES[1])
    )
    length = rows.filter(pl.col("measure") == "box_length")
    return (
        loss.join(entropy.select(*keys, pl.col("value").alias("entropy")), on=keys)
        .join(logits.select(*keys, pl.col("value").alias("dimension")), on=keys, how="left")
        .join(length.select(*keys, pl.col("value").alias("length")), on=keys, how="left")
        .sort("name", "prompt_row")
    )


def _plot_loss_scatter(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.height < _FEWEST:
        return None
    labels = data["name"].unique(maintain_order=True).to_list()
    looks = canvas.Look.of(labels)
    shapes = [("entropy", shape) for shape in ("dimension", "length") if data[shape].count()]
    pairs = [("loss", "entropy"), *shapes]
    words = {
        "loss": "loss (nats per token)",
        "entropy": "contextual entropy (nats)",
        "dimension": "logit dimension",
        "length": "length of the logit box (nats)",
    }
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(pairs), shared=False)
        for axes, (x, y) in zip(panels, pairs, strict=True):
            for label in labels:
                own, look = data.filter(pl.col("name") == label), looks[label]
                axes.scatter(own[x], own[y], s=14, color=look.color, marker=look.marker, alpha=0.7, linewidths=0)
            axes.set_xlabel(words[x])
            axes.set_ylabel(words[y])
        canvas.legend_below(figure, canvas.series_handles(looks, line=False), layout)
    return figure


def _scatter_caption(data: pl.DataFrame) -> str:
    n_prompts = data["prompt_row"].n_unique()
    return joined(
        f"One mark for each prompt and model (n\u00a0=\u00a0{counted(n_prompts, 'prompt')}).",
        "Contextual entropy: mean entropy of the model's predictions. Logit dimension: GRIDE (2 and 4) of the cloud of "
        "logits, D.",
        "Length of the logit box: the largest logit of a token less the D-th, mean over the tokens of a prompt."
        if data["length"].count()
        else "",
    )


FAMILIES = (
    correlated(
        name="correlation_over_layers",
        title="Does a higher dimension go with a higher loss?",
        data=correlation_data,
        series="estimator",
        ylabel="correlation of ln dimension and loss",
        words="Pearson correlation over prompts between the logarithm of the dimension after a layer and the prompt's "
        "mean loss.",
        after="The data beside the figure hold the partial correlation as well, given length, distinct tokens and "
        "repetition: repetitive prompts have a low loss and, by repetition alone, a low dimension.",
    ),
    of_data(
        name="loss_scatter",
        data=scatter_data,
        plot=_plot_loss_scatter,
        title=always("Loss, entropy and the shape of the logits"),
        describe=_scatter_caption,
        sources=("viswanathan2025",),
    ),
)
