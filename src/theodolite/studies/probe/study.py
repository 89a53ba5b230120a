"""Whether the geometry of its layers tells a hostile prompt from a benign one (viswanathan2025, section 6).

A unit is a model and a block of prompts. It keeps numbers of each prompt; probes are fitted and evaluated on the
finished table, which says itself how (`studies.probe.evaluation`).
"""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import FormatError, ParameterError
from theodolite.core.hashing import canonical_json, hash_json
from theodolite.core.number_format import counted
from theodolite.models import Guard, LanguageModel, load_guard, load_model
from theodolite.prompts import Prompt, tokenize
from theodolite.runs import Unit, UnitResult, config_from_mapping, config_to_mapping
from theodolite.studies.lenses import lens_of
from theodolite.studies.probe.columns import COLUMNS
from theodolite.studies.probe.config import TRUSTED_TOKENS, Config
from theodolite.studies.probe.findings import find
from theodolite.studies.probe.measure import judged, measure_prompts
from theodolite.studies.probe.prompts import balanced, distinct, dropped_note, limited, read_labeled
from theodolite.studies.probe.summary import summarize, summary_frame
from theodolite.studies.revisions import model_and_revision
from theodolite.tables import expand

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "run", "summarize", "summary_frame"]

NAME = "probe"
VERSION = 4

Ids = npt.NDArray[np.int64]
_USUAL_TOKENS = 1024
_PROTOCOL = (
    "estimator",
    "scale",
    "lens",
    "measures",
    "features",
    "first_layers",
    "layer",
    "folds",
    "shuffle_folds",
    "test_share",
    "standardize",
    "seed",
    "join",
    "positive_label",
    "negative_label",
)


def plan(config: Config) -> list[Unit]:
    """List the units: each model on each block of prompts.

    Parameters
    ----------
    config : Config
        Prompts of two kinds, and what to measure.

    Returns
    -------
    list of Unit
        In the order of the references.
    """
    _model.cache_clear()
    _guard.cache_clear()
    _prompts.cache_clear()
    units = []
    for reference in (str(one) for pattern in config.references for one in expand(pattern)):
        prompts, _ = _prompts(config, reference)
        model = probe_model(reference, config)
        _refuse_layers(config, model, reference)
        if config.lens not in (None, "logit"):
            lens_of(str(config.lens))
        guards = [probe_guard(one, config).model.provenance["content"] for one in config.guard]
        for start in range(0, len(prompts), config.block):
            block = prompts[start : start + config.block]
            units.append(
                Unit(
                    study=NAME,
                    version=VERSION,
                    params={
                        "reference": reference,
                        "content": model.provenance["content"],
                        "start": start,
                        "tokens": _fingerprint(block),
                        "guards": guards,
                        "settings": config_to_mapping(config),
                    },
                    group=reference,
                    label=f"{reference} prompts {start} to {start + len(block) - 1}",
                )
            )
    return units


def run(unit: Unit) -> UnitResult:
    """Measure one block of prompts.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        Rows with the columns of `COLUMNS`, the provenance of the model, and what was left out.
    """
    params = unit.params
    config = config_from_mapping(Config, params["settings"])
    model = probe_model(params["reference"], config)
    prompts, notes = _prompts(config, params["reference"])
    block = prompts[params["start"] : params["start"] + config.block]
    guards = {one: probe_guard(one, config) for one in config.guard}
    contents = [guard.model.provenance["content"] for guard in guards.values()]
    changed = model.provenance["content"] != params["content"] or contents != params["guards"]
    if changed or _fingerprint(block) != params["tokens"]:
        raise FormatError(f"{params['reference']} or its prompts changed after the run was planned. Run it again.")
    model_name, revision = model_and_revision(params["reference"])
    protocol = canonical_json({name: getattr(config, name) for name in _PROTOCOL})
    warnings = list(notes)
    inputs = {**model.provenance, "n_dims": model.n_dims, "n_layers": model.n_layers}
    rows = []
    for prompt, measured, refusal in measure_prompts(model, block, config):
        if refusal:
            warnings.append(f"{prompt.name} {'has no dimension' if measured else 'left out'}: {refusal}")
        shared = {
            "model": model_name,
            "revision": revision,
            "prompt": prompt.name,
            "prompt_row": prompt.row,
            "label": prompt.label,
            "positive": prompt.label == config.positive_label,
            "source": prompt.source,
        }
        rows += [
            {**row, **shared, "protocol": protocol if row["measure"] == "text" else None}
            for row in (*measured, *judged(measured, guards))
        ]
    read = [inputs, *(guard.model.provenance for guard in guards.values())]
    return UnitResult(rows=rows, inputs=read, warnings=warnings)


