"""The numbers of viswanathan2025 beside those of clouds that we measured."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import polars as pl

from theodolite.core.number_format import format_decimals, format_value
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
        One for each printed profile of a model that was measured; one for each model of the paper that was not.
    """
    numbers = published(PAPER, preset=preset)
    means, related = profiles(frame), correlations(frame)
    known = {name: reference for reference, name in names.items() if reference in frame["model"]}
    for model in dict.fromkeys(one.model for one in numbers):
        about = [one for one in numbers if one.model == model]
        if model not in known:
            quantities = ", ".join(dict.fromkeys(one.quantity for one in about))
            yield Comparison(
                paper=f"{PAPER} {preset}",
                figure=", ".join(dict.fromkeys(one.figure for one in about)),
                claim=quantities,
                subject=model,
                published=f"{len(about)} profiles and numbers",
                ours="",
                agreement="not comparable",
                note=OTHER_MODEL,
                study="layers",
            )
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
            if ours:
                yield _compared(number, ours, known[model], same_prompts=theirs)


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


def _by_layer(rows: pl.DataFrame) -> dict[int, float]:
    return dict(rows.select("layer", "value").rows())


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


def _claim(number: Published) -> str:
    if number.quantity.endswith("largest logits"):
        return f"{number.quantity}, {'as many as dimensions' if number.scale is None else number.scale} of them"
    return number.quantity if number.scale is None else f"{number.quantity}, neighbor {number.scale}"


def compare_shapes(frame: pl.DataFrame, *, preset: str) -> Iterator[Comparison]:
    """Test what the figures show without a sentence: angles, peaks under shuffling, how alike the estimators are.

    Parameters
    ----------
    frame : polars.DataFrame
        Table of a layer study.
    preset : str
        Version of the paper.

    Yields
    ------
    Comparison
        One for each model and figure that was measured.
    """
    for (reference,), rows in frame.group_by("model", maintain_order=True):
        means = profiles(rows)
        yield from _angles(rows, str(reference), preset)
        yield from _rising_peaks(means, str(reference), preset)
        yield from _alike(means, str(reference), preset)


def _angles(rows: pl.DataFrame, reference: str, preset: str) -> Iterator[Comparison]:
    """Fig. 4 of the first version: a smaller angle under shuffling, in layer 10 of 32."""
    angles = rows.filter((pl.col("measure") == "angle") & (pl.col("positions") == "all"))
    shuffled = angles.filter(pl.col("control") == BLOCK_SHUFFLE)
    if shuffled.is_empty():
        return
    n_layers = int(angles["layer"].to_numpy().max())
    layer = max(1, round(10 / 32 * n_layers))
    level = float(shuffled["level"].to_numpy().max())
    here = pl.col("layer") == layer
    before = angles.filter(here & (pl.col("control") == STRUCTURED)).select("prompt_row", "value")
    after = shuffled.filter(here & (pl.col("level") == level)).group_by("prompt_row").agg(pl.col("value").mean())
    both = before.join(after, on="prompt_row", suffix="_after")
    apart = (both["value_after"] - both["value"]).to_numpy()
    stderr = float(apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else float("inf")
    change = float(apart.mean())
    sure = abs(change) > 5 * stderr
    yield Comparison(
        paper=f"{PAPER} {preset}",
        figure="Fig. 4",
        claim="Shuffling makes the angle between the directions to the two nearest neighbors smaller, at a third of "
        "the depth.",
        subject=reference,
        published="Llama, layer 10 of 32: about 68° to 62°",
        ours=f"layer {layer} of {n_layers}: {format_value(float(both['value'].to_numpy().mean()))}° to "
        f"{format_value(float(both['value_after'].to_numpy().mean()))}°, a change of {format_value(change, stderr)}° "
        f"over {len(apart)} prompts (level {level:g})",
        agreement="undecided" if not sure else "supported" if change < 0 else "not supported",
        study="layers",
    )


def _rising_peaks(means: pl.DataFrame, reference: str, preset: str) -> Iterator[Comparison]:
    """Fig. 9 of the first version: the peak rises from level to level."""
    found = peaks(means, scale=2)
    if len(found) < 3:
        return
    rising = all(low <= high for low, high in pairwise(found.values()))
    yield Comparison(
        paper=f"{PAPER} {preset}",
        figure="Fig. 9",
        claim="The peak of the profile rises with the level of block shuffling.",
        subject=reference,
        published="Llama 9.55, 9.74, 10.3, 11.0, 12.9, 13.9 for levels 0 to 5",
        ours=", ".join(f"{level:g}: {format_value(value)}" for level, value in found.items()),
        agreement="supported" if rising else "not supported",
        note="means over prompts, neighbors 1 and 2",
        study="layers",
    )


def _alike(means: pl.DataFrame, reference: str, preset: str) -> Iterator[Comparison]:
    """Estimator comparison of the second version: GRIDE, ESS and TLE have similar profiles over layers."""
    rows = means.filter((pl.col("measure") == "dimension") & (pl.col("control") == STRUCTURED) & (pl.col("layer") > 0))
    gride = _by_layer(rows.filter((pl.col("method") == "gride") & (pl.col("scale") == 4)))
    for method in ("ess", "tle"):
        other = _by_layer(rows.filter(pl.col("method") == method))
        shared = sorted(set(gride) & set(other))
        if len(shared) < 4:
            continue
        value = float(np.corrcoef([gride[one] for one in shared], [other[one] for one in shared])[0, 1])
        yield Comparison(
            paper=f"{PAPER} {preset}",
            figure="comparison of estimators",
            claim=f"{method.upper()} and GRIDE have similar profiles over layers.",
            subject=reference,
            published="yes",
            ours=f"correlation of the two profiles over {len(shared)} layers {format_decimals(value, 2)}; "
            f"{method.upper()} {written([other[one] for one in shared])}",
            agreement="supported" if value > 0.8 else "not supported" if value < 0.5 else "undecided",
            note="supported from 0.8, not supported below 0.5",
            study="layers",
        )
