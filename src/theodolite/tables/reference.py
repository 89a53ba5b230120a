"""The grammar of references: one line of text that says where a table is.

`[scheme:]location[@revision][#selector]`, for example `bundled:pocket-128@step512#output`, `./model`,
`weights.safetensors#wte.weight`, `hub:EleutherAI/pythia-70m@step3000#unembedding`. A location that exists on this
machine wins over every other reading, so that paths may hold '@', '#' and ':'. Where a name that does not exist
needs one of these characters, write `%40`, `%23`, `%3A` (and `%25` for '%').
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from theodolite.core.errors import ReferenceSyntaxError

Scheme = Literal["bundled", "hub", "path"]

SELECTOR_WORDS = {"input": "input", "embedding": "input", "output": "output", "unembedding": "output"}
FILE_ENDINGS = (
    ".safetensors", ".bin", ".pt", ".pth", ".npy", ".npz", ".gguf", ".txt", ".vec", ".gz", ".kv"
)  # fmt: skip

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*):(.*)$", re.DOTALL)
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_ESCAPES = {"%": "%25", "@": "%40", "#": "%23", ":": "%3A"}
_ESCAPED = re.compile("|".join(_ESCAPES.values()), re.IGNORECASE)
_GRAMMAR = "[scheme:]location[@revision][#selector], for example bundled:pocket-128@step512#output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where a table is, and which one of the tables there.

    Attributes
    ----------
    scheme : {"path", "bundled", "hub"}
        "path" for files and folders of this machine.
    location : str
        The path, the name of a bundled model, or `owner/name` on the Hub. Relative paths that could be read as a
        name begin with `./`.
    revision : str or None
        A training checkpoint or version, such as "step512"; None for the main one.
    selector : str or None
        "input", "output" or the name of a tensor; None where the reference does not say.

    Examples
    --------
    >>> reference = Reference.parse("bundled:pocket-128@step512#unembedding")
    >>> reference.location, reference.revision, reference.selector
    ('pocket-128', 'step512', 'output')
    >>> str(reference)
    'bundled:pocket-128@step512#output'
    """

    scheme: Scheme = "path"
    location: str
    revision: str | None = None
    selector: str | None = None

    def __post_init__(self) -> None:
        """Refuse empty parts and control characters; mark paths that could be read as a name."""
        for part in (self.location, self.revision, self.selector):
            if part == "" or (part is not None and _CONTROL.search(part)):
                raise ReferenceSyntaxError(
                    f"A part of the reference is empty or holds control characters: {part!r}. "
                    f"A reference is {_GRAMMAR}."
                )
        if self.scheme not in get_args(Scheme):
            raise ReferenceSyntaxError(
                f"The scheme {self.scheme!r} is not known. Known schemes are {', '.join(get_args(Scheme))}."
            )
        if self.scheme == "path":
            if self.location.startswith("~/"):
                object.__setattr__(self, "location", str(Path(self.location).expanduser()))
            if _looks_like_name(self.location):
                object.__setattr__(self, "location", f"./{self.location}")
        elif self.scheme == "hub" and not _HUB_ID.match(self.location):
            raise ReferenceSyntaxError(
                f"{self.location!r} is not the name of a Hub repository. Write hub:owner/name, "
                "or a path that begins with ./ for a folder of this machine."
            )
        elif self.scheme == "bundled" and ("/" in self.location or not _HUB_ID.match(self.location)):
            raise ReferenceSyntaxError(
                f"{self.location!r} is not the name of a bundled model. Write a name such as bundled:pocket-128."
            )
        if self.selector is not None:
            object.__setattr__(self, "selector", SELECTOR_WORDS.get(self.selector.lower(), self.selector))

    @classmethod
    def parse(cls, text: "str | Path | Reference") -> "Reference":
        """Read a reference; a path that exists wins over every other reading.

        Parameters
        ----------
        text : str, pathlib.Path or Reference
            A `Path` is taken as it is; a `Reference` is returned unchanged.

        Returns
        -------
        Reference
            Such that `Reference.parse(str(reference)) == reference` unless a file of exactly that name exists.

        Raises
        ------
        ReferenceSyntaxError
            If the text is empty, names an unknown scheme, or has an empty part.

        Examples
        --------
        >>> Reference.parse("EleutherAI/pythia-70m@step3000").scheme
        'hub'
        >>> Reference.parse("weights.safetensors#wte.weight").selector
        'wte.weight'
        """
        if isinstance(text, Reference):
            return text
        if isinstance(text, Path):
            return cls(location=str(text))
        if not text.strip():
            raise ReferenceSyntaxError(f"The reference is empty. A reference is {_GRAMMAR}.")
        for location, revision, selector in _readings(text):
            if _exists(location):
                return cls(location=location, revision=revision, selector=selector)
        return _parse_by_grammar(cls, text)

    def select(self, which: str | None) -> "Reference":
        """Return the reference with another selector.

        Examples
        --------
        >>> str(Reference.parse("bundled:pocket-128").select("output"))
        'bundled:pocket-128#output'
        """
        return replace(self, selector=which)

    def __str__(self) -> str:
        """Return the text that `parse` reads back."""
        text = "" if self.scheme == "path" else f"{self.scheme}:"
        text += _escape(self.location, "%@#")
        if self.revision is not None:
            text += f"@{_escape(self.revision, '%@#')}"
        if self.selector is not None:
            text += f"#{_escape(self.selector, '%')}"
        return text


