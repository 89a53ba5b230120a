"""One transfer of one contrast: native and transferred vectors and their controls, scored on held-out pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError
from theodolite.models import LanguageModel
from theodolite.models.contrast_pairs import load_contrast
from theodolite.models.contrast_vectors import TokenPair, tokenize_pairs
from theodolite.models.steering_generation import generate
from theodolite.models.steering_hooks import Steering, plan_steering
from theodolite.models.steering_scores import predictions, score_pairs, side_effects
from theodolite.studies.rows import Row, RowMaker
from theodolite.studies.transfer import sources
from theodolite.studies.transfer.candidates import Candidate, Place, carried, controls
from theodolite.studies.transfer.columns import COLUMNS
from theodolite.studies.transfer.config import DRAWN, NATIVE, STATES
from theodolite.studies.transfer.effects import (
    Spread,
    is_monotone,
    mean_spread,
    ratio_spread,
    share_of_draws,
    slopes,
    surpassed,
    working_range,
)
from theodolite.transfer import MapDiagnostics, cosine

Floats = npt.NDArray[np.float64]
Changes = Mapping[float, Floats]


@dataclass(slots=True)
class Measurement:
    """The work of one unit: what it measures with, and the rows so far.

    Attributes
    ----------
    params : mapping
        Those of the unit.
    model : LanguageModel
        The target.
    fitted, held_out : list of TokenPair
        The two parts of the contrast.
    maps : tuple of str
        How vectors are carried.
    rows : list of dict
        What was measured.
    warnings : list of str
        What a reader should know.
    windows : list of numpy.ndarray
        Token ids of neutral text.
    unsteered : list of torch.Tensor
        Its predictions without steering.
    """

    params: Mapping[str, Any]
    model: LanguageModel
    fitted: list[TokenPair]
    held_out: list[TokenPair]
    maps: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    windows: list[npt.NDArray[np.int64]] = field(default_factory=list)
    unsteered: list[torch.Tensor] = field(default_factory=list)

    def add(self, measure: str, value: float | Spread, **columns: Any) -> None:
        """Keep one number."""
        shared = {name: self.params[name] for name in ("source", "target", "contrast", "space")}
        numbers: dict[str, Any] = {"value": value}
        if isinstance(value, Spread):
            numbers = {"value": value.value, "stderr": value.stderr, "low": value.low, "high": value.high}
        finite = {name: one if np.isfinite(one) else None for name, one in numbers.items()}
        self.rows.append(RowMaker.of(COLUMNS, **shared).row(measure, finite.pop("value"), **finite, **columns))

    def steering(self, direction: Floats, strength: float, *, layer: int, norm: float) -> Steering:
        """Return what to add for one strength."""
        return plan_steering(
            {layer: direction},
            strength=strength,
            unit="residual",
            norms={layer: norm},
            positions=self.params["positions"],
        )

    def changes(
        self, pairs: list[TokenPair], base: Floats, direction: Floats, strengths: Sequence[float], **at: Any
    ) -> dict[float, Floats]:
        """Return for each strength the change of every pair's margin; `at` is the layer and its norm."""
        return {
            strength: score_pairs(self.model, pairs, steering=self.steering(direction, strength, **at)).margin - base
            for strength in strengths
        }

    def spread(self, values: Floats, over: Floats | None = None) -> Spread:
        """Return a mean over pairs, or a ratio of means, with its interval."""
        settings = {name: self.params[name] for name in ("n_bootstrap", "confidence", "seed")}
        return mean_spread(values, **settings) if over is None else ratio_spread(values, over, **settings)


