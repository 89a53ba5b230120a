"""Which files of a data set on the Hub hold a split of a configuration."""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from theodolite.core.errors import NotFoundError

README = "README.md"
ENDINGS = (
    ".parquet",
    ".jsonl",
    ".jsonl.gz",
    ".jsonl.zst",
    ".json",
    ".json.gz",
    ".json.zst",
    ".csv",
    ".tsv",
    ".txt",
)
"""Kinds of file that are read, the first before the others where a split is there in several."""

_DEFAULT = "default"
_NO_DATA = {"dataset_infos.json", "dataset_info.json", "requirements.txt", "license.txt"}
_KEYWORDS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "eval", "evaluation"),
    "validation": ("validation", "valid", "val", "dev"),
}
_SPLIT_OF = {word: split for split, words in _KEYWORDS.items() for word in words}
_WORD = re.compile(rf"(?<![a-z])({'|'.join(sorted(_SPLIT_OF, key=len, reverse=True))})(?![a-z])")
_NUMBERED = re.compile(r"^(\w[\w.-]*?)-\d{5}-of-\d{5}")
_MOST_STARS = 6
_MOST_LISTED = 12

Layout = dict[tuple[str, str], list[str]]
"""Configuration and split to the files that hold it, in their order."""


def choose_files(
    files: Collection[str], readme: str, selector: str | None, *, place: str
) -> tuple[str, str, tuple[str, ...]]:
    """Return configuration, split and files of the part of a data set that is meant.

    Parameters
    ----------
    files : collection of str
        Names of all its files.
    readme : str
        Text of its README.md, whose header may say which files belong to what; empty where it has none.
    selector : str or None
        `SPLIT`, `CONFIGURATION`, `CONFIGURATION/SPLIT` or the name of a file. None takes the only configuration or the
        one called default, and of this the only split or the one called train.
    place : str
        The data set, for messages.

    Returns
    -------
    tuple of (str, str, tuple of str)
        Configuration and split, both empty where a file was named, and the files in order.

    Raises
    ------
    NotFoundError
        If there is nothing of this name, or nothing says which part is meant.

    Examples
    --------
    >>> choose_files(["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"], "", None, place="x")
    ('default', 'train', ('data/train-00000-of-00001.parquet',))
    """
    if selector in files:
        return "", "", (str(selector),)
    layout, preferred = _stated(files, readme)
    if not layout:
        layout = _guessed(files)
    if not layout:
        raise NotFoundError(
            f"{place} holds no file with texts that is read ({', '.join(ENDINGS)}). Name one behind #, or try the copy "
            "in parquet that the Hub makes of most data sets: @refs/convert/parquet behind the name."
        )
    found = _meant(layout, preferred, selector)
    if found is None:
        there = [f"#{config}/{split}" for config, split in layout]
        more = f" and {len(there) - _MOST_LISTED} more" if len(there) > _MOST_LISTED else ""
        asked = f"has nothing called {selector!r}" if selector else "has several parts, and none is the usual one"
        raise NotFoundError(
            f"{place} {asked}. Name one of its parts behind the data set: {', '.join(there[:_MOST_LISTED])}{more}."
        )
    return *found, _of_one_kind(layout[found])


def _meant(layout: Layout, preferred: str | None, selector: str | None) -> tuple[str, str] | None:
    """Return the configuration and split that a selector means."""
    configs = list(dict.fromkeys(config for config, _ in layout))
    usual = next((one for one in (preferred, _DEFAULT) if one in configs), configs[0] if len(configs) == 1 else None)
    if selector is None:
        return _usual_split(layout, usual)
    config, _, split = selector.rpartition("/")
    named = [(config, split), (usual or _DEFAULT, selector)]
    return next((one for one in named if one in layout), _usual_split(layout, selector))


def _usual_split(layout: Layout, config: str | None) -> tuple[str, str] | None:
    splits = [split for own, split in layout if own == config]
    if config is None or not (len(splits) == 1 or "train" in splits):
        return None
    return config, splits[0] if len(splits) == 1 else "train"


def _of_one_kind(names: Collection[str]) -> tuple[str, ...]:
    """Return the files of the first kind that is there."""
    kinds = {kind: tuple(name for name in names if ending_of(name) == kind) for kind in ENDINGS}
    return next((found for found in kinds.values() if found), ())


