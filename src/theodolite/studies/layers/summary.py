"""The summary of a layer study: profiles over layers, and how the dimension of a prompt goes with its loss."""

import hashlib
from collections.abc import Iterator
from typing import Any, get_args

import polars as pl
import polars.selectors as cs

from theodolite.statistics import correlations as correlate
from theodolite.statistics import partial_correlations
from theodolite.statistics.correlation import Correlation, Method
from theodolite.studies.flat_summary import flat_summary
from theodolite.studies.layers.config import STRUCTURED

MODEL = ("model", "revision", "prompts")
_PLACE = (
    *MODEL,
    "control",
    "level",
    "positions",
    "layer",
    "layer_to",
    "last_layer",
    "measure",
    "method",
    "n1",
    "scale",
)
_AVERAGED = ("value", "radius", "stderr", "n_used")
_NOT_AVERAGED = ("surprisal", "left_out")
_GIVEN = ("n_types", "n_tokens", "repetition")
_OF_PROMPTS = (("entropy", "loss"), ("box_length", "entropy"), ("box_length", "loss"))
"""Numbers of a prompt that are correlated with one another, as they are."""
_CORRELATED = (*_GIVEN, "dimension", "logit_dimension", "box_length", "loss", "entropy")
_CORRELATED_COLUMNS = (*MODEL, "prompt_row", "positions", "layer", "measure", "method", "n1", "scale", "value")
_MOST_AT_ONCE = 1 << 18
"""Rows of a measure from which on each layer is averaged alone."""
_N_BOOTSTRAP = 400
_FEWEST = 20
"""Resamples where the interval is not wanted."""
_MOST_REMEMBERED = 32
_LAST: dict[str, pl.DataFrame] = {}
"""The last correlations of models by the hash of what they are of: summary, findings and figures ask for the same."""


def read(scan: pl.LazyFrame) -> pl.DataFrame:
    """Read the study's table column by column, text as codes and whole numbers in four bytes, for many prompts.

    Parameters
    ----------
    scan : polars.LazyFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        The same rows in two fifths of the memory; columns of text are categorical, whole numbers Int32.
    """
    short = scan.with_columns(cs.string().cast(pl.Categorical), cs.by_dtype(pl.Int64).cast(pl.Int32))
    return pl.DataFrame([short.select(name).collect().to_series() for name in scan.collect_schema()])


