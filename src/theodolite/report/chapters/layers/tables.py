"""Tables of a layer study: correlations by estimator, what the largest logits hold, how severe a disturbance is."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from theodolite.core.number_format import format_count, format_decimals
from theodolite.report.chapter import Section, Summary, table_sections
from theodolite.report.chapters.layers.rows import POSITIONS, control_label
from theodolite.report.headline import Cell
from theodolite.report.selection import method_label, short_names
from theodolite.studies.layers.config import STRUCTURED
from theodolite.studies.revisions import model_name

_SIGNIFICANT = 0.01

Row = Mapping[str, Any]


def tables(summary: Summary) -> list[Section]:
    """Return the tables of a layer study.

    Parameters
    ----------
    summary : sequence of mapping
        Rows of the JSON output.

    Returns
    -------
    list of Section
        Those that have a line.
    """
    names = short_names(list(dict.fromkeys(_reference(row) for row in summary)))
    return [*_correlations(summary, names), *_logits(summary, names), *_severity(summary, names)]


def _correlations(summary: Summary, names: Mapping[str, str]) -> list[Section]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in summary:
        of_layers = row["measure"] in ("pearson", "spearman") and row["params"]["of"] == "dimension"
        if of_layers and row["params"]["with"] in ("loss", "entropy") and (row["layer"] or 0) > 0:
            key = (_reference(row), row["positions"], row["method"], row["n1"], row["scale"], row["params"]["with"])
            groups.setdefault(key, []).append(row)
    lines = []
    for (reference, positions, method, n1, scale, quantity), rows in groups.items():
        own = {name: [row for row in rows if row["measure"] == name] for name in ("pearson", "spearman")}
        finite = {name: [row for row in found if row["value"] == row["value"]] for name, found in own.items()}
        if not all(finite.values()):
            continue
        sure = sum(row["params"]["p_value"] < _SIGNIFICANT for row in finite["pearson"])
        held = sum((row["params"]["partial_p"] or 1.0) < _SIGNIFICANT for row in finite["pearson"])
        neighbors = f"k = {scale}" if n1 is None else f"{n1} and {scale}"
        lines.append(
            [
                Cell(names[reference]),
                Cell(POSITIONS.get(positions, str(positions))),
                Cell(f"{method_label(method)} ({neighbors})"),
                Cell(quantity),
                _range(finite["pearson"]),
                _range(finite["spearman"]),
                *(Cell.count(number) for number in (sure, held, len(finite["pearson"]))),
            ]
        )
    return table_sections(
        id="correlations",
        nav="Correlations",
        title="Dimension against loss and entropy, by estimator and scale",
        headings=[
            *("model", "tokens", "estimator", "with", "Pearson", "Spearman"),
            *("layers with p < 0.01", "the same at equal length and repetition", "layers"),
        ],
        lines=lines,
        lead="Range over layers of the correlation, over prompts as written, of the logarithm of the dimension.",
        fold="Correlations by estimator and scale",
    )


def _logits(summary: Summary, names: Mapping[str, str]) -> list[Section]:
    masses: dict[tuple[str, int | None], dict[str, Row]] = {}
    for row in summary:
        if row["measure"] == "logit_mass" and row["control"] == STRUCTURED:
            masses.setdefault((_reference(row), row["scale"]), {})[row["method"]] = row
    lengths = {
        _reference(row): row for row in summary if row["measure"] == "box_length" and row["control"] == STRUCTURED
    }
    order = list(names)
    lines = [
        [
            Cell(names[reference]),
            Cell("D, the logit dimension" if k is None else format_count(k), k),
            _share(found.get("probability")),
            _share(found.get("entropy")),
            Cell.of(lengths.get(reference) if k is None else None),
        ]
        for (reference, k), found in sorted(masses.items(), key=lambda one: (order.index(one[0][0]), one[0][1] or inf))
    ]
    return table_sections(
        id="logit-box",
        nav="Logits",
        title="What the largest logits hold",
        headings=["model", "largest logits", "of the probability", "of the entropy", "length of the box (nats)"],
        lines=lines,
        lead="Means over the tokens of a prompt, then over prompts as written, ± standard error. The box: the largest "
        "logit less the D-th, D being the dimension of the prompt's logits (GRIDE, neighbors 2 and 4).",
        fold="Probability and entropy in the largest logits",
    )


def _severity(summary: Summary, names: Mapping[str, str]) -> list[Section]:
    measures = [name for name in ("bleu", "match", "loss") if any(row["measure"] == name for row in summary)]
    groups: dict[tuple[str, str], dict[str, Row]] = {}
    for row in summary:
        if row["measure"] in measures:
            key = (_reference(row), control_label(row["control"], row["level"]))
            groups.setdefault(key, {})[row["measure"]] = row
    if "bleu" not in measures:
        return []
    headings = {"bleu": "BLEU", "match": "tokens matched (F1)", "loss": "loss (nats)"}
    return table_sections(
        id="severity",
        nav="Severity",
        title="How much of a prompt is left",
        headings=["model", "prompts", *(headings[name] for name in measures)],
        lines=[
            [Cell(names[reference]), Cell(condition), *(Cell.of(found.get(name)) for name in measures)]
            for (reference, condition), found in groups.items()
        ],
        lead="Of the disturbed prompts beside themselves as written, mean over prompts ± standard error: BLEU, 1 for "
        "no change; tokens matched by an encoder, where one was given; the model's loss.",
        fold="BLEU and loss by disturbance",
    )


def _reference(row: Row) -> str:
    return model_name(row["model"], row["revision"])


def _range(rows: Sequence[Row]) -> Cell:
    values = [row["value"] for row in rows]
    low, high = (format_decimals(one, 2) for one in (min(values), max(values)))
    return Cell(f"{low} to {high}", max(values))


def _share(row: Row | None) -> Cell:
    return Cell.percent(None) if row is None else Cell.percent(row["value"], row["stderr"])
