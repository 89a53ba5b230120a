"""Perplexity and loss against the rank of the input embedding, with knees, dimension and ceilings."""

from collections.abc import Iterable, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from theodolite.core.number_format import format_count, format_value
from theodolite.report.figures import canvas
from theodolite.report.figures.family import FigureFamily
from theodolite.report.figures.wording import joined, listed
from theodolite.report.selection import short_names
from theodolite.studies.rank.curves import TOLERANCE, Interval, ModelRanks, RankCurve, read_models

_SMALLEST = 1e-3
"""Loss increases below this are drawn at it."""
_TICKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
_KNEE_AT, _FOOT = 0.035, 0.08
_DECADES, _ONE_DECADE = 300, 12
_BAND_ALPHA = 0.16


def rank_data(frame: pl.DataFrame) -> pl.DataFrame:
    """Return perplexity and loss increase at each rank of each curve, with 95 % intervals.

    One row for each point of a curve; ceilings and dimension have no rank.
    """
    rows = []
    models = _models(frame)
    for label, model in models.items():
        shared = {"label": label, "extrinsic": model.extrinsic}
        for name, loss in (("no training", model.base), ("whole table trained", model.full)):
            if loss is not None:
                rows.append({**shared, "curve": name, "rank": None, **_columns("perplexity", loss.exp())})
        if model.dimension is not None:
            rows.append(
                {**shared, "curve": "dimension (TwoNN)", "rank": None, **_columns("dimension", model.dimension)}
            )
        for curve in model.curves:
            found = curve.knee()
            if not found.reason:
                knee = Interval(value=found.value, low=found.low, high=found.high)
                rows.append({**shared, "curve": curve.name, "rank": None, **_columns("knee", knee)})
            for rank, loss, increase in zip(curve.ranks.tolist(), curve.loss(), curve.increase(), strict=True):
                numbers = {**_columns("perplexity", loss.exp()), **_columns("loss_increase", increase)}
                rows.append({**shared, "curve": curve.name, "rank": rank, **numbers})
    return pl.from_dicts(rows, infer_schema_length=None) if rows else pl.DataFrame()


