"""Training checkpoints: which revisions a model has, which of them to take, and the step that a revision is."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from theodolite import bundled
from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.tables.json_file import read_json
from theodolite.tables.reference import Reference
from theodolite.tables.source import STEP

_PATTERN = re.compile(r"[*?\[]")
_STEP_INSIDE = re.compile(r"(?:^|[-_/])(?:global_?step|step|checkpoint|ckpt|iter)[-_]?(\d+)(?!\d)")
_COMMA = re.compile(r",(?![^\[]*\])")  # not inside of [...]
_TRAINER_STATE = "trainer_state.json"
_MAIN = "main"
_NAMED = 40
_FEWEST = 2


def expand(
    reference: str | Path | Reference, *, revisions: str | Sequence[str] | None = None, points: int | None = None
) -> tuple[Reference, ...]:
    """Return the references that a reference stands for: itself, or every revision that its patterns match.

    Parameters
    ----------
    reference : str, pathlib.Path or Reference
        `bundled:pocket-128@step*`, `./model@checkpoint-*`, `./model@step0,step512`, or a reference without a pattern.
    revisions : str or sequence of str, optional
        Names and patterns, as for `select_revisions`, in place of one after `@`.
    points : int, optional
        How many of them to keep, spaced evenly in the logarithm of the step, as for `select_revisions`.

    Returns
    -------
    tuple of Reference
        In the order of their steps; `main`, which has the last step, comes last.

    Raises
    ------
    NotFoundError
        If a name or pattern matches nothing; the message lists what there is.
    ParameterError
        If both the reference and `revisions` name some, or `points` is below 2.

    Examples
    --------
    >>> [str(one) for one in expand("bundled:pocket-128@step[1248]")]
    ['bundled:pocket-128@step1', 'bundled:pocket-128@step2', 'bundled:pocket-128@step4', 'bundled:pocket-128@step8']
    >>> [one.revision for one in expand("bundled:pocket-128@step*", points=5)]
    ['step0', 'step8', 'step32', 'step256', 'step2048']
    """
    parsed = Reference.parse(reference)
    if revisions is not None and parsed.revision is not None:
        raise ParameterError(
            f"{parsed} names the revision {parsed.revision!r} and revisions={revisions!r} names others. Give one of "
            "the two."
        )
    wanted = _listed(parsed.revision if revisions is None else revisions)
    if not wanted or (len(wanted) == 1 and not _PATTERN.search(wanted[0])):
        return (parsed if not wanted or revisions is None else replace(parsed, revision=wanted[0]),)
    there = _revisions(parsed) if any(map(_PATTERN.search, wanted)) else wanted
    if not there:
        raise NotFoundError(
            f"{replace(parsed, revision=None)} has no revisions to choose {', '.join(wanted)} from. Give a model with "
            "revisions: bundled:pocket-128, one on the Hub with branches, or a folder that holds folders such as "
            "checkpoint-500."
        )
    try:
        names = select_revisions(there, wanted, points=points)
    except NotFoundError as error:
        raise NotFoundError(f"{replace(parsed, revision=None)}: {error}") from error
    return tuple(replace(parsed, revision=None if name == _MAIN else name) for name in names)


def select_revisions(
    names: Iterable[str], patterns: str | Sequence[str] = "*", *, points: int | None = None
) -> tuple[str, ...]:
    """Choose revisions by name, and a few of them that are spaced evenly in the logarithm of the training step.

    Parameters
    ----------
    names : iterable of str
        What there is: branches of a repository, folders of checkpoints.
    patterns : str or sequence of str
        Names and patterns; a string may hold several, with commas between them. In a pattern `*` stands for any text,
        `?` for one character, `[...]` for one of several.
    points : int, optional
        How many to keep, at least 2: the first and the last always, and between them those nearest to even distances in
        log(1 + step). All where there are no more. A name without a step (`main`) is last, and is kept.

    Returns
    -------
    tuple of str
        In the order of their steps, each once; names without a step at the end.

    Raises
    ------
    NotFoundError
        If a name or pattern matches nothing; the message lists what there is.
    ParameterError
        If `points` is below 2, or too few of the names hold a step.

    Examples
    --------
    >>> names = ["main", "step0", "step1", "step2", "step4", "step8", "step1000", "step2000", "step143000"]
    >>> select_revisions(names, "step*", points=4)
    ('step0', 'step8', 'step2000', 'step143000')
    >>> select_revisions(names, "step[12]000,main,step0")
    ('step0', 'step1000', 'step2000', 'main')
    """
    there = tuple(dict.fromkeys(names))
    chosen: set[str] = set()
    for pattern in _listed(patterns):
        matching = {name for name in there if name == pattern or fnmatchcase(name, pattern)}
        if not matching:
            known = ", ".join(_by_step(there)[:_NAMED]) or "none"
            more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
            raise NotFoundError(f"No revision matches {pattern!r}. Revisions there: {known}{more}.")
        chosen |= matching
    ordered = _by_step(chosen)
    return ordered if points is None else _spaced(ordered, points)


def step_of(name: str) -> int | None:
    """Return the training step in the name of a revision, such as 512 in step512 or checkpoint-512.

    Parameters
    ----------
    name : str
        A branch, tag or folder.

    Returns
    -------
    int or None
        None where the name holds none.

    Examples
    --------
    >>> step_of("step512"), step_of("checkpoint-512"), step_of("stage1-step5000-tokens21B"), step_of("main")
    (512, 512, 5000, None)
    """
    found = STEP.match(name) or _STEP_INSIDE.search(name)
    return int(found[1]) if found else None


def _by_step(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names by their steps; those without one come last."""
    steps = {name: step_of(name) for name in names}
    return tuple(sorted(steps, key=lambda name: (steps[name] is None, steps[name] or 0, name)))


