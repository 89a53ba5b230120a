"""The token cloud of a prompt, layer by layer (viswanathan2025): one forward pass gives every layer.

A unit is a model and a block of prompts under one control, all layers. The geometry is computed where the states are,
and only its numbers are kept.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import FormatError, PointsError
from theodolite.core.hashing import hash_json
from theodolite.models import (
    LanguageModel,
    PromptStates,
    greedy_match,
    hidden_states,
    logit_cloud,
    logit_lens_entropy,
    token_losses,
    tuned_lens_entropy,
)
from theodolite.prompts import Dropped, Prompt, TokenizedPrompts, bleu, positions, source_name
from theodolite.runs import Unit, UnitResult, config_from_mapping, config_to_mapping
from theodolite.studies.finite_states import finite_states
from theodolite.studies.layers.box import measure_box
from theodolite.studies.layers.columns import COLUMNS
from theodolite.studies.layers.config import RANDOM_VOCABULARY, STRUCTURED, Config, Positions, SpecialTokens
from theodolite.studies.layers.controls import controls_of, disturbed
from theodolite.studies.layers.early import refuse_early
from theodolite.studies.layers.findings import find
from theodolite.studies.layers.geometry import measure_layers, measure_logits
from theodolite.studies.layers.kept_states import check_room, keep_states, states_bytes
from theodolite.studies.layers.left_out import left_out_notes
from theodolite.studies.layers.sources import USUAL_TOKENS, encoder_of, model_of, prompts_of, root_of
from theodolite.studies.layers.summary import read, summarize, summary_frame
from theodolite.studies.lenses import lens_of
from theodolite.studies.revisions import model_and_revision
from theodolite.studies.rows import Row, RowMaker
from theodolite.tables import display_token, expand
from theodolite.tables.vocabulary import read_vocabulary

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "read", "run", "summarize", "summary_frame"]

NAME = "layers"
VERSION = 3

Ids = npt.NDArray[np.int64]
T = TypeVar("T")


def plan(config: Config) -> list[Unit]:
    """List the units: each model on each block of prompts, first as they are, then under each control.

    Parameters
    ----------
    config : Config
        What to measure.

    Returns
    -------
    list of Unit
        In the order of the references; the prompts themselves before the disturbed ones.

    Raises
    ------
    RunError
        If the states are to be saved and the disk has no room for them.
    ParameterError
        If the prompts of a model, or what is read beside it, would fail in every unit.
    """
    model_of.cache_clear()
    root_of.cache_clear()
    units = []
    kept = 0
    for reference in (str(one) for pattern in config.references for one in expand(pattern)):
        prompts = prompts_of(config, reference)
        refuse_early(config, model_of(reference, config.dtype, config.device, config.trust_remote_code), prompts)
        n_prompts = len(prompts.prompts)
        shortest = min(len(ids) for ids in prompts.token_ids)
        for control in controls_of(config, shortest):
            most = n_prompts if control["kind"] == STRUCTURED else min(config.controlled or n_prompts, n_prompts)
            if config.save_states is not None:
                model = model_of(reference, config.dtype, config.device, config.trust_remote_code)
                kept += states_bytes(model, (len(ids) for ids in prompts.token_ids[:most]))
            for start in range(0, most, config.block):
                block = range(start, min(start + config.block, most))
                units.append(_unit(config, reference, prompts, control=control, block=block))
    if config.save_states is not None:
        check_room(config.save_states, kept)
    return units


def _unit(config: Config, reference: str, prompts: TokenizedPrompts, *, control: dict[str, Any], block: range) -> Unit:
    """Return the unit of one block of prompts under one control."""
    rows = [prompts.prompts[number].row for number in block]
    tokens = [[rows[i], prompts.token_ids[number].tolist()] for i, number in enumerate(block)]
    kind = control["kind"] if control["level"] is None else f"{control['kind']} {control['level']:g}"
    return Unit(
        study=NAME,
        version=VERSION,
        params={
            "reference": reference,
            "content": model_of(reference, config.dtype, config.device, config.trust_remote_code).provenance["content"],
            "control": control,
            "rows": rows,
            "tokens": hash_json(tokens),
            "shown": [number < config.shown and control["kind"] == STRUCTURED for number in block],
            "settings": config_to_mapping(config),
        },
        group=reference,
        label=f"{reference} {kind} prompts {block.start} to {block.stop - 1}",
    )


def run(unit: Unit) -> UnitResult:
    """Measure one block of prompts under one control.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        Rows with the columns of `COLUMNS`, the provenance of model and prompts, and prompts that refused a measure.
    """
    params = unit.params
    config = config_from_mapping(Config, params["settings"])
    reference, control = params["reference"], params["control"]
    model = model_of(reference, config.dtype, config.device, config.trust_remote_code)
    prompts = prompts_of(config, reference)
    chosen = _chosen(prompts, params["rows"])
    tokens = [[prompt.row, ids.tolist()] for prompt, ids in chosen]
    if model.provenance["content"] != params["content"] or hash_json(tokens) != params["tokens"]:
        raise FormatError(f"{reference} or its prompts changed after the run was planned. Run the study again.")
    variants = [
        disturbed(
            control,
            prompt,
            ids,
            tokenizer=model.tokenizer,
            n_vocabulary=len(model.tokenizer),
            special_ids=model.tokenizer.all_special_ids,
            seed=config.seed,
            strip=config.strip,
        )
        for prompt, ids in chosen
    ]
    first = control["kind"] == STRUCTURED and chosen[0][0].row == prompts.prompts[0].row
    rows = _left_out(params, config, prompts) if first else []
    warnings = left_out_notes(prompts, config)
    clock = _Clock()
    forward = finite_states(
        model,
        variants,
        batch=config.batch,
        last_layer=config.last_layer,
        special_tokens=config.special_tokens,
    )
    for number, found in clock.timing("model", forward):
        (prompt, ids), shown = chosen[number], params["shown"][number]
        if isinstance(found, str):
            warnings.append(f"{reference} {prompt.name}: {found}")
            rows.append(_under(params, _place(params, config, prompt)).row("left_out", len(ids), method="not finite"))
            continue
        make = _maker(params, model, config, prompt, found)
        if config.save_states is not None:
            with clock.part("saving"):
                keep_states(config.save_states, found, model=model, prompt=prompt, control=control)
        with clock.part("model"):
            rows += _facts(make, model, config, ids, found.token_ids)
            rows += _predictions(make, model, config, found, shown=shown)
        clouds: list[Row] = []
        with clock.part("geometry"):
            logits = _logits(model, config, found, reference)
            for choice in config.positions:
                try:
                    clouds += _clouds(make.having(positions=choice), config, found, logits, choice=choice)
                except PointsError as error:
                    warnings.append(f"{reference} {prompt.name}, {choice} positions: {error}")
        rows += clouds
        if config.box and found.logits is not None and control["kind"] == STRUCTURED:
            with clock.part("model"):
                rows += measure_box(found.logits, clouds, make)
    inputs = [{**model.provenance, "prompts": prompts.settings}]
    return UnitResult(rows=rows, inputs=inputs, warnings=warnings, parts=clock.seconds)


def _maker(
    params: Mapping[str, Any], model: LanguageModel, config: Config, prompt: Prompt, found: PromptStates
) -> RowMaker:
    place = _under(params, _place(params, config, prompt))
    return place.having(last_layer=found.last_layer, extrinsic=model.n_dims)


def _under(params: Mapping[str, Any], make: RowMaker) -> RowMaker:
    """Return a maker of rows that say under which control."""
    control = params["control"]
    return make.having(control=control["kind"], level=control["level"], repeat=control["repeat"])


def _place(params: Mapping[str, Any], config: Config, prompt: Prompt | Dropped) -> RowMaker:
    """Return the maker of rows that say no more than which prompt of which model they are about."""
    name, revision = model_and_revision(params["reference"])
    labels = {"label": prompt.label, "source": prompt.source} if isinstance(prompt, Prompt) else {}
    return RowMaker.of(
        COLUMNS,
        model=name,
        revision=revision,
        prompts=source_name(config.prompts),
        prompt=prompt.name,
        prompt_row=prompt.row,
        **labels,
    )


def _left_out(params: Mapping[str, Any], config: Config, prompts: TokenizedPrompts) -> list[Row]:
    """List the prompts that were left out, why, and how few tokens they have."""
    return [
        _place(params, config, one).row("left_out", min(one.n_tokens.values()), method=one.reason)
        for one in prompts.dropped
    ]


def _facts(make: RowMaker, model: LanguageModel, config: Config, original: Ids, token_ids: Ids) -> list[Row]:
    """Count tokens, and say how much of the original a disturbed prompt still holds."""
    n_tokens, n_types = len(token_ids), len(np.unique(token_ids))
    rows = [
        make.row("n_tokens", n_tokens),
        make.row("n_types", n_types),
        make.row("repetition", 1 - n_types / n_tokens),
    ]
    if make.shared["control"] not in (STRUCTURED, RANDOM_VOCABULARY):
        texts = [model.tokenizer.decode(ids) for ids in (token_ids, original)]
        rows.append(make.row("bleu", bleu(*texts)))
        if config.encoder is not None:
            rows.append(make.row("match", _matched(config, *texts), method=config.encoder))
    return rows


def _matched(config: Config, disturbed: str, original: str) -> float:
    """Return how well an encoder matches the tokens of a disturbed prompt to those of the original (F1)."""
    encoder = encoder_of(str(config.encoder), config.device, config.trust_remote_code)
    most = encoder.n_positions or USUAL_TOKENS
    room = most - len(encoder.front_ids) - len(encoder.back_ids)
    ids = [encoder.tokenizer.encode(text, add_special_tokens=False)[:room] for text in (disturbed, original)]
    marks: SpecialTokens = "outside" if encoder.front_ids or encoder.back_ids else "none"
    states = [found.states[-1] for found in hidden_states(encoder, ids, special_tokens=marks)]
    return greedy_match(*states).f1


def _predictions(
    make: RowMaker, model: LanguageModel, config: Config, found: PromptStates, *, shown: bool
) -> list[Row]:
    """Measure what the model predicts: loss, contextual entropy, entropy through a lens, surprisal of shown tokens."""
    if found.logits is None:
        return []
    losses = token_losses(found.logits, found.token_ids, first_logits=found.first_logits)
    rows = [
        make.row("loss", losses.mean_loss, n_used=losses.n_predicted),
        make.row("entropy", losses.mean_entropy, method="model", n_used=len(found.token_ids)),
    ]
    if config.lens is not None:
        rows += _through_lens(make, model, config, found)
    if shown:
        tokens = _display(model, found.token_ids.tolist())
        for position, (token, surprisal) in enumerate(zip(tokens, losses.surprisal, strict=True)):
            rows.append(make.row("surprisal", surprisal, position=position, token=token))
    return rows


def _display(model: LanguageModel, token_ids: list[int]) -> list[str]:
    """Return tokens as a reader knows them: a blank for a blank, not the tokenizer's mark for it."""
    folder = model.provenance.get("folder")
    vocabulary = None if folder is None else read_vocabulary(Path(folder))
    if vocabulary is None:
        return [display_token(token) for token in model.tokenizer.convert_ids_to_tokens(token_ids)]
    return [vocabulary.display(token_id) for token_id in token_ids]