def perplexity_against_rank(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw the perplexity against the rank: tables cut to a rank on one side, trained updates on the other."""
    shown = [
        (label, model, part)
        for label, model in _models(frame).items()
        for part in (_cut(model), _trained(model))
        if part
    ]
    if not shown:
        return None
    looks = canvas.Look.of(_names(curve for _, _, part in shown for curve in part))
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(shown), shared=False)
        for axes, (label, model, part) in zip(panels, shown, strict=True):
            trained = part[0].condition != "truncated"
            _draw_dimension(axes, model)
            for place, curve in enumerate(part):
                look = looks[curve.name]
                _draw_curve(axes, curve, _paired(curve), look)
                _draw_knee(axes, curve, look, height=_KNEE_AT * (1 + place))
            _draw_ceilings(axes, model, trained=trained)
            _loss_axis(axes)
            low, high = axes.get_ylim()
            axes.set_ylim(low * (low / high) ** _FOOT, high)
            _rank_axis(axes, model)
            axes.set_title(f"{label}, {'trained' if trained else 'cut, not trained'}")
            axes.set_ylabel("held-out perplexity")
        handles = [*canvas.series_handles(looks), *_marks()]
        canvas.legend_below(figure, handles, layout)
    return figure


def loss_increase_against_rank(frame: pl.DataFrame, *, layout: canvas.Layout = "wide") -> Figure | None:
    """Draw how far the loss lies above its ceiling at each rank, a panel for each model."""
    models = {label: model for label, model in _models(frame).items() if model.curves}
    if not models:
        return None
    looks = canvas.Look.of(_names(curve for model in models.values() for curve in model.curves))
    with canvas.house_style():
        figure, panels = canvas.panels(layout, len(models))
        for axes, (label, model) in zip(panels, models.items(), strict=True):
            _draw_dimension(axes, model)
            for curve in model.curves:
                _draw_curve(axes, curve, curve.increase(), looks[curve.name], least=_SMALLEST)
            axes.axhline(TOLERANCE, color=canvas.QUIET, linestyle=(0, (1, 1.6)), linewidth=1.2)
            _loss_axis(axes)
            axes.set_ylim(bottom=0.8 * _SMALLEST)
            _rank_axis(axes, model)
            axes.set_title(label)
        for axes in panels if layout == "narrow" else panels[::2]:
            axes.set_ylabel("loss above the ceiling (nats)")
        dotted = Line2D([], [], color=canvas.QUIET, linestyle=(0, (1, 1.6)), label=f"{TOLERANCE} nats")
        canvas.legend_below(figure, [*canvas.series_handles(looks), _marks()[0], dotted], layout)
    return figure


def _models(frame: pl.DataFrame) -> dict[str, ModelRanks]:
    found = read_models(frame)
    names = short_names({model.name for model in found})
    return {names[model.name]: model for model in found}


def _cut(model: ModelRanks) -> list[RankCurve]:
    return [curve for curve in model.curves if curve.condition == "truncated"]


def _trained(model: ModelRanks) -> list[RankCurve]:
    return [curve for curve in model.curves if curve.condition != "truncated"]


def _names(curves: Iterable[RankCurve]) -> list[str]:
    return list(dict.fromkeys(curve.name for curve in curves))


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _draw_curve(
    axes: Axes, curve: RankCurve, intervals: Sequence[Interval], look: canvas.Look, *, least: float = 0.0
) -> None:
    low, value, high = ([max(getattr(one, end), least) for one in intervals] for end in ("low", "value", "high"))
    axes.fill_between(curve.ranks, low, high, color=look.color, alpha=_BAND_ALPHA, linewidth=0)
    axes.plot(curve.ranks, value, color=look.color, marker=look.marker, linestyle=look.dashes)


def _paired(curve: RankCurve) -> list[Interval]:
    """Return the perplexity at each rank with the interval of its difference from the ceiling."""
    ceiling = float(curve.ceiling.mean())
    return [
        Interval(value=ceiling + one.value, low=ceiling + one.low, high=ceiling + one.high).exp()
        for one in curve.increase()
    ]


def _draw_knee(axes: Axes, curve: RankCurve, look: canvas.Look, *, height: float) -> None:
    """Mark the knee and its interval at the foot of the panel."""
    found = curve.knee()
    if found.reason or not found.supported:
        return
    across = axes.get_xaxis_transform()
    axes.plot([found.low, found.high], [height, height], color=look.color, linewidth=2.4, transform=across)
    axes.plot([found.value], [height], color=look.color, marker="|", markersize=9, transform=across)


def _draw_dimension(axes: Axes, model: ModelRanks) -> None:
    if model.dimension is not None:
        axes.axvspan(model.dimension.low, model.dimension.high, color=canvas.RULE, linewidth=0, zorder=0)
        axes.axvline(model.dimension.value, color=canvas.INK, linewidth=0.9, zorder=0.5)


def _draw_ceilings(axes: Axes, model: ModelRanks, *, trained: bool) -> None:
    axes.axhline(model.base.exp().value, color=canvas.QUIET, linestyle=(0, (5, 2.5)), linewidth=1.1)
    if trained and model.full is not None:
        axes.axhline(model.full.exp().value, color=canvas.INK, linestyle=(0, (1, 1.6)), linewidth=1.2)


def _loss_axis(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers: the more of each decade, the fewer decades there are."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    every = (1.0, 2.0, 3.0, 5.0, 7.0) if high < _ONE_DECADE * low else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=every if high < _DECADES * low else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _rank_axis(axes: Axes, model: ModelRanks) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.9, 1.1 * model.extrinsic)
    inside = [rank for rank in _TICKS if rank <= model.extrinsic]
    canvas.plain_ticks(axes, inside[:: -(-len(inside) // 9)])
    axes.set_xlabel("rank")


def _marks() -> list[Line2D | Patch]:
    return [
        Patch(facecolor=canvas.RULE, edgecolor=canvas.INK, label="dimension (TwoNN)"),
        Line2D([], [], color=canvas.QUIET, linestyle=(0, (5, 2.5)), linewidth=1.1, label="no training"),
        Line2D([], [], color=canvas.INK, linestyle=(0, (1, 1.6)), linewidth=1.2, label="whole table trained"),
        Line2D([], [], color=canvas.INK, marker="|", markersize=9, linewidth=2.4, label="knee"),
    ]


def _title(frame: pl.DataFrame) -> str:
    return f"Perplexity against the rank of the input embedding: {listed(list(_models(frame)))}"


def _increase_title(frame: pl.DataFrame) -> str:
    return f"How much loss a rank costs: {listed(list(_models(frame)))}"


def _windows(frame: pl.DataFrame) -> str:
    curves = [curve for model in _models(frame).values() for curve in model.curves]
    windows = max(curve.losses.shape[1] for curve in curves)
    seeds = max(curve.losses.shape[0] for curve in curves)
    trainings = f" and {seeds} trainings" if seeds > 1 else ""
    return (
        f"n\u00a0=\u00a0{format_count(windows)} held-out windows{trainings}. Bands: 95 % intervals of the difference "
        "from the ceiling, taken window by window."
    )


def _caption(frame: pl.DataFrame) -> str:
    dimensions = [
        f"{label} {format_value(model.dimension.value)}"
        for label, model in _models(frame).items()
        if model.dimension is not None
    ]
    return joined(
        _windows(frame),
        f"Gray: the dimension with its 95 % interval ({listed(dimensions)})." if dimensions else "",
        "Bars at the foot: the knee of a curve with its bootstrap interval, where a bend was found at all.",
        "Adapters of every rank were trained on the same text in the same order for the same number of steps.",
    )


def _increase_caption(frame: pl.DataFrame) -> str:
    return joined(
        _windows(frame),
        "The ceiling is the model as it is for a table that was cut, training the whole table for a trained update.",
        f"Increases below {_SMALLEST} are drawn there.",
    )


PERPLEXITY = FigureFamily(
    name="perplexity_against_rank",
    data=rank_data,
    draw=perplexity_against_rank,
    title=_title,
    caption=_caption,
    sources=("kataiwa2025",),
)
INCREASE = FigureFamily(
    name="loss_increase_against_rank",
    data=rank_data,
    draw=loss_increase_against_rank,
    title=_increase_title,
    caption=_increase_caption,
    sources=("kataiwa2025",),
)
