"""Prompts with a label and a source: reading them, joining short ones, and keeping copies apart from one another."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import FormatError
from theodolite.core.hashing import hash_json
from theodolite.core.number_format import counted
from theodolite.core.seeds import generator_from
from theodolite.prompts import Prompt, Prompts, TokenizedPrompts, read_prompts
from theodolite.studies.probe.config import Config

Ids = npt.NDArray[np.int64]
_SEPARATOR = "\n"
_NAMED = 10
_WRITTEN = "standard input"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledPrompts:
    """Prompts, and what became of the texts that are not among them.

    Attributes
    ----------
    prompts : tuple of Prompt
        Each with label, source and a row of its own.
    notes : tuple of str
        Texts that were left out as copies or remainders, in sentences.
    """

    prompts: tuple[Prompt, ...]
    notes: tuple[str, ...]


def read_labeled(config: Config) -> LabeledPrompts:
    """Read the prompts of a probe.

    Parameters
    ----------
    config : Config
        Which files hold hostile and benign prompts.

    Returns
    -------
    LabeledPrompts
        Without copies: a text that occurs again is left out, all of it where its labels differ.

    Raises
    ------
    FormatError
        If a record has no label or an unknown one, or there is only one kind of prompts.
    """
    found: list[Prompt] = []
    n_empty = 0
    for names, label in ((config.positive, config.positive_label), (config.negative, config.negative_label)):
        for one in names:
            read = read_source(one, config.field)
            n_empty += len(read.empty)
            found += [replace(prompt, label=label) for prompt in read]
    for one in config.prompts:
        read = read_source(one, config.field)
        n_empty += len(read.empty)
        found += _known(one, read, config)
    texts, copies = _without_copies(found, [prompt.text.strip() for prompt in found])
    notes = [f"{counted(n_empty, 'record')} without text left out."] if n_empty else []
    notes += [copies] if copies else []
    joined, remainder = _joined(texts, config)
    if remainder:
        notes.append(f"{counted(remainder, 'text')} left over when {config.join} each were joined into a prompt.")
    _refuse_one_kind(joined, config)
    return LabeledPrompts(
        prompts=tuple(replace(prompt, row=row) for row, prompt in enumerate(joined)), notes=tuple(notes)
    )


def join_texts(prompts: Sequence[Prompt], size: int, *, seed: int) -> list[Prompt]:
    """Join texts of the same label and source into longer prompts.

    Parameters
    ----------
    prompts : sequence of Prompt
        Texts.
    size : int
        Texts in a prompt.
    seed : int
        Changes which texts meet.

    Returns
    -------
    list of Prompt
        Every text is in one prompt at most; what does not fill a prompt is left out.

    Examples
    --------
    >>> texts = [Prompt(text=text, name=text, row=0, label="benign", source="here") for text in "abcde"]
    >>> [len(one.text.split()) for one in join_texts(texts, 2, seed=0)]
    [2, 2]
    """
    if size == 1:
        return list(prompts)
    groups: dict[tuple[str | None, str | None], list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault((prompt.label, prompt.source), []).append(prompt)
    found = []
    for (label, source), members in groups.items():
        order = generator_from("join", seed).permutation(len(members))
        for start in range(0, len(members) - size + 1, size):
            part = [members[i] for i in order[start : start + size]]
            text = _SEPARATOR.join(one.text.strip() for one in part)
            name = "-".join([source or "prompts", *([label] if label else []), str(start // size)])
            found.append(Prompt(text=text, name=name, row=0, label=label, source=source))
    return found


def distinct(found: TokenizedPrompts) -> tuple[list[tuple[Prompt, Ids]], list[str]]:
    """Leave out prompts whose kept tokens are those of another one.

    Parameters
    ----------
    found : TokenizedPrompts
        After the cut, which may have made equals of prompts that differ further on.

    Returns
    -------
    tuple
        Prompts with their tokens, and a sentence on what was left out, if anything was: a prompt must never be in the
        training and in the test part of an evaluation.
    """
    keys = [hash_json(ids.tolist()) for ids in found.token_ids]
    kept, note = _without_copies(found.prompts, keys)
    rows = {prompt.row for prompt in kept}
    pairs = [(prompt, ids) for prompt, ids in zip(found.prompts, found.token_ids, strict=True) if prompt.row in rows]
    return pairs, [f"{note[:-1]}, once cut to the tokens that are measured."] if note else []


def balanced(pairs: Sequence[tuple[Prompt, Ids]], *, seed: int) -> list[tuple[Prompt, Ids]]:
    """Leave out prompts until both kinds are equally many.

    Parameters
    ----------
    pairs : sequence of tuple
        Prompts with their tokens.
    seed : int
        Changes which of the larger kind stay.

    Returns
    -------
    list of tuple
        In the order given. Sources that hold one kind only are balanced together. What stays of a source that holds
        both does not depend on the others.
    """
    both: dict[str | None, set[str | None]] = {}
    for prompt, _ in pairs:
        both.setdefault(prompt.source, set()).add(prompt.label)
    groups: dict[str | None, dict[str | None, list[int]]] = {}
    for place, (prompt, _) in enumerate(pairs):
        group = prompt.source if len(both[prompt.source]) > 1 else None
        groups.setdefault(group, {}).setdefault(prompt.label, []).append(place)
    kept: set[int] = set()
    for source, labels in groups.items():
        fewest = min(len(places) for places in labels.values()) if len(labels) > 1 else 0
        for label, places in labels.items():
            generator = generator_from("balance", seed, str(source), str(label))
            kept.update(generator.permutation(places)[:fewest].tolist())
    return [pair for place, pair in enumerate(pairs) if place in kept]


def dropped_note(found: TokenizedPrompts, minimum: int) -> list[str]:
    """Say which prompts were too short for a cloud of their own."""
    short = [one.name for one in found.dropped]
    if not short:
        return []
    named = ", ".join(short[:_NAMED]) + (" ..." if len(short) > _NAMED else "")
    return [
        f"{counted(len(short), 'prompt')} left out, with fewer than minimum={minimum} tokens or only one that is "
        "repeated: "
        f"{named}. --join puts short texts together."
    ]


def read_source(name: str, field: str) -> Prompts:
    """Read `[SOURCE=]FILE[#FIELD][?COLUMN=VALUE]`.

    Parameters
    ----------
    name : str
        As on the command line: the records whose COLUMN holds VALUE, all where none is named. A file that exists under
        the whole name is that file.
    field : str
        Where no FIELD is given.

    Returns
    -------
    Prompts
        The source, where given, in place of what the records say.
    """
    source, path, where = None, name, None
    if not Path(name).expanduser().exists():
        head, question, condition = name.rpartition("?")
        column, equals, value = condition.partition("=")
        if question and equals:
            name, path, where = head, head, (column, value)
        head, equals, rest = name.partition("=")
        if equals and "/" not in head:
            source, path = head, rest
        if not Path(path).expanduser().exists() and "#" in path:
            path, _, field = path.rpartition("#")
    found = read_prompts(path, field=field, where=where)
    if source is None:
        return found
    return replace(found, items=tuple(replace(prompt, source=source) for prompt in found.items))


def read_written(text: str, field: str) -> Prompts:
    """Read prompts that were written to a command instead of lying in a file.

    Parameters
    ----------
    text : str
        A record or a string of JSON on each line, or else one text.
    field : str
        Where a record holds its text.

    Returns
    -------
    Prompts
        With labels and sources where records have them.

    Raises
    ------
    FormatError
        If a line is no JSON where the first one is, or a record has no such field, or there is no text.

    Examples
    --------
    >>> [one.text for one in read_written(chr(10).join(['{"text": "One"}', '"Two"']), "text")]
    ['One', 'Two']
    >>> len(read_written(chr(10).join(['"One text," she said,', "and left."]), "text"))
    1
    """
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines or not _is_record(lines[0][1]):
        return read_prompts([Prompt(text=text, name=_WRITTEN, row=0)])
    records = []
    for number, line in lines:
        try:
            records.append(json.loads(line))
        except ValueError as error:
            raise FormatError(
                f"Line {number} of the {_WRITTEN} is no valid JSON: {error}. Where the first line is an object or a "
                "string of JSON, so is every other."
            ) from error
    return read_prompts(records, field=field)


def _is_record(line: str) -> bool:
    """Say whether a line is meant as JSON: an object, whole or broken, or a whole string, as prose may quote too."""
    if line.lstrip().startswith("{"):
        return True
    try:
        return isinstance(json.loads(line), str)
    except ValueError:
        return False


def _known(name: str, prompts: Iterable[Prompt], config: Config) -> Iterator[Prompt]:
    """Yield prompts that have a label of their own, and refuse any other."""
    labels = (config.positive_label, config.negative_label)
    for prompt in prompts:
        if prompt.label not in labels:
            given = "no label" if prompt.label is None else f"the label {prompt.label!r}"
            raise FormatError(
                f"{name}: {prompt.name} has {given}. Needed is {labels[0]!r} or {labels[1]!r}; other words go into "
                "--positive-label and --negative-label."
            )
        yield prompt


def _without_copies(prompts: Sequence[Prompt], keys: Sequence[str]) -> tuple[list[Prompt], str]:
    """Return the first prompt of each key, and a sentence on the others; none of a key that has two labels."""
    labels: dict[str, set[str | None]] = {}
    for prompt, key in zip(prompts, keys, strict=True):
        labels.setdefault(key, set()).add(prompt.label)
    seen: set[str] = set()
    kept = []
    for prompt, key in zip(prompts, keys, strict=True):
        if len(labels[key]) == 1 and key not in seen:
            kept.append(prompt)
        seen.add(key)
    n_copies = len(prompts) - len(kept)
    n_both = sum(len(labels[key]) > 1 for key in labels)
    both = f" ({n_both} of them under both labels)" if n_both else ""
    return kept, f"{counted(n_copies, 'text')} left out as copies of others{both}." if n_copies else ""


def _joined(prompts: list[Prompt], config: Config) -> tuple[list[Prompt], int]:
    joined = join_texts(prompts, config.join, seed=config.seed)
    return joined, len(prompts) - config.join * len(joined)


def limited(pairs: Iterable[tuple[Prompt, Ids]], most: int) -> Iterator[tuple[Prompt, Ids]]:
    """Yield the first prompts of each label in each source."""
    counts: dict[tuple[str | None, str | None], int] = {}
    for prompt, ids in pairs:
        place = (prompt.label, prompt.source)
        counts[place] = counts.get(place, 0) + 1
        if counts[place] <= most:
            yield prompt, ids


def _refuse_one_kind(prompts: Sequence[Prompt], config: Config) -> None:
    for label in (config.positive_label, config.negative_label):
        if not any(prompt.label == label for prompt in prompts):
            raise FormatError(
                f"There is no {label} prompt among {len(prompts)}: a probe needs both kinds. Give more texts"
                + (", or join fewer" if config.join > 1 else "")
                + "; copies and texts under both labels do not count."
            )
