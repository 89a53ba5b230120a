"""What the feature sets of a probe are called, in tables and in words."""

from collections.abc import Mapping
from typing import Any

from theodolite.studies.probe.asked import EVERYTHING, MEASURES

TRIVIAL = ("majority", "length")
"""Baselines that know nothing of the model."""
TEXT = "ngrams"
GUARD = "guard "
"""What the name of a guard's verdict begins with; its reference follows."""
_LAYERED = {
    "dimension": "dimension",
    "entropy": "entropy",
    "combined": "dimension and entropy",
    **{name: one.name for name, one in MEASURES.items()},
    EVERYTHING: "all measures",
}
_EVERY = " of every layer"
NAMES = {
    **{name: words if name == "combined" else words + _EVERY for name, words in _LAYERED.items()},
    "majority": "the larger class",
    "length": "number of tokens",
    "types": "distinct tokens and tokens",
    "surprisal": "mean loss",
    "final_entropy": "entropy of predictions",
    "varentropy": "varentropy of predictions",
    "mean_state": "mean state, middle layer",
    "ngrams": "character n-grams",
}


def name_of(features: str) -> str:
    """Return the words for a feature set, as tables and figures have them.

    Examples
    --------
    >>> name_of("surprisal"), name_of("guard ./my-guard"), name_of("dimension+norm, layer 3")
    ('mean loss', 'guard ./my-guard, not fitted', 'dimension and norm, layer 3')
    """
    if features.startswith(GUARD):
        return f"{features}, not fitted"
    if features in NAMES:
        return NAMES[features]
    asked, comma, layers = features.partition(",")
    words = " and ".join(_LAYERED[name] for name in asked.split("+"))
    return words + (comma + layers or _EVERY)


def is_layered(features: str) -> bool:
    """Say whether a feature set holds numbers of layers.

    Examples
    --------
    >>> is_layered("combined"), is_layered("dimension, layer 3"), is_layered("mean_state")
    (True, True, False)
    """
    return features in _LAYERED or (features not in NAMES and not features.startswith(GUARD))


def asked_name(protocol: Mapping[str, Any]) -> str:
    """Return the name of the feature set that the saved probe reads.

    Examples
    --------
    >>> asked_name({"features": "dimension", "first_layers": None}), asked_name({"features": "norm", "layer": 2})
    ('dimension', 'norm, layer 2')
    """
    first, layer = protocol.get("first_layers"), protocol.get("layer")
    if first is not None:
        return f"{protocol['features']}, first {'layer' if first == 1 else f'{first} layers'}"
    return str(protocol["features"]) if layer is None else f"{protocol['features']}, layer {layer}"
