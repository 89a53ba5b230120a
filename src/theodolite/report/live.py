"""What a script may do with a figure: which parts belong to which series, and the numbers behind each point."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch

_DPI = 72
"""Of an SVG: its unit is a point."""
_MOST_POINTS = 1500
"""Points of a figure from which on it is not worth the bytes to name each."""
Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Live:
    """A figure's series and points.

    Attributes
    ----------
    marked : list of (Artist, str)
        Artists of series and panels with the id that their group gets.
    content : dict
        `panels`: each with its id, title, labels of the axes, `box` in the units of the SVG and `series`, which have a
        name, a color, ids and `points` (place in the SVG, then the numbers).
    """

    marked: list[tuple[Artist, str]] = field(default_factory=list)
    content: dict[str, Any] = field(default_factory=dict)


def live(figure: Figure) -> Live:
    """Find the series and the points of a figure that is laid out.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Its legend names the series: what is drawn belongs to the entry of its color and dashes.

    Returns
    -------
    Live
        Without panels where nothing in the figure stands for a number.
    """
    entries = _entries(figure)
    found = Live(content={"panels": []})
    for number, axes in enumerate(figure.axes):
        series: dict[str, dict[str, Any]] = {}
        for order, (artist, color, dashes, points) in enumerate(_drawn(axes)):
            name = _name(entries, color, dashes)
            own = series.setdefault(name, {"name": name, "color": color, "ids": [], "points": []})
            own["ids"].append(f"live{number}-{order}")
            found.marked.append((artist, own["ids"][-1]))
            own["points"] += _placed(figure, axes, points)
        if series:
            panel = f"panel{number}"
            found.marked.append((axes, panel))
            found.content["panels"].append(_panel(figure, axes, panel, _as_in_legend(series, entries)))
    n_points = sum(len(one["points"]) for panel in found.content["panels"] for one in panel["series"])
    if n_points > _MOST_POINTS:
        for panel in found.content["panels"]:
            for one in panel["series"]:
                one["points"] = []
    return found


@contextmanager
def identified(found: Live) -> Iterator[None]:
    """Let the groups of series and panels have their ids while the figure is written."""
    before = [artist.get_gid() for artist, _ in found.marked]
    for artist, name in found.marked:
        artist.set_gid(name)
    try:
        yield
    finally:
        for (artist, _), own in zip(found.marked, before, strict=True):
            artist.set_gid(own)


def _entries(figure: Figure) -> list[tuple[str, str, Any]]:
    """Return name, color and dashes of each entry of the figure's legends."""
    found = []
    for legend in [*figure.legends, *(one for axes in figure.axes if (one := axes.get_legend()) is not None)]:
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
            if handle is not None:
                found.append((text.get_text(), _color(handle), _dashes(handle)))
    return found


def _name(entries: list[tuple[str, str, Any]], color: str, dashes: Any) -> str:
    """Return the entry that a series belongs to: the one of its color, and of its dashes where several share it."""
    same = [(name, other) for name, own, other in entries if own == color]
    exact = [name for name, other in same if other == dashes]
    return exact[0] if exact else same[0][0] if same else ""


def _as_in_legend(series: Mapping[str, dict[str, Any]], entries: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    """Return the series in the order of the figure's legends; those that no legend names come last."""
    places = {name: place for place, (name, _, _) in reversed(list(enumerate(entries)))}
    return sorted(series.values(), key=lambda one: places.get(one["name"], len(places)))


def _drawn(axes: Axes) -> Iterator[tuple[Artist, str, Any, Points]]:
    """Yield what stands for numbers, with its color, dashes and points in the data's units."""
    none = np.empty((0, 2))
    for line in axes.lines:
        across = line.get_transform().contains_branch_seperately(axes.transData)
        if all(across) and len(line.get_xdata(orig=False)):  # type: ignore[arg-type]
            yield line, _color(line), _dashes(line), np.column_stack([line.get_xdata(False), line.get_ydata(False)])
    for one in axes.collections:
        if isinstance(one, PathCollection):
            yield one, _color(one), None, np.ma.filled(np.ma.asarray(one.get_offsets(), dtype=float), np.nan)
        elif isinstance(one, PolyCollection) and len(one.get_facecolor()) == 1:
            yield one, _color(one), None, none
    for patch in axes.patches:
        if isinstance(patch, StepPatch):
            values, edges, _ = patch.get_data()
            middle = (np.asarray(edges)[1:] + np.asarray(edges)[:-1]) / 2
            yield patch, _color(patch), _dashes(patch), none if patch.get_fill() else np.column_stack([middle, values])
        elif isinstance(patch, Rectangle) and patch.get_width() and patch.get_height():
            top = (patch.get_x() + patch.get_width() / 2, patch.get_y() + patch.get_height())
            yield patch, _color(patch), None, np.array([top])


def _color(artist: Artist) -> str:
    """Return the color of a series without its transparency."""
    if isinstance(artist, Line2D):
        return to_hex(artist.get_color())
    filled = not hasattr(artist, "get_fill") or artist.get_fill()
    paint = artist.get_facecolor() if filled else artist.get_edgecolor()  # type: ignore[attr-defined]
    for red, green, blue, *_ in np.atleast_2d(np.asarray(paint, dtype=float)).tolist():
        return to_hex((red, green, blue))
    return ""


def _dashes(artist: Artist) -> Any:
    pattern = getattr(artist, "_unscaled_dash_pattern", None)
    return None if pattern is None or pattern[1] is None else tuple(pattern[1])


def _placed(figure: Figure, axes: Axes, points: Points) -> list[list[float]]:
    """Return each point that is seen as its place in the SVG and its two numbers."""
    if not len(points):
        return []
    height = figure.get_figheight() * _DPI
    box = axes.get_window_extent()
    with np.errstate(all="ignore"):
        places = axes.transData.transform(np.asarray(points, dtype=float))
    found = []
    for (left, up), (x, y) in zip(places, points, strict=True):
        if isfinite(left) and isfinite(up) and box.x0 - 1 <= left <= box.x1 + 1 and box.y0 - 1 <= up <= box.y1 + 1:
            scale = _DPI / figure.dpi
            found.append([round(left * scale, 1), round(height - up * scale, 1), _four(x), _four(y)])
    return found


def _panel(figure: Figure, axes: Axes, panel: str, series: list[dict[str, Any]]) -> dict[str, Any]:
    box, scale = axes.get_window_extent(), _DPI / figure.dpi
    height = figure.get_figheight() * _DPI
    edges = (box.x0 * scale, height - box.y1 * scale, box.x1 * scale, height - box.y0 * scale)
    found: dict[str, Any] = {
        "id": panel,
        "title": " ".join((axes.get_title(loc="left") or axes.get_title()).split()),
        "x": axes.get_xlabel(),
        "y": axes.get_ylabel(),
        "box": [round(one, 1) for one in edges],
        "series": series,
    }
    for key, axis in (("names_x", axes.xaxis), ("names_y", axes.yaxis)):
        named = {
            f"{place:g}": text
            for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
            if (text := label.get_text()) and not _is_number(text)
        }
        if named:
            found[key] = named
    return found


def _four(value: float) -> float:
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded == int(rounded) else rounded


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "").replace("\N{MINUS SIGN}", "-").rstrip("%").rstrip())
    except ValueError:
        return False
    return True
