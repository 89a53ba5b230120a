"""Which rank an input embedding needs: trained adapters and cut tables of every rank, and the dimension (kataiwa2025).

One unit measures the held-out loss under one condition: the model as it is, its table cut to each rank, its table
trained whole, or trained through an adapter of one rank from one seed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from theodolite.core.errors import FormatError, ParameterError
from theodolite.dimension import gride, mle, participation_ratio, twonn
from theodolite.models import LanguageModel, evaluate_loss, load_model
from theodolite.models.adapters import TunedEmbedding, tune_embedding
from theodolite.models.adapters_factors import Truncations, truncations
from theodolite.models.adapters_table import Side, embedding_table, replaced_embedding
from theodolite.neighborhoods import neighbors
from theodolite.runs import Unit, UnitResult
from theodolite.studies.rank.columns import COLUMNS
from theodolite.studies.rank.config import Config
from theodolite.studies.rank.findings import find
from theodolite.studies.rank.summary import summarize, summary_frame
from theodolite.studies.rank.text import TextWindows, text_windows
from theodolite.studies.revisions import model_and_revision
from theodolite.studies.rows import Row, RowMaker
from theodolite.tables import Reference, load_table

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "run", "summarize", "summary_frame"]

NAME = "rank"
VERSION = 1

_MLE_K = 20
_TEXT_SETTINGS = ("text", "context", "windows", "batch", "device")


def plan(config: Config) -> list[Unit]:
    """List the units: each model under each condition, one for each rank and seed of the adapters.

    Weights and text are hashed into the units, so a changed file is measured anew and an equal one is not.

    Parameters
    ----------
    config : Config
        What to measure.

    Returns
    -------
    list of Unit
        In the order of the references.
    """
    _model.cache_clear()
    _windows.cache_clear()
    units: list[Unit] = []
    for given in dict.fromkeys(config.references):
        reference = replace(Reference.parse(given), selector=None)
        model = _checked(str(reference), config)
        text = _windows(reference=str(reference), **{name: getattr(config, name) for name in _TEXT_SETTINGS})
        training = {
            "steps": config.steps,
            "learning_rate": config.learning_rate,
            "alpha": config.alpha,
        }
        ranks = list(config.ranks_for(model.n_dims, adapters=False))
        conditions: list[dict[str, Any]] = [{"condition": "base", "k": config.k}]
        conditions += [{"condition": "truncated", "method": method, "ranks": ranks} for method in config.truncations]
        if not config.training_free:
            seeds = range(config.seeds)
            conditions += [{"condition": "full", "seed": seed, "ranks": ranks, **training} for seed in seeds]
            conditions += [
                {"condition": "adapter", "rank": rank, "seed": seed, **training}
                for rank in config.ranks_for(model.n_dims, adapters=True)
                for seed in seeds
            ]
        shared = {
            "reference": str(reference),
            "content": model.provenance["content"],
            "text_content": text.origin["content"],
            **{name: getattr(config, name) for name in _TEXT_SETTINGS},
        }
        units += [
            Unit(
                study=NAME,
                version=VERSION,
                params={**shared, **condition},
                group=str(reference),
                label=_label(str(reference), condition),
            )
            for condition in conditions
        ]
    return units


def _label(reference: str, condition: Mapping[str, Any]) -> str:
    parts = [reference, condition["condition"], condition.get("method", "")]
    parts += [f"{name} {condition[name]}" for name in ("rank", "seed") if name in condition]
    return " ".join(filter(None, parts))


def _checked(reference: str, config: Config) -> LanguageModel:
    """Return the model, refused early if no unit could use it."""
    model = _model(reference, config.device)
    if model.kind != "causal":
        raise ParameterError(
            f"{reference} is no causal model ({model.kind}), so it has no perplexity. Name a causal one."
        )
    if model.tokenizer is None:
        raise ParameterError(
            f"{reference} has no tokenizer, so it cannot read a text. Put its tokenizer beside the weights."
        )
    if model.n_positions is not None and config.context > model.n_positions:
        raise ParameterError(
            f"context={config.context} is more than the {model.n_positions} tokens that {reference} takes. Lower it."
        )
    embedding_table(model)
    return model


def run(unit: Unit) -> UnitResult:
    """Measure one model under one condition.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        Rows with the columns of `COLUMNS`, the provenance of model and text, and warnings about tied tables.
    """
    params = unit.params
    model = _model(params["reference"], params["device"])
    text = _windows(reference=params["reference"], **{name: params[name] for name in _TEXT_SETTINGS})
    if (model.provenance["content"], text.origin["content"]) != (params["content"], params["text_content"]):
        raise FormatError(f"{params['reference']} or its text changed after the run was planned. Run the study again.")
    measured = _Measured(model, text, params)
    _CONDITIONS[params["condition"]](measured)
    return UnitResult(
        rows=measured.rows, inputs=[model.provenance, {"text": text.origin}], warnings=measured.warnings()
    )


class _Measured:
    """Rows of one unit as they are made.

    Attributes
    ----------
    model : LanguageModel
        The model.
    text : TextWindows
        Its text.
    params : Mapping
        Of the unit.
    rows : list of dict
        What was measured so far.
    """

    def __init__(self, model: LanguageModel, text: TextWindows, params: Mapping[str, Any]) -> None:
        self.model, self.text, self.params = model, text, params
        self.table = embedding_table(model)
        name, revision = model_and_revision(params["reference"])
        self.make = RowMaker.of(
            COLUMNS,
            model=name,
            revision=revision,
            condition=params["condition"],
            method=params.get("method"),
            seed=params.get("seed"),
            side="input",
            extrinsic=model.n_dims,
        )
        self.rows: list[Row] = []

    def add(self, measure: str, value: float, **columns: Any) -> None:
        """Add one row."""
        self.rows.append(self.make.row(measure, value, **columns))

    def losses(self, table: torch.Tensor, side: Side = "input", **columns: Any) -> None:
        """Add the held-out loss, whole and of each window, with another table in the model's place."""
        with replaced_embedding(self.model, table, side=side):
            found = evaluate_loss(self.model, list(self.text.held_out)).per_window
        stderr = float(found.std(ddof=1) / np.sqrt(len(found)))
        self.add("loss", found.mean(), stderr=stderr, n_used=len(found), side=side, **columns)
        for window, value in enumerate(found):
            self.add("window_loss", value, x=float(window), side=side, **columns)

    def cut(self, found: Truncations, base: torch.Tensor | None, sides: Sequence[Side], **columns: Any) -> None:
        """Add the losses of a table, or of what is added to `base`, cut to each rank."""
        total = float(found.variances.sum())
        for rank in self.params["ranks"]:
            factors = found.factors(rank)
            left_out = float(found.variances[rank:].sum()) / total if total else 0.0
            self.add("left_out", left_out, rank=rank, **columns)
            self.add("parameters", factors.n_parameters, rank=rank, **columns)
            for side in sides:
                product = factors.table()
                self.losses(product if base is None else base + product, side, rank=rank, **columns)

    def sides(self) -> tuple[Side, ...]:
        """Return where the table can be replaced."""
        return ("input", "both") if self.model.tied else ("input",)

    def train(self, rank: int | None) -> TunedEmbedding:
        """Train the table and add what is known of the training."""
        params = self.params
        tuned = tune_embedding(
            self.model,
            list(self.text.training),
            rank=rank,
            n_steps=params["steps"],
            batch_size=params["batch"],
            learning_rate=params["learning_rate"],
            alpha=params["alpha"],
            seed=params["seed"],
        )
        settings = {name: params[name] for name in ("steps", "batch", "learning_rate", "alpha")}
        self.add("parameters", tuned.n_parameters, rank=rank, params=settings)
        self.add("update_norm", float(tuned.update.norm() / self.table.norm()), rank=rank)
        for step, loss in enumerate(tuned.losses, start=1):
            self.add("train_loss", loss, rank=rank, x=float(step))
        return tuned

    def warnings(self) -> list[str]:
        """Say in sentences what a reader of the numbers should know."""
        if not self.model.tied:
            return []
        return [
            f"{self.params['reference']}: input and output embedding are one table. Adapters are trained on the input "
            "side and evaluated there (side input) and merged into the table (side both); whole training changes both."
        ]


