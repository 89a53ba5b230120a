"""Where a file of the repository stands in the docs site, and links between pages rewritten to it."""

import posixpath
import re

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CITATION.cff": "CITATION.cff",
    "src/theodolite/bundled/README.md": "model-card.md",
    "src/theodolite/bundled/loss.svg": "loss.svg",
}
"""Files outside docs/ that the site shows."""
_FOLDERS = {"docs/": "", "benchmarks/results/": "benchmarks/"}
_ENTRANCES = {"docs/notebooks": "notebooks/kataiwa2025.md", "benchmarks/results": "benchmarks.md"}
"""The page that stands for a folder."""
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_FENCE = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)


def site_path(path: str) -> str | None:
    """Return where the site has a file of the repository, or None where it has not."""
    if path in PAGES or path in _ENTRANCES:
        return PAGES.get(path) or _ENTRANCES[path]
    for folder, there in _FOLDERS.items():
        if path.startswith(folder):
            return there + re.sub(r"\.ipynb$", ".md", path.removeprefix(folder))  # the site shows notebooks as pages
    return None


def rewrite_links(markdown: str, home: str) -> str:
    """Return a page with its relative links as the site needs them.

    Parameters
    ----------
    markdown : str
        The page as it stands in the repository.
    home : str
        Its path in the repository.

    Returns
    -------
    str
        The same page; links to what the site does not hold are left as they are, so that a strict build refuses them.
    """
    own = posixpath.dirname(site_path(home) or "")

    def moved(match: re.Match[str]) -> str:
        target, hash_, anchor = match[2].partition("#")
        if not target or "://" in target:
            return match[0]
        there = site_path(posixpath.normpath(posixpath.join(posixpath.dirname(home), target)))
        if there is None:
            return match[0]
        return f"{match[1]}{posixpath.relpath(there, own or '.')}{hash_}{anchor}{match[3]}"

    parts, start = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [_LINK.sub(moved, markdown[start : fence.start()]), fence[0]]
        start = fence.end()
    return "".join([*parts, _LINK.sub(moved, markdown[start:])])