def _spaced(names: tuple[str, ...], points: int) -> tuple[str, ...]:
    """Keep some of the names, in the order of their steps, that are spaced evenly in log(1 + step)."""
    if points < _FEWEST:
        raise ParameterError(
            f"points={points} is too few: the first and the last revision are always kept. Give 2 or more."
        )
    if len(names) <= points:
        return names
    places = [math.log1p(step) for name in names if (step := step_of(name)) is not None]
    n_kept = points - (len(names) - len(places))  # names without a step stand at the end and stay
    if n_kept < 1:
        raise ParameterError(
            f"points={points} of {len(names)} revisions needs their training steps, but only {len(places)} names hold "
            f"one ({', '.join(names[-3:])} do not). Choose by name instead."
        )
    ends = [0] if n_kept == 1 else [0, len(places) - 1]
    kept = set(ends)
    for k in range(1, n_kept - 1):
        target = places[0] + (places[-1] - places[0]) * k / (n_kept - 1)
        kept.add(min(range(len(places)), key=lambda i: (abs(places[i] - target), i)))
    while len(kept) < n_kept:  # two targets met: add what is farthest from all that is kept
        rest = (i for i in range(len(places)) if i not in kept)
        kept.add(max(rest, key=lambda i: (min(abs(places[i] - places[j]) for j in kept), -i)))
    return tuple(names[i] for i in sorted(kept)) + names[len(places) :]


def _listed(patterns: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return names and patterns one by one."""
    if patterns is None:
        return ()
    several = [patterns] if isinstance(patterns, str) else patterns
    return tuple(part.strip() for one in several for part in _COMMA.split(one) if part.strip())


def training_step(reference: Reference, folder: Path) -> int | None:
    """Return the training step that a table is from, where something says so.

    Parameters
    ----------
    reference : Reference
        What was asked for: the name of its revision may be a step, and bundled models know theirs.
    folder : pathlib.Path
        The folder that was read; `trainer_state.json` in it, as transformers' Trainer writes it, names the step.

    Returns
    -------
    int or None
        None where nothing says so.
    """
    if reference.scheme == "bundled":
        model = next((one for one in bundled.family().models if one.name == reference.location), None)
        name = reference.revision or _MAIN
        return next((one.step for one in model.revisions if one.name == name), None) if model else None
    step = step_of(reference.revision or folder.name)
    if step is not None:
        return step
    if (folder / _TRAINER_STATE).is_file():
        stated = read_json(folder / _TRAINER_STATE).get("global_step")
        return stated if isinstance(stated, int) else None
    return None


def _revisions(reference: Reference) -> tuple[str, ...]:
    """List the revisions of a bundled model or a local folder, in the order of their steps."""
    if reference.scheme == "bundled":
        return bundled.revisions(reference.location)
    if reference.scheme == "hub":
        from theodolite.tables.hub_resolve import revisions_of  # noqa: PLC0415 (local models need no HTTP client)

        return revisions_of(reference)
    folder = Path(reference.location)
    found = {
        path.name: step
        for parent in (folder, folder / "revisions", folder / "checkpoints")
        if parent.is_dir()
        for path in parent.iterdir()
        if path.is_dir() and (step := step_of(path.name)) is not None
    }
    return tuple(sorted(found, key=lambda name: found[name]))
