"""What a probe study says about its claims, in sentences with a verdict.

The rules are listed in `docs/probe.md`. A probe is held against what is fitted on the same prompts without any model.
"""

from collections import Counter
from collections.abc import Iterator
from math import hypot

import polars as pl

from theodolite.core.number_format import format_decimals, format_percent
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.probe.config import TRUSTED_TOKENS
from theodolite.studies.probe.evaluation import CROSS_VALIDATION, HELD_OUT, WITHOUT_SOURCE, evaluate
from theodolite.studies.probe.features import MODEL
from theodolite.studies.probe.names import NAMES, TEXT, TRIVIAL, name_of
from theodolite.studies.revisions import model_name
from theodolite.studies.rows import Row

VISWANATHAN = "Viswanathan et al. 2025 (arXiv 2501.10573)"
REVIEWS = "public reviews of Viswanathan et al. 2025 (arXiv 2501.10573)"
_SIGNIFICANT = 0.01
_CHANCE = 0.5
_FEWEST_HELD_OUT = 40
_USEFUL = 0.6
"""An area under the curve that is surely below this in a left-out source refutes the claim."""


def find(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a probe study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of Finding
        For each model: whether the dimensions of the layers tell the two kinds apart, there and in a source that was
        left out; whether they do so better than a classifier of the text; whether the entropies do as well.
    """
    short = frame.filter((pl.col("measure") == "n_tokens") & (pl.col("value") < TRUSTED_TOKENS))
    n_short = Counter(short.select(MODEL).iter_rows())
    found: list[Finding] = []
    for model, results in evaluate(frame).group_by(MODEL, maintain_order=True):
        if "dimension" in results["features"]:
            found += [*_tells(results, n_short[model]), *_against(results)]
    return found


def _finding(results: pl.DataFrame, id: str, claim: str, source: str, *, verdict: Verdict, evidence: str) -> Finding:
    model, revision = results.select(MODEL).row(0)
    subject = model_name(model, revision)
    return Finding(id=id, claim=claim, source=source, verdict=verdict, evidence=evidence, subject=subject)


def _tells(results: pl.DataFrame, n_short: int) -> Iterator[Finding]:
    """Test whether the probe beats the trivial baselines on held-out prompts, and chance in every left-out source."""
    probe = _only(results, HELD_OUT, "dimension", "accuracy")
    trivial = max(
        (one for name in TRIVIAL for one in _rows(results, HELD_OUT, name, "accuracy")), key=lambda one: one["value"]
    )
    beats = _above(probe, trivial) and probe["n"] >= _FEWEST_HELD_OUT
    fails = _above(trivial, probe)
    left_out = _rows(results, WITHOUT_SOURCE, "dimension", "auc")
    above = all(one["low"] > _CHANCE for one in left_out) and all(
        own["low"] > _CHANCE and _above(own, _elsewhere_trivial(results, own["test"]))
        for own in _rows(results, WITHOUT_SOURCE, "dimension", "accuracy")
    )
    lost = any(one["high"] < _USEFUL for one in left_out)
    verdict: Verdict = "undecided"
    if beats and left_out and above:
        verdict = "supported"
    elif fails or lost:
        verdict = "not supported"
    evidence = (
        f"Held-out accuracy of the dimension probe {_interval(probe)} on {probe['n']} prompts; of "
        f"{NAMES[trivial['features']]} alone {_interval(trivial)}"
        f"{_also(results, HELD_OUT)}. {_elsewhere(results, left_out)}"
    )
    if n_short:
        evidence += f" {n_short} prompts have fewer than {TRUSTED_TOKENS} tokens."
    claim = "The layers' dimensions tell hostile from benign prompts, also in sources that were left out."
    yield _finding(results, "dimension-tells", claim, VISWANATHAN, verdict=verdict, evidence=evidence)


def _above(one: Row, other: Row) -> bool:
    """Say whether a share is surely above another: by more than their errors together, taken as independent."""
    return bool(one["value"] - other["value"] > hypot(one["value"] - one["low"], other["high"] - other["value"]))


def _elsewhere_trivial(results: pl.DataFrame, source: str) -> Row:
    """Return the best accuracy of a trivial baseline on a source that was left out."""
    there = results.filter(pl.col("test") == source)
    return max(
        (one for name in TRIVIAL for one in _rows(there, WITHOUT_SOURCE, name, "accuracy")),
        key=lambda one: one["value"],
    )


def _also(results: pl.DataFrame, evaluation: str) -> str:
    """Say what a classifier of the text reaches on the same prompts."""
    text, area = (_only(results, evaluation, TEXT, statistic) for statistic in ("accuracy", "auc"))
    own = _only(results, evaluation, "dimension", "auc")
    return f", of character n-grams {_interval(text)}; AUC {own['value']:.2f} against {area['value']:.2f} of n-grams"


def _elsewhere(results: pl.DataFrame, left_out: list[Row]) -> str:
    if not left_out:
        return (
            "Leaving a source out is not applicable: it takes two sources with both kinds of prompts, so nothing says "
            "that the probe would hold elsewhere."
        )
    parts = []
    for one in left_out:
        accuracies = {
            name: _rows(results.filter(pl.col("test") == one["test"]), WITHOUT_SOURCE, name, "accuracy")[0]["value"]
            for name in ("dimension", TEXT, "majority")
        }
        parts.append(
            f"{one['test']}: AUC {one['value']:.2f} ({one['low']:.2f} to {one['high']:.2f}), accuracy "
            f"{format_percent(accuracies['dimension'])} where n-grams reach {format_percent(accuracies[TEXT])} and "
            f"the larger class {format_percent(accuracies['majority'])}"
        )
    return f"Fitted on the other sources and tested on {'; '.join(parts)}."


def _against(results: pl.DataFrame) -> Iterator[Finding]:
    """Compare with the text and with the entropies, prompt by prompt over the cross-validation."""
    pairs = (
        (
            TEXT,
            "dimension-beats-text",
            "The layers' dimensions tell more than a classifier fitted on the text.",
            REVIEWS,
        ),
        ("entropy", "entropy-as-good", "The layers' entropies tell as much as their dimensions.", VISWANATHAN),
    )
    for name, id, claim, source in pairs:
        for gain in _rows(results, CROSS_VALIDATION, name, "gain"):
            sure = gain["p_value"] < _SIGNIFICANT
            area, other_area = (_only(results, CROSS_VALIDATION, one, "auc") for one in ("dimension", name))
            better = sure and gain["low"] > 0 and area["value"] > other_area["value"]
            worse = (sure and gain["high"] < 0) or area["high"] < other_area["low"]
            verdict: Verdict = "undecided"
            if name == TEXT:
                verdict = "not supported" if worse else "supported" if better else "undecided"
            elif better:
                verdict = "not supported"
            elif worse or (gain["low"] > -_ALIKE and gain["high"] < _ALIKE):
                verdict = "supported"
            own = _only(results, CROSS_VALIDATION, "dimension", "accuracy")
            other = _only(results, CROSS_VALIDATION, name, "accuracy")
            evidence = (
                f"Cross-validated accuracy {_interval(own)} with the dimensions and {_interval(other)} with "
                f"{name_of(name)}, {gain['n']} prompts; difference {_points(gain['value'])} points "
                f"({_points(gain['low'])} to {_points(gain['high'])}; McNemar p = {gain['p_value']:.2g}); AUC "
                f"{area['value']:.2f} against {other_area['value']:.2f}."
            )
            yield _finding(results, id, claim, source, verdict=verdict, evidence=evidence)


def _rows(results: pl.DataFrame, evaluation: str, features: str, statistic: str) -> list[Row]:
    return results.filter(
        (pl.col("evaluation") == evaluation) & (pl.col("features") == features) & (pl.col("statistic") == statistic)
    ).to_dicts()


def _only(results: pl.DataFrame, evaluation: str, features: str, statistic: str) -> Row:
    (found,) = _rows(results, evaluation, features, statistic)
    return found


def _points(share: float) -> str:
    """Write a difference of two shares in points of percent."""
    return format_decimals(100 * share, 1, signed=True)


def _interval(row: Row) -> str:
    return f"{format_percent(row['value'])} ({format_percent(row['low'])} to {format_percent(row['high'])})"


_ALIKE = 0.05
"""Accuracies that surely lie no further apart than this tell as much."""
