"""What a probe reads of one prompt: geometry and entropy of every layer, and the numbers of its baselines."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from theodolite.models import (
    Guard,
    LanguageModel,
    PromptStates,
    guard_scores,
    logit_lens_entropy,
    token_losses,
    tuned_lens_entropy,
)
from theodolite.prompts import Prompt
from theodolite.studies.finite_states import finite_states
from theodolite.studies.lenses import lens_of
from theodolite.studies.probe.columns import COLUMNS
from theodolite.studies.probe.config import Config
from theodolite.studies.probe.geometry import measure_clouds
from theodolite.studies.rows import Row, RowMaker

Ids = npt.NDArray[np.int64]

_MAKE = RowMaker.of(COLUMNS)


def measure_prompts(
    model: LanguageModel, prompts: Sequence[tuple[Prompt, Ids]], config: Config
) -> Iterator[tuple[Prompt, list[Row], str]]:
    """Measure prompts, one forward pass each.

    Parameters
    ----------
    model : LanguageModel
        With a tokenizer.
    prompts : sequence of tuple
        Prompts with their token ids.
    config : Config
        What to measure.

    Yields
    ------
    tuple
        The prompt, its rows (without what names model and prompt), and why it has no dimension where that is so. A
        prompt whose states are not finite has no rows.
    """
    forward = finite_states(
        model,
        [ids for _, ids in prompts],
        batch=config.batch,
        last_layer=config.last_layer,
        special_tokens=config.special_tokens,
    )
    for (prompt, _), (_, found) in zip(prompts, forward, strict=True):
        if isinstance(found, str):
            yield prompt, [], found
            continue
        geometry, refusal = measure_clouds(found.states[1:], config)
        rows = [*_facts(model, found), *_predictions(model, found, config), *geometry]
        if config.mean_states:
            rows += _mean_state(found.states)
        yield prompt, rows, refusal


def judged(measured: Sequence[Row], guards: Mapping[str, Guard]) -> list[Row]:
    """Return a row for each guard: how harmful it finds the text of a prompt that was measured.

    Parameters
    ----------
    measured : sequence of dict
        Rows of the prompt.
    guards : Mapping
        Reference to guard.

    Returns
    -------
    list of dict
        Without what names model and prompt.
    """
    texts = [row["text"] for row in measured if row["measure"] == "text"]
    return [
        _MAKE.row("guard", value, method=reference)
        for reference, guard in guards.items()
        for value in (guard_scores(guard, texts) if texts else ())
    ]


def _facts(model: LanguageModel, found: PromptStates) -> list[Row]:
    assert model.tokenizer is not None
    text = model.tokenizer.decode(found.token_ids.tolist(), skip_special_tokens=True)
    n_tokens = len(found.token_ids)
    return [
        _MAKE.row("text", len(text), text=text, n_used=n_tokens),
        _MAKE.row("n_tokens", n_tokens),
        _MAKE.row("n_types", len(np.unique(found.token_ids))),
    ]


def _predictions(model: LanguageModel, found: PromptStates, config: Config) -> list[Row]:
    """Measure loss, entropy and varentropy of the predictions, and the entropy of every layer through the lens."""
    if found.logits is None:
        return []
    losses = token_losses(found.logits, found.token_ids, first_logits=found.first_logits, varentropy=True)
    assert losses.varentropy is not None
    n_tokens = len(found.token_ids)
    rows = [
        _MAKE.row("loss", losses.mean_loss, n_used=losses.n_predicted),
        _MAKE.row("entropy", losses.mean_entropy, method="model", n_used=n_tokens),
        _MAKE.row("varentropy", float(np.mean(losses.varentropy)), method="model", n_used=n_tokens),
    ]
    if config.lens is None:
        return rows
    if config.lens == "logit":
        entropies, method = logit_lens_entropy(model, found.states, last_layer=found.last_layer), "logit_lens"
    else:
        entropies = tuned_lens_entropy(model, found.states, lens_of(config.lens), last_layer=found.last_layer)
        method = "tuned_lens"
    return rows + [
        _MAKE.row("entropy", float(np.mean(one)), method=method, layer=layer, n_used=n_tokens)
        for layer, one in enumerate(entropies)
    ]


def _mean_state(states: torch.Tensor) -> list[Row]:
    """Return the mean state of the middle layer, coordinate by coordinate."""
    layer = len(states) // 2
    means = states[layer].double().mean(dim=0).cpu().tolist()
    return [_MAKE.row("mean_state", value, layer=layer, position=place) for place, value in enumerate(means)]