def measure(params: Mapping[str, Any]) -> Measurement:
    """Measure one unit.

    Parameters
    ----------
    params : mapping
        Those of the unit: source, target, contrast and the fields of the config that decide its rows.

    Returns
    -------
    Measurement
        Rows and warnings.

    Raises
    ------
    ParameterError
        If verdicts should be on a map between states that have no partners.
    """
    model = sources.language_model(params["target"])
    contrast = load_contrast(params["contrast"])
    work = Measurement(
        params=params,
        model=model,
        fitted=tokenize_pairs(model, contrast.fitted),
        held_out=tokenize_pairs(model, contrast.held_out),
        maps=tuple(params["maps"]),
    )
    _leave_out_states(work)
    work.windows = sources.neutral_windows(model, params["contrast"])
    work.unsteered = predictions(model, work.windows)
    layers = params["layers"] or sources.default_layers(model.n_layers)
    base = score_pairs(model, work.held_out)
    bare = {"role": "none", "condition": "none", "strength": 0.0}
    work.add("margin", work.spread(base.margin), **bare, n_used=len(base.margin))
    work.add("preference", work.spread(base.preference), **bare, n_used=len(base.margin))
    work.add("perplexity", _perplexity(work), **bare, n_used=sum(map(len, work.unsteered)))
    _repetition(work, None, bare)
    tokens, chosen, strengths = _choose(work, layers)
    for layer in layers:
        native = sources.native_vector(params["target"], params["contrast"], tokens)
        place = Place(
            tokens=tokens,
            layer=layer,
            source_layer=sources.matching_layer(
                layer, sources.language_model(params["source"]).n_layers, model.n_layers
            ),
            chosen=layer == chosen,
            norm=native.norms_by_layer()[layer],
            strengths=strengths or params["strengths"],
        )
        _sweep(work, place, base.margin, controlled=place.chosen and bool(strengths))
    for name in work.maps:
        if name != STATES:
            settings = {"fold": params["fold"], "seed": params["seed"]}
            found = sources.token_map(params["source"], params["target"], params["space"], name, **settings)
            assert found.diagnostics is not None
            _describe(work, name, found.diagnostics)
    return work


def _leave_out_states(work: Measurement) -> None:
    """Go without the map between states where they have no partners."""
    source, target = work.params["source"], work.params["target"]
    if STATES not in work.maps or sources.same_tokens(source, target, work.params["contrast"]):
        return
    said = f"{source} and {target} cut texts into different tokens, so their states have no partners"
    if work.maps[0] == STATES:
        raise ParameterError(f"{said}. Name another map first: verdicts are on the first one.")
    work.maps = tuple(name for name in work.maps if name != STATES)
    work.warnings.append(f"{said}, and there is no map between them.")


def _choose(work: Measurement, layers: Sequence[int]) -> tuple[str, int, list[float]]:
    """Choose tokens and layer by cross-validation within the fitted pairs, and find the working range there.

    Native vectors are made from each half of these pairs and scored on the other half.
    """
    halves = [slice(0, None, 2), slice(1, None, 2)]
    base = [score_pairs(work.model, work.fitted[half]).margin for half in halves]
    best: tuple[float, str, int, list[float]] = (-np.inf, work.params["tokens"][0], layers[0], [])
    for tokens in work.params["tokens"]:
        norms = sources.native_vector(work.params["target"], work.params["contrast"], tokens).norms_by_layer()
        made = [sources.half_vector(work.params["target"], work.params["contrast"], tokens, half) for half in (0, 1)]
        for layer in layers:
            parts = [
                work.changes(
                    work.fitted[half],
                    before,
                    vector.at(layer),
                    work.params["strengths"],
                    layer=layer,
                    norm=norms[layer],
                )
                for half, before, vector in zip(halves, base, reversed(made), strict=True)
            ]
            changes = {strength: np.concatenate([part[strength] for part in parts]) for strength in parts[0]}
            working = working_range(changes)
            slope = slopes(changes, working or work.params["strengths"])
            columns = {"role": NATIVE, "condition": NATIVE, "tokens": tokens, "layer": layer, "n_used": len(slope)}
            work.add("slope_fitted", work.spread(slope), **columns)
            if working and float(slope.mean()) > best[0]:
                best = (float(slope.mean()), tokens, layer, working)
    _, tokens, layer, working = best
    working = _readable(work, tokens, layer, working)
    for end in (working[0], working[-1]) if working else ():
        work.add("working_strength", end, role=NATIVE, condition=NATIVE, tokens=tokens, layer=layer, chosen=True)
    if not working:
        work.warnings.append(
            f"{work.params['target']}, {work.params['contrast']}: the native vector has no working range on the "
            "fitted pairs, so there is nothing to transfer."
        )
    return tokens, layer, working


def _readable(work: Measurement, tokens: str, layer: int, strengths: Sequence[float]) -> list[float]:
    """Cut a working range where the native vector damages neutral text; empty if nothing remains on one side."""
    vector = sources.native_vector(work.params["target"], work.params["contrast"], tokens)
    norm, limit = vector.norms_by_layer()[layer], work.params["most_damage"] * _perplexity(work)
    sides = []
    for sign in (-1, 1):
        side = []
        for strength in sorted((s for s in strengths if s * sign > 0), key=abs):
            steering = work.steering(vector.at(layer), strength, layer=layer, norm=norm)
            if side_effects(work.model, work.windows, work.unsteered, steering=steering).perplexity > limit:
                break
            side.append(strength)
        sides.append(side)
    return sorted([*sides[0], *sides[1]]) if all(sides) else []


