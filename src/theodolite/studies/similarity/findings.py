"""What a similarity study says, in sentences with a verdict.

A likeness counts if it is above its null by more than ten standard errors, those of the number and of the null
together. It is denied if it is within two of them or below, and these leave no room for a likeness of a tenth; anything
else is undecided.
"""

from collections.abc import Iterator, Sequence
from math import hypot
from typing import Any

import polars as pl

from theodolite.core.number_format import counted, format_count, format_value
from theodolite.studies.finding import Finding, Verdict
from theodolite.studies.rows import Row
from theodolite.studies.similarity.config import GAUSSIAN, MEASURED, PERMUTED

_LEE = "Lee et al. 2025 (arXiv 2503.21073)"
_SURE = 10.0
_DENIED = 2.0
_NOTEWORTHY = 0.1
"""A likeness, on a scale from 0 to 1, that must be ruled out before it is denied."""
_LOW = 0.5
_FEW = 1000


def find(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a similarity study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of Finding
        For each pair: global geometry, whether untied input embeddings are less alike, neighbors, local dimension,
        hidden states; for each table: whether a low dimension goes with coherent neighbors.
    """
    paired = frame.filter(pl.col("model_b").is_not_null())
    found: list[Finding] = []
    for (a, b), rows in paired.group_by("model_a", "model_b", maintain_order=True):
        subject = f"{a} and {b}"
        found += [
            *_global(subject, rows),
            *_inputs(subject, rows),
            *_neighbors(subject, rows),
            *_dimensions(subject, rows),
            *_persistence(subject, rows),
        ]
    alone = frame.filter(pl.col("model_b").is_null())
    for (a, which), rows in alone.group_by("model_a", "which", maintain_order=True):
        found += _coherence(f"{a}, {which}", rows)
    return found


def score(row: Row) -> float:
    """Return by how many standard errors a number is above its null, those of both together."""
    gap, error = _gap(row)
    return _in_errors(gap, error)


def _gap(row: Row) -> tuple[float, float]:
    """Return how far a number is above its null, and the standard error of that."""
    return float(row["value"]) - float(row["null"] or 0.0), hypot(row["stderr"] or 0.0, row["null_stderr"] or 0.0)


def _in_errors(gap: float, error: float) -> float:
    return gap / error if error > 0 else (float("inf") if gap > 0 else float("-inf") if gap < 0 else 0.0)


def one_row(rows: pl.DataFrame, measure: str, **columns: Any) -> Row | None:
    """Return the first row of a measure; None where there is none."""
    wanted = {"condition": MEASURED, **columns}
    found = rows.filter(
        (pl.col("measure") == measure) & pl.all_horizontal(*(pl.col(c) == v for c, v in wanted.items()))
    )
    return None if found.is_empty() else found.row(0, named=True)


def _verdict(gaps: Sequence[tuple[float, float]]) -> Verdict:
    """Judge several likenesses, each a distance from its null with its error: all must hold, one denied is enough."""
    if all(_in_errors(*one) > _SURE for one in gaps):
        return "supported"
    return "not supported" if any(_denied(*one) for one in gaps) else "undecided"


def _denied(gap: float, error: float) -> bool:
    """Say whether a likeness is not seen, and none worth a note can have been missed."""
    return _in_errors(gap, error) <= _DENIED and gap + _DENIED * error <= _NOTEWORTHY


def _finding(id: str, claim: str, subject: str, verdict: Verdict, *, evidence: str, n_used: int) -> Finding:
    if n_used < _FEW:
        evidence = f"{evidence} {counted(n_used, 'token')}: too few to say much about whole vocabularies."
    return Finding(id=id, claim=claim, source=_LEE, verdict=verdict, evidence=evidence, subject=subject)


def _global(subject: str, rows: pl.DataFrame) -> Iterator[Finding]:
    """Test whether the cosines of all pairs of tokens agree, raw and centered."""
    which = next((one for one in ("output", "table", "input") if one in rows["which"]), None)
    raw = one_row(rows, "rsa", which=which, method="raw")
    centered = one_row(rows, "rsa", which=which, method="centered")
    if raw is None or centered is None:
        return
    evidence = (
        f"Pearson correlation of the cosines of all pairs of {format_count(raw['n_used'])} tokens in the {which} "
        f"{'embeddings' if which != 'table' else 'tables'}: {_beside(raw)}; rows centered first: {_beside(centered)}."
    )
    claim = "Models share the global geometry of their (output) embeddings."
    verdict = _verdict([_gap(raw), _gap(centered)])
    yield _finding("shared-global", claim, subject, verdict, evidence=evidence, n_used=raw["n_used"])


def _inputs(subject: str, rows: pl.DataFrame) -> Iterator[Finding]:
    """Test whether untied input embeddings are less alike than output embeddings, and how low that is."""
    inside, outside = (one_row(rows, "rsa", which=which, method="raw") for which in ("input", "output"))
    centered = [one_row(rows, "rsa", which=which, method="centered") for which in ("input", "output")]
    if inside is None or outside is None or centered[0] is None or centered[1] is None:
        return
    if inside["tied_a"] is not False and inside["tied_b"] is not False:
        return
    gaps = [
        (high["value"] - low["value"], hypot(high["stderr"], low["stderr"]))
        for low, high in ((inside, outside), (centered[0], centered[1]))
    ]
    lower = min(_in_errors(*one) for one in gaps) > _SURE
    room = _in_errors(_LOW - inside["value"], inside["stderr"])
    verdict: Verdict = "undecided"
    if lower and room > _SURE:
        verdict = "supported"
    elif room < -_SURE or all(_denied(*one) for one in gaps):
        verdict = "not supported"
    level = f"{'low' if room > _SURE else 'not low' if room < -_SURE else 'not surely low'} (below {_LOW})"
    evidence = (
        f"Raw: {_plain(inside)} (input) and {_plain(outside)} (output); centered: {_plain(centered[0])} and "
        f"{_plain(centered[1])}. The input embeddings are {'' if lower else 'not surely '}less alike and {level}, "
        f"{score(inside):.0f} standard errors above permuted tokens."
    )
    claim = "In untied models the similarity is low between input embeddings and high between output embeddings."
    yield _finding("untied-input", claim, subject, verdict, evidence=evidence, n_used=inside["n_used"])


def _neighbors(subject: str, rows: pl.DataFrame) -> Iterator[Finding]:
    """Test whether tokens are put together from their neighbors alike, beside permuted and random tables."""
    for which in _kinds(rows):
        measured = one_row(rows, "lle", which=which)
        if measured is None:
            continue
        nulls = {name: one_row(rows, "lle", which=which, condition=name) for name in (PERMUTED, GAUSSIAN)}
        there = {name: one for name, one in nulls.items() if one is not None}
        gaps = [_gap(measured)]
        gaps += [_gap({**measured, "null": one["value"], "null_stderr": one["stderr"]}) for one in there.values()]
        parts = [one_row(rows, name, which=which) for name in ("lle_neighbors", "mutual_knn")]
        beside = "; ".join(f"{name} {_plain(one)}" for name, one in there.items())
        evidence = (
            f"Cosine of the weights of {measured['scale']} neighbors, mean over tokens: {_plain(measured)} "
            f"({beside or 'permuted ' + format_value(measured['null'])}); of all neighbors of both "
            f"{_plain(parts[0])} are common, and {_plain(parts[1])} of the nearest of one are among those of the other "
            f"(permuted tokens {_null(parts[1])})."
        )
        claim = "A token is the same combination of its neighbors in both models."
        name = f"{subject}, {which}"
        yield _finding("shared-neighbors", claim, name, _verdict(gaps), evidence=evidence, n_used=measured["n_used"])


def _dimensions(subject: str, rows: pl.DataFrame) -> Iterator[Finding]:
    """Test whether the local dimension of a token in one model tells that in the other."""
    for which in _kinds(rows):
        found = rows.filter((pl.col("which") == which) & (pl.col("method") == "pca"))
        scales = found.filter(pl.col("measure") == "dimension_pearson")["scale"]
        if scales.is_empty():
            continue
        columns = {"which": which, "method": "pca", "scale": scales.max()}
        pearson, ranks, partial = (
            one_row(rows, f"dimension_{name}", **columns) for name in ("pearson", "spearman", "partial")
        )
        if pearson is None or ranks is None or pearson["value"] is None:
            continue
        others = rows.filter(
            (pl.col("which") == which) & (pl.col("measure") == "dimension_pearson") & (pl.col("method") != "pca")
        )
        by_distance = ", ".join(f"{row['method']} {_plain(row)}" for row in others.iter_rows(named=True))
        evidence = (
            f"Components for the variance of {pearson['scale']} neighbors, over {format_count(pearson['n_used'])} "
            f"tokens: Pearson {_plain(pearson)}, Spearman {_plain(ranks)}"
            f"{'' if partial is None else f', with the frequency of tokens held fixed {_plain(partial)}'}; "
            f"from distances: {by_distance}."
        )
        claim = "The local dimension of a token is alike in both models."
        verdict = _verdict([_gap(one) for one in (pearson, ranks)])
        yield _finding(
            "shared-dimension", claim, f"{subject}, {which}", verdict, evidence=evidence, n_used=pearson["n_used"]
        )


def _persistence(subject: str, rows: pl.DataFrame) -> Iterator[Finding]:
    """Test whether hidden states of the same text are alike in every layer."""
    layers = rows.filter((pl.col("which") == "states") & pl.col("depth").is_not_null())
    centered = layers.filter((pl.col("measure") == "rsa") & (pl.col("method") == "centered")).sort("layer_a")
    if centered.is_empty():
        return
    found = centered.to_dicts()
    overlaps = layers.filter(pl.col("measure") == "mutual_knn").to_dicts()
    alignments = layers.filter((pl.col("measure") == "cka") & pl.col("stderr").is_not_null()).to_dicts()
    weakest = min(found, key=score)
    evidence = (
        f"Centered correlation of all cosines of {format_count(found[0]['n_used'])} tokens in their text: "
        f"{_plain(found[0])} in layer 0, {_plain(found[-1])} in the last; lowest above its null in layer "
        f"{weakest['layer_a']} ({score(weakest):.0f} standard errors). Common among the nearest: "
        f"{min(one['value'] for one in overlaps):.2f} to {max(one['value'] for one in overlaps):.2f} "
        f"(permuted tokens {_null(overlaps[0])})."
    )
    claim = "The likeness of embeddings persists in the hidden states, layer by layer."
    if alignments:
        lowest = min(alignments, key=score)
        evidence += (
            f" Linear kernel alignment is lowest above its null in layer {lowest['layer_a']}: {_plain(lowest)} "
            f"(permuted tokens {_null(lowest)})."
        )
    verdict = _verdict([_gap(one) for one in (*found, *overlaps, *alignments)])
    yield Finding(
        id="persists", claim=claim, source=_LEE, verdict=verdict, evidence=evidence, subject=f"{subject}, hidden states"
    )


def _coherence(subject: str, rows: pl.DataFrame) -> Iterator[Finding]:
    """Test whether tokens of low dimension have coherent neighborhoods, by every measure of coherence there is."""
    found = rows.filter((pl.col("measure") == "coherence_spearman") & pl.col("value").is_not_null())
    found = found.filter(pl.col("method").str.ends_with("against pca"))
    if found.is_empty():
        return
    last = found.filter(pl.col("scale") == pl.col("scale").max()).to_dicts()
    gaps = [(-gap, error) for gap, error in map(_gap, last)]
    verdict: Verdict = "undecided"
    if min(_in_errors(*one) for one in gaps) > _SURE:
        verdict = "supported"
    elif all(_denied(*one) for one in gaps):
        verdict = "not supported"
    each = ", ".join(f"{_measure_name(one)} {_plain(one)}" for one in last)
    partial = rows.filter(
        (pl.col("measure") == "coherence_partial")
        & (pl.col("scale") == last[0]["scale"])
        & pl.col("method").is_in([one["method"] for one in last])
    ).to_dicts()
    fixed = ", ".join(f"{_measure_name(one)} {_plain(one)}" for one in partial)
    evidence = (
        f"Spearman correlation over {format_count(last[0]['n_used'])} tokens of the local dimension "
        f"({last[0]['scale']} neighbors) with: {each}"
        f"{f'; with the frequency of tokens held fixed: {fixed}' if fixed else ''}. Negative: low dimension goes with "
        "coherence."
    )
    claim = "Tokens of low dimension have semantically coherent neighborhoods."
    yield _finding("coherent-low", claim, subject, verdict, evidence=evidence, n_used=last[0]["n_used"])


def _kinds(rows: pl.DataFrame) -> list[str]:
    return [which for which in ("output", "table", "input") if which in rows["which"]]


def _measure_name(row: Row) -> str:
    return str(row["method"]).partition(" ")[0].replace("_", " ")


def _plain(row: Row | None) -> str:
    return "–" if row is None else format_value(row["value"], row["stderr"])


def _null(row: Row | None) -> str:
    return "–" if row is None else format_value(row["null"], row["null_stderr"])


def _beside(row: Row) -> str:
    """Write a number beside its null."""
    return f"{_plain(row)} (permuted tokens {_null(row)}, {score(row):.0f} standard errors below)"
