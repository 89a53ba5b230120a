"""What a saved probe says of new prompts."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from theodolite.core.errors import FormatError, ParameterError, PointsError
from theodolite.models import LanguageModel
from theodolite.prompts import Prompt, Prompts, TokenizedPrompts, tokenize
from theodolite.runs import config_to_mapping
from theodolite.studies.probe.asked import EVERYTHING
from theodolite.studies.probe.config import Config
from theodolite.studies.probe.features import FeatureSet, feature_sets
from theodolite.studies.probe.measure import measure_prompts
from theodolite.studies.probe.names import asked_name
from theodolite.studies.probe.prompts import join_texts, read_source
from theodolite.studies.probe.saved import SavedProbe
from theodolite.studies.probe.study import kept_tokens, probe_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a probe says of a prompt.

    Attributes
    ----------
    name, source : str
        Of the prompt.
    n_tokens : int
        Tokens that were measured, or that it has where it was refused.
    probability : float or None
        Of being hostile; None where the prompt was refused.
    label : str or None
        The likelier label.
    reason : str
        Why it was refused; empty otherwise.
    """

    name: str
    source: str | None
    n_tokens: int
    probability: float | None
    label: str | None
    reason: str


def score_prompts(
    saved: SavedProbe, prompts: str | Prompts, *, field: str | None = None, join: int = 1, reference: str | None = None
) -> list[Scored]:
    """Say how likely prompts are hostile, according to a probe.

    Parameters
    ----------
    saved : SavedProbe
        The probe.
    prompts : str or Prompts
        `FILE[#FIELD]`, as `probe fit` takes it, or prompts that were read; labels are not used.
    field : str, optional
        Where a record holds its text; by default as the probe was fitted.
    join : int
        Texts to join into one prompt.
    reference : str, optional
        Where the same model is found now.

    Returns
    -------
    list of Scored
        In the order of the file; prompts without text, or too short for a cloud, are listed with the reason. Where
        texts are joined, what did not fill a prompt and those without text come last.

    Raises
    ------
    FormatError
        If the model is not the one that the probe was fitted on.
    PointsError
        If every prompt was refused, or too few texts are there to be joined.
    """
    fitted = saved.config
    needed = fitted.measures if fitted.features == EVERYTHING else ()
    config = replace(fitted, preset=None, measures=needed, guard=())
    model = probe_model(reference or saved.reference, config)
    if model.provenance["content"] != saved.content:
        raise FormatError(
            f"{reference or saved.reference} is not the model of the probe, which was fitted on {saved.reference}, "
            f"{saved.n_layers} layers of {saved.n_dims} dimensions (weights {saved.content[:12]}); this one has "
            f"{model.n_layers} layers of {model.n_dims} (weights {model.provenance['content'][:12]}). Fit another."
        )
    given = read_source(prompts, field or config.field) if isinstance(prompts, str) else prompts
    read = [replace(one, label=None) for one in given]
    texts = [replace(one, row=row) for row, one in enumerate(join_texts(read, join, seed=config.seed))]
    if not texts:
        raise PointsError(f"{len(read)} texts do not make a prompt of {join} joined ones. Give more, or join fewer.")
    try:
        found = tokenize(texts, model.tokenizer, n_tokens=kept_tokens(config, model), minimum=config.minimum)
    except ParameterError as error:
        raise PointsError(
            f"None of the {len(texts)} prompts can be scored: a cloud takes minimum={config.minimum} tokens, as the "
            f"probe was fitted. Give longer texts, or join several. ({error})"
        ) from error
    refused = {one.row: one for one in found.dropped}
    scored = {prompt.row: one for prompt, one in _scored(saved, config, model, found)}
    results = []
    for prompt in texts:
        if prompt.row in scored:
            results.append(scored[prompt.row])
            continue
        dropped = refused[prompt.row]
        reason = f"has fewer than {config.minimum} tokens" if dropped.reason == "short" else "repeats one token"
        results.append(_refused(prompt, dropped.n_tokens[""], reason))
    if left_over := len(read) - join * len(texts):
        rest = Prompt(text="", name=f"{left_over} further {'text' if left_over == 1 else 'texts'}", row=0)
        results.append(_refused(rest, 0, f"left over when {join} each were joined"))
    for row in given.empty:
        empty = _refused(Prompt(text="", name=f"row {row}", row=row), 0, "holds no text")
        results.insert(row if join == 1 else len(results), empty)
    return results


def _scored(
    saved: SavedProbe, config: Config, model: LanguageModel, found: TokenizedPrompts
) -> list[tuple[Prompt, Scored]]:
    """Score the prompts that are long enough."""
    pairs = list(zip(found.prompts, found.token_ids, strict=True))
    rows: list[dict[str, Any]] = []
    refusals: dict[int, str] = {}
    for prompt, measured, refusal in measure_prompts(model, pairs, replace(config, mean_states=False)):
        rows += [{**row, "prompt_row": prompt.row} for row in measured]
        if refusal:
            refusals[prompt.row] = refusal
    order = [prompt.row for prompt, _ in pairs]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    protocol = config_to_mapping(config)
    sets = feature_sets(frame, order, protocol)
    values = _aligned(sets.get(asked_name(protocol)), saved.features, len(order))
    results = []
    for (prompt, ids), probability in zip(pairs, saved.probe.score(values), strict=True):
        if prompt.row in refusals:
            results.append((prompt, _refused(prompt, len(ids), refusals[prompt.row])))
            continue
        label = config.positive_label if probability >= 0.5 else config.negative_label
        one = Scored(
            name=prompt.name,
            source=prompt.source,
            n_tokens=len(ids),
            probability=float(probability),
            label=label,
            reason="",
        )
        results.append((prompt, one))
    return results


def _aligned(found: FeatureSet | None, names: tuple[str, ...], n_prompts: int) -> npt.NDArray[np.float64]:
    """Return the columns in the order of the probe; NaN for a number that no prompt here has."""
    values = np.full((n_prompts, len(names)), np.nan)
    place = {} if found is None else {name: column for column, name in enumerate(found.names)}
    for column, name in enumerate(names):
        if found is not None and name in place:
            values[:, column] = found.values[:, place[name]]
    return values


def _refused(prompt: Prompt, n_tokens: int, reason: str) -> Scored:
    return Scored(
        name=prompt.name, source=prompt.source, n_tokens=n_tokens, probability=None, label=None, reason=reason
    )