def _through_lens(make: RowMaker, model: LanguageModel, config: Config, found: PromptStates) -> list[Row]:
    if config.lens == "logit":
        entropies, method = logit_lens_entropy(model, found.states, last_layer=found.last_layer), "logit_lens"
    else:
        lens = lens_of(str(config.lens))
        entropies, method = tuned_lens_entropy(model, found.states, lens, last_layer=found.last_layer), "tuned_lens"
    return [
        make.row("entropy", float(np.mean(one)), method=method, layer=layer, n_used=len(one))
        for layer, one in enumerate(entropies)
    ]


def _clouds(
    make: RowMaker, config: Config, found: PromptStates, logits: torch.Tensor | None, *, choice: Positions
) -> list[Row]:
    """Measure the clouds of one prompt at one choice of positions."""
    kept = positions(found.token_ids, choice=choice)
    if len(kept) <= config.k:
        raise PointsError(
            f"{len(kept)} tokens cannot have k={config.k} neighbors each. Lower k, or take longer prompts."
        )
    everything = len(kept) == len(found.token_ids)
    states = found.states if everything else found.states[:, kept]
    rows = measure_layers(states, make, config)
    if logits is not None:
        rows += measure_logits(logits if everything else logits[kept], make, config)
    return rows


def _logits(model: LanguageModel, config: Config, found: PromptStates, reference: str) -> torch.Tensor | None:
    """Return points as far apart as the logits, of fewer columns where the head is linear; None where not wanted."""
    if not config.logits or found.logits is None:
        return None
    root = root_of(reference, config.dtype, config.device, config.trust_remote_code)
    return found.logits if root is None else logit_cloud(model, found.states[-1], root, last_layer=found.last_layer)


def _chosen(prompts: TokenizedPrompts, rows: Sequence[int]) -> list[tuple[Prompt, Ids]]:
    place = {prompt.row: number for number, prompt in enumerate(prompts.prompts)}
    if not place.keys() >= set(rows):
        raise FormatError("The prompts changed after the run was planned. Run the study again.")
    return [(prompts.prompts[place[row]], prompts.token_ids[place[row]]) for row in rows]


class _Clock:
    """Seconds by part of the work."""

    def __init__(self) -> None:
        self.seconds = {"model": 0.0, "geometry": 0.0}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def timing(self, name: str, items: Iterator[T]) -> Iterator[T]:
        """Time what it takes to make each item."""
        while True:
            with self.part(name):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item
