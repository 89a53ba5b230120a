"""What the references of a study's settings stand for: tables to read, or models to run; nothing is read to know it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from theodolite import bundled
from theodolite.studies.dimension.config import COVARIANCE, GAUSSIAN
from theodolite.studies.families import family_references
from theodolite.studies.similarity.config import NO_PROMPTS
from theodolite.studies.training.study import checkpoints
from theodolite.tables import Reference, expand
from theodolite.tables.cost import Cost, cost_of_model, cost_of_tables

_MODELS = ("layers", "probe", "rank", "transfer")


def costs_of(name: str, config: Any) -> list[Cost]:
    """Say what each reference of a study costs to read.

    Parameters
    ----------
    name : str
        The study.
    config : dataclass
        Its settings.

    Returns
    -------
    list of Cost
        Each reference once as tables and once as a model, where the study reads it so.
    """
    which = getattr(config, "which", ("input", "output"))
    dtype = str(getattr(config, "dtype", "float32"))
    tables = [] if name in _MODELS else _tables(name, config)
    costs = [cost_of_tables(one, (which,) if isinstance(which, str) else which) for one in tables]
    return [*costs, *(cost_of_model(one, dtype=dtype) for one in _models(name, config, tables))]


def count_units(name: str, config: Any, costs: Iterable[Cost]) -> int | None:
    """Return how many units a study of tables will plan, from headers alone; None where the texts or weights decide.

    A Gaussian null stands for all tables of one size. Headers do not know which rows the tokenizer has and which ones
    repeat, so one is counted for each number of columns, or for each shape where all rows are kept.
    """
    if name not in ("dimension", "training"):
        return None
    sweeps = set() if name == "training" else set(_expanded(config.references))
    own = [null for null in config.nulls if null != GAUSSIAN]
    along = 1 + sum(null != COVARIANCE for null in own)
    full = 2 + len(own)
    found = list(costs)
    sizes = {shape if config.rows == "all" else shape[1:] for one in found for shape in one.shapes}
    shared = len(sizes) if GAUSSIAN in config.nulls else 0
    return shared + sum(len(one.shapes) * (full if one.reference in sweeps else along) for one in found)


def _tables(name: str, config: Any) -> list[str]:
    """Return the references whose tables are read."""
    if name == "training":
        return [str(found) for one in config.references for found in checkpoints(one, config)]
    return _expanded([*_references(config), *getattr(config, "checkpoints", ())])


def _references(config: Any) -> list[str]:
    """Return the references that settings name, or the bundled family where they name nothing."""
    if hasattr(config, "reference"):
        return [config.reference]
    references = list(config.references)
    if getattr(config, "family", None) is not None:
        references += family_references(config.family)
    if not references and not getattr(config, "checkpoints", ()):
        references = [f"bundled:{model.name}" for model in bundled.family().models]
    return references


def _models(name: str, config: Any, tables: Iterable[str]) -> list[str]:
    """Return the references that are run; a survey runs those that are folders here, and the Hub's where it is told."""
    if name == "similarity":
        return list(tables) if config.prompts != NO_PROMPTS else []
    if name == "survey":
        runs = {"layers", "similarity"} & set(getattr(config, "parts", ()))
        chosen = _expanded(_references(config)) if runs else []
        return [one for one in chosen if _is_model(Reference.parse(one), whole=getattr(config, "whole", False))]
    if name not in _MODELS:
        return []
    named = [one for pair in config.pairs for one in pair] if name == "transfer" else list(config.references)
    encoder = getattr(config, "encoder", None)
    return _expanded([*named, *([encoder] if encoder else [])])


def _is_model(reference: Reference, *, whole: bool) -> bool:
    if reference.selector is not None or (reference.scheme == "hub" and not whole):
        return False
    return not (reference.scheme == "path" and Path(reference.location).is_file())


def _expanded(references: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(str(one) for pattern in references for one in expand(pattern)))
