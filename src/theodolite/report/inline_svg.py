"""A figure as SVG inside an HTML page: themed by the page's CSS, no identifier shared with another figure."""

import re
from xml.etree import ElementTree as ET

from markupsafe import Markup
from matplotlib.figure import Figure

from theodolite.core.hashing import canonical_json
from theodolite.report.figure_files import figure_bytes
from theodolite.report.figures.canvas import INK, QUIET, RULE, SEQUENCE, SERIES
from theodolite.report.live import identified, live
from theodolite.report.svg_weight import lightened

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_DROPPED = frozenset({"metadata", "style"})
_PAINT = frozenset({"style", "fill", "stroke", "clip-path"})
_NUMBERS = frozenset({"d", "x", "y", "transform"})
_THEME = {
    INK: "currentColor",
    QUIET: "var(--quiet)",
    RULE: "var(--rule)",
    **{color: f"var(--series-{index})" for index, color in enumerate(SERIES)},
    **{color: f"var(--step-{index})" for index, color in enumerate(SEQUENCE)},
}
_COLOR = re.compile("|".join(map(re.escape, _THEME)))
_FONT = re.compile(r"font-family: [^;]*; ?")
_LIVE = re.compile(r'data-live="([^"]*)"')
_DECIMALS = re.compile(r"-?\d+\.\d{3,}")


def inline_svg(figure: Figure, *, prefix: str, label: str) -> Markup:
    """Return a figure as an `<svg>` element to put into a page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Drawn with the colors of `canvas`.
    prefix : str
        Put before every id in it; must differ between the figures of a page.
    label : str
        What a screen reader says in place of the picture.

    Returns
    -------
    Markup
        Colors are CSS variables (`--series-0` ..., `--quiet`, `--rule`, `currentColor`); text is text. `data-live`
        holds what `theodolite.report.live` found, for the page's script.
    """
    found = live(figure)
    with identified(found):
        root = ET.fromstring(figure_bytes(figure, "svg", text_as="none"))
    assert root.find(f".//{_SVG}image") is None, "a picture inside a figure would not be shown: draw shapes"
    assert not any("mathdefault" in (text or "") for text in root.itertext()), "ticks must be plain numbers"
    _clean(root)
    lightened(root, prefix=prefix, kept={name for _, name in found.marked})
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib.clear()
    root.set("class", "plot")
    root.set("viewBox", f"0 0 {width} {height}")
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("style", f"max-width:{float(width) * 1.45:.0f}px")
    root.set("focusable", "false")
    if found.content["panels"]:
        root.set("data-prefix", prefix)
        root.set("data-live", _COLOR.sub(lambda match: _THEME[match[0]], canonical_json(found.content)))
    return Markup(_LIVE.sub(_in_single_quotes, ET.tostring(root, encoding="unicode"), count=1).replace(" />", "/>"))


def _in_single_quotes(match: re.Match[str]) -> str:
    """Write JSON between single quotes, so that its own need not be escaped."""
    return "data-live='" + match[1].replace("'", "&#39;").replace("&quot;", '"') + "'"


def _clean(element: ET.Element) -> None:
    """Drop namespaces, styles and metadata; let the page choose colors and letters."""
    element.tag = element.tag.removeprefix(_SVG)
    for child in list(element):
        if child.tag.removeprefix(_SVG) in _DROPPED:
            element.remove(child)
            continue
        _clean(child)
    if _HREF in element.attrib:
        element.set("href", element.attrib.pop(_HREF))
    for name, value in element.attrib.items():
        if name in _PAINT:
            element.set(name, _themed(value))
        elif name in _NUMBERS:
            element.set(name, _DECIMALS.sub(_two_decimals, value))


def _two_decimals(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _themed(value: str) -> str:
    return _FONT.sub("", _COLOR.sub(lambda match: _THEME[match[0]], value))