def _base(measured: _Measured) -> None:
    """Measure the model as it is, and the dimension of its table."""
    measured.losses(measured.table)
    measured.add("parameters", measured.table.numel())
    table = load_table(measured.params["reference"], which="input")
    if table.n_vocabulary is not None:
        table = table.select("tokenizer")
    graph = neighbors(table.points, k=min(measured.params["k"], table.n_tokens - 1), nonfinite="drop")
    for found in (twonn(graph), *([mle(graph, k=_MLE_K)] if graph.k >= _MLE_K else []), *gride(graph)):
        measured.add(
            "dimension", found.value, stderr=found.stderr, method=found.method, scale=found.n2, n_used=found.n_used
        )
    spectrum = participation_ratio(table.points)
    measured.add("participation_ratio", spectrum.value, stderr=spectrum.stderr, method="covariance")


def _truncated(measured: _Measured) -> None:
    """Measure the model with its table cut to each rank."""
    found = truncations(measured.table, center=measured.params["method"] == "pca")
    measured.cut(found, None, measured.sides())


def _full(measured: _Measured) -> None:
    """Train the whole table, and cut its update to each rank."""
    side: Side = "both" if measured.model.tied else "input"
    update = measured.train(None).update
    measured.losses(measured.table + update, side)
    measured.cut(truncations(update), measured.table, [side], condition="update", method="svd")


def _adapter(measured: _Measured) -> None:
    """Train an adapter of one rank."""
    rank = measured.params["rank"]
    measured.make = measured.make.having(method="lora")
    update = measured.train(rank).update
    for side in measured.sides():
        measured.losses(measured.table + update, side, rank=rank)


_CONDITIONS: dict[str, Callable[[_Measured], None]] = {
    "base": _base,
    "truncated": _truncated,
    "full": _full,
    "adapter": _adapter,
}


@lru_cache(maxsize=1)
def _model(reference: str, device: str) -> LanguageModel:
    return load_model(reference, dtype="float32", device=device)


@lru_cache(maxsize=1)
def _windows(*, reference: str, text: str, context: int, windows: int, batch: int, device: str) -> TextWindows:
    tokenizer = _model(reference, device).tokenizer
    return text_windows(text, tokenizer, n_tokens=context, n_held_out=windows, batch=batch)
