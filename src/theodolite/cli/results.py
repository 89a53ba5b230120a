"""Run a study, write its report, and print what was found."""

import sys
from collections.abc import Sequence
from typing import Any

from theodolite import report, studies
from theodolite.cli.options import Running
from theodolite.cli.output import Output, print_json
from theodolite.cli.spoken import show_findings
from theodolite.core import errors
from theodolite.core.errors import TheodoliteError
from theodolite.core.number_format import counted
from theodolite.report.chapters import chapter_of
from theodolite.report.drawn import is_drawn, note_drawn
from theodolite.report.figure_files import FOLDER, Format
from theodolite.report.figures.canvas import Style
from theodolite.report.html import FILE_NAME
from theodolite.runs import Run, open_run, status
from theodolite.runs.folder.location import Location
from theodolite.runs.folder.store import FailureRecord
from theodolite.runs.runners import make_runner
from theodolite.runs.shards.shard import Shard
from theodolite.studies.finding import Finding
from theodolite.studies.reported import rows_of
from theodolite.tables import reporting_to

_SOME_FAILED = 3


def execute(name: str, config: Any, running: Running, output: Output) -> int:
    """Run a study from the command line.

    Parameters
    ----------
    name : str
        Name of the study.
    config : object
        The study's `Config`.
    running : Running
        How to run it.
    output : Output
        How to speak.

    Returns
    -------
    int
        0 if every unit succeeded, or every unit of the shard; 3 if some failed.

    Raises
    ------
    TheodoliteError
        If no unit succeeded, or nothing was left to measure, with the reason of the first.
    """
    with reporting_to(output.downloads()):
        run = studies.execute(
            name,
            config,
            out=running.out,
            runner=make_runner(running.runner, workers=running.workers, address=running.address),
            shard=running.shard,
            on_error=running.on_error,
            progress=output.progress(),
            command=["theodolite", *sys.argv[1:]],
        )
    failures = run.failures()
    if run.manifest["table"] is None and (running.shard is not None or running.on_error == "stop"):
        return _say_how_far(name, run, running, output)
    if run.status == "failed":
        raise TheodoliteError(
            f"{_reason(failures[0])} (No unit of {run.path} could be done: {len(failures)} failed, listed in its "
            "failures.jsonl.)"
        )
    for warning in run.warnings:
        output.say(f"warning: {warning}")
    for failure in failures:
        output.say(f"failed: {failure.label}: {_reason(failure)}")
    summary, findings, page = write_report(run, anew=False)
    if not summary:
        raise TheodoliteError(f"Nothing could be measured{_first(run.warnings)} What was left out is in {run.path}.")
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
    show_findings(chapter_of(name), summary, findings, output)
    output.lines(["", f"Run:    {run.path}", f"Report: {page}"])
    return _SOME_FAILED if failures else 0


def has_table(folder: Location | str) -> bool:
    """Say whether the run in a folder came to its end with a table."""
    return open_run(folder).manifest["table"] is not None


def _reason(failure: FailureRecord) -> str:
    """Return why a unit failed; what is none of our own errors says little without its name."""
    return failure.message if hasattr(errors, failure.exception) else f"{failure.exception}: {failure.message}"


def _first(warnings: Sequence[str]) -> str:
    """Return the first warning as the end of a sentence, and how many more there are."""
    if not warnings:
        return "."
    more = f" ({counted(len(warnings) - 1, 'further warning')} above.)" if len(warnings) > 1 else ""
    return f": {warnings[0]}{more}"


def _say_how_far(name: str, run: Run, running: Running, output: Output) -> int:
    """Print what was done of a run that has no table yet, and return the exit code."""
    shard = str(Shard.parse(running.shard)) if running.shard is not None else None
    session = [one for one in run.manifest["sessions"] if one["shard"] == shard][-1]
    far = status(run)
    for failure in run.failures():
        output.say(f"failed: {failure.label}: {_reason(failure)}")
    if output.json:
        counts = {"planned": far.planned, "done": far.done, "failed": far.failed, "remaining": far.remaining}
        print_json({"command": name, "run": str(run.path), "status": run.status, "rows": [], "findings": [], **counts})
    what = f"Shard {shard}" if shard else "Stopped at the first failure"
    lines = [
        f"{what}: {counted(session['done'], 'unit')} done now, {session['kept']} before, {session['failed']} failed."
    ]
    lines.append(
        f"The run: {far.done} of {counted(far.planned, 'unit')} done, {far.failed} failed, {far.remaining} to do."
    )
    if shard:
        lines.append("The shard that finds all of them done writes the table and the report.")
    output.lines([*lines, f"Run:    {run.path}"])
    return _SOME_FAILED if session["failed"] else 0


def write_report(
    run: Run, formats: Sequence[Format] = ("svg", "png"), *, anew: bool = True
) -> tuple[Sequence[dict[str, Any]], Sequence[Finding], Location]:
    """Write figures and report.html of a run; return its summary rows, its findings and the page.

    Unless asked to do it anew, what is there as it would be drawn now is left as it is.
    """
    study = studies.resolve(run.manifest["study"])
    frame = rows_of(run, study)
    summary, findings = study.summarize(frame), study.find(frame)
    if anew or not is_drawn(run, formats):
        report.write(run, summary=summary, findings=findings, formats=formats, frame=frame)
        note_drawn(run, formats)
    return summary, findings, run.path / FILE_NAME


def save_styled(run: Run, formats: Sequence[Format], style: Style) -> Location | None:
    """Write the figures of a run in the style of a paper; return their folder, None for the style of the report."""
    if style == "slides":
        return None
    study = run.manifest["study"]
    frame = rows_of(run, studies.resolve(study))
    with run.workspace() as folder:
        written = report.save_figures(folder, frame, families=chapter_of(study).families, formats=formats, style=style)
    return run.path / FOLDER / style if written else None
