"""Run a study, write its report, and print what was found."""

import sys
from pathlib import Path
from typing import Any

from theodolite import report, studies
from theodolite.cli.output import Output, print_json
from theodolite.core.errors import TheodoliteError
from theodolite.report.number_format import format_value
from theodolite.runs import Run
from theodolite.studies.finding import Finding

_SOME_FAILED = 3
_SHOWN_SCALE = 20


def execute(name: str, config: Any, out: Path | None, output: Output) -> int:
    """Run a study from the command line.

    Parameters
    ----------
    name : str
        Name of the study.
    config : object
        The study's `Config`.
    out : pathlib.Path or None
        Run folder; None for a folder in ./runs named after the settings.
    output : Output
        How to speak.

    Returns
    -------
    int
        0 if every unit succeeded, 3 if some failed.

    Raises
    ------
    TheodoliteError
        If no unit succeeded, with the reason of the first.
    """
    command = ["theodolite", *sys.argv[1:]]
    run = studies.execute(name, config, out=out, progress=output.progress(), command=command)
    failures = run.failures()
    if run.status == "failed":
        raise TheodoliteError(f"{failures[0].message} (No unit of {run.path} could be done: {len(failures)} failed.)")
    summary, findings, page = write_report(run)
    for warning in run.warnings:
        output.say(f"warning: {warning}")
    for failure in failures:
        output.say(f"failed: {failure.label}: {failure.message}")
    if output.json:
        print_json(
            {
                "command": name,
                "run": str(run.path),
                "status": run.status,
                "rows": summary,
                "findings": [finding.as_dict() for finding in findings],
                "warnings": run.warnings,
            }
        )
    show_summary(summary, output)
    show_findings(findings, output)
    output.lines([f"Run:    {run.path}", f"Report: {page}"])
    return _SOME_FAILED if failures else 0


def write_report(
    run: Run, formats: tuple[str, ...] = ("svg", "png")
) -> tuple[list[dict[str, Any]], list[Finding], Path]:
    """Write figures and report.html of a run; return its summary rows, its findings and the page."""
    study = studies.resolve(run.manifest["study"])
    frame = run.table()
    summary, findings = study.summarize(frame), study.find(frame)
    return summary, findings, report.write(run, summary=summary, findings=findings, formats=formats)


def show_summary(summary: list[dict[str, Any]], output: Output) -> None:
    """Print one line for each table: the headline estimates beside their null."""
    tables: dict[tuple[str, str, str], dict[tuple[str, int | None], dict[str, Any]]] = {}
    for row in summary:
        if row["measure"] == "dimension":
            place = (row["model"], row["revision"], row["which"])
            tables.setdefault(place, {})[row["method"], row["scale"]] = row
    lines = []
    for (model, revision, which), estimates in tables.items():
        headline = next(row for (method, _), row in estimates.items() if method == "twonn")
        name = model if revision == "main" else f"{model}@{revision}"
        null = headline["null"].get("gaussian")
        lines.append(
            [
                f"{name} {which}",
                f"{headline['n_used']:,}",
                str(headline["extrinsic"]),
                format_value(headline["value"], headline["stderr"]),
                _shown(estimates, "mle", _SHOWN_SCALE),
                _shown(estimates, "gride", 4),
                f"{headline['redundancy']:.3f}",
                "" if headline["unit_norm"] is None else f"{headline['unit_norm']:.1f}",
                "" if null is None else f"{null:.1f}",
            ]
        )
    header = ("table", "rows", "columns", "TwoNN", "MLE k=20", "GRIDE 2,4", "redundancy", "unit rows", "Gaussian null")
    output.table("Dimension", header, lines)


def show_findings(findings: list[Finding], output: Output) -> None:
    """Print each finding with its verdict."""
    lines = []
    for finding in findings:
        subject = f" [{finding.subject}]" if finding.subject else ""
        lines += [f"{finding.verdict.upper()}: {finding.claim}{subject}", f"  {finding.evidence}"]
    output.lines([*lines, ""] if lines else [])


def _shown(estimates: dict[tuple[str, int | None], dict[str, Any]], method: str, scale: int) -> str:
    row = estimates.get((method, scale))
    return "" if row is None else format_value(row["value"], row["stderr"])
