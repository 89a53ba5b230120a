"""A layer study whose numbers are drawn instead of measured: a table of any size with the columns of `layers`."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from theodolite.core.seeds import generator_from
from theodolite.runs import Unit, UnitResult
from theodolite.runs.rows import schema_of
from theodolite.studies.layers import study as layers

NAME = "layers"
VERSION = layers.VERSION
COLUMNS = layers.COLUMNS
N_LAYERS = 12
BLOCK = 25


@dataclass(frozen=True, kw_only=True)
class Config:
    n_models: int = 2
    n_prompts: int = 100


def plan(config):
    return [
        Unit(
            study=NAME,
            version=VERSION,
            params={"model": model, "rows": [start, min(start + BLOCK, config.n_prompts)]},
            group=f"model-{model}",
            label=f"model-{model} prompts {start}",
        )
        for model in range(config.n_models)
        for start in range(0, config.n_prompts, BLOCK)
    ]


def template():
    """Return the rows of one prompt: about a thousand, in the proportions of the study's defaults."""
    found = []
    scales = [2, 4, 8, 16, 32, 64, 128, 256]
    for layer in range(N_LAYERS + 1):
        place = {"layer": layer, "positions": "all"}
        for where in ("all", "first"):
            here = {"layer": layer, "positions": where}
            found += [{**here, "measure": "dimension", "method": "gride", "n1": k // 2, "scale": k} for k in scales]
            found.append({**here, "measure": "dimension", "method": "twonn", "n1": 1, "scale": 2})
            found.append({**here, "measure": "dimension", "method": "mle", "n1": 1, "scale": 20})
        found += [{**place, "measure": "mean_cosine", "method": one} for one in ("with_diagonal", "without_diagonal")]
        found += [{**place, "measure": "norm", "method": one} for one in ("mean", "sd")]
        found += [{**place, "measure": one} for one in ("participation_ratio", "angle", "sd_cosine")]
        for k in (1, 2, 5, 10, 31):
            found += [{**place, "measure": one, "scale": k} for one in ("reciprocity", "transitivity")]
        if layer < N_LAYERS:
            found += [{**place, "measure": "overlap", "layer_to": layer + 1, "scale": k} for k in range(1, 32)]
    found += [{"measure": one} for one in ("loss", "n_tokens", "n_types", "repetition")]
    found.append({"measure": "entropy", "method": "model"})
    found += [{"measure": "logit_dimension", "method": "gride", "n1": k // 2, "scale": k} for k in scales]
    return pl.DataFrame([{name: row.get(name) for name in COLUMNS} for row in found], schema=schema_of(COLUMNS))


def run(unit):
    one, (start, stop) = template(), unit.params["rows"]
    n_rows = one.height
    draw = generator_from(unit.key)
    many = pl.concat([one] * (stop - start))
    prompts = np.repeat(np.arange(start, stop), n_rows)
    value = np.abs(draw.normal(10, 3, len(prompts)))
    facts = many["measure"].is_in(["n_tokens", "n_types"]).to_numpy()
    value[facts] = np.round(300 + 40 * draw.normal(size=facts.sum()))
    drawn = {
        "model": pl.lit(f"model-{unit.params['model']}"),
        "revision": pl.lit("main"),
        "prompts": pl.lit("drawn"),
        "prompt": pl.Series(prompts).cast(pl.String),
        "prompt_row": pl.Series(prompts),
        "control": pl.lit("structured"),
        "last_layer": pl.lit("post_norm"),
        "radius": pl.Series(value * 2),
        "value": pl.Series(value),
        "stderr": pl.Series(value / 20),
        "n_used": pl.lit(1024),
        "n_dropped": pl.lit(0),
        "extrinsic": pl.lit(768),
    }
    columns = [series.cast(schema_of(COLUMNS)[name]).alias(name) for name, series in drawn.items()]
    frame = many.with_columns(columns).select(list(COLUMNS))
    return UnitResult(rows=frame, inputs=[{"reference": f"model-{unit.params['model']}", "sha256": "0" * 64}])
