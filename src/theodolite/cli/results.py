"""Run a study, write its report, and print what was found."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theodolite import report, studies
from theodolite.cli.output import Output, print_json
from theodolite.core.errors import TheodoliteError
from theodolite.report.claims import Claim, gather, opening_sentences
from theodolite.report.figure_files import Format
from theodolite.report.headline import HeadlineTable, headline_table
from theodolite.runs import Run
from theodolite.studies.finding import Finding

_SOME_FAILED = 3
_COLUMNS = ("n_used", "extrinsic", "twonn", "gaussian", "unit_norm", "redundancy", "mle", "gride")
_ESSENTIAL = ("twonn", "gaussian", "redundancy")
_SHORT = {"gaussian": "its null", "unit_norm": "unit rows"}


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
    show_headline(headline_table(summary, findings), output)
    show_claims(gather(findings), output)
    output.lines(["", f"Run:    {run.path}", f"Report: {page}"])
    return _SOME_FAILED if failures else 0


def write_report(
    run: Run, formats: Sequence[Format] = ("svg", "png")
) -> tuple[Sequence[dict[str, Any]], Sequence[Finding], Path]:
    """Write figures and report.html of a run; return its summary rows, its findings and the page."""
    study = studies.resolve(run.manifest["study"])
    frame = run.table()
    summary, findings = study.summarize(frame), study.find(frame)
    report.save_figures(run.path, frame, formats=formats)
    return summary, findings, report.write(run, summary=summary, findings=findings, figures=False)


def show_headline(table: HeadlineTable, output: Output) -> None:
    """Print what the report opens with: the sentences, and one line for each table."""
    output.lines(opening_sentences(table))
    shown = _COLUMNS if output.wide else _ESSENTIAL
    columns = {key: _SHORT.get(key, table.columns[key]) for key in shown if key in table.columns}
    lines = []
    for row in table.rows:
        name = f"{row.name}@{row.revision}" if row.revision else row.name
        lines.append([f"{name} {row.which}", *(row.cells[column].text for column in columns)])
    output.table("", ("table", *columns.values()), lines)


def show_claims(claims: list[Claim], output: Output) -> None:
    """Print each claim with its tally, and the verdict that matters most."""
    for claim in claims:
        tally = ", ".join(f"{verdict}{f' ({count})' if count > 1 else ''}" for verdict, count in claim.tally)
        output.lines([f"{claim.text}  {tally}  [{claim.source}]"])
        output.lines([f"  {one.subject}: {one.evidence}" for one in claim.shown])
