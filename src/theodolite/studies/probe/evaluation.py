"""How well probes and baselines tell two kinds of prompts apart, in and across sources, by layer and by length.

Every prompt is scored by a classifier that was not fitted on it. Probe and baselines are fitted in the same way on the
same prompts.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.model_selection import StratifiedKFold, train_test_split

from theodolite.core.errors import PointsError
from theodolite.core.number_format import counted
from theodolite.studies.probe.features import ProbeData, read_features
from theodolite.studies.probe.fit import fitted_scores
from theodolite.studies.probe.intervals import accuracy, area_under_curve, paired_gain
from theodolite.studies.probe.names import GUARD, NAMES, TEXT, is_layered

CROSS_VALIDATION = "cross_validation"
HELD_OUT = "held_out"
FIRST_LAYERS = "first_layers"
SINGLE_LAYER = "single_layer"
CROSS_SOURCE = "cross_source"
WITHOUT_SOURCE = "without_source"
LENGTH = "length"

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Result = dict[str, Any]

SCHEMA = {
    "model": pl.String,
    "revision": pl.String,
    "evaluation": pl.String,
    "features": pl.String,
    "layers": pl.Int64,
    "train": pl.String,
    "test": pl.String,
    "statistic": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "p_value": pl.Float64,
    "n": pl.Int64,
    "n_positive": pl.Int64,
    "true_positive": pl.Int64,
    "false_positive": pl.Int64,
    "n_filled": pl.Int64,
}
_BIN = 100
_FEWEST = 5
_KINDS = 2


def evaluate(frame: pl.DataFrame) -> pl.DataFrame:
    """Evaluate probe and baselines on the table of a probe study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        One row for each model, `evaluation`, `features` (see `probe.names`), `layers`, `train`, `test` and
        `statistic`: `accuracy` (Wilson interval, with what of the positives and negatives was called positive), `auc`
        (DeLong; of a cross-validation, within folds), or `gain` (accuracy of the dimension probe less that of these
        features on the same prompts, McNemar's p-value). `n_filled` counts missing numbers that were filled.

    Notes
    -----
    cross_validation: stratified folds, every prompt scored once. held_out: one stratified split. first_layers and
    single_layer: cross-validation with the first `layers` layers, or that layer alone. cross_source: fitted on all of
    one source and tested on another; within a source, cross-validation. without_source: fitted on all other sources.
    length: the cross-validation's scores by tokens, a hundred to a bin.
    """
    return _evaluate(_Table(frame))


class _Table:
    """A table that can be looked up by its content, so that one evaluation serves summary, findings and figures."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._content = (frame.height, tuple(frame.columns), int(frame.hash_rows(seed=0).sum() or 0))

    def __hash__(self) -> int:
        return hash(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Table) and self._content == other._content


@lru_cache(maxsize=2)
def _evaluate(table: _Table) -> pl.DataFrame:
    rows = [
        {**dict.fromkeys(SCHEMA), "model": data.model, "revision": data.revision, **result}
        for data in read_features(table.frame)
        for result in _of_model(data)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def folds_of(data: ProbeData, places: Rows | None = None) -> Iterator[tuple[Rows, Rows]]:
    """Yield train and test places of the cross-validation.

    Parameters
    ----------
    data : ProbeData
        All prompts.
    places : numpy.ndarray, optional
        Of these prompts only.

    Yields
    ------
    tuple of numpy.ndarray
        Places of prompts; every prompt is tested once. As many folds as the protocol says, fewer where a kind has
        fewer prompts.
    """
    chosen = np.arange(data.n_prompts) if places is None else places
    labels = data.positive[chosen]
    fewest = min(int(labels.sum()), int((~labels).sum()))
    n_folds = min(int(data.protocol["folds"]), fewest)
    if n_folds < 2:
        raise PointsError(f"A kind has {counted(fewest, 'prompt')}, and cross-validation needs 2. Give more prompts.")
    shuffle = bool(data.protocol["shuffle_folds"])
    splitter = StratifiedKFold(n_folds, shuffle=shuffle, random_state=data.protocol["seed"] if shuffle else None)
    for train, test in splitter.split(np.zeros(len(chosen)), labels):
        yield chosen[train], chosen[test]


def split_of(data: ProbeData) -> tuple[Rows, Rows]:
    """Return train and test places of the single stratified split."""
    n_test = min(max(ceil(data.protocol["test_share"] * data.n_prompts), _KINDS), data.n_prompts - _KINDS)
    train, test = train_test_split(
        np.arange(data.n_prompts),
        test_size=n_test,
        random_state=data.protocol["seed"],
        stratify=data.positive,
    )
    return np.asarray(train), np.asarray(test)


def classifiers(data: ProbeData) -> list[str]:
    """Return the names of what is compared: feature sets of layers, then the baselines, then the guards."""
    fitted = [name for name in NAMES if name in data.sets or name in ("majority", TEXT)]
    layered = [name for name in fitted if is_layered(name)]
    asked = [name for name in data.sets if is_layered(name) and name not in NAMES]
    return layered + asked + fitted[len(layered) :] + [name for name in data.sets if name.startswith(GUARD)]


def crossed_sources(data: ProbeData) -> list[str]:
    """Return the sources that hold enough prompts of both kinds to be left out or fitted on alone."""
    sources = np.array(data.sources)
    return [
        source
        for source in dict.fromkeys(data.sources)
        if min(data.positive[sources == source].sum(), (~data.positive[sources == source]).sum()) >= _FEWEST
    ]


def _of_model(data: ProbeData) -> Iterator[Result]:
    names = classifiers(data)
    folds = _fold_numbers(data)
    crossed = {name: _crossed(data, name) for name in names}
    everything = np.arange(data.n_prompts)
    yield from _compared(data, crossed, everything, {"evaluation": CROSS_VALIDATION}, folds=folds)
    train, test = split_of(data)
    held_out = {name: fitted_scores(data, name, train, test) for name in names}
    yield from _compared(data, held_out, test, {"evaluation": HELD_OUT})
    for name in names:
        yield from _by_length(data, name, crossed[name], folds)
    yield from _by_layer(data, folds)
    yield from _across_sources(data, names)


def _fold_numbers(data: ProbeData, places: Rows | None = None) -> Rows:
    """Return the fold in which each prompt is tested."""
    numbers = np.zeros(data.n_prompts, dtype=np.int64)
    for number, (_, test) in enumerate(folds_of(data, places)):
        numbers[test] = number
    return numbers if places is None else numbers[places]


def _crossed(data: ProbeData, name: str, *, places: Rows | None = None, layers: Sequence[int] | None = None) -> Floats:
    """Return the score of every prompt, each from the fold that it was not fitted in."""
    scores = np.full(data.n_prompts, np.nan)
    for train, test in folds_of(data, places):
        scores[test] = fitted_scores(data, name, train, test, layers=layers)
    return scores if places is None else scores[places]


def _compared(
    data: ProbeData, scores: dict[str, Floats], test: Rows, shared: Result, *, folds: Rows | None = None
) -> Iterator[Result]:
    """Yield accuracy and area of every classifier, and what the dimension probe gains over it."""
    for name, own in scores.items():
        filled = {"n_filled": int(np.isnan(data.sets[name].values[test]).sum())} if name in data.sets else {}
        yield from _scored(own, data.positive[test], {**shared, "features": name, **filled}, folds=folds)
        if name != "dimension" and "dimension" in scores:
            gain = paired_gain(scores["dimension"], own, data.positive[test])
            numbers = {"value": gain.value, "low": gain.low, "high": gain.high, "p_value": gain.p_value}
            yield {**shared, "features": name, "statistic": "gain", "n": len(test), **numbers}


def _scored(
    scores: Floats, positive: npt.NDArray[np.bool_], shared: Result, *, folds: Rows | None = None
) -> Iterator[Result]:
    called = scores >= 0.5
    counts = {
        "n": len(scores),
        "n_positive": int(positive.sum()),
        "true_positive": int((called & positive).sum()),
        "false_positive": int((called & ~positive).sum()),
    }
    for statistic, found in (
        ("accuracy", accuracy(scores, positive)),
        ("auc", area_under_curve(scores, positive, groups=folds)),
    ):
        numbers = {"value": found.value, "low": found.low, "high": found.high}
        yield {**shared, "statistic": statistic, **numbers, **counts}


def _by_length(data: ProbeData, name: str, scores: Floats, folds: Rows) -> Iterator[Result]:
    bins = data.n_tokens // _BIN
    for one in np.unique(bins):
        inside = bins == one
        shared = {"evaluation": LENGTH, "features": name, "test": f"{one * _BIN} to {one * _BIN + _BIN - 1}"}
        yield from _scored(scores[inside], data.positive[inside], shared, folds=folds[inside])


def _by_layer(data: ProbeData, folds: Rows) -> Iterator[Result]:
    for name in classifiers(data):
        if not is_layered(name) or "," in name:
            continue
        layers = sorted(set(data.sets[name].layers))
        for count, layer in enumerate(layers, start=1):
            for evaluation, chosen in ((FIRST_LAYERS, layers[:count]), (SINGLE_LAYER, [layer])):
                scores = _crossed(data, name, layers=chosen)
                shared = {"evaluation": evaluation, "features": name, "layers": layer}
                yield from _scored(scores, data.positive, shared, folds=folds)


def _across_sources(data: ProbeData, names: Sequence[str]) -> Iterator[Result]:
    """Fit on one source and test on another, then on all but one: a probe may know the source and not hostility."""
    usable = crossed_sources(data)
    if len(usable) < 2:
        return
    sources = np.array(data.sources)
    places = {source: np.flatnonzero(sources == source) for source in usable}
    for name in names:
        for train in usable:
            for test in usable:
                folds = None
                if train == test:
                    scores = _crossed(data, name, places=places[test])
                    folds = _fold_numbers(data, places[test])
                else:
                    scores = fitted_scores(data, name, places[train], places[test])
                shared = {"evaluation": CROSS_SOURCE, "features": name, "train": train, "test": test}
                yield from _scored(scores, data.positive[places[test]], shared, folds=folds)
    for left_out in usable:
        test_places = places[left_out]
        rest = np.flatnonzero(sources != left_out)
        scored = {name: fitted_scores(data, name, rest, test_places) for name in names}
        shared = {"evaluation": WITHOUT_SOURCE, "train": "all others", "test": left_out}
        yield from _compared(data, scored, test_places, shared)
