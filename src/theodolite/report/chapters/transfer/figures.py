"""What carried vectors keep beside their controls, and the curves of steering against strength."""

from functools import partial

import polars as pl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theodolite.report.chapters.transfer.headline import NAMES
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily, always
from theodolite.report.selection import short_names

_CONTROL = "controls"
_KEPT_RANGE = (-0.75, 1.75)
"""Shares beyond these are those of native vectors that hardly work; they are in the data."""
_SHOWN = ("source", "target", "contrast", "role", "condition", "draw", "strength", "value", "low", "high")


def retained_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the share of the native effect that each vector and each control keeps at the chosen layer.

    With the interval over pairs.
    """
    return _chosen(frame, "effect_retained").drop("strength")


def curve_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the change of the margin against strength at the chosen layer.

    With the interval over pairs.
    """
    return _chosen(frame, "margin_change")


def retained_effect(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw what each carried vector keeps of the native effect, a panel for each pair of models."""
    data = retained_data(frame).drop_nulls("value")
    if data.is_empty():
        return None
    names = _names(data)
    maps = data.filter(pl.col("role") == "transferred")["condition"].unique(maintain_order=True).to_list()
    looks = canvas.Look.of([NAMES.get(one, one) for one in maps])
    groups = list(data.group_by("source", "target", maintain_order=True))
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(groups), height=2.6, shared=False)
        for axes, ((source, target), rows) in zip(panels, groups, strict=True):
            contrasts = rows["contrast"].unique(maintain_order=True).to_list()
            places = {contrast: float(place) for place, contrast in enumerate(reversed(contrasts))}
            for row in rows.iter_rows(named=True):
                if row["role"] == "control":
                    axes.plot(row["value"], places[row["contrast"]] - 0.3, "|", color=canvas.QUIET, markersize=7)
                    continue
                place = places[row["contrast"]] + 0.3 - 0.15 * maps.index(row["condition"])
                look = looks[NAMES.get(row["condition"], row["condition"])]
                if row["low"] is not None:
                    axes.plot([row["low"], row["high"]], [place, place], color=look.color, linewidth=1.4)
                axes.plot(row["value"], place, look.marker, color=look.color, markersize=4)
            for at, dashes in ((0.0, "-"), (1.0, (0, (4, 2)))):
                axes.axvline(at, color=canvas.QUIET, linestyle=dashes, linewidth=0.9)
            axes.set_yticks(list(places.values()), list(places))
            axes.set_ylim(-0.6, len(places) - 0.4)
            axes.set_xlim(*_KEPT_RANGE)
            axes.set_title(f"{names[source]} to {names[target]}")
            axes.set_xlabel("effect kept (1 = the target's own vector)")
        handles = canvas.series_handles(looks, line=False)
        handles.append(Line2D([], [], color=canvas.QUIET, marker="|", linestyle="", label=_CONTROL))
        canvas.legend_below(figure, handles, layout)
    return figure


def steering_curves(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the change of the margin against strength, a panel for each contrast and pair of models."""
    data = curve_data(frame).drop_nulls("value")
    if data.is_empty():
        return None
    names = _names(data)
    series = data.filter(pl.col("role") != "control")["condition"].unique(maintain_order=True).to_list()
    looks = canvas.Look.of([NAMES.get(one, one) for one in series])
    groups = list(data.group_by("source", "target", "contrast", maintain_order=True))
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(groups), height=2.1, columns=3, shared=False)
        for axes, ((source, target, contrast), rows) in zip(panels, groups, strict=True):
            for (condition, _), one in rows.group_by("condition", "draw", maintain_order=True):
                zero = pl.DataFrame({"strength": [0.0], "value": [0.0], "low": [0.0], "high": [0.0]})
                curve = pl.concat([one.select(zero.columns), zero]).sort("strength")
                if one["role"][0] == "control":
                    axes.plot(curve["strength"], curve["value"], color=canvas.QUIET, linewidth=0.7, alpha=0.7)
                    continue
                look = looks[NAMES.get(condition, condition)]
                axes.plot(
                    curve["strength"], curve["value"], color=look.color, marker=look.marker, linestyle=look.dashes
                )
                axes.fill_between(
                    curve["strength"], curve["low"], curve["high"], color=look.color, alpha=canvas.BAND, linewidth=0
                )
            axes.set_title(f"{contrast}\n{names[source]} to {names[target]}", fontsize=8)
        for axes in panels[-min(3, len(panels)) :]:
            axes.set_xlabel("strength (residual norms)")
        for axes in panels[::3]:
            axes.set_ylabel("margin (nats per token)")
        handles = [*canvas.series_handles(looks), Line2D([], [], color=canvas.QUIET, linewidth=0.9, label=_CONTROL)]
        canvas.legend_below(figure, handles, layout)
    return figure


def _chosen(frame: pl.DataFrame, measure: str) -> pl.DataFrame:
    return frame.filter((pl.col("measure") == measure) & pl.col("chosen").fill_null(False)).select(_SHOWN)


def _names(data: pl.DataFrame) -> dict[str, str]:
    return short_names({*data["source"].to_list(), *data["target"].to_list()})


def _caption(frame: pl.DataFrame, controls: str) -> str:
    n_pairs = max(frame.filter(pl.col("measure") == "effect")["n_used"].drop_nulls().to_list(), default=0)
    return (
        f"Effect: change of the margin between both sides of {n_pairs} held-out pairs for one unit of strength, "
        "over the working range of the target's own vector; all vectors have the same length. Bars and bands: 95 % "
        f"bootstrap intervals over pairs. Gray: {controls} (random vectors, the first map fitted on permuted pairs, "
        "and no map where widths agree)."
    )


RETAINED = FigureFamily(
    name="steering-kept",
    data=retained_data,
    draw=retained_effect,
    title=always("What carried vectors keep"),
    caption=partial(_caption, controls="each draw of each control"),
    sources=("lee2025",),
)
CURVES = FigureFamily(
    name="steering-curves",
    data=curve_data,
    draw=steering_curves,
    title=always("Steering against strength"),
    caption=partial(_caption, controls="the first draw of each control"),
    sources=("lee2025",),
)
