"""The numbers of viswanathan2025 beside those of clouds that we measured."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from theodolite.core.number_format import format_count, format_value
from theodolite.studies.layers.config import BLOCK_SHUFFLE, FULL_SHUFFLE, STRUCTURED
from theodolite.studies.layers.summary import correlations, profiles
from theodolite.studies.published import Published, published
from theodolite.studies.reproduce.comparison import OTHER_MODEL, Comparison, written

PAPER = "viswanathan2025"
AUTHORS_TOKENS = 1024
_RELATIVE = ("dimension", "logit dimension", "box length")
_TOLERANCE = {"loss": 0.01, "mean cosine": 0.01}
_USUAL_TOLERANCE = 0.02
_DIGITISED = 0.03
_PEAKS = "peak dimension at shuffle level"
_OF_ONE_PROMPT = ("peak dimension of one prompt", "peak dimension of one prompt, fully shuffled")
_EXAMPLE = 3218
"""The row of Pile-10k that the paper shows."""


def compare_layers(frame: pl.DataFrame, names: Mapping[str, str], *, preset: str) -> Iterator[Comparison]:
    """Compare profiles over layers with the printed ones.

    Parameters
    ----------
    frame : polars.DataFrame
        Table of a layer study.
    names : mapping
        Reference to what the paper calls the model.
    preset : str
        Version of the paper.

    Yields
    ------
    Comparison
        One for each printed profile of a model that was measured; one for all models of the paper that were not.
    """
    numbers = published(PAPER, preset=preset)
    means, related = profiles(frame), correlations(frame)
    known = {name: reference for reference, name in names.items() if reference in frame["model"]}
    for model in dict.fromkeys(one.model for one in numbers):
        about = [one for one in numbers if one.model == model]
        if model not in known:
            continue
        own = pl.col("model") == known[model]
        rows = frame.filter(own)
        for number in about:
            if number.quantity in _OF_ONE_PROMPT:
                rows_of_one = rows.filter(pl.col("prompt_row") == _EXAMPLE)
                ours = _peak_of_one(rows_of_one, number)
                theirs = has_authors_prompts(rows_of_one, 1)
            else:
                ours = _ours(number, means.filter(own), related.filter(own))
                theirs = has_authors_prompts(rows, number.n or 0)
            yield (
                _compared(number, ours, known[model], same_prompts=theirs)
                if ours
                else _unmeasured(number, known[model])
            )
    yield from of_other_models([one for one in numbers if one.model not in known], f"{PAPER} {preset}", "layers")


def of_other_models(numbers: Sequence[Published], paper: str, study: str) -> Iterator[Comparison]:
    """Say in one line which of the paper's numbers are of models that were not given.

    Parameters
    ----------
    numbers : sequence of Published
        Of models that were not measured.
    paper, study : str
        As in `Comparison`.

    Yields
    ------
    Comparison
        None without numbers.
    """
    if not numbers:
        return
    n_values = sum(len(one.values) or 1 for one in numbers)
    yield Comparison(
        paper=paper,
        figure="numbers of models that were not given",
        claim="; ".join(dict.fromkeys(one.quantity for one in numbers)),
        subject=", ".join(dict.fromkeys(one.model for one in numbers)),
        published=f"{format_count(len(numbers))} profiles and numbers, {format_count(n_values)} values",
        ours="",
        agreement="not comparable",
        note=OTHER_MODEL,
        study=study,
    )


def has_authors_prompts(frame: pl.DataFrame, n_prompts: int) -> bool:
    """Say whether a model was run on as many prompts as the authors took, each of 1024 tokens.

    Parameters
    ----------
    frame : polars.DataFrame
        Table of a layer study, of one model.
    n_prompts : int
        Their number.

    Returns
    -------
    bool
        Whether the numbers may be compared.
    """
    lengths = frame.filter((pl.col("measure") == "n_tokens") & (pl.col("control") == STRUCTURED))["value"]
    return len(lengths) == n_prompts and set(lengths.to_list()) == {float(AUTHORS_TOKENS)}


def _ours(number: Published, means: pl.DataFrame, related: pl.DataFrame) -> dict[int, float]:
    """Return our values by layer; -1 for a number of no layer; empty where it was not measured."""
    of_all_tokens = (pl.col("positions") == "all") | pl.col("positions").is_null()  # null: a number of the prompt
    rows = means.filter((pl.col("control") == STRUCTURED) & of_all_tokens)
    of, scale = pl.col("measure"), pl.col("scale").eq_missing(pl.lit(number.scale))
    match number.quantity:
        case "dimension" | "logit dimension":
            rows = rows.filter((of == number.quantity.replace(" ", "_")) & (pl.col("method") == "gride") & scale)
        case "overlap":
            rows = rows.filter((of == "overlap") & (pl.col("layer_to") == pl.col("layer") + 1) & scale)
        case "mean cosine":
            rows = rows.filter((of == "mean_cosine") & (pl.col("method") == "with_diagonal"))
        case "loss":
            rows = rows.filter(of == "loss")
        case "box length":
            rows = rows.filter(of == "box_length")
        case "probability of the largest logits" | "entropy of the largest logits" as name:
            rows = rows.filter((of == "logit_mass") & (pl.col("method") == name.partition(" ")[0]) & scale)
        case name if name == _PEAKS:
            return {int(level): peak for level, peak in peaks(means, scale=number.scale or 2).items()}
        case _:
            rows = _correlations(number, related)
    return {-1 if layer is None else layer: value for layer, value in rows.select("layer", "value").rows()}


def _correlations(number: Published, related: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a correlation: of the dimension by GRIDE with something, or of two numbers of a prompt."""
    statistic = "pearson"
    measure, quantity, lag = "dimension", "loss", 0
    if "tuned-lens" in number.quantity:
        quantity, lag = "tuned_lens", int(number.quantity[-1])
    elif "logit dimension" in number.quantity:
        measure, quantity = "logit_dimension", "entropy"
    elif number.quantity == "correlation of entropy with loss":
        measure = "entropy"
    elif number.quantity == "rank correlation of box length with entropy":
        measure, quantity, statistic = "box_length", "entropy", "spearman"
    of_a_cloud = (pl.col("method") == "gride") & (pl.col("positions") == "all")
    return related.filter(
        (pl.col("measure") == measure)
        & (of_a_cloud | pl.col("measure").is_in(["entropy", "box_length"]))
        & pl.col("scale").eq_missing(pl.lit(number.scale))
        & (pl.col("quantity") == quantity)
        & (pl.col("lag") == lag)
        & (pl.col("statistic") == statistic)
    )


