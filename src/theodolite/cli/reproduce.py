"""The command that reproduces a paper."""

import sys
from typing import TYPE_CHECKING, Annotated

from theodolite.cli.options import Flat, How, Running, Speech
from theodolite.cli.output import Output
from theodolite.studies.reproduce.config import Config

if TYPE_CHECKING:
    from theodolite.studies.reproduce.comparison import Comparison
    from theodolite.studies.reproduce.reproduction import Reproduction


_SOME_FAILED = 3
_PROMPTED = "viswanathan2025"


def reproduce(
    config: Annotated[Config, Flat],
    *,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Run the studies of a paper with its settings, and print what it says beside what they find.

    The folder holds a run folder for each study.
    """
    from theodolite.cli.output import print_json  # noqa: PLC0415 - torch and polars load here, not for --help
    from theodolite.cli.results import write_report  # noqa: PLC0415
    from theodolite.core.errors import TheodoliteError  # noqa: PLC0415
    from theodolite.report.reproduction import write_reproduction  # noqa: PLC0415
    from theodolite.runs.runners import make_runner  # noqa: PLC0415
    from theodolite.studies.reproduce.reproduction import reproduce as run_all  # noqa: PLC0415
    from theodolite.tables import reporting_to  # noqa: PLC0415

    with reporting_to(output.downloads()):
        found = run_all(
            config,
            out=running.out,
            runner=make_runner(running.runner, workers=running.workers, address=running.address),
            shard=running.shard,
            on_error=running.on_error,
            progress=output.progress(),
            command=["theodolite", *sys.argv[1:]],
        )
    failed = [one for one in found.outcomes if one.error and not one.unfinished]
    nothing = not any(one.agreement == "agrees" for one in found.comparisons)
    if failed and len(failed) == len(found.outcomes) and nothing:
        lengths = config.paper == _PROMPTED and not config.minimum and " tokens" in str(failed[0].error)
        shorter = " --minimum N takes prompts of N tokens." if lengths else ""
        raise TheodoliteError(f"{failed[0].error} (No study of {found.path} could be run.{shorter})")
    for one in found.outcomes:
        if one.run is not None and not one.error:
            write_report(one.run, anew=False)
    page = write_reproduction(found)
    for one in found.outcomes:
        if one.unfinished:
            output.say(f"not finished: {one.part.study}: {one.error}")
    for one in found.outcomes:
        for warning in one.warnings:
            output.say(f"warning: {one.part.study}: {warning}")
    for one in failed:
        output.say(f"failed: {one.part.study}: {one.error}")
    partial = bool(failed) or any(one.run is not None and one.run.status == "partial" for one in found.outcomes)
    if output.json:
        print_json(
            {
                "command": "reproduce",
                "run": str(found.path),
                "status": "partial" if partial else "success",
                "title": found.title,
                "tally": found.tally,
                "comparisons": [one.as_dict() for one in found.comparisons],
                "departures": {one.part.study: one.part.departures for one in found.outcomes},
                "warnings": [f"{one.part.study}: {warning}" for one in found.outcomes for warning in one.warnings],
            }
        )
    headings = ("figure", "claim or quantity", "about", "published", "ours", "agreement")
    output.table("", headings, _lines(found), words=len(headings))
    for outcome in found.outcomes:
        output.lines([f"{outcome.part.study}: {departure}" for departure in outcome.part.departures])
    tally = ", ".join(f"{agreement} {count}" for agreement, count in found.tally.items())
    output.lines(["", tally, f"Folder: {found.path}", f"Report: {page}"])
    return _SOME_FAILED if partial else 0


def _lines(found: "Reproduction") -> list[tuple[str, ...]]:
    """Return a line for each comparison, those of one claim one under another, which names it once."""
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for one in found.comparisons:
        groups.setdefault((one.figure, one.claim), []).append(one)
    lines: list[tuple[str, ...]] = []
    for (figure, claim), group in groups.items():
        for number, one in enumerate(group):
            head = ("", "") if number else (figure, _short(claim))
            ours = _short(one.ours) if one.ours else _short(one.note)
            lines.append((*head, one.subject, one.published, ours, one.agreement))
    return lines


def _short(evidence: str, *, most: int = 100) -> str:
    """Cut long evidence at a word; the report has all of it."""
    return evidence if len(evidence) <= most else f"{evidence[:most].rsplit(' ', 1)[0]} ..."
