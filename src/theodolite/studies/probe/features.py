"""From the table of a probe study to what a classifier reads: a matrix of each feature set, a row for each prompt."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
MODEL = ("model", "revision")

LAYERED = ("dimension", "entropy", "combined")
"""Feature sets with a number for each layer."""
TRIVIAL = ("majority", "length")
"""Baselines that know nothing of the model."""
TEXT = "ngrams"
GUARD = "guard "
"""What the name of a guard's verdict begins with; its reference follows."""
NAMES = {
    "dimension": "dimension of every layer",
    "entropy": "entropy of every layer",
    "combined": "dimension and entropy",
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
    >>> name_of("surprisal"), name_of("guard ./my-guard")
    ('mean loss', 'guard ./my-guard, not fitted')
    """
    return f"{features}, not fitted" if features.startswith(GUARD) else NAMES[features]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureSet:
    """Numbers that one classifier reads.

    Attributes
    ----------
    values : numpy.ndarray
        `(n_prompts, n_features)`; NaN where a number could not be measured.
    names : tuple of str
        What each column is.
    layers : tuple of int
        The layer of each column; 0 where it belongs to none.
    """

    values: Floats
    names: tuple[str, ...]
    layers: tuple[int, ...]

    def of_layers(self, layers: Sequence[int]) -> "FeatureSet":
        """Return the columns of these layers."""
        kept = [place for place, layer in enumerate(self.layers) if layer in layers]
        return FeatureSet(
            values=self.values[:, kept],
            names=tuple(self.names[place] for place in kept),
            layers=tuple(self.layers[place] for place in kept),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbeData:
    """The prompts of one model.

    Attributes
    ----------
    model, revision : str
        Of the model.
    positive : numpy.ndarray
        `(n_prompts,)` bool: hostile.
    sources : tuple of str
        Where each prompt comes from.
    n_tokens : numpy.ndarray
        `(n_prompts,)`.
    texts : tuple of str
        What the model read.
    sets : dict
        Feature sets by name, those of `NAMES` and the guards that the table holds; majority and n-grams have no
        numbers.
    protocol : dict
        How to fit and evaluate.
    """

    model: str
    revision: str
    positive: npt.NDArray[np.bool_]
    sources: tuple[str, ...]
    n_tokens: npt.NDArray[np.int64]
    texts: tuple[str, ...]
    sets: Mapping[str, FeatureSet]
    protocol: Mapping[str, Any]

    @property
    def n_prompts(self) -> int:
        """How many prompts there are."""
        return len(self.positive)

    @property
    def n_layers(self) -> int:
        """Layers above the embedding of which something is known."""
        return max((max(one.layers, default=0) for one in self.sets.values()), default=0)


def read_features(frame: pl.DataFrame) -> Iterator[ProbeData]:
    """Arrange the table of a probe study by model.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Yields
    ------
    ProbeData
        Prompts in the order of the run.
    """
    for (model, revision), rows in frame.group_by(MODEL, maintain_order=True):
        texts = rows.filter(pl.col("measure") == "text").sort("prompt_row")
        if texts.is_empty():
            continue
        protocol = json.loads(texts["protocol"][0])
        yield ProbeData(
            model=str(model),
            revision=str(revision),
            positive=texts["positive"].to_numpy().astype(np.bool_),
            sources=tuple(texts["source"].fill_null("prompts").to_list()),
            n_tokens=texts["n_used"].to_numpy().astype(np.int64),
            texts=tuple(texts["text"].to_list()),
            sets=feature_sets(rows, texts["prompt_row"].to_list(), protocol),
            protocol=protocol,
        )


def feature_sets(rows: pl.DataFrame, order: Sequence[int], protocol: Mapping[str, Any]) -> dict[str, FeatureSet]:
    """Return every feature set that the rows hold numbers for.

    Parameters
    ----------
    rows : polars.DataFrame
        Of one model.
    order : sequence of int
        Rows of the prompts, as the matrices have them.
    protocol : Mapping
        Which estimator at which scale is the dimension.

    Returns
    -------
    dict
        Name to FeatureSet.
    """
    upper = rows.filter(pl.col("layer") > 0)
    dimension = upper.filter(
        (pl.col("measure") == "dimension")
        & (pl.col("method") == protocol["estimator"])
        & (pl.col("scale") == protocol["scale"])
    )
    entropy = upper.filter(pl.col("measure") == "entropy")
    final = rows.filter(pl.col("layer").is_null())
    scalars = {
        "length": ("n_tokens",),
        "types": ("n_tokens", "n_types"),
        "surprisal": ("loss",),
        "final_entropy": ("entropy",),
        "varentropy": ("varentropy",),
    }
    found: dict[str, FeatureSet] = {}
    for name, part in (("dimension", dimension), ("entropy", entropy)):
        if not part.is_empty():
            found[name] = _matrix(part, "layer", order, prefix=f"{name} {part['method'][0]}")
    if len(found) == 2:
        one, other = found["dimension"], found["entropy"]
        found["combined"] = FeatureSet(
            values=np.concatenate([one.values, other.values], axis=1),
            names=one.names + other.names,
            layers=one.layers + other.layers,
        )
    for name, measures in scalars.items():
        parts = [_matrix(part, "measure", order) for part in _each(final, measures)]
        if len(parts) == len(measures):
            found[name] = FeatureSet(
                values=np.concatenate([part.values for part in parts], axis=1), names=measures, layers=(0,) * len(parts)
            )
    states = rows.filter(pl.col("measure") == "mean_state")
    if not states.is_empty():
        found["mean_state"] = _matrix(states, "position", order, prefix="mean state")
    guards = rows.filter(pl.col("measure") == "guard")
    for (reference,), own in guards.group_by("method", maintain_order=True):
        found[f"{GUARD}{reference}"] = _matrix(own, "measure", order)
    return found


def _each(rows: pl.DataFrame, measures: Sequence[str]) -> Iterator[pl.DataFrame]:
    for measure in measures:
        part = rows.filter(pl.col("measure") == measure)
        if not part.is_empty():
            yield part


def _matrix(rows: pl.DataFrame, column: str, order: Sequence[int], *, prefix: str = "") -> FeatureSet:
    """Return one column for each value of `column`, ascending, one row for each prompt."""
    keys = sorted(rows[column].unique().to_list())
    place = {key: number for number, key in enumerate(keys)}
    line = {row: number for number, row in enumerate(order)}
    values = np.full((len(order), len(keys)), np.nan)
    for row, key, value in rows.select("prompt_row", column, "value").iter_rows():
        values[line[row], place[key]] = value
    layered = column == "layer"
    return FeatureSet(
        values=values,
        names=tuple(f"{prefix} layer {key}" if layered else f"{prefix} {key}".strip() for key in keys),
        layers=tuple(int(key) if layered else 0 for key in keys),
    )
