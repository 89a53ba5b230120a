"""Commands that read run folders: report, ls."""

from pathlib import Path
from typing import Literal

from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json


def report(
    runs: tuple[Path, ...],
    /,
    *,
    out: Path | None = None,
    figures: tuple[Literal["svg", "png", "pdf"], ...] = ("svg", "png"),
    style: Literal["slides", "one-column", "two-column"] = "slides",
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Write report.html and the figures of a run again, from its table; of several runs, one report of all.

    Parameters
    ----------
    runs
        Run folder; several of one study are compared in one report.
    out
        Folder for the report of several runs.
    figures
        Formats to write: svg, png, pdf.
    style
        For a paper, write the figures as wide as its columns too, into a folder of their own: one-column (3.35 inches)
        or two-column (6.9 inches).
    """
    from theodolite.cli.results import save_styled, write_report  # noqa: PLC0415 - keeps --help fast
    from theodolite.runs import open_run  # noqa: PLC0415

    if len(runs) != 1 or out is not None:
        return _compared(runs, out, figures, style, output)
    (run,) = runs
    opened = open_run(run)
    _, _, page = write_report(opened, formats=figures)
    written = save_styled(opened, figures, style)
    if output.json:
        print_json({"command": "report", "run": str(run), "status": "success", "report": str(page)})
    output.lines([f"Report: {page}", *([f"Figures: {written}"] if written else [])])
    return 0


def _compared(
    runs: tuple[Path, ...],
    out: Path | None,
    figures: tuple[Literal["svg", "png", "pdf"], ...],
    style: Literal["slides", "one-column", "two-column"],
    output: Output,
) -> int:
    """Write one report of several runs."""
    from theodolite.core.errors import ParameterError  # noqa: PLC0415 - keeps --help fast
    from theodolite.report import write_comparison  # noqa: PLC0415

    if out is None:
        raise ParameterError("The report of several runs needs a folder of its own. Name it with --out.")
    page = write_comparison(runs, out, formats=figures, style=style)
    if output.json:
        named = [str(run) for run in runs]
        print_json({"command": "report", "run": str(out), "status": "success", "report": str(page), "runs": named})
    output.lines([f"Report: {page}"])
    return 0


def ls(
    folder: Path = Path("runs"),
    *,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """List the runs in a folder.

    Parameters
    ----------
    folder
        Where runs are kept.
    """
    from dataclasses import asdict  # noqa: PLC0415 - keeps --help fast

    from theodolite.runs import list_runs  # noqa: PLC0415

    entries = list_runs(folder)
    if output.json:
        print_json(
            {"command": "ls", "status": "success", "runs": [asdict(one) | {"path": str(one.path)} for one in entries]}
        )
    if not entries:
        output.say(f"No run in {folder}. `theodolite survey` makes one.")
    else:
        header = ("run", "study", "status", "done", "failed", "warnings", "begun (UTC)")
        output.table(
            f"Runs in {folder}",
            header,
            [
                (
                    str(one.path),
                    one.study,
                    one.status,
                    f"{one.done}/{one.planned}",
                    str(one.failed),
                    str(one.n_warnings),
                    one.created[:16].replace("T", " "),
                )
                for one in entries
            ],
        )
    return 0
