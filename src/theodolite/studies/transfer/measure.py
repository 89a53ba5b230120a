"""One transfer of one contrast: native and transferred vectors and their controls, scored on held-out pairs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.seeds import generator_from, seed_from
from theodolite.models import LanguageModel
from theodolite.models.contrast_pairs import load_contrast
from theodolite.models.contrast_vectors import TokenPair, tokenize_pairs
from theodolite.models.steering_generation import generate
from theodolite.models.steering_hooks import Steering, plan_steering
from theodolite.models.steering_scores import predictions, score_pairs, side_effects
from theodolite.studies.rows import Row, RowMaker
from theodolite.studies.transfer import sources
from theodolite.studies.transfer.columns import COLUMNS
from theodolite.studies.transfer.config import NATIVE, STATES
from theodolite.studies.transfer.effects import Spread, is_monotone, mean_spread, ratio_spread, slopes, working_range
from theodolite.transfer import LinearMap, cosine, identity_map, random_map

Floats = npt.NDArray[np.float64]
Changes = Mapping[float, Floats]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A direction to steer the target with, at one layer.

    Attributes
    ----------
    role, condition : str
        As in `COLUMNS`.
    direction : numpy.ndarray
        `(n_dims,)` of the target; only its direction matters.
    draw : int or None
        Which draw of a random control.
    """

    role: str
    condition: str
    direction: Floats
    draw: int | None = None


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
    seed : int
        Of every draw of this unit.
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
    seed: int
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
        self, pairs: list[TokenPair], base: Floats, direction: Floats, *, layer: int, norm: float
    ) -> dict[float, Floats]:
        """Return for each strength the change of every pair's margin."""
        return {
            strength: score_pairs(
                self.model, pairs, steering=self.steering(direction, strength, layer=layer, norm=norm)
            ).margin
            - base
            for strength in self.params["strengths"]
        }

    def spread(self, values: Floats, over: Floats | None = None) -> Spread:
        """Return a mean over pairs, or a ratio of means, with its interval."""
        settings = {name: self.params[name] for name in ("n_bootstrap", "confidence")}
        if over is None:
            return mean_spread(values, **settings, seed=self.seed)
        return ratio_spread(values, over, **settings, seed=self.seed)


def measure(params: Mapping[str, Any], *, key: str) -> Measurement:
    """Measure one unit.

    Parameters
    ----------
    params : mapping
        Those of the unit: source, target, contrast and the fields of the config that decide its rows.
    key : str
        The unit's key, which decides every draw.

    Returns
    -------
    Measurement
        Rows and warnings.
    """
    model = sources.language_model(params["target"])
    contrast = load_contrast(params["contrast"])
    work = Measurement(
        params=params,
        model=model,
        fitted=tokenize_pairs(model, contrast.fitted),
        held_out=tokenize_pairs(model, contrast.held_out),
        seed=seed_from(key),
    )
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
        _sweep(work, layer, tokens, base.margin, strengths, chosen=layer == chosen)
    for name, one in _maps(params).items():
        _describe(work, name, one)
    return work


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
                work.changes(work.fitted[half], before, vector.at(layer), layer=layer, norm=norms[layer])
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


def _sweep(
    work: Measurement, layer: int, tokens: str, base: Floats, strengths: Sequence[float], *, chosen: bool
) -> None:
    """Steer at one layer with every vector, at the chosen layer with the controls too, and keep what happens."""
    used = list(strengths) or list(work.params["strengths"])
    norm = sources.native_vector(work.params["target"], work.params["contrast"], tokens).norms_by_layer()[layer]
    place = {"tokens": tokens, "layer": layer, "source_layer": _source_layer(work, layer), "chosen": chosen}
    found: dict[tuple[str, int | None], Floats] = {}
    native = np.zeros(0)
    for one in _candidates(work, layer, tokens, controls=chosen):
        columns = {**place, "role": one.role, "condition": one.condition, "draw": one.draw, "n_used": len(base)}
        changes = work.changes(work.held_out, base, one.direction, layer=layer, norm=norm)
        for strength, change in changes.items():
            work.add("margin_change", work.spread(change), strength=strength, **columns)
        effects = slopes(changes, used)
        work.add("effect", work.spread(effects), **columns)
        work.add("monotone", float(is_monotone(changes, used)), **columns)
        if one.condition == NATIVE:
            native, direction = effects, one.direction
        else:
            work.add("effect_retained", work.spread(effects, native), **columns)
            work.add("cosine", cosine(one.direction, direction), **columns)
        found[one.condition, one.draw] = effects
        if chosen and one.draw in (None, 0):
            _side_effects(work, one, [used[0], used[-1]], norm=norm, columns=columns)
    if chosen:
        main = found[work.params["maps"][0], None]
        for (condition, draw), effects in found.items():
            if condition in work.params["controls"]:
                columns = {**place, "role": "control", "condition": condition, "draw": draw, "n_used": len(base)}
                work.add("beyond_control", work.spread(main - effects), **columns)


