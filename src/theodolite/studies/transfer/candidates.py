"""The directions that a transfer is measured with: the target's own vector, carried ones, and controls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from theodolite.core.seeds import generator_from, seed_from
from theodolite.studies.transfer import sources
from theodolite.studies.transfer.config import NATIVE, STATES
from theodolite.transfer import LinearMap

Floats = npt.NDArray[np.float64]


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

    @property
    def stands_for_its_kind(self) -> bool:
        """False for all but the first draw of a random control."""
        return self.draw in (None, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the target is steered, and how strongly.

    Attributes
    ----------
    tokens : str
        Rule for the token that vectors are read from.
    layer, source_layer : int
        Layer of the target, and that of the source at the same relative depth.
    chosen : bool
        Whether layer and tokens are those chosen on the fitted pairs.
    norm : float
        Mean residual norm of the layer.
    strengths : sequence of float
        Over which effects are read.
    """

    tokens: str
    layer: int
    source_layer: int
    chosen: bool
    norm: float
    strengths: Sequence[float]

    @property
    def columns(self) -> dict[str, Any]:
        """Those of `COLUMNS` that name the place."""
        return {name: getattr(self, name) for name in ("tokens", "layer", "source_layer", "chosen")}


def carried(params: Mapping[str, Any], maps: Sequence[str], place: Place) -> Iterator[Candidate]:
    """Yield the target's own vector, then the source's as each map carries it.

    Parameters
    ----------
    params : mapping
        Of the unit.
    maps : sequence of str
        Those to carry with.
    place : Place
        Where.

    Yields
    ------
    Candidate
        Of the target's width.
    """
    native = sources.native_vector(params["target"], params["contrast"], place.tokens)
    yield Candidate(NATIVE, NATIVE, native.at(place.layer))
    vector = _of_the_source(params, place)
    for name in maps:
        yield Candidate("transferred", name, _map(params, name, place).directions(vector))


def controls(params: Mapping[str, Any], first: str, place: Place) -> Iterator[Candidate]:
    """Yield directions that carry nothing, to compare with those of the first map.

    Parameters
    ----------
    params : mapping
        Of the unit.
    first : str
        The map that verdicts are on.
    place : Place
        Where.

    Yields
    ------
    Candidate
        A draw depends on its own number, both models, the contrast, the layer and the study's seed alone, so that it is
        the same whatever else is asked for.
    """
    *models, contrast = params["content"]
    vector = _of_the_source(params, place)
    n_dims = sources.language_model(params["target"]).n_dims
    for draw in range(params["draws"]):
        if "random" in params["controls"]:
            generator = generator_from("transfer random", *models, contrast, place.layer, params["seed"], draw)
            yield Candidate("control", "random", generator.normal(size=n_dims), draw)
        if "permuted" in params["controls"]:
            seed = seed_from("transfer permuted", *models, params["seed"], draw)
            yield Candidate("control", "permuted", _map(params, first, place, permuted=seed).directions(vector), draw)
    if "identity" in params["controls"] and len(vector) == n_dims:
        yield Candidate("control", "identity", vector)


def _of_the_source(params: Mapping[str, Any], place: Place) -> Floats:
    return sources.native_vector(params["source"], params["contrast"], place.tokens).at(place.source_layer)


def _map(params: Mapping[str, Any], name: str, place: Place, *, permuted: int | None = None) -> LinearMap:
    """Return a map by its name; with a seed to permute by, one fitted on pairs dealt anew."""
    pair = params["source"], params["target"]
    if name == STATES:
        layers = (place.source_layer, place.layer)
        return sources.state_map(*pair, layers, contrast=params["contrast"], seed=params["seed"], permuted=permuted)
    settings = {"fold": params["fold"], "seed": params["seed"]}
    if permuted is None:
        return sources.token_map(*pair, params["space"], name, **settings)
    return sources.permuted_map(*pair, params["space"], name, fold=params["fold"], seed=permuted)