def _perplexity(work: Measurement) -> float:
    """Return the perplexity of the neutral text without steering."""
    lost = n_predicted = 0.0
    for ids, logs in zip(work.windows, work.unsteered, strict=True):
        lost -= float(logs[torch.arange(len(logs)), torch.from_numpy(ids[1:]).to(logs.device)].double().sum())
        n_predicted += len(logs)
    return float(np.exp(lost / n_predicted))


def _sweep(work: Measurement, place: Place, base: Floats, *, controlled: bool) -> None:
    """Steer at one layer with every vector, and with the controls where there is something to carry."""
    vectors = carried(work.params, work.maps, place)
    own = next(vectors)
    native = _steer(work, place, base, own)
    first, *_ = [_steer(work, place, base, one, beside=(own.direction, native)) for one in vectors]
    if not controlled or work.spread(native).low <= 0:
        return
    found: dict[str, list[Floats]] = {}
    for one in controls(work.params, work.maps[0], place):
        found.setdefault(one.condition, []).append(_steer(work, place, base, one, beside=(own.direction, native)))
    for name, effects in found.items():
        columns = {**place.columns, "role": "control", "condition": name}
        work.add("beyond_control", work.spread(first - np.mean(effects, axis=0)), **columns, n_used=len(base))
        if name in DRAWN:
            draws = np.mean(effects, axis=1)
            columns["n_used"] = len(draws)
            share = share_of_draws(draws, float(first.mean()), confidence=work.params["confidence"])
            work.add("draws_as_good", share, **columns)
            if native.mean():
                work.add("draws_keep", surpassed(draws) / float(native.mean()), **columns)


def _steer(
    work: Measurement, place: Place, base: Floats, one: Candidate, beside: tuple[Floats, Floats] | None = None
) -> Floats:
    """Steer with one vector; return its effect on each pair, and keep it beside direction and effects of the own one.

    Of a random control, all draws but the first give their effect alone.
    """
    columns = {**place.columns, "role": one.role, "condition": one.condition, "draw": one.draw, "n_used": len(base)}
    strengths = work.params["strengths"] if one.stands_for_its_kind else place.strengths
    changes = work.changes(work.held_out, base, one.direction, strengths, layer=place.layer, norm=place.norm)
    effects = slopes(changes, place.strengths)
    work.add("effect", work.spread(effects), **columns)
    if beside is not None:
        work.add("effect_retained", work.spread(effects, beside[1]), **columns)
        work.add("cosine", cosine(one.direction, beside[0]), **columns)
    if one.stands_for_its_kind:
        for strength, change in changes.items():
            work.add("margin_change", work.spread(change), strength=strength, **columns)
        work.add("monotone", float(is_monotone(changes, place.strengths)), **columns)
        if place.chosen:
            _side_effects(work, one, place, columns)
    return effects


def _side_effects(work: Measurement, one: Candidate, place: Place, columns: Mapping[str, Any]) -> None:
    """Measure neutral text and preferences at both ends of the working range, repetition at its upper end."""
    for strength in (min(place.strengths), max(place.strengths)):
        steering = work.steering(one.direction, strength, layer=place.layer, norm=place.norm)
        found = side_effects(work.model, work.windows, work.unsteered, steering=steering)
        at = {**columns, "strength": strength, "n_used": found.n_predicted}
        work.add("perplexity", found.perplexity, **at)
        work.add("kl", found.kl, **at)
        scores = score_pairs(work.model, work.held_out, steering=steering)
        work.add("preference", work.spread(scores.preference), **{**at, "n_used": len(work.held_out)})
    _repetition(work, steering, at)


def _repetition(work: Measurement, steering: Steering | None, columns: Mapping[str, Any]) -> None:
    """Let the model write, and count what it repeats."""
    prompts = sources.neutral_prompts(work.params["contrast"])
    if work.params["n_generated"] < 2 or not prompts:
        return
    written = generate(work.model, prompts, n_tokens=work.params["n_generated"], steering=steering)
    shares = [text.distinct(2) for text in written]
    work.add("distinct_2", float(np.nanmean(shares)), **{**columns, "n_used": len(shares)})


def _describe(work: Measurement, name: str, found: MapDiagnostics) -> None:
    """Keep what is known about a map."""
    columns = {"role": "transferred", "condition": name, "n_used": found.n_held_out}
    for measure_name, value in (
        ("r2_held_out", found.r2_held_out),
        ("retrieval_1", found.retrieval_1),
        ("retrieval_10", found.retrieval_10),
        ("condition_number", found.condition),
        ("norm_change", found.norm_change),
    ):
        work.add(measure_name, value, **columns)
