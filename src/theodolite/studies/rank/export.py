"""Write what a rank study recommends as files that a person can load: factors of the table, and an adapter."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from theodolite.core.errors import ParameterError
from theodolite.models import LanguageModel, load_model
from theodolite.models.adapters import save_adapter, tune_embedding
from theodolite.models.adapters_factors import save_factors, truncations
from theodolite.models.adapters_table import embedding_table
from theodolite.studies.rank.config import Config, Truncation
from theodolite.studies.rank.curves import ModelRanks, RankCurve, read_models
from theodolite.studies.rank.summary import recommended
from theodolite.studies.rank.text import text_windows

TABLE = "table.safetensors"
ADAPTER = "adapter"
_FACTS = "rank.json"
_README = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Attributes
    ----------
    folder : pathlib.Path
        Where.
    table_rank : int or None
        Rank of the factors in `table.safetensors`; None where no table was written.
    adapter_rank : int or None
        Rank of the adapter in `adapter/`; None where none was written.
    facts : dict
        What `rank.json` holds.
    """

    folder: Path
    table_rank: int | None
    adapter_rank: int | None
    facts: dict[str, Any] = field(repr=False)


def export_rank(
    reference: str, rank: int, folder: Path | str, *, method: Truncation = "svd", facts: dict[str, Any] | None = None
) -> Exported:
    """Write the input embedding of a model cut to a rank, as two thin tables in one safetensors file.

    Parameters
    ----------
    reference : str
        The model.
    rank : int
        From 1 to the number of columns.
    folder : path
        Made if it is not there; its `table.safetensors` and `rank.json` are replaced.
    method : {"svd", "pca"}
        As it is, or with its mean row kept apart.
    facts : dict, optional
        What else `rank.json` should say, fit for JSON.

    Returns
    -------
    Exported
        What was written.

    Raises
    ------
    ParameterError
        If the table has no such rank.
    FormatError
        If the model's embedding cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from theodolite.models.adapters_factors import load_factors
    >>> with tempfile.TemporaryDirectory() as place:
    ...     exported = export_rank("bundled:pocket-64", 16, place)
    ...     factors, facts = load_factors(exported.folder / "table.safetensors")
    >>> factors.left.shape, factors.right.shape, facts["reference"]
    (torch.Size([4096, 16]), torch.Size([16, 64]), 'bundled:pocket-64')
    """
    return _write(load_model(reference, dtype="float32"), Path(folder), rank=rank, method=method, facts=facts or {})


def export_recommended(
    frame: pl.DataFrame, config: Config, folder: Path | str, *, tolerance: float = 0.05
) -> list[Exported]:
    """Write, for each model of a rank study, the smallest table and adapter that its curves allow.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.
    config : Config
        The study's settings: adapters are trained again with them, from seed 0, which gives the same numbers.
    folder : path
        Where to write; with several models, a folder in it for each.
    tolerance : float
        Loss, in nats per token, that a table may lose against the model as it is, and an adapter against training the
        whole table.

    Returns
    -------
    list of Exported
        One for each model.

    Raises
    ------
    ParameterError
        If the tolerance is not positive, or no rank of any curve keeps within it.
    """
    if not tolerance > 0:
        raise ParameterError(
            f"tolerance={tolerance} allows no loss, and every smaller rank loses some. Take 0.05, say."
        )
    models = read_models(frame)
    exported = []
    for found in models:
        place = Path(folder) if len(models) == 1 else Path(folder, _folder_name(found.name))
        exported.append(_export_model(found, config, place, tolerance))
    return exported


def _folder_name(model: str) -> str:
    """Return the name of a model as that of a folder, which leads nowhere else."""
    return re.sub(r"[:/\\\x00]", "-", model).lstrip(".") or "model"


