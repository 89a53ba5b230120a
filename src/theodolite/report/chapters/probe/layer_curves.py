"""Accuracy against the number of layers that are read, and of each layer alone."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from theodolite.core.number_format import format_count
from theodolite.report.chapters.probe.readings import results
from theodolite.report.figures import canvas
from theodolite.report.figures.family import always, of_data
from theodolite.studies.probe.evaluation import FIRST_LAYERS, SINGLE_LAYER
from theodolite.studies.probe.names import NAMES

_FIRST = ("dimension", "entropy", "combined", "all")
_MOST_DRAWN = 6
_AXES = {FIRST_LAYERS: "first layers read", SINGLE_LAYER: "the only layer read"}


def layer_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return cross-validated accuracies with the first layers, and with each layer alone.

    One row for each model, evaluation, feature set and layer.
    """
    return results(frame, FIRST_LAYERS, SINGLE_LAYER).select(
        "label", "evaluation", "classifier", "layers", "value", "low", "high", "n"
    )


def _plot_layers(data: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw accuracy against the layers that the probe reads, which says how early it could tell."""
    if data.is_empty():
        return None
    names = _drawn(data)
    looks = canvas.Look.of(names)
    shown = [(label, one) for label in data["label"].unique(maintain_order=True) for one in _AXES]
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(shown))
        for axes, (label, evaluation) in zip(panels, shown, strict=True):
            own = data.filter((pl.col("label") == label) & (pl.col("evaluation") == evaluation))
            for name in names:
                curve, look = own.filter(pl.col("classifier") == name).sort("layers"), looks[name]
                x = curve["layers"].to_numpy()
                low, high = curve["low"].to_numpy(), curve["high"].to_numpy()
                axes.fill_between(x, low, high, color=look.color, alpha=0.12)
                axes.plot(x, curve["value"].to_numpy(), color=look.color, marker=look.marker, linestyle=look.dashes)
            axes.axhline(0.5, color=canvas.INK, linestyle=":", linewidth=0.9)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_title(label)
            axes.set_xlabel(_AXES[evaluation])
        for axes in panels if layout == "narrow" else panels[::2]:
            axes.set_ylabel("accuracy")
        canvas.legend_below(figure, canvas.series_handles(looks), layout)
    return figure


def _describe(data: pl.DataFrame) -> str:
    n_prompts = format_count(max(data["n"].to_list()))
    n_left_out = data["classifier"].n_unique() - len(_drawn(data))
    more = f" {n_left_out} further measures are in the data of the figure." if n_left_out else ""
    return (
        f"Cross-validated accuracy on {n_prompts} prompts of probes that read the first layers, "
        f"and of probes that read one layer. Bands: 95 % Wilson intervals. The dotted line is one half.{more}"
    )


def _drawn(data: pl.DataFrame) -> list[str]:
    """Return the classifiers that are drawn: more than these could not be told apart."""
    names = data["classifier"].unique(maintain_order=True).to_list()
    first = [NAMES[name] for name in _FIRST if NAMES[name] in names]
    return [*first, *(name for name in names if name not in first)][:_MOST_DRAWN]


LAYER_CURVES = of_data(
    name="probe_layers",
    data=layer_data,
    plot=_plot_layers,
    title=always("How many layers it takes"),
    describe=_describe,
    sources=("viswanathan2025",),
)