def _refuse_layers(config: Config, model: LanguageModel, reference: str) -> None:
    for name in ("first_layers", "layer"):
        asked = getattr(config, name)
        if asked is not None and asked > model.n_layers:
            raise ParameterError(
                f"{name}={asked} asks for more than the {model.n_layers} layers of {reference}. Take at most "
                f"{model.n_layers}."
            )


def kept_tokens(config: Config, model: LanguageModel) -> int:
    """Return the most tokens that are measured of a prompt."""
    room = _USUAL_TOKENS if model.n_positions is None else model.n_positions
    if config.special_tokens != "none":
        room -= len(model.front_ids) + len(model.back_ids)
    return min(config.n_tokens or _USUAL_TOKENS, room)


@lru_cache(maxsize=1)
def _model(reference: str, dtype: Any, device: str, trust_remote_code: bool) -> LanguageModel:
    model = load_model(reference, dtype=dtype, device=device, trust_remote_code=trust_remote_code)
    if model.tokenizer is None:
        raise FormatError(f"{reference} has no tokenizer, which prompts need. Put a tokenizer.json into its folder.")
    return model


def probe_model(reference: str, config: Config) -> LanguageModel:
    """Return the model of a probe; the last one is kept."""
    return _model(reference, config.dtype, config.device, config.trust_remote_code)


@lru_cache(maxsize=2)
def _guard(reference: str, dtype: Any, device: str, trust_remote_code: bool) -> Guard:
    return load_guard(reference, dtype=dtype, device=device, trust_remote_code=trust_remote_code)


def probe_guard(reference: str, config: Config) -> Guard:
    """Return a guard; the last two are kept."""
    return _guard(reference, config.dtype, config.device, config.trust_remote_code)


@lru_cache(maxsize=1)
def _prompts(config: Config, reference: str) -> tuple[list[tuple[Prompt, Ids]], list[str]]:
    """Return prompts with their tokens, and sentences on what was left out or is doubtful."""
    model = probe_model(reference, config)
    found = read_labeled(config)
    tokenized = tokenize(found.prompts, model.tokenizer, n_tokens=kept_tokens(config, model), minimum=config.minimum)
    prompts, copies = distinct(tokenized)
    notes = [*found.notes, *dropped_note(tokenized, config.minimum), *copies]
    if config.maximum is not None:
        long = {prompt.row for prompt, n in zip(tokenized.prompts, tokenized.n_full, strict=True) if n > config.maximum}
        n_before, prompts = len(prompts), [pair for pair in prompts if pair[0].row not in long]
        if len(prompts) < n_before:
            notes.append(
                f"{counted(n_before - len(prompts), 'prompt')} left out, with more than maximum={config.maximum} "
                "tokens."
            )
    if config.limit is not None:
        prompts = list(limited(prompts, config.limit))
    if config.balance:
        n_before = len(prompts)
        prompts = balanced(prompts, seed=config.seed)
        if len(prompts) < n_before:
            notes.append(
                f"{n_before - len(prompts)} of {n_before} prompts left out so that both kinds are equally many."
            )
    for label in (config.positive_label, config.negative_label):
        n_prompts = sum(prompt.label == label for prompt, _ in prompts)
        if n_prompts < config.folds:
            raise FormatError(
                f"{n_prompts} {label} prompts have at least minimum={config.minimum} tokens"
                f"{'' if config.maximum is None else f' and at most maximum={config.maximum}'}, which is fewer than "
                f"the folds={config.folds}. Give longer texts, join several (--join), lower the minimum, or take fewer "
                "folds."
            )
    short = sum(len(ids) < TRUSTED_TOKENS for _, ids in prompts)
    if short:
        notes.append(
            f"{short} of {len(prompts)} prompts have fewer than {TRUSTED_TOKENS} tokens, the least of the authors: "
            "their dimensions are noisy."
        )
    return prompts, notes


def _fingerprint(prompts: list[tuple[Prompt, Ids]]) -> str:
    return hash_json([[prompt.row, prompt.label, prompt.source, ids.tolist()] for prompt, ids in prompts])