def _peak_of_one(rows: pl.DataFrame, number: Published) -> dict[int, float]:
    """Return the highest dimension over layers of one prompt, as written or as a mean over its permutations."""
    control = FULL_SHUFFLE if "shuffled" in number.quantity else STRUCTURED
    chosen = rows.filter(
        (pl.col("measure") == "dimension")
        & (pl.col("method") == "gride")
        & (pl.col("scale") == number.scale)
        & (pl.col("positions") == "all")
        & (pl.col("layer") > 0)
        & (pl.col("control") == control)
    )
    if chosen.is_empty():
        return {}
    means = chosen.group_by("layer").agg(pl.col("value").mean())
    return {-1: float(means["value"].to_numpy().max())}


def peaks(means: pl.DataFrame, *, scale: int) -> dict[float, float]:
    """Return the highest mean dimension over layers at each level of block shuffling; level 0 is no shuffling.

    Parameters
    ----------
    means : polars.DataFrame
        What `profiles` returns, of one model.
    scale : int
        Outer neighbor of GRIDE.

    Returns
    -------
    dict
        Level to dimension, ascending; empty without shuffles.
    """
    rows = means.filter(
        (pl.col("measure") == "dimension")
        & (pl.col("method") == "gride")
        & (pl.col("scale") == scale)
        & (pl.col("positions") == "all")
        & (pl.col("layer") > 0)
    )
    shuffled = rows.filter(pl.col("control") == BLOCK_SHUFFLE)
    if shuffled.is_empty():
        return {}
    plain = rows.filter(pl.col("control") == STRUCTURED).with_columns(pl.lit(0.0).alias("level"))
    both = pl.concat([plain, shuffled.filter(pl.col("level") > 0)], how="vertical_relaxed")
    return dict(both.group_by("level").agg(pl.col("value").max()).sort("level").rows())


def _compared(number: Published, ours: Mapping[int, float], reference: str, *, same_prompts: bool) -> Comparison:
    first = -1 if number.first_layer is None else number.first_layer
    values = [ours.get(first + place, float("nan")) for place in range(len(number.values))]
    theirs = np.array(number.values)
    apart = np.array(values) - theirs
    tolerance = _TOLERANCE.get(number.quantity, _USUAL_TOLERANCE) + (_DIGITISED if number.mark == "digitised" else 0)
    relative = number.quantity in (*_RELATIVE, _PEAKS, *_OF_ONE_PROMPT)
    shown = np.abs(apart / theirs) if relative else np.abs(apart)
    within = shown <= tolerance
    measured = np.isfinite(shown)
    unit = "%" if relative else ""
    most = f"{tolerance * 100:g} %" if relative else f"{tolerance:g}"
    largest = float(np.nanmax(shown)) * (100 if relative else 1) if measured.any() else float("nan")
    note = f"largest difference {format_value(largest)}{f' {unit}' if unit else ''}, {most} allowed"
    if not same_prompts:
        note = f"other prompts than the authors'; {note.partition(',')[0]}"
        if number.sd:
            inside = int((np.abs(apart) <= np.array(number.sd))[measured].sum())
            note += f"; within one published standard deviation over prompts in {inside} of {int(measured.sum())}"
    return Comparison(
        paper=f"{PAPER} {number.preset}",
        figure=number.figure,
        claim=_claim(number),
        subject=reference,
        published=f"{written(number.values)} ({number.model}, {number.mark})",
        ours=written(values),
        agreement="not comparable" if not same_prompts else "agrees" if within[measured].all() else "differs",
        note=note,
        study="layers",
        first_layer=number.first_layer,
        published_values=number.values,
        our_values=tuple(values),
        differences=tuple(apart.tolist()),
    )


def _unmeasured(number: Published, reference: str) -> Comparison:
    through_lens = "tuned-lens" in number.quantity
    return Comparison(
        paper=f"{PAPER} {number.preset}",
        figure=number.figure,
        claim=_claim(number),
        subject=reference,
        published=f"{written(number.values)} ({number.model}, {number.mark})",
        ours="",
        agreement="not applicable",
        note="not measured in this run" + (": it takes a tuned lens (--lens FOLDER)" if through_lens else ""),
        study="layers",
    )


def _claim(number: Published) -> str:
    if number.quantity.endswith("largest logits"):
        return f"{number.quantity}, {'as many as dimensions' if number.scale is None else number.scale} of them"
    return number.quantity if number.scale is None else f"{number.quantity}, neighbor {number.scale}"
