"""An SVG with nothing in it that is not needed: names no one refers to, groups of nothing, styles said twice."""

import re
from collections.abc import Sequence, Set
from xml.etree import ElementTree as ET

_TO_ID = re.compile(r"#([^)\s]+)")
_AROUND_LETTERS = re.compile(r"\s*([A-Za-z])\s*")
_TURNED_BY_NOTHING = re.compile(r"rotate\(-?0(\.0+)? [^)]*\)")
_STYLED = re.compile(r'(<[a-z]+\b[^>]*?) style="([^"]*)"')
_AFTER_MARKS = re.compile(r"([:;]) ")


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
            element.set("d", _AROUND_LETTERS.sub(r"\1", element.attrib["d"].strip()))
        if _TURNED_BY_NOTHING.fullmatch(element.attrib.get("transform", "")):
            del element.attrib["transform"]
        if element.tag not in ("text", "tspan") and not (element.text or "").strip():
            element.text = None
        element.tail = None
        _share_style(element)
    _open_groups(root)


def styles_apart(svgs: Sequence[str]) -> tuple[list[str], str]:
    r"""Say each style once for all SVGs of a page.

    Parameters
    ----------
    svgs : sequence of str
        SVGs of class `plot`.

    Returns
    -------
    tuple of (list of str, str)
        The SVGs with classes in place of styles, save on the outermost element; the rules of these classes.

    Examples
    --------
    >>> styles_apart(['<svg class="plot"><path style="fill: none; stroke: red"/></svg>'])
    (['<svg class="plot"><path class="m0"/></svg>'], '.plot .m0{fill:none;stroke:red}\n')
    """
    names: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        return f'{match[1]} class="{names.setdefault(match[2], f"m{len(names)}")}"'

    lighter = []
    for svg in svgs:
        outermost, end, inside = svg.partition(">")
        lighter.append(outermost + end + _STYLED.sub(named, inside))
    rules = [".plot ." + name + "{" + _AFTER_MARKS.sub(r"\1", style) + "}\n" for style, name in names.items()]
    return lighter, "".join(rules)


def _open_groups(element: ET.Element) -> None:
    """Put what groups without any attribute hold in their place, and leave out definitions of nothing."""
    inside: list[ET.Element] = []
    for child in element:
        _open_groups(child)
        is_bare = not child.attrib and (child.tag == "g" or (child.tag == "defs" and not len(child)))
        inside += list(child) if is_bare else [child]
    element[:] = inside


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
