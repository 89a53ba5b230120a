"""What the numbers of a layer study say, in sentences with a verdict.

The rules are listed in `docs/layers.md`. Prompts are the unit of evidence: a mean over prompts counts as higher than
another if the paired difference over prompts exceeds five of its standard errors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any, TypeVar

import polars as pl

from theodolite.core.number_format import counted, format_decimals, format_value
from theodolite.statistics import correlation
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.layers.check_findings import MEASURES as CHECKS
from theodolite.studies.layers.check_findings import check_findings, span
from theodolite.studies.layers.config import FULL_SHUFFLE, STRUCTURED
from theodolite.studies.layers.summary import MODEL, correlations
from theodolite.studies.reading import SURE
from theodolite.studies.revisions import model_name

Rows = TypeVar("Rows", pl.DataFrame, pl.LazyFrame)

VISWANATHAN = "Viswanathan et al. 2025 (arXiv 2501.10573)"
HEADLINE_SCALE = 4
"""The outer neighbor of GRIDE that the paper's second version shows."""
HEADLINE_V1 = 2
"""The one that the first version shows."""
_MEASURES = (
    *("dimension", "logit_dimension", "mean_cosine", "overlap", "loss", "entropy"),
    *("n_types", "n_tokens", "repetition"),
    *CHECKS,
)
_PLACE = ("prompt_row", "control", "level", "positions", "layer", "layer_to", "measure", "method", "n1", "scale")
_SIGNIFICANT = 0.01
_FEW_PROMPTS = 8
_NAMES = {
    "twonn": "TwoNN",
    "local_twonn": "local TwoNN",
    "local_pca": "local PCA",
    "adaptive": "adaptive",
    "fisher_separability": "Fisher separability",
    "persistence_dimension": "PHdim",
}