def _export_model(found: ModelRanks, config: Config, folder: Path, tolerance: float) -> Exported:
    whole = "both" if any(curve.side == "both" for curve in found.curves) else "input"
    tables = (curve for curve in found.curves if curve.condition == "truncated" and curve.side == whole)
    table = _smallest(tables, tolerance)
    adapter = _smallest((curve for curve in found.curves if curve.condition == "adapter"), tolerance)
    if table is None and adapter is None:
        raise ParameterError(
            f"No measured rank of {found.name} keeps the loss surely within {tolerance} nats and saves parameters. "
            "Allow a larger tolerance, or measure more ranks or windows."
        )
    model = load_model(found.name, dtype="float32", device=config.device)
    facts: dict[str, Any] = {"tolerance": tolerance}
    if table is not None:
        facts["table"] = _described(*table)
    if adapter is not None:
        facts["adapter"] = _described(*adapter)
        _write_adapter(model, config, adapter[1]["rank"], folder / ADAPTER)
    rank = None if table is None else table[1]["rank"]
    method: Truncation = "pca" if table is not None and table[0].method == "pca" else "svd"
    return _write(model, folder, rank=rank, method=method, facts=facts)


def _smallest(curves: Iterable[RankCurve], tolerance: float) -> tuple[RankCurve, dict[str, Any]] | None:
    """Return the curve whose recommended rank takes the fewest parameters, and the recommendation."""
    found = [(curve, recommended(curve, tolerance)) for curve in curves]
    return min((one for one in found if one[1]["rank"]), key=lambda one: int(one[1]["parameters"]), default=None)


def _described(curve: RankCurve, found: dict[str, Any]) -> dict[str, Any]:
    increase = curve.increase()[curve.ranks.tolist().index(found["rank"])]
    return {**found, "method": curve.method, "side": curve.side, "loss_increase": asdict(increase)}


def _write_adapter(model: LanguageModel, config: Config, rank: int, folder: Path) -> None:
    text = text_windows(
        config.text, model.tokenizer, n_tokens=config.context, n_held_out=config.windows, batch=config.batch
    )
    tuned = tune_embedding(
        model,
        list(text.training),
        rank=rank,
        n_steps=config.steps,
        batch_size=config.batch,
        learning_rate=config.learning_rate,
        alpha=config.alpha,
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_adapter(model, tuned, folder)


def _write(
    model: LanguageModel, folder: Path, *, rank: int | None, method: Truncation, facts: dict[str, Any]
) -> Exported:
    reference = model.provenance["reference"]
    facts = {"reference": reference, "content": model.provenance["content"], "tied": bool(model.tied), **facts}
    if rank is not None:
        factors = truncations(embedding_table(model), center=method == "pca").factors(rank)
        facts = {**facts, "rank": rank, "method": method, "parameters": factors.n_parameters}
        folder.mkdir(parents=True, exist_ok=True)
        save_factors(folder / TABLE, factors, facts)
    (folder / _FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (folder / _README).write_text(_readme(reference, facts, rank), encoding="utf-8")
    return Exported(folder=folder, table_rank=rank, adapter_rank=facts.get("adapter", {}).get("rank"), facts=facts)


def _readme(reference: str, facts: dict[str, Any], rank: int | None) -> str:
    """Return a page that says how to load what lies beside it."""
    parts = [f"# Ranks of the input embedding of {reference}\n"]
    if rank is not None:
        parts.append(_ABOUT_TABLE.format(file=TABLE, rank=rank, parameters=f"{facts['parameters']:,}"))
        if facts["tied"]:
            parts.append(_ABOUT_TIED)
    if "adapter" in facts:
        parts.append(_ABOUT_ADAPTER.format(folder=ADAPTER, rank=facts["adapter"]["rank"]))
    return "\n".join(parts)


_ABOUT_TABLE = """`{file}` holds the table cut to rank {rank} ({parameters} numbers): `left @ right`, plus `mean` where
it is there.

```python
from theodolite.models.adapters_factors import FactorizedEmbedding, load_factors

factors, facts = load_factors("{file}")
model.set_input_embeddings(FactorizedEmbedding(factors))
```
"""
_ABOUT_TIED = """Input and output embedding of this model are one table: copy `factors.table()` into its weight to
change both.
"""
_ABOUT_ADAPTER = """`{folder}/` holds a LoRA adapter of rank {rank} on the input embedding, trained on the text of the
study.

```python
from peft import PeftModel

model = PeftModel.from_pretrained(model, "{folder}")
```
"""
