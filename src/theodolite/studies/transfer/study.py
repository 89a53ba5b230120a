"""Carry steering vectors from one model to another and see what they still do (lee2025, Emb2Emb).

One unit carries one contrast from one model to another: the native vector of the target, vectors carried by several
maps, and controls, over layers and strengths, all scored on pairs that made none of them.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from theodolite.core.errors import FormatError
from theodolite.core.number_format import counted
from theodolite.models.contrast_pairs import load_contrast
from theodolite.runs import Unit, UnitResult
from theodolite.studies.transfer import sources
from theodolite.studies.transfer.columns import COLUMNS
from theodolite.studies.transfer.config import Config
from theodolite.studies.transfer.findings import find
from theodolite.studies.transfer.measure import measure
from theodolite.studies.transfer.summary import summarize, summary_frame

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "run", "summarize", "summary_frame"]

NAME = "transfer"
VERSION = 2

_NOT_OF_A_UNIT = ("sources", "targets", "contrasts")


def plan(config: Config) -> list[Unit]:
    """List the units: each pair of models with each contrast.

    Parameters
    ----------
    config : Config
        What to measure.

    Returns
    -------
    list of Unit
        In the order of the pairs, then of the contrasts.
    """
    sources.forget()
    settings = {name: value for name, value in asdict(config).items() if name not in _NOT_OF_A_UNIT}
    return [
        Unit(
            study=NAME,
            version=VERSION,
            params={
                **settings,
                "source": source,
                "target": target,
                "contrast": contrast,
                "content": _content(source, target, contrast),
            },
            group=f"{source} {target}",
            label=f"{source} to {target}, {contrast}",
        )
        for source, target in config.pairs
        for contrast in config.contrasts
    ]


def run(unit: Unit) -> UnitResult:
    """Measure one transfer of one contrast.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        Rows with the columns of `COLUMNS`, the provenance of both models, and warnings.

    Raises
    ------
    FormatError
        If a model or the contrast changed after the run was planned.
    """
    params: Mapping[str, Any] = unit.params
    if params["content"] != _content(params["source"], params["target"], params["contrast"]):
        raise FormatError(
            f"{params['source']}, {params['target']} or the contrast {params['contrast']} changed after the run was "
            "planned. Run the study again."
        )
    work = measure(params)
    models = [sources.language_model(params[side]) for side in ("source", "target")]
    _, _, match = sources.aligned(params["source"], params["target"], params["space"])
    said = list(work.warnings)
    if match.is_small:
        said.append(f"{params['source']} and {params['target']} share only {counted(match.n_shared, 'token')}.")
    return UnitResult(rows=work.rows, inputs=[model.provenance for model in models], warnings=said)


def _content(source: str, target: str, contrast: str) -> list[str]:
    """Return hashes of everything that a unit reads."""
    hashes = [str(sources.language_model(one).provenance["content"]) for one in (source, target)]
    return [*hashes, load_contrast(contrast).content]