def _parse_by_grammar(cls: type[Reference], text: str) -> Reference:
    """Read a text of which no part is a path that exists."""
    head, hash_, selector = text.partition("#")
    location, at, revision = head.rpartition("@")
    if not at:
        location, revision = head, ""
    for mark, part, name in (("#", selector, "selector"), ("@", revision, "revision")):
        if (hash_ if mark == "#" else at) and not part:
            raise ReferenceSyntaxError(
                f"The reference {text!r} ends its {name} before it begins. A reference is {_GRAMMAR}."
            )
    if not location:
        raise ReferenceSyntaxError(f"The reference {text!r} has no location. A reference is {_GRAMMAR}.")
    scheme: Scheme = "path"
    named = _SCHEME.match(location)
    if named and named[1] in get_args(Scheme):
        scheme, location = named[1], named[2]  # type: ignore[assignment]
        if not location:
            raise ReferenceSyntaxError(
                f"The reference {text!r} names nothing after {scheme}:. A reference is {_GRAMMAR}."
            )
    elif named:
        raise ReferenceSyntaxError(
            f"The reference {text!r} has the scheme {named[1]!r}, which is not known. Known schemes are "
            f"{', '.join(get_args(Scheme))}; a path with ':' in it can begin with ./."
        )
    elif _HUB_ID.match(location) and not location.lower().endswith(FILE_ENDINGS):
        scheme = "hub"
    return cls(
        scheme=scheme,
        location=_unescape(location),
        revision=_unescape(revision) if revision else None,
        selector=_unescape(selector) if selector else None,
    )


def _readings(text: str) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield (location, revision, selector) for every place where the location may end, longest location first."""
    for cut in (len(text), *(i for i in range(len(text) - 1, 0, -1) if text[i] in "@#")):
        rest, hash_, selector = text[cut:].partition("#")
        if (rest != "@") and (selector or not hash_):
            yield text[:cut], _unescape(rest[1:]) or None, _unescape(selector) or None


def _exists(location: str) -> bool:
    """Say whether a file or folder of this name exists; odd names (NUL, too long) do not."""
    try:
        return Path(location).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def _looks_like_name(location: str) -> bool:
    """Say whether a relative path would be read as something else than a path if it did not exist."""
    if location.startswith(("/", "./", "../")) or location in (".", ".."):
        return False
    if _SCHEME.match(location):
        return True
    return bool(_HUB_ID.match(location)) and not location.lower().endswith(FILE_ENDINGS)


def _escape(text: str, marks: str) -> str:
    """Write the marks that the grammar uses as %XX."""
    return re.sub(f"[{re.escape(marks)}]", lambda found: _ESCAPES[found[0]], text)


def _unescape(text: str) -> str:
    """Undo `_escape`."""
    return _ESCAPED.sub(lambda found: chr(int(found[0][1:], 16)), text)