def estimator_name(method: str) -> str:
    """Return what to call an estimator in words.

    Examples
    --------
    >>> estimator_name("twonn"), estimator_name("ess"), estimator_name("local_pca")
    ('TwoNN', 'ESS', 'local PCA')
    """
    return _NAMES.get(method, method.upper())


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference over prompts: its mean and the standard error of that mean."""

    value: float
    stderr: float

    def __str__(self) -> str:
        return format_value(self.value, self.stderr)

    @property
    def beside(self) -> str:
        """What it is, to be followed by what was subtracted."""
        return f"{format_value(abs(self.value), self.stderr)} {'below' if self.value < 0 else 'above'}"

    @property
    def sure(self) -> bool:
        """Whether it is not zero by more than five standard errors."""
        return abs(self.value) > SURE * self.stderr


def headline(frame: Rows, *, scale: int = HEADLINE_SCALE) -> Rows:
    """Return the dimensions that stand for the clouds: GRIDE at one scale, else what is there of it.

    Parameters
    ----------
    frame : polars.DataFrame or polars.LazyFrame
        The study's table.
    scale : int
        Outer neighbor.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        Rows of one estimator at one scale; all positions where they were measured, else the first of each type.
    """
    chosen = pl.col("measure") == "dimension"
    for column, wanted in (("positions", "all"), ("method", "gride"), ("scale", scale)):
        there = frame.lazy().filter(chosen).select(pl.col(column).drop_nulls().unique().sort()).collect()[column]
        chosen &= pl.col(column).is_in([wanted] if wanted in there else there[:1].to_list())
    return frame.filter(chosen)


def find(frame: pl.DataFrame, *, scale: int = HEADLINE_SCALE) -> list[Finding]:
    """Return the findings of a layer study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.
    scale : int
        Outer neighbor of GRIDE at which they are read: 2 is the headline of the paper's first version.

    Returns
    -------
    list of Finding
        For each model: whether the dimension peaks inside, whether it goes with the loss, whether shuffling raises
        dimension and cosine, whether neighbors are kept from layer to layer, whether the logits' dimension goes with
        the entropy and with that of the last layer, and what the logit box and the checks of density say.
    """
    found: list[Finding] = []
    said = frame.lazy().filter(pl.col("measure").is_in(_MEASURES)).select(*MODEL, *_PLACE, "value", "n_used")
    correlated = correlations(frame)
    models = frame.lazy().select(MODEL).unique(maintain_order=True).collect()
    for model in models.iter_rows():
        own = [pl.col(name).eq_missing(pl.lit(value)) for name, value in zip(MODEL, model, strict=True)]
        rows, with_loss = said.filter(*own).collect(), correlated.filter(*own)
        dimensions = headline(rows, scale=scale)
        found += [
            *_peak(rows, dimensions),
            *_loss(
                rows,
                dimensions,
                with_loss,
                "dimension-loss",
                "Prompts whose cloud has a higher dimension have a higher loss.",
            ),
            *_loss_of_types(rows, with_loss, scale),
            *_shuffled(rows, dimensions),
            *_kept_neighbors(rows),
            *_logits(rows, scale),
            *(_finding(rows, *said) for said in check_findings(rows)),
        ]
    return found


def _finding(rows: pl.DataFrame, id: str, claim: str, verdict: Verdict, evidence: str) -> Finding:
    model, revision = rows.select("model", "revision").row(0)
    subject = model_name(model, revision)
    n_prompts = rows.filter(pl.col("control") == STRUCTURED)["prompt_row"].n_unique()
    if n_prompts < _FEW_PROMPTS and verdict != "not applicable":
        verdict, evidence = "undecided", f"{counted(n_prompts, 'prompt')}: too few to tell. {evidence}"
    return Finding(id=id, claim=claim, source=VISWANATHAN, verdict=verdict, evidence=evidence, subject=subject)


def _peak(rows: pl.DataFrame, dimensions: pl.DataFrame) -> Iterator[Finding]:
    """Test whether the mean dimension rises from the first block to a peak and falls to the last."""
    layers = _by_layer(dimensions.filter((pl.col("control") == STRUCTURED) & (pl.col("layer") > 0)))
    if len(layers) < 3:
        return
    peak, (rise, fall), verdict = _inside(layers)
    means = {layer: float(values["value"].to_numpy().mean()) for layer, values in layers.items()}
    first, last = min(layers), max(layers)
    evidence = (
        f"{_scale_name(dimensions)} of the cloud, mean over prompts: {format_value(means[first])} in layer {first}, "
        f"{format_value(means[peak])} at its highest between, in layer {peak}, {format_value(means[last])} in layer "
        f"{last}; the highest is {rise.beside} the first and {fall.beside} the last."
    )
    yield _finding(rows, "peak-inside", "The dimension of the token cloud peaks in inner layers.", verdict, evidence)


def _loss_of_types(rows: pl.DataFrame, correlated: pl.DataFrame, scale: int) -> Iterator[Finding]:
    """Test the same on clouds of one token of each type, where those of all tokens were measured beside them."""
    if {"all", "first"} <= set(rows["positions"]):
        first = rows.filter(pl.col("positions").is_null() | (pl.col("positions") == "first"))
        types = headline(first, scale=scale)
        claim = "The same holds for clouds of one token of each type, where no copies are each other's neighbors."
        yield from _loss(rows, types, correlated, "dimension-loss-types", claim)


def _loss(
    rows: pl.DataFrame, dimensions: pl.DataFrame, correlated: pl.DataFrame, id: str, claim: str
) -> Iterator[Finding]:
    """Test whether prompts of higher dimension have a higher loss, in every layer."""
    if dimensions.is_empty():
        return
    positions, method, n1, scale = dimensions.select("positions", "method", "n1", "scale").row(0)
    pearson = correlated.filter(
        (pl.col("measure") == "dimension") & (pl.col("quantity") == "loss") & (pl.col("statistic") == "pearson"),
        pl.col("value").is_finite() & (pl.col("layer") > 0),
        pl.col("positions").eq_missing(pl.lit(positions)) & pl.col("method").eq_missing(pl.lit(method)),
        pl.col("n1").eq_missing(pl.lit(n1)) & pl.col("scale").eq_missing(pl.lit(scale)),
    )
    if pearson.is_empty():
        return
    sure = pearson.filter(pl.col("p_value") < _SIGNIFICANT)
    positive, negative = sure.filter(pl.col("value") > 0).height, sure.filter(pl.col("value") < 0).height
    verdict: Verdict = "undecided"
    if positive > pearson.height / 2 and not negative:
        verdict = "supported"
    elif negative > positive and sure["p_value"].to_numpy().min() < _SIGNIFICANT / pearson.height:  # one of so many
        verdict = "not supported"
    best = pearson.sort("value").row(-1, named=True)
    lowest = float(pearson["value"].to_numpy().min())
    held = pearson.filter((pl.col("partial_p") < _SIGNIFICANT) & (pl.col("partial") > 0)).height
    evidence = (
        f"Pearson correlation of ln {_scale_name(dimensions)} with the mean loss over {best['n_prompts']} prompts: "
        f"{span(lowest, best['value'])} (highest in layer {best['layer']}, 95 % interval "
        f"{span(best['low'], best['high'])}); positive with p < {_SIGNIFICANT} in {positive} of {pearson.height} "
        f"layers, negative in {negative}; positive in {held} where length, distinct tokens and repetition are held "
        "fixed."
    )
    yield _finding(rows, id, claim, verdict, evidence)


def _shuffled(rows: pl.DataFrame, dimensions: pl.DataFrame) -> Iterator[Finding]:
    """Test whether the most thorough shuffle that was run raises dimension and cosine."""
    control = _most_shuffled(rows)
    if control is None or dimensions.is_empty():
        return
    name, chosen = control
    structured = pl.col("control") == STRUCTURED
    cosines = rows.filter((pl.col("measure") == "mean_cosine") & (pl.col("method") == "with_diagonal"))
    cosines = cosines.filter(pl.col("positions") == dimensions["positions"].first())
    for id, claim, measured, what in (
        (
            "shuffle-dimension",
            "Shuffling a prompt's tokens raises the dimension of its cloud.",
            dimensions,
            _scale_name(dimensions),
        ),
        ("shuffle-cosine", "Shuffling a prompt's tokens raises the mean cosine of its cloud.", cosines, "mean cosine"),
    ):
        inner = measured.filter(pl.col("layer") > 0)
        before, after = _by_layer(inner.filter(structured)), _by_layer(inner.filter(chosen))
        shared = [layer for layer in before if layer in after and _same_prompts(after[layer], before[layer])]
        changes = {layer: _paired(after[layer], before[layer]) for layer in shared}
        if not changes:
            continue
        up = [layer for layer, one in changes.items() if one.sure and one.value > 0]
        down = [layer for layer, one in changes.items() if one.sure and one.value < 0]
        verdict: Verdict = "undecided"
        if len(up) > len(changes) / 2:
            verdict = "supported"
        elif len(down) > len(up):
            verdict = "not supported"
        largest = max(changes, key=lambda layer: abs(changes[layer].value))
        evidence = (
            f"{what[0].upper()}{what[1:]} under {name} less that of the prompt itself: higher in {len(up)} and lower "
            f"in {len(down)} of {len(changes)} layers by more than five standard errors; the largest change, "
            f"{changes[largest]}, is in layer {largest}."
        )
        yield _finding(rows, id, claim, verdict, evidence)


def _kept_neighbors(rows: pl.DataFrame) -> Iterator[Finding]:
    """Test whether consecutive layers share more neighbors the deeper they are, and fewer again at the last."""
    overlaps = rows.filter(
        (pl.col("measure") == "overlap")
        & (pl.col("control") == STRUCTURED)
        & (pl.col("layer_to") == pl.col("layer") + 1)
    )
    if overlaps.is_empty():
        return
    overlaps = overlaps.filter(pl.col("positions") == overlaps["positions"].first())
    shown = overlaps.filter(pl.col("scale") == min(10, overlaps["scale"].max() or 0))
    layers = _by_layer(shown)
    if len(layers) < 3:
        return
    best, _, verdict = _inside(layers)
    means = {layer: float(values["value"].to_numpy().mean()) for layer, values in layers.items()}
    first, last = min(layers), max(layers)
    k, n_tokens = (float(shown[name].to_numpy().mean()) for name in ("scale", "n_used"))
    evidence = (
        f"Overlap of the {k:g} nearest from one layer to the next, mean over prompts: {means[first]:.2f} from layer "
        f"{first}, {means[best]:.2f} at its highest between, from layer {best}, {means[last]:.2f} from layer {last} "
        f"(chance {k / (n_tokens - 1):.2f})."
    )
    claim = "Neighbors are kept from layer to layer in the depth of the model, less so at its ends."
    yield _finding(rows, "kept-neighbors", claim, verdict, evidence)


def _logits(rows: pl.DataFrame, scale: int) -> Iterator[Finding]:
    """Test whether the dimension of the logits goes with the contextual entropy and with that of the last layer."""
    structured = rows.filter(pl.col("control") == STRUCTURED)
    logits = headline(
        structured.filter(pl.col("measure") == "logit_dimension").with_columns(pl.lit("dimension").alias("measure")),
        scale=scale,
    ).select("prompt_row", pl.col("value").log().alias("logits"))
    entropy = structured.filter((pl.col("measure") == "entropy") & (pl.col("method") == "model"))
    loss = structured.filter(pl.col("measure") == "loss").select("prompt_row", pl.col("value").alias("loss"))
    dimensions = headline(structured, scale=scale)
    if dimensions.is_empty():
        return
    last = dimensions.filter(pl.col("layer") == dimensions["layer"].max())
    joined = (
        logits.join(entropy.select("prompt_row", pl.col("value").alias("entropy")), on="prompt_row")
        .join(last.select("prompt_row", pl.col("value").log().alias("last")), on="prompt_row")
        .join(loss, on="prompt_row")
    )
    if joined.height < 3:
        return
    pairs: tuple[tuple[str, str, str, str], ...] = (
        ("logits-entropy", "The dimension of the logits goes with the contextual entropy.", "logits", "entropy"),
        ("logits-last-layer", "The dimension of the logits goes with that of the last layer.", "logits", "last"),
        ("entropy-loss", "The contextual entropy of a prompt goes with its loss.", "entropy", "loss"),
    )
    for id, claim, x, y in pairs:
        one = correlation(joined[x].to_numpy(), joined[y].to_numpy())
        verdict: Verdict = "undecided"
        if one.low > 0 and one.p_value < _SIGNIFICANT:
            verdict = "supported"
        elif one.high < 0 and one.p_value < _SIGNIFICANT:
            verdict = "not supported"
        evidence = (
            f"Pearson correlation over {one.n} prompts {format_decimals(one.value, 2)}, 95 % interval "
            f"{span(one.low, one.high)}."
        )
        yield _finding(rows, id, claim, verdict, evidence)


def _most_shuffled(rows: pl.DataFrame) -> tuple[str, pl.Expr] | None:
    """Return the most thorough shuffle of the run: of all tokens, else the highest level; None without one."""
    if FULL_SHUFFLE in rows["control"]:
        return "a permutation of all tokens", pl.col("control") == FULL_SHUFFLE
    levels = rows.filter(pl.col("control") == "block_shuffle")["level"]
    if levels.is_empty():
        return None
    highest: Any = levels.max()
    return f"block shuffling at level {highest:g}", (pl.col("control") == "block_shuffle") & (
        pl.col("level") == highest
    )


def _inside(layers: dict[int, pl.DataFrame]) -> tuple[int, tuple[Difference, Difference], Verdict]:
    """Return the highest layer between the ends, how far it is above each of them, and whether that is a peak."""
    first, *inner, last = sorted(layers)
    best = max(inner, key=lambda layer: float(layers[layer]["value"].to_numpy().mean()))
    above = _paired(layers[best], layers[first]), _paired(layers[best], layers[last])
    verdict: Verdict = "undecided"
    if all(one.sure and one.value > 0 for one in above):
        verdict = "supported"
    elif any(one.sure and one.value < 0 for one in above):
        verdict = "not supported"
    return best, above, verdict


def _by_layer(rows: pl.DataFrame) -> dict[int, pl.DataFrame]:
    """Return prompt and value for each layer; repeats of a control are averaged."""
    each = rows.group_by("layer", "prompt_row", maintain_order=True).agg(pl.col("value").mean())
    return {
        int(layer): part for (layer,), part in each.sort("layer", "prompt_row").group_by("layer", maintain_order=True)
    }


def _paired(first: pl.DataFrame, second: pl.DataFrame) -> Difference:
    """Return the mean over prompts of first less second, of the prompts that both have."""
    both = first.join(second, on="prompt_row", suffix="_second")
    apart = both["value"] - both["value_second"]
    spread: Any = apart.std()
    return Difference(float(apart.to_numpy().mean()), spread / sqrt(len(apart)) if spread is not None else float("inf"))


def _same_prompts(first: pl.DataFrame, second: pl.DataFrame) -> bool:
    """Say whether two layers share a prompt: of a run that is not whole, one may be without the other's."""
    return not set(first["prompt_row"]).isdisjoint(second["prompt_row"])


def _scale_name(dimensions: pl.DataFrame) -> str:
    method, n1, n2 = dimensions.select("method", "n1", "scale").row(0)
    if n2 is None:
        return f"{estimator_name(method)} dimension"
    return f"{estimator_name(method)} dimension (" + (
        f"neighbors {n1} and {n2})" if method in ("gride", "twonn") else f"to neighbor {n2})"
    )
