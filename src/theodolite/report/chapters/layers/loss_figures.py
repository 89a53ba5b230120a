"""How the dimension of a prompt's cloud goes with the loss and the entropy of the model on it."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from theodolite.report.chapters.layers.rows import finite, main_positions, named, prepared, structured
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.report.figures.wording import joined
from theodolite.studies.layer_summary import correlations

_SCALES = (2, 4, 8)
_FEWEST = 3


def correlation_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the Pearson correlation over prompts of ln dimension with the loss, at each layer and scale.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        With its bootstrap interval and p value, and the partial correlation given tokens and distinct tokens.
    """
    rows = structured(finite(frame, "dimension", "loss", "n_types", "n_tokens"))
    dimensions = main_positions(rows.filter(pl.col("measure") == "dimension")).filter(
        (pl.col("method") == "gride") & (pl.col("layer") > 0) & pl.col("scale").is_in(list(_SCALES))
    )
    labels = named(rows.select("model", "revision").unique(maintain_order=True).collect())
    facts = rows.filter(pl.col("measure") != "dimension")
    found = correlations(pl.concat([dimensions.collect(), facts.collect()]))
    found = found.filter(
        (pl.col("statistic") == "pearson") & (pl.col("quantity") == "loss") & pl.col("value").is_finite()
    )
    return (
        found.join(labels, on=["model", "revision"], how="left")
        .select(
            "name",
            "layer",
            pl.format("neighbors {} and {}", "n1", "scale").alias("neighbors"),
            "scale",
            "value",
            "low",
            "high",
            "p_value",
            "partial",
            "partial_p",
            "n_prompts",
        )
        .sort("name", "scale", "layer")
    )


def correlation_over_layers(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the correlation of ln dimension with the loss against the layer, a curve for each scale.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None with fewer than three prompts.
    """
    return _plot_correlation_over_layers(correlation_data(frame), layout=layout)


def _plot_correlation_over_layers(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.is_empty():
        return None
    names = data.sort("scale")["neighbors"].unique(maintain_order=True).to_list()
    looks = canvas.Look.of(names)
    labels = data["name"].unique(maintain_order=True).to_list()
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(labels))
        for axes, label in zip(panels, labels, strict=True):
            axes.axhline(0.0, color=canvas.QUIET, linewidth=0.8)
            for name in names:
                curve = data.filter((pl.col("name") == label) & (pl.col("neighbors") == name))
                look, x = looks[name], curve["layer"].to_numpy()
                axes.fill_between(x, curve["low"], curve["high"], color=look.color, alpha=canvas.BAND / 2, linewidth=0)
                axes.plot(x, curve["value"], color=look.color, marker=look.marker, linestyle=look.dashes)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylim(-1, 1)
            axes.set_title(label)
            axes.set_xlabel("layer")
        for axes in panels if layout == "narrow" else panels[::2]:
            axes.set_ylabel("correlation of ln dimension and loss")
        canvas.legend_below(figure, canvas.series_handles(looks), layout)
    return figure


def _correlation_caption(data: pl.DataFrame) -> str:
    return joined(
        "Pearson correlation over prompts between the logarithm of the dimension after a layer and the prompt's mean "
        f"loss. n\u00a0=\u00a0{data['n_prompts'].max()} prompts.",
        "Bands: 95 % intervals, bootstrap over prompts.",
        "The data beside the figure hold the partial correlation as well, given the numbers of tokens and of distinct "
        "tokens: repetitive prompts have a low loss and, by repetition alone, a low dimension.",
    )


def scatter_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return loss, contextual entropy and dimension of the logits of each prompt as it is.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.

    Returns
    -------
    polars.DataFrame
        One row for each prompt and model; `dimension` is GRIDE of the logits at neighbors 2 and 4, else null.
    """
    rows = structured(prepared(frame, "loss", "entropy", "logit_dimension"))
    keys = ["name", "prompt", "prompt_row"]
    loss = rows.filter(pl.col("measure") == "loss").select(*keys, pl.col("value").alias("loss"))
    entropy = rows.filter((pl.col("measure") == "entropy") & (pl.col("method") == "model"))
    logits = main_positions(rows.filter(pl.col("measure") == "logit_dimension")).filter(
        (pl.col("method") == "gride") & (pl.col("scale") == _SCALES[1])
    )
    return (
        loss.join(entropy.select(*keys, pl.col("value").alias("entropy")), on=keys)
        .join(logits.select(*keys, pl.col("value").alias("dimension")), on=keys, how="left")
        .sort("name", "prompt_row")
    )


def loss_scatter(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw each prompt's contextual entropy against its loss, and the dimension of its logits against its entropy.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of a layer study.
    layout : {"wide", "narrow"}
        Panels side by side or stacked.

    Returns
    -------
    matplotlib.figure.Figure or None
        None with fewer than three prompts or without logits.
    """
    return _plot_loss_scatter(scatter_data(frame), layout=layout)


def _plot_loss_scatter(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    if data.height < _FEWEST:
        return None
    labels = data["name"].unique(maintain_order=True).to_list()
    looks = canvas.Look.of(labels)
    pairs = [("loss", "entropy")] + ([("entropy", "dimension")] if data["dimension"].count() else [])
    words = {"loss": "loss (nats per token)", "entropy": "contextual entropy (nats)", "dimension": "logit dimension"}
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
        f"One mark for each prompt and model (n\u00a0=\u00a0{n_prompts} prompts).",
        "Contextual entropy: mean entropy of the model's predictions. Logit dimension: GRIDE (2 and 4) of the cloud of "
        "logits.",
    )


FAMILIES = (
    of_data(
        name="correlation_over_layers",
        data=correlation_data,
        plot=_plot_correlation_over_layers,
        title=always("Does a higher dimension go with a higher loss?"),
        describe=_correlation_caption,
        sources=("viswanathan2025", "denti2022"),
    ),
    of_data(
        name="loss_scatter",
        data=scatter_data,
        plot=_plot_loss_scatter,
        title=always("Loss, entropy and the dimension of the logits"),
        describe=_scatter_caption,
        sources=("viswanathan2025",),
    ),
)
