"""Contrast pairs: two ways to go on after one prompt, shipped with the package or read from a file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.core.hashing import hash_json
from theodolite.core.number_format import counted
from theodolite.core.seeds import generator_from

_FOLDER = Path(__file__).parent / "contrasts"
_CAA = ("question", "answer_matching_behavior", "answer_not_matching_behavior")
_ENDINGS = (".jsonl", ".json")


@dataclass(frozen=True, slots=True)
class ContrastPair:
    """A prompt with two continuations.

    Attributes
    ----------
    prompt : str
        What comes before; may be empty.
    positive, negative : str
        Continuations with and without the behaviour, with the blank that separates them from the prompt.
    """

    prompt: str
    positive: str
    negative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Pairs to make a vector from, and pairs to judge it on.

    Attributes
    ----------
    name : str
        What the contrast is called.
    fitted, held_out : tuple of ContrastPair
        The two parts; no pair is in both.
    """

    name: str
    fitted: tuple[ContrastPair, ...]
    held_out: tuple[ContrastPair, ...]

    @property
    def content(self) -> str:
        """Hash of every text in it, in order."""
        parts = [[[one.prompt, one.positive, one.negative] for one in part] for part in (self.fitted, self.held_out)]
        return hash_json(parts)


def shipped_contrasts() -> tuple[str, ...]:
    """Name the contrasts that ship with the package.

    Examples
    --------
    >>> shipped_contrasts()
    ('dialogue', 'feeling', 'gender', 'person', 'question', 'tense')
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.jsonl")))


def load_contrast(source: str | Path, *, held_out: float = 0.4, seed: int = 0) -> Contrast:
    """Read contrast pairs: a shipped set by name, or a file.

    Parameters
    ----------
    source : str or path
        A name of `shipped_contrasts`; a `.jsonl` or `.json` file of objects with `positive`, `negative` and, if wanted,
        `prompt` and `held_out` (true or false); or a file in the format of CAA (`question`,
        `answer_matching_behavior`, `answer_not_matching_behavior`).
    held_out : float
        Share of the pairs that judge, in (0, 1), where the file does not say which; a seeded sample.
    seed : int
        Decides that sample.

    Returns
    -------
    Contrast
        Pairs in the order of the file.

    Raises
    ------
    NotFoundError
        If there is neither such a set nor such a file.
    FormatError
        If a line is not of one of these forms; it is named.
    ParameterError
        If fewer than two pairs, or none for one of the parts, remain.

    Notes
    -----
    CAA's questions hold their options, and the answer is put after the question as ` (A)`.

    References
    ----------
    N. Rimsky et al., Steering Llama 2 via Contrastive Activation Addition (2024), arXiv 2312.06681.

    Examples
    --------
    >>> contrast = load_contrast("tense")
    >>> len(contrast.fitted), len(contrast.held_out), contrast.fitted[1].negative
    (32, 24, ' He sits down by the fire and warms his hands.')
    """
    if not 0 < held_out < 1:
        raise ParameterError(f"held_out={held_out} is no share: take more than 0 and less than 1.")
    name, path = _locate(source)
    rows = [_pair(path, number, row) for number, row in enumerate(_rows(path), start=1)]
    marks = [mark for _, mark in rows]
    if any(mark is None for mark in marks):
        order = generator_from("contrast", seed).permutation(len(rows))
        chosen = set(order[: round(held_out * len(rows))].tolist())
        marks = [place in chosen for place in range(len(rows))]
    parts = tuple(
        tuple(pair for (pair, _), mark in zip(rows, marks, strict=True) if mark is side) for side in (False, True)
    )
    if not all(parts):
        raise ParameterError(
            f"{source} leaves {counted(len(parts[0]), 'pair')} to make a vector from and {len(parts[1])} to judge "
            "it. Both need "
            "at least one."
        )
    return Contrast(name=name, fitted=parts[0], held_out=parts[1])


def _locate(source: str | Path) -> tuple[str, Path]:
    """Return the name and the file of a contrast."""
    if str(source) in shipped_contrasts():
        return str(source), _FOLDER / f"{source}.jsonl"
    path = Path(source)
    if not path.is_file() or path.suffix not in _ENDINGS:
        raise NotFoundError(
            f"{source} is neither a shipped contrast ({', '.join(shipped_contrasts())}) nor a .jsonl or .json file."
        )
    return path.stem, path


def _rows(path: Path) -> list[Any]:
    """Return the objects of a file."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        rows = json.loads(text)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise FormatError(f"{path} cannot be read: {error}. Contrast pairs are JSON objects.") from error
    if not isinstance(rows, list):
        raise FormatError(f"{path} holds a {type(rows).__name__}, not a list of pairs.")
    return rows


def _pair(path: Path, number: int, row: Any) -> tuple[ContrastPair, bool | None]:
    """Return one pair, and whether it is held out where the file says so."""
    fields = row if isinstance(row, dict) else {}
    if all(isinstance(fields.get(name), str) for name in _CAA):
        question, positive, negative = (fields[name] for name in _CAA)
        pair = ContrastPair(question, f" {positive.strip()}", f" {negative.strip()}")
    elif isinstance(fields.get("positive"), str) and isinstance(fields.get("negative"), str):
        pair = ContrastPair(str(fields.get("prompt", "")), fields["positive"], fields["negative"])
    else:
        raise FormatError(
            f"Pair {number} of {path} has neither the texts positive and negative nor CAA's {', '.join(_CAA)}."
        )
    mark = fields.get("held_out")
    if pair.positive == pair.negative:
        raise FormatError(f"Pair {number} of {path} has the same text on both sides: {pair.positive[:60]!r}.")
    return pair, mark if isinstance(mark, bool) else None
