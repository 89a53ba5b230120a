"""What the figures of viswanathan2025 show without a sentence, tested on clouds that we measured."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import polars as pl

from theodolite.core.number_format import format_decimals, format_value
from theodolite.studies.layers.config import BLOCK_SHUFFLE, STRUCTURED
from theodolite.studies.layers.summary import correlations, profiles
from theodolite.studies.reproduce.comparison import Comparison, written
from theodolite.studies.reproduce.layers import PAPER, peaks

_BLEU = {0: 1.0, 1: 0.99, 2: 0.97, 3: 0.86, 4: 0.42, 5: 0.03}
"""Level of block shuffling to the authors' mean over 50 prompts."""


def compare_shapes(frame: pl.DataFrame, *, preset: str) -> Iterator[Comparison]:
    """Test what the figures show without a sentence: angles, peaks and severity of shuffles, estimators, lenses.

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
        yield from _severity(means, str(reference), preset)
        yield from _alike(means, str(reference), preset)
        yield from _through_lens(correlations(rows), str(reference), preset)


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


def _severity(means: pl.DataFrame, reference: str, preset: str) -> Iterator[Comparison]:
    """Rebuttal: BLEU of the shuffled against the original prompt falls with the level of the shuffle."""
    rows = means.filter((pl.col("measure") == "bleu") & (pl.col("control") == BLOCK_SHUFFLE)).sort("level")
    found = {int(level): value for level, value in rows.select("level", "value").rows() if int(level) in _BLEU}
    if len(found) < 2:
        return
    falling = all(first >= second for first, second in pairwise(found.values()))
    yield Comparison(
        paper=f"{PAPER} {preset}",
        figure="rebuttal, severity of shuffles",
        claim="BLEU of a shuffled prompt falls from level to level.",
        subject=reference,
        published=f"50 prompts of 1,024 tokens of Llama-3: {_levels({level: _BLEU[level] for level in found})}",
        ours=_levels(found),
        agreement="supported" if falling else "not supported",
        note="on other prompts, of other lengths; 4^S blocks of shorter prompts are shorter",
        study="layers",
        published_values=tuple(_BLEU[level] for level in found),
        our_values=tuple(found.values()),
    )


def _levels(values: Mapping[int, float]) -> str:
    return ", ".join(f"{level}: {format_decimals(value, 2)}" for level, value in values.items())


def _alike(means: pl.DataFrame, reference: str, preset: str) -> Iterator[Comparison]:
    """Estimator comparison of the second version: GRIDE, ESS and TLE have similar profiles over layers."""
    rows = means.filter((pl.col("measure") == "dimension") & (pl.col("control") == STRUCTURED) & (pl.col("layer") > 0))
    for positions, suffix in (("all", ""), ("first", ", one token of each type (ours)")):
        chosen = rows.filter(pl.col("positions") == positions)
        gride = _by_layer(chosen.filter((pl.col("method") == "gride") & (pl.col("scale") == 4)))
        for method in ("ess", "tle"):
            other = _by_layer(chosen.filter(pl.col("method") == method))
            shared = sorted(set(gride) & set(other))
            if len(shared) < 4:
                continue
            theirs, ours = [gride[one] for one in shared], [other[one] for one in shared]
            value = float(np.corrcoef(theirs, ours)[0, 1])
            yield Comparison(
                paper=f"{PAPER} {preset}",
                figure=f"comparison of estimators{suffix}",
                claim=f"{method.upper()} and GRIDE have similar profiles over layers.",
                subject=reference,
                published="yes",
                ours=f"correlation of the two profiles over {len(shared)} layers {format_decimals(value, 2)}; GRIDE "
                f"{written(theirs)}; {method.upper()} {written(ours)}",
                agreement="supported" if value > 0.8 else "not supported" if value < 0.5 else "undecided",
                note="supported from 0.8, not supported below 0.5",
                study="layers",
            )


def _through_lens(related: pl.DataFrame, reference: str, preset: str) -> Iterator[Comparison]:
    """Fig. 4 of the second version: the dimension of a layer against the entropy that a lens reads, at both lags."""
    rows = related.filter(
        (pl.col("measure") == "dimension")
        & (pl.col("method") == "gride")
        & (pl.col("scale") == 4)
        & (pl.col("positions") == "all")
        & pl.col("quantity").is_in(["logit_lens", "tuned_lens"])
        & (pl.col("statistic") == "pearson")
    ).sort("layer")
    if rows.is_empty():
        return
    tuned = "tuned_lens" in rows["quantity"]
    rows = rows.filter(pl.col("quantity") == ("tuned_lens" if tuned else "logit_lens"))
    said = [
        f"lag {lag} ({where}): {written(rows.filter(pl.col('lag') == lag)['value'].to_list())}"
        for lag, where in ((1, "the layer's input, as the authors pair them"), (0, "the layer itself"))
    ]
    yield Comparison(
        paper=f"{PAPER} {preset}",
        figure="Fig. 4, appendix F",
        claim="The dimension goes with the entropy that a tuned lens reads; the sign differs between models.",
        subject=reference,
        published="GPT-2 0.61 in layer 1; Llama -0.50 at its lowest, 0.59 in the last layer",
        ours=f"Pearson over prompts, {'tuned lens' if tuned else 'output head'}: {'; '.join(said)}",
        agreement="undecided" if tuned else "not applicable",
        note="" if tuned else "read through the output head, which is no tuned lens: --lens FOLDER gives one",
        study="layers",
    )


def _by_layer(rows: pl.DataFrame) -> dict[int, float]:
    return dict(rows.select("layer", "value").rows())
