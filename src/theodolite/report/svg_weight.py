"""An SVG with nothing in it that is not needed: names no one refers to, blanks, the same style on every mark."""

import re
from collections.abc import Set
from xml.etree import ElementTree as ET

_TO_ID = re.compile(r"#([^)\s]+)")
_BLANKS = re.compile(r"\s+")


def lightened(root: ET.Element, *, prefix: str, kept: Set[str]) -> None:
    """Make an SVG lighter in place; it looks the same.

    Parameters
    ----------
    root : xml.etree.ElementTree.Element
        The SVG, without namespaces.
    prefix : str
        What new ids begin with.
    kept : set of str
        Ids that stay as they are although nothing in the SVG refers to them; each gets the prefix.
    """
    used = {name for element in root.iter() for name in _targets(element)}
    names = {name: f"{prefix}{number}" for number, name in enumerate(sorted(used))}
    names |= {name: f"{prefix}{name}" for name in kept}
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in names:
            element.set("id", names[own])
        for name, value in element.attrib.items():
            if name == "href" or "url(#" in value:
                element.set(name, _TO_ID.sub(lambda match: "#" + names.get(match[1], match[1]), value))
        if "d" in element.attrib:
            element.set("d", _BLANKS.sub(" ", element.attrib["d"]).strip())
        if element.tag not in ("text", "tspan") and not (element.text or "").strip():
            element.text = None
        element.tail = None
        _share_style(element)


def _targets(element: ET.Element) -> list[str]:
    """Return the ids that an element refers to."""
    return [
        match[1]
        for name, value in element.attrib.items()
        if name == "href" or "url(#" in value
        for match in _TO_ID.finditer(value)
    ]


def _share_style(group: ET.Element) -> None:
    """Say once for a group of marks what each of them says."""
    marks = [child for child in group if child.tag == "use"]
    styles = {mark.attrib.get("style") for mark in marks}
    others = {child.tag for child in group} - {"use", "defs"}
    if group.tag == "g" and "style" not in group.attrib and len(marks) > 1 and len(styles) == 1 and not others:
        (style,) = styles
        if style is not None:
            group.set("style", style)
            for mark in marks:
                del mark.attrib["style"]
