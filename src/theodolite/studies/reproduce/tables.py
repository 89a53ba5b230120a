"""The numbers of kataiwa2025 beside those of tables that we measured."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from theodolite.core.number_format import format_percent, format_value
from theodolite.studies.published import Published, published
from theodolite.studies.reproduce.comparison import OTHER_MODEL, Agreement, Comparison

PAPER = "kataiwa2025"
_SUITE, _VECTORS = "pythia suite", "word vectors of 300 columns"
_KNOWN_VECTORS = ("glove", "word2vec", "fasttext")
_VECTOR_COLUMNS = 300


def compare_tables(summary: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Comparison]:
    """Compare dimensions with those that the paper, or an answer to it, states.

    Parameters
    ----------
    summary : sequence of mapping
        Rows that `studies.dimension.summarize` makes.
    names : mapping
        Reference to what the paper calls the model.

    Yields
    ------
    Comparison
        One for each number of the paper and each model that it is about; one that says so where there is none.
    """
    headline = {row["model"]: row for row in summary if _is_headline(row)}
    for number in published(PAPER):
        about = [row for reference, row in headline.items() if _is_about(number, names.get(reference, ""), row)]
        if not about:
            yield Comparison(
                paper=PAPER,
                figure=number.figure,
                claim=number.quantity,
                subject=number.model,
                published=_stated(number),
                ours="",
                agreement="not comparable",
                note=f"{OTHER_MODEL}. {number.note}".rstrip(),
                study="dimension",
                published_values=number.values,
            )
        for row in about:
            yield _compared(number, row)


def _is_headline(row: Mapping[str, Any]) -> bool:
    """Say whether this is the paper's estimate: MLE with k = 2, harmonic."""
    estimate = (row["measure"], row["method"], row["scale"]) == ("dimension", "mle", 2)
    return estimate and bool(row["which"] != "output")


def _is_about(number: Published, name: str, row: Mapping[str, Any]) -> bool:
    if number.model == _SUITE:
        return name.startswith("pythia-")
    if number.model == _VECTORS:
        return name.startswith(_KNOWN_VECTORS) and bool(row["extrinsic"] == _VECTOR_COLUMNS)
    return name == number.model


def _compared(number: Published, row: Mapping[str, Any]) -> Comparison:
    value, stderr = row["value"], row["stderr"]
    written = format_value(value, stderr)
    if number.quantity == "redundancy":
        value, stderr = row["redundancy"], (stderr or 0) / row["extrinsic"]
        written = format_percent(value, stderr)
    elif number.quantity.startswith("dimension without"):
        value = row["unit_norm"]
        written = f"{format_value(value)} (rows of unit length)"
    agreement: Agreement = "not comparable"
    note, apart = "not measured on rows of unit length", float("nan")
    if value is not None:
        low, high = _bounds(number)
        agreement = "agrees" if low <= value <= high else "differs"
        middle = number.values[0] if number.values else (low + high) / 2
        apart = value - middle
        note = f"agrees within {low:g} to {high:g}"
    return Comparison(
        paper=PAPER,
        figure=number.figure,
        claim=number.quantity,
        subject=row["model"],
        published=f"{_stated(number)} ({number.model})",
        ours=written,
        agreement=agreement,
        note="; ".join(part for part in (note, number.note) if part),
        study="dimension",
        published_values=number.values,
        our_values=() if value is None else (value,),
        differences=() if value is None else (apart,),
    )


def _bounds(number: Published) -> tuple[float, float]:
    if number.low is not None and number.high is not None:
        return number.low, number.high
    value, share = number.values[0], number.tolerance or 0.0
    return round(value * (1 - share), 6), round(value * (1 + share), 6)


def _stated(number: Published) -> str:
    if number.values:
        return format_value(number.values[0])
    if number.quantity == "redundancy":
        return f"{format_percent(number.low)} to {format_percent(number.high)}"
    return f"{number.low:g} to {number.high:g}"
