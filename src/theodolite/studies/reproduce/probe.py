"""The accuracies that viswanathan2025 prints of its probe beside those of probes that we fitted."""

from collections.abc import Iterator, Mapping, Sequence
from math import nan

import polars as pl

from theodolite.core.number_format import format_count, format_decimals, format_percent
from theodolite.studies.probe.evaluation import CROSS_SOURCE, CROSS_VALIDATION, LENGTH, evaluate
from theodolite.studies.probe.names import GUARD
from theodolite.studies.published import Published, published
from theodolite.studies.reproduce.comparison import Agreement, Comparison, written
from theodolite.studies.reproduce.layers import of_other_models
from theodolite.studies.rows import Row

PAPER = "viswanathan2025"
PRESET = "probe"
_TITLE = f"{PAPER} {PRESET}"
_SETS = ("MALICIOUS", "JAILBREAK", "ATTACK")
_TOLERANCE = 0.03
_FIRST_BIN = 100
_OF_ALL = "accuracy, "
_BY_LENGTH = "accuracy by length, "
_AT_300 = "accuracy at 300 to 399 tokens, "


def compare_probe(frame: pl.DataFrame, names: Mapping[str, str]) -> Iterator[Comparison]:
    """Compare cross-validated accuracies with the printed ones.

    Parameters
    ----------
    frame : polars.DataFrame
        Table of a probe study.
    names : mapping
        Reference to what the paper calls the model.

    Yields
    ------
    Comparison
        For each model the headline of the paper, beside what its probe and each guard reach; each printed number of a
        model and data set that was measured; one for all models of the paper that were not.

    Notes
    -----
    A number is compared only where the model is the paper's and sources of the run go by the names of its data sets:
    it agrees within 0.03, or within our 95 % interval where that is wider. Whether the prompts are the same cannot be
    told.
    """
    numbers = published(PAPER, preset=PRESET)
    results = evaluate(frame).filter(pl.col("statistic") == "accuracy")
    for (reference,), own in results.group_by("model", maintain_order=True):
        sources = frame.filter(pl.col("model") == reference)["source"].drop_nulls().unique().to_list()
        yield from _headline(numbers, own, str(reference), names, sources)
        for number in numbers:
            if names.get(str(reference)) == number.model and number.values:
                yield _compared(number, own, str(reference), sources)
    known = {name for reference, name in names.items() if reference in results["model"]}
    yield from of_other_models([one for one in numbers if one.values and one.model not in known], _TITLE, PRESET)


def _headline(
    numbers: Sequence[Published],
    own: pl.DataFrame,
    reference: str,
    names: Mapping[str, str],
    sources: Sequence[str],
) -> Iterator[Comparison]:
    """Put the ranges of the abstract beside the probe, and beside each guard."""
    for number in numbers:
        if number.low is None or number.high is None:
            continue
        of_guards = number.quantity.endswith("guards")
        asked = (
            [name for name in own["features"].unique(maintain_order=True) if name.startswith(GUARD)]
            if of_guards
            else [number.quantity.removeprefix(_OF_ALL)]
        )
        stated = f"{format_percent(number.low)} to {format_percent(number.high)} ({number.model})"
        for features in asked:
            for row in _rows(own, CROSS_VALIDATION, features):
                theirs = names.get(reference) == number.model and set(_SETS) <= {one.upper() for one in sources}
                inside = row["high"] >= number.low and row["low"] <= number.high
                comparable: Agreement = "agrees" if inside else "differs"
                yield Comparison(
                    paper=_TITLE,
                    figure=number.figure,
                    claim=f"{number.quantity}, cross-validated",
                    subject=reference if not of_guards else f"{features} on the text of {reference}",
                    published=stated,
                    ours=f"{_share(row)} on {format_count(row['n'])} prompts",
                    agreement=comparable if theirs else "not comparable",
                    note=number.note if theirs else "another model or other prompts than the authors'",
                    study=PRESET,
                )
        if of_guards and not asked:
            yield Comparison(
                paper=_TITLE,
                figure=number.figure,
                claim=number.quantity,
                subject=reference,
                published=stated,
                ours="",
                agreement="not applicable",
                note="No guard was given: --guard REF, once for each.",
                study=PRESET,
            )


def _compared(number: Published, own: pl.DataFrame, reference: str, sources: Sequence[str]) -> Comparison:
    head, features, data_set = number.quantity.rsplit(", ", 2)
    named = next((one for one in sources if one.upper() == data_set), None)
    alone = len(sources) == 1
    found: list[Row | None]
    if head + ", " == _OF_ALL:
        rows = _rows(own, CROSS_VALIDATION, features) if alone else _rows(own, CROSS_SOURCE, features)
        wanted = [row for row in rows if alone or row["train"] == row["test"] == named]
        found = [wanted[0] if wanted else None]
    else:
        first = 3 * _FIRST_BIN if head + ", " == _AT_300 else _FIRST_BIN
        bins = {row["test"]: row for row in _rows(own, LENGTH, features)} if alone else {}
        starts = [first + _FIRST_BIN * place for place in range(len(number.values))]
        found = [bins.get(f"{start} to {start + _FIRST_BIN - 1}") for start in starts]
    measured = [row for row in found if row is not None] if named is not None else []
    ours = [nan if row is None else float(row["value"]) for row in found]
    apart = [value - theirs for value, theirs in zip(ours, number.values, strict=True)]
    agreement: Agreement = "not applicable"
    note = f"no source of the run is called {data_set}"
    if named is not None:
        note = "by length only where it is the only source of the run" if not alone else "no prompts of these lengths"
    if measured:
        within = [
            abs(gap) <= _TOLERANCE or row["low"] <= theirs <= row["high"]
            for gap, row, theirs in zip(apart, found, number.values, strict=True)
            if row is not None
        ]
        agreement = "agrees" if all(within) else "differs"
        note = f"{sum(within)} of {len(within)} within {_TOLERANCE:g} or our interval; prompts taken as theirs"
    return Comparison(
        paper=_TITLE,
        figure=number.figure,
        claim=number.quantity,
        subject=reference,
        published=f"{written(number.values)} ({number.model}, {number.mark})",
        ours=", ".join("–" if row is None else format_decimals(row["value"], 2) for row in found) if measured else "",
        agreement=agreement,
        note="; ".join(part for part in (note, number.note) if part),
        study=PRESET,
        published_values=number.values if measured else (),
        our_values=tuple(ours) if measured else (),
        differences=tuple(apart) if measured else (),
    )


def _rows(own: pl.DataFrame, evaluation: str, features: str) -> list[Row]:
    return own.filter((pl.col("evaluation") == evaluation) & (pl.col("features") == features)).to_dicts()


def _share(row: Row) -> str:
    return f"{format_percent(row['value'])} ({format_percent(row['low'])} to {format_percent(row['high'])})"