def ending_of(name: str) -> str:
    """Return which of `ENDINGS` a name has; empty for none.

    Examples
    --------
    >>> ending_of("en/c4-train.00000-of-01024.json.gz"), ending_of("image.png")
    ('.json.gz', '')
    """
    return max((one for one in ENDINGS if name.lower().endswith(one)), key=len, default="")


def _stated(files: Collection[str], readme: str) -> tuple[Layout, str | None]:
    """Return what the header of the README says, and the configuration that it prefers."""
    layout: Layout = {}
    preferred = None
    for config in _header(readme):
        name = str(config.get("config_name", _DEFAULT))
        folder = str(config.get("data_dir") or "").strip("./")
        for split, patterns in _data_files(config.get("data_files")):
            for pattern in patterns:
                wanted = _pattern(f"{folder}/{pattern}" if folder else pattern)
                matching = sorted(one for one in files if ending_of(one) and wanted.fullmatch(one))
                there = layout.setdefault((name, split), [])
                there += [one for one in matching if one not in there]
        if config.get("default") is True:
            preferred = name
    return {part: names for part, names in layout.items() if names}, preferred


def _header(readme: str) -> list[Mapping[str, Any]]:
    """Return the configurations that the header of a README lists."""
    if not readme.startswith("---"):
        return []
    try:
        header = yaml.safe_load(readme.removeprefix("---").partition("\n---")[0])
    except (yaml.YAMLError, ValueError, RecursionError):  # a date that is none is a ValueError
        return []
    configs = header.get("configs") if isinstance(header, dict) else None
    return [one for one in configs if isinstance(one, dict)] if isinstance(configs, list) else []


def _data_files(stated: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield split and patterns of a configuration, in any of the forms that the Hub knows."""
    if isinstance(stated, str):
        yield "train", [stated]
    elif isinstance(stated, Mapping):
        yield from ((str(split), _texts(patterns)) for split, patterns in stated.items())
    elif isinstance(stated, list):
        if texts := _texts(stated):
            yield "train", texts
        for one in stated:
            if isinstance(one, Mapping):
                yield str(one.get("split", "train")), _texts(one.get("path"))


def _texts(stated: Any) -> list[str]:
    values = stated if isinstance(stated, list) else [stated]
    return [one for one in values if isinstance(one, str)]


def _pattern(pattern: str) -> re.Pattern[str]:
    """Return what a pattern of file names matches: `*` within a folder, `**` across folders."""
    if pattern.count("*") > _MOST_STARS:  # a name as the Hub writes it has fewer, and time grows with each
        return re.compile(re.escape(pattern))
    pieces = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]/]+\])", pattern.removeprefix("./"))
    known = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    words = []
    for piece in pieces:
        is_set = len(piece) > 2 and piece.startswith("[") and piece.endswith("]")
        words.append(f"[{re.escape(piece[1:-1]).replace(chr(92) + '-', '-')}]" if is_set else known.get(piece, ""))
        if not words[-1]:
            words[-1] = re.escape(piece)
    try:
        return re.compile("".join(words))
    except re.error:
        return re.compile(re.escape(pattern))


def _guessed(files: Collection[str]) -> Layout:
    """Return what the names of files and folders say."""
    layout: Layout = {}
    for name in sorted(files):
        path = PurePosixPath(name)
        if not ending_of(name) or path.name.lower() in _NO_DATA or any(part.startswith(".") for part in path.parts):
            continue
        folders = [part for part in path.parts[:-1] if part != "data"]
        of_folders = [split for part in folders if (split := _SPLIT_OF.get(part.lower().removeprefix("partial-")))]
        numbered = _NUMBERED.match(path.name)
        word = _WORD.search(path.name.lower()) or _WORD.search("/".join(folders).lower())
        if of_folders:
            split = of_folders[-1]
        elif numbered and not word:
            split = numbered[1]
        else:
            split = _SPLIT_OF[word[1]] if word else "train"
        kept = [part for part in folders if part.lower().removeprefix("partial-") not in _SPLIT_OF]
        layout.setdefault(("/".join(kept) or _DEFAULT, split), []).append(name)
    return layout
