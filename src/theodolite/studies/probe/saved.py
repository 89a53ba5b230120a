"""A fitted probe as a JSON file: numbers, and what is needed to score further prompts with them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, PointsError
from theodolite.core.hashing import canonical_json
from theodolite.runs import Run, config_from_mapping, config_to_mapping
from theodolite.runs.folder.atomic import write_atomically
from theodolite.studies.probe.config import Config
from theodolite.studies.probe.evaluation import CROSS_VALIDATION, HELD_OUT, WITHOUT_SOURCE, evaluate
from theodolite.studies.probe.features import ProbeData, read_features
from theodolite.studies.probe.fit import LinearProbe, fit_probe
from theodolite.studies.probe.names import asked_name
from theodolite.studies.revisions import model_and_revision

FILE = "probe.json"
_FORMAT = 1
_ARRAYS = ("fill", "center", "spread", "weights")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SavedProbe:
    """A probe, and all that is needed to score further prompts with it.

    Attributes
    ----------
    probe : LinearProbe
        The classifier.
    features : tuple of str
        What its numbers are, in order.
    reference : str
        The model, as given.
    content : str
        Hash of the model's weights: a probe is of one model.
    n_dims, n_layers : int
        Of the model.
    settings : dict
        The study's `Config`: how prompts are cut and measured.
    facts : dict
        Prompts it was fitted on, and how well such a probe did on prompts that it was not fitted on.
    """

    probe: LinearProbe
    features: tuple[str, ...]
    reference: str
    content: str
    n_dims: int
    n_layers: int
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def config(self) -> Config:
        """The settings as a Config."""
        return config_from_mapping(Config, dict(self.settings))


def fit_saved(run: Run) -> list[SavedProbe]:
    """Fit the probe of each model of a run on all its prompts.

    Parameters
    ----------
    run : Run
        A finished run of the study `probe`.

    Returns
    -------
    list of SavedProbe
        One for each model. Accuracies beside them are those of the evaluation, where no prompt was scored by a
        classifier that had seen it.

    Raises
    ------
    ParameterError
        If the run is of another study.
    PointsError
        If no dimension or entropy was measured.
    """
    if run.manifest["study"] != "probe":
        raise ParameterError(
            f"{run.path} is a run of {run.manifest['study']!r}. Fit probes on a run of `theodolite probe fit`."
        )
    config = config_from_mapping(Config, dict(run.config))
    frame = run.table()
    results = evaluate(frame)
    return [_saved(run, config, data, results) for data in read_features(frame)]


def _saved(run: Run, config: Config, data: ProbeData, results: pl.DataFrame) -> SavedProbe:
    name = asked_name(data.protocol)
    if name not in data.sets:
        raise PointsError(f"No {config.features} of any layer was measured, so there is nothing to fit a probe on.")
    chosen = data.sets[name]
    model = next(
        one
        for one in run.manifest["inputs"]
        if model_and_revision(str(one["reference"])) == (data.model, data.revision)
    )
    probe = fit_probe(
        chosen.values, data.positive, standardize=data.protocol["standardize"], seed=data.protocol["seed"]
    )
    own = results.filter(
        (pl.col("model") == data.model)
        & (pl.col("revision") == data.revision)
        & (pl.col("features") == name)
        & pl.col("evaluation").is_in([CROSS_VALIDATION, HELD_OUT, WITHOUT_SOURCE])
        & (pl.col("statistic") != "gain")
    )
    facts = {
        "n_prompts": data.n_prompts,
        "n_positive": int(data.positive.sum()),
        "n_filled": probe.n_filled,
        "fewest_tokens": int(data.n_tokens.min()),
        "most_tokens": int(data.n_tokens.max()),
        "sources": sorted(set(data.sources)),
        "evaluation": own.select("evaluation", "test", "statistic", "value", "low", "high", "n").to_dicts(),
    }
    return SavedProbe(
        probe=probe,
        features=chosen.names,
        reference=str(model["reference"]),
        content=str(model["content"]),
        n_dims=int(model["n_dims"]),
        n_layers=int(model["n_layers"]),
        settings=config_to_mapping(config),
        facts=facts,
    )


def write_probe(saved: SavedProbe, path: Path) -> None:
    """Write a probe as JSON; nothing in it can run.

    Parameters
    ----------
    saved : SavedProbe
        The probe.
    path : pathlib.Path
        The file.

    Raises
    ------
    RunError
        If the system refuses to write.
    """
    content = {
        "format": "theodolite-probe",
        "version": _FORMAT,
        "reference": saved.reference,
        "content": saved.content,
        "n_dims": saved.n_dims,
        "n_layers": saved.n_layers,
        "features": list(saved.features),
        "intercept": saved.probe.intercept,
        **{name: getattr(saved.probe, name).tolist() for name in _ARRAYS},
        "settings": dict(saved.settings),
        "facts": dict(saved.facts),
    }
    write_atomically(path, (canonical_json(_plain(content)) + "\n").encode())


def read_probe(path: Path) -> SavedProbe:
    """Read what `write_probe` wrote.

    Parameters
    ----------
    path : pathlib.Path
        The file, or the folder that holds its `probe.json`.

    Returns
    -------
    SavedProbe
        Scores as the one that was written, to the last digit.

    Raises
    ------
    NotFoundError
        If there is none.
    FormatError
        If the file is something else, or its parts do not fit.
    """
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise NotFoundError(f"There is no probe at {file}. `theodolite probe fit` makes one.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != "theodolite-probe" or content["version"] != _FORMAT:
            raise FormatError(f"{file} is no probe of this version of theodolite. Fit it again.")
        arrays = {name: np.asarray(content[name], dtype=np.float64) for name in _ARRAYS}
        probe = LinearProbe(**arrays, intercept=float(content["intercept"]), n_filled=content["facts"]["n_filled"])
        found = SavedProbe(
            probe=probe,
            features=tuple(content["features"]),
            settings=content["settings"],
            facts=content["facts"],
            **{name: content[name] for name in ("reference", "content", "n_dims", "n_layers")},
        )
        config_from_mapping(Config, dict(found.settings))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{file} is no probe, or was changed by hand ({error}). Fit it again.") from error
    if any(one.shape != (len(found.features),) or not np.isfinite(one).all() for one in arrays.values()):
        raise FormatError(
            f"{file} is damaged: its numbers do not fit its {len(found.features)} features. Fit it again."
        )
    return found


def _plain(value: Any) -> Any:
    """Return numbers that JSON cannot hold as None."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