def profiles(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Average every measure over prompts.

    Parameters
    ----------
    frame : polars.DataFrame or polars.LazyFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        One row for each model, control, choice of positions, layer, measure, method and scale: `value`, the mean over
        prompts (repeats of a control averaged first); `sd` over prompts; `stderr` of the mean; `n_prompts`; `radius`;
        `within`, the mean standard error of a single prompt; `n_used`, mean tokens.
    """
    numbered = frame.lazy().select(*_PLACE, "prompt_row", *_AVERAGED).with_row_index("row")
    parts = [_profiles(numbered.filter(one).collect()) for one in _divided(frame.lazy())]
    return pl.concat(parts).sort("row").drop("row")


def _divided(frame: pl.LazyFrame) -> Iterator[pl.Expr]:
    """Yield conditions that divide the rows without dividing an average, because its keys take the memory."""
    averaged = frame.filter(pl.col("measure").is_in(_NOT_AVERAGED).not_())
    found = averaged.group_by("measure", maintain_order=True).agg(pl.len(), pl.col("layer").unique()).collect()
    for measure, n_rows, layers in found.iter_rows():
        for layer in layers if n_rows > _MOST_AT_ONCE else ():
            yield (pl.col("measure") == measure) & pl.col("layer").eq_missing(pl.lit(layer))
        if n_rows <= _MOST_AT_ONCE:
            yield pl.col("measure") == measure
    if found.is_empty():
        yield pl.lit(value=False)


def _profiles(rows: pl.DataFrame) -> pl.DataFrame:
    """Average one measure over prompts; `row` is the first row of each average."""
    varying = [name for name in _PLACE if rows[name].n_unique() > 1] or ["measure"]  # few: keys take the memory
    same = rows.head(1).drop(*varying, "row", "prompt_row", *_AVERAGED)
    each = rows.group_by([*varying, "prompt_row"], maintain_order=True).agg(
        pl.col("row").first(), pl.col(_AVERAGED).mean()
    )
    found = each.group_by(varying, maintain_order=True).agg(
        pl.col("row").first(),
        pl.col("value").mean(),
        pl.col("value").std().alias("sd"),
        (pl.col("value").std() / pl.len().sqrt()).alias("stderr"),
        pl.len().alias("n_prompts"),
        pl.col("radius").mean(),
        pl.col("stderr").mean().alias("within"),
        pl.col("n_used").mean(),
    )
    return found.join(same, how="cross").select(*_PLACE, pl.all().exclude(_PLACE))


def correlations(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Correlate the dimension of each prompt's cloud with its loss and entropies, layer by layer, and those numbers.

    Parameters
    ----------
    frame : polars.DataFrame or polars.LazyFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        One row for each model, choice of positions, layer, estimator and scale, quantity (`loss`, `entropy`,
        `logit_lens`, `tuned_lens`), `lag` and `statistic` (pearson, spearman): `value`, `stderr`, `low`, `high` (95 %,
        bootstrap over prompts), `p_value`, `partial` and `partial_p` (given length, distinct tokens and repetition),
        `n_prompts`. Then those of the entropy of the predictions with the loss, and of the box length with both.
        Fewer than three prompts give no row.

    Notes
    -----
    Of the natural logarithm of a dimension (viswanathan2025), and of other numbers as they are. A lens gives an entropy
    for each layer: lag 0 pairs the dimension after a layer with the entropy after the same layer; lag 1, which the
    authors' figure uses, with the entropy before it.
    """
    chosen = (pl.col("control") == STRUCTURED) & pl.col("measure").is_in(_CORRELATED) & pl.col("value").is_finite()
    structured = frame.lazy().filter(chosen).select(_CORRELATED_COLUMNS).collect()
    found = [_remembered(rows) for _, rows in structured.group_by(MODEL, maintain_order=True)]
    return pl.concat(found) if found else pl.DataFrame(schema=_CORRELATION_SCHEMA)


def _remembered(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the correlations of one model, from before if they were just made."""
    alike = rows.cast({pl.Categorical: pl.String, pl.Int32: pl.Int64})  # as read, whole or in parts
    numbers = hashlib.sha256(alike.hash_rows().to_numpy().tobytes()).hexdigest()
    if numbers not in _LAST:
        if len(_LAST) >= _MOST_REMEMBERED:
            del _LAST[next(iter(_LAST))]
        _LAST[numbers] = pl.from_dicts(list(_of_model(rows)), schema=_CORRELATION_SCHEMA)
    return _LAST[numbers]


def _of_model(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    place = dict(zip(MODEL, rows.select(MODEL).row(0), strict=True))
    targets = _targets(rows)
    if not targets:
        return
    given = _wide(rows.filter(pl.col("measure").is_in(_GIVEN)), "measure")
    dimensions = rows.filter(pl.col("measure").is_in(["dimension", "logit_dimension"]) & (pl.col("value") > 0))
    identity = ["positions", "measure", "method", "n1", "scale"]
    for key, chosen in dimensions.group_by(identity, maintain_order=True):
        layers = sorted(chosen["layer"].unique().to_list(), key=lambda layer: -1 if layer is None else layer)
        names = {("logits" if layer is None else f"{layer}"): layer for layer in layers}
        wide = chosen.with_columns(pl.col("layer").cast(pl.String).fill_null("logits"), pl.col("value").log())
        table = _wide(wide, "layer").join(given, on="prompt_row", how="left")
        for quantity, lag, by_layer in targets:
            for columns, target in _pairs(names, by_layer, lag):
                for column, numbers in _correlated(table, columns, target):
                    yield {
                        **place,
                        **dict(zip(identity, key, strict=True)),
                        "layer": names[column],
                        "quantity": quantity,
                        "lag": lag,
                        **numbers,
                    }
    for_prompts = {quantity: target for quantity, _, target in targets if quantity in ("loss", "entropy")}
    for measure, quantity in _OF_PROMPTS:
        own = rows.filter((pl.col("measure") == measure) & pl.col("layer").is_null())
        if own.is_empty() or quantity not in for_prompts:
            continue
        table = own.select("prompt_row", pl.col("value").alias(measure)).join(given, on="prompt_row", how="left")
        target = for_prompts[quantity].select("prompt_row", pl.col("value").alias("target"))
        for _, numbers in _correlated(table, [measure], target):
            blank = dict.fromkeys(("positions", "method", "n1", "scale", "layer"))
            yield {**place, **blank, "measure": measure, "quantity": quantity, "lag": 0, **numbers}


def _correlated(table: pl.DataFrame, columns: list[str], target: pl.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the correlations of each column with the target over prompts, plain and with `_GIVEN` held fixed."""
    joined = table.join(target, on="prompt_row", how="inner").sort("prompt_row")
    if joined.height < 3:
        return
    x, y = joined.select(columns).to_numpy(), joined["target"].to_numpy()
    given = [name for name in _GIVEN if name in joined.columns]
    fixed = joined.select(given).to_numpy() if given else None
    for statistic in get_args(Method):
        plain = correlate(x, y, method=statistic, n_bootstrap=_N_BOOTSTRAP)
        partial = partial_correlations(x, y, fixed, method=statistic, n_bootstrap=_FEWEST)
        for column, one, held in zip(columns, plain, partial, strict=True):
            yield column, {"statistic": statistic, **_numbers(one, held)}


def _targets(rows: pl.DataFrame) -> list[tuple[str, int, pl.DataFrame]]:
    """Return what to correlate with: (name, lag, frame of prompt_row, layer, value); the layer is null for a prompt."""
    columns = ["prompt_row", "layer", "value"]
    found = [
        ("loss", 0, rows.filter(pl.col("measure") == "loss").select(columns)),
        ("entropy", 0, rows.filter((pl.col("measure") == "entropy") & (pl.col("method") == "model")).select(columns)),
    ]
    for lens in ("logit_lens", "tuned_lens"):
        entropies = rows.filter((pl.col("measure") == "entropy") & (pl.col("method") == lens)).select(columns)
        found += [(lens, lag, entropies) for lag in (0, 1)]
    return [one for one in found if not one[2].is_empty()]


def _pairs(names: dict[str, int | None], target: pl.DataFrame, lag: int) -> Iterator[tuple[list[str], pl.DataFrame]]:
    """Yield the layers that share a target: all of them share a prompt's loss, each has its own entropy of a lens."""
    if target["layer"].null_count() == target.height:
        yield list(names), target.select("prompt_row", pl.col("value").alias("target"))
        return
    for name, layer in names.items():
        if layer is not None and layer - lag >= 0:
            own = target.filter(pl.col("layer") == layer - lag)
            yield [name], own.select("prompt_row", pl.col("value").alias("target"))


def _wide(rows: pl.DataFrame, columns: str) -> pl.DataFrame:
    """Return one row for each prompt and one column for each value of `columns`."""
    return rows.pivot(columns, index="prompt_row", values="value", aggregate_function="first")


def _numbers(plain: Correlation, partial: Correlation) -> dict[str, Any]:
    return {
        "value": plain.value,
        "stderr": plain.stderr,
        "low": plain.low,
        "high": plain.high,
        "p_value": plain.p_value,
        "partial": partial.value,
        "partial_p": partial.p_value,
        "n_prompts": plain.n,
    }


def summarize(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the summary rows that `--json` prints, the report shows and `summary.csv` holds.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of dict
        The rows of `profiles`, then those of `correlations` as the measures pearson and spearman, whose `params` name
        the quantity, the lag and the partial correlation.
    """
    summary = [_entry(row) for row in profiles(frame).iter_rows(named=True)]
    for row in correlations(frame).iter_rows(named=True):
        params = {
            "of": row["measure"],
            "with": row["quantity"],
            "lag": row["lag"],
            "low": row["low"],
            "high": row["high"],
            "p_value": row["p_value"],
            "partial": row["partial"],
            "partial_p": row["partial_p"],
        }
        summary.append(_entry({**row, "control": STRUCTURED, "measure": row["statistic"]}, params))
    return summary


def summary_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the summary as a flat frame, for `summary.csv`: parameters as JSON.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    polars.DataFrame
        As many rows as `summarize` returns.
    """
    return flat_summary(summarize(frame))


def _entry(row: dict[str, Any], params: dict[str, Any] | None = None) -> dict[str, Any]:
    names = ("model", "revision", "prompts", "control", "level", "positions", "layer", "layer_to", "last_layer")
    numbers = ("n1", "scale", "value", "stderr", "sd", "n_prompts")
    return {
        **{name: row.get(name) for name in names},
        "measure": row["measure"],
        "method": row["method"],
        "params": params or {},
        **{name: row.get(name) for name in numbers},
    }


_CORRELATION_SCHEMA = {
    **dict.fromkeys(("model", "revision", "prompts", "positions", "measure", "method"), pl.String),
    **dict.fromkeys(("n1", "scale", "layer"), pl.Int64),
    **dict.fromkeys(("quantity",), pl.String),
    "lag": pl.Int64,
    "statistic": pl.String,
    **dict.fromkeys(("value", "stderr", "low", "high", "p_value", "partial", "partial_p"), pl.Float64),
    "n_prompts": pl.Int64,
}