def _source_layer(work: Measurement, layer: int) -> int:
    n_source = sources.language_model(work.params["source"]).n_layers
    return sources.matching_layer(layer, n_source, work.model.n_layers)


def _candidates(work: Measurement, layer: int, tokens: str, *, controls: bool) -> Iterator[Candidate]:
    """Yield the directions to try at one layer, the native one first."""
    params = work.params
    native = sources.native_vector(params["target"], params["contrast"], tokens).at(layer)
    yield Candidate(NATIVE, NATIVE, native)
    held = _source_layer(work, layer)
    vector = sources.native_vector(params["source"], params["contrast"], tokens).only(held)
    maps = _maps(params)
    for name in params["maps"]:
        if name == STATES:
            between = (held, layer)
            settings = {"contrast": params["contrast"], "seed": params["seed"]}
            maps[name] = sources.state_map(params["source"], params["target"], between, **settings)
            yield Candidate("transferred", name, maps[name].directions(vector.vectors)[0])
        else:
            yield Candidate("transferred", name, maps[name](vector).vectors[0])
    if not controls:
        return
    first = next(iter(maps.values()))
    for draw in range(params["draws"]):
        if "random" in params["controls"]:
            drawn = generator_from("transfer", "random", work.seed, draw).normal(size=work.model.n_dims)
            yield Candidate("control", "random", drawn, draw)
        if "permuted" in params["controls"]:
            yield Candidate("control", "permuted", _permuted(params, draw).directions(vector.vectors)[0], draw)
        if "random_map" in params["controls"]:
            shuffled = random_map(first, seed=work.seed + draw)
            yield Candidate("control", "random_map", shuffled.directions(vector.vectors)[0], draw)
    if "identity" in params["controls"] and first.n_source == first.n_target:
        yield Candidate("control", "identity", identity_map(first).directions(vector.vectors)[0])


def _maps(params: Mapping[str, Any]) -> dict[str, LinearMap]:
    """Return the maps between embeddings."""
    settings = {"fold": params["fold"], "permuted": 0, "seed": params["seed"]}
    between = (params["source"], params["target"], params["space"])
    return {name: sources.token_map(*between, name, **settings) for name in params["maps"] if name != STATES}


def _permuted(params: Mapping[str, Any], draw: int) -> LinearMap:
    """Return the first map, fitted on tokens paired at random."""
    kind = next((name for name in params["maps"] if name != STATES), "least_squares")
    settings = {"fold": params["fold"], "permuted": draw + 1, "seed": params["seed"]}
    return sources.token_map(params["source"], params["target"], params["space"], kind, **settings)


def _side_effects(
    work: Measurement, one: Candidate, strengths: Sequence[float], *, norm: float, columns: Mapping[str, Any]
) -> None:
    """Measure neutral text and preferences at both ends of the working range, repetition at its upper end."""
    for strength in strengths:
        steering = work.steering(one.direction, strength, layer=int(columns["layer"]), norm=norm)
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


def _describe(work: Measurement, name: str, one: LinearMap) -> None:
    """Keep what is known about a map."""
    found = one.diagnostics
    if found is None:
        return
    columns = {"role": "transferred", "condition": name, "n_used": found.n_held_out}
    for measure_name, value in (
        ("r2_held_out", found.r2_held_out),
        ("retrieval_1", found.retrieval_1),
        ("retrieval_10", found.retrieval_10),
        ("condition_number", found.condition),
        ("norm_change", found.norm_change),
    ):
        work.add(measure_name, value, **columns)
