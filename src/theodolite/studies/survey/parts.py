"""Which references of a survey can give layers and which pairs can be compared; the rest is said, not failed."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from pathlib import Path

from theodolite.core.errors import TheodoliteError
from theodolite.core.number_format import counted
from theodolite.runs import Unit
from theodolite.studies.layers import config as layers_config
from theodolite.studies.layers import study as layer_study
from theodolite.studies.similarity import config as similarity_config
from theodolite.studies.similarity import states as similarity_states
from theodolite.studies.similarity import study as similarity_study
from theodolite.studies.similarity import tables as similarity_tables
from theodolite.studies.survey.config import Config
from theodolite.tables import Reference, expand

_MOST_FOR_ALL_PAIRS = 5
_MOST_TOKENS = 20_000
_FEWEST_SHARED = 100
_SHOWN = 8
"""Fifty times as many points in a scatter plot: fewer than the study itself keeps, for there are many pairs."""
_NAMED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What one part of the survey will do.

    Attributes
    ----------
    units : list of Unit
        Units of the part's study.
    notes : list of str
        Sentences on what is left out.
    """

    units: list[Unit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def layers(config: Config) -> Planned:
    """Plan the token clouds of prompts in every reference that is a model to run.

    Parameters
    ----------
    config : Config
        With its references written out.

    Returns
    -------
    Planned
        Units of the study `layers`: the prompts as they are, and with all their tokens permuted.
    """
    found = Planned()
    missing: dict[str, list[str]] = {}
    for reference in _expanded(config.references):
        reason = _no_model(reference, whole=config.whole)
        if not reason:
            settings = layers_config.Config(
                references=(reference,),
                prompts=config.prompts,
                limit=config.most_prompts,
                full_shuffles=1,
                box=False,
                seed=config.seed,
            )
            try:
                found.units.extend(layer_study.plan(settings))
            except TheodoliteError as error:
                reason = str(error)
        if reason:
            missing.setdefault(reason, []).append(reference)
    found.notes.extend(f"Layers are not measured of {_listed(names)}: {reason}" for reason, names in missing.items())
    return found


def similarity(config: Config) -> Planned:
    """Plan the comparison of models: all pairs of a few, each with the next of many.

    Parameters
    ----------
    config : Config
        With its references written out.

    Returns
    -------
    Planned
        Units of the study `similarity` for pairs: their tables, and their hidden states where both are models to run.
    """
    similarity_tables.forget()
    similarity_states.forget()
    found = Planned()
    references = _expanded(config.references)
    pairs = list(combinations(references, 2))
    if len(references) > _MOST_FOR_ALL_PAIRS:
        pairs = list(pairwise(references))
        found.notes.append(
            f"Of {len(references)} references, each is compared with the next one. `theodolite similarity` compares "
            "all pairs."
        )
    reasons = {pair: _not_comparable(pair, config) for pair in pairs}
    comparable = [pair for pair in pairs if not reasons[pair]]
    found.notes.extend(dict.fromkeys(f"Not compared: {reason}" for reason in reasons.values() if reason))
    settings = similarity_config.Config(
        which=config.which,
        tokens=max(_FEWEST_SHARED, min(config.limit or _MOST_TOKENS, _MOST_TOKENS)),
        prompts=config.prompts,
        shown=_SHOWN,
        seed=config.seed,
    )
    fixed = {reference for reference in references if _no_model(reference, whole=config.whole)}
    with_states = [pair for pair in comparable if not fixed.intersection(pair)]
    tables_only = [pair for pair in comparable if fixed.intersection(pair)]
    found.units.extend(similarity_study.plan_pairs(settings, with_states, alone=False))
    settings = replace(settings, prompts=similarity_config.NO_PROMPTS)
    found.units.extend(similarity_study.plan_pairs(settings, tables_only, alone=False))
    return found


def _expanded(references: Iterable[str]) -> list[str]:
    """Return the references written out, each once."""
    return list(dict.fromkeys(str(one) for pattern in references for one in expand(pattern)))


def _no_model(reference: str, *, whole: bool) -> str:
    """Say why a reference is not taken for a model to run; empty where it is."""
    parsed = Reference.parse(reference)
    if parsed.selector is not None:
        return "a tensor is no model to run."
    if parsed.scheme == "hub" and not whole:
        return "of a model on the Hub only the tables are read. --whole fetches all of it."
    if parsed.scheme == "path" and Path(parsed.location).is_file():
        return "a file of numbers is no model to run."
    return ""


def _not_comparable(pair: tuple[str, str], config: Config) -> str:
    """Say why two references cannot be compared; empty where they can."""
    a, b = pair
    try:
        _, name_a, name_b = similarity_tables.common(a, b, config.which)[0]
        n_shared = similarity_tables.shared((a, name_a), (b, name_b)).match.n_shared
    except TheodoliteError as error:
        return str(error)
    if n_shared < _FEWEST_SHARED:
        return (
            f"{a} and {b} share {counted(n_shared, 'token')}; fewer than {_FEWEST_SHARED} say nothing about "
            "vocabularies."
        )
    return ""


def _listed(names: list[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
