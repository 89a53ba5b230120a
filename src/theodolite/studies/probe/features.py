"""From the table of a probe study to what a classifier reads: a matrix of each feature set, a row for each prompt."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from theodolite.studies.probe.asked import ALWAYS, EVERYTHING, MEASURES, parts_of
from theodolite.studies.probe.names import GUARD, asked_name

Floats = npt.NDArray[np.float64]
MODEL = ("model", "revision")


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
        Feature sets by name: those of `NAMES` that the table holds, what the saved probe reads, and guards; majority
        and n-grams have no numbers.
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
        Which estimator at which scale is the dimension, what else was measured, and what the saved probe reads.

    Returns
    -------
    dict
        Name to FeatureSet.
    """
    final = rows.filter(pl.col("layer").is_null())
    scalars = {
        "length": ("n_tokens",),
        "types": ("n_tokens", "n_types"),
        "surprisal": ("loss",),
        "final_entropy": ("entropy",),
        "varentropy": ("varentropy",),
    }
    found = _with_unions(dict(_each_layer(rows, order, protocol)), protocol)
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


def _each_layer(
    rows: pl.DataFrame, order: Sequence[int], protocol: Mapping[str, Any]
) -> Iterator[tuple[str, FeatureSet]]:
    """Yield what was measured of every layer, one number each."""
    upper = rows.filter(pl.col("layer") > 0)
    readings = {
        "dimension": ("dimension", protocol["estimator"], protocol["scale"]),
        "entropy": ("entropy", None, None),
        **{name: MEASURES[name][:3] for name in protocol.get("measures", ())},
    }
    for name, (measure, method, scale) in readings.items():
        part = upper.filter(pl.col("measure") == measure)
        if method is not None:
            part = part.filter(pl.col("method") == method)
        if scale is not None:
            part = part.filter(pl.col("scale") == scale)
        if not part.is_empty():
            prefix = f"{name} {part['method'][0]}" if name in ALWAYS else name
            yield name, _matrix(part, "layer", order, prefix=prefix)


def _with_unions(single: dict[str, FeatureSet], protocol: Mapping[str, Any]) -> dict[str, FeatureSet]:
    """Add what is read together: dimension and entropy, all that was measured, and what the saved probe reads."""
    wanted: dict[str, tuple[str, ...]] = {"combined": ALWAYS}
    if protocol.get("measures"):
        wanted[EVERYTHING] = tuple(single)
    asked = str(protocol["features"])
    wanted |= {} if asked in (*single, *wanted) else {asked: tuple(single) if asked == EVERYTHING else parts_of(asked)}
    found = dict(single)
    for name, parts in wanted.items():
        if all(part in single for part in parts) and parts:
            found[name] = _side_by_side([single[part] for part in parts])
    first, layer = protocol.get("first_layers"), protocol.get("layer")
    if asked in found and first is not None:
        found[asked_name(protocol)] = found[asked].of_layers(range(1, first + 1))
    elif asked in found and layer is not None:
        found[asked_name(protocol)] = found[asked].of_layers([layer])
    return found


def _side_by_side(sets: Sequence[FeatureSet]) -> FeatureSet:
    return FeatureSet(
        values=np.concatenate([one.values for one in sets], axis=1),
        names=tuple(name for one in sets for name in one.names),
        layers=tuple(layer for one in sets for layer in one.layers),
    )


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
