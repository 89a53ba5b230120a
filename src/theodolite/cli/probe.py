"""Commands that fit, evaluate and use a probe on the geometry of prompts: probe fit, evaluate, score."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from theodolite.cli.options import Flat, How, Running, Speech
from theodolite.cli.output import Output, print_json
from theodolite.studies.probe.config import Config

if TYPE_CHECKING:
    from theodolite.runs import Run


def fit(
    config: Annotated[Config | None, Flat] = None,
    *,
    running: How = Running(),  # noqa: B008 - frozen
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Measure hostile and benign prompts, evaluate probes beside baselines, and save the probe."""
    from theodolite.cli.results import execute, has_table  # noqa: PLC0415 - torch and polars load here, not for --help
    from theodolite.runs import open_run  # noqa: PLC0415
    from theodolite.studies import default_folder  # noqa: PLC0415

    chosen = config or Config()
    folder = running.out or default_folder("probe", chosen)
    code = execute("probe", chosen, replace(running, out=folder), output)
    if has_table(folder):
        _save(open_run(folder), output)
    return code


def evaluate(
    run: Path,
    *,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Evaluate the probes and baselines of a run again, from its table, and write its report.

    Parameters
    ----------
    run
        Folder of `theodolite probe fit`.
    """
    from theodolite.cli.results import write_report  # noqa: PLC0415 - keeps --help fast
    from theodolite.cli.spoken import show_findings  # noqa: PLC0415
    from theodolite.core.errors import ParameterError  # noqa: PLC0415
    from theodolite.report.chapters import chapter_of  # noqa: PLC0415
    from theodolite.runs import open_run  # noqa: PLC0415

    opened = open_run(run)
    study = opened.manifest["study"]
    if study != "probe":
        raise ParameterError(f"{run} is a run of {study!r}. `theodolite probe fit` makes one that can be evaluated.")
    summary, findings, page = write_report(opened)
    if output.json:
        said = [finding.as_dict() for finding in findings]
        print_json(
            {"command": "probe evaluate", "run": str(run), "status": "success", "rows": summary, "findings": said}
        )
    show_findings(chapter_of("probe"), summary, findings, output)
    output.lines(["", f"Report: {page}"])
    return 0


def score(
    probe: Path,
    *,
    prompts: Annotated[str, Parameter(allow_leading_hyphen=True)],
    field: str | None = None,
    join: int = 1,
    model: str | None = None,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Say how likely each prompt is hostile, according to a saved probe.

    Parameters
    ----------
    probe
        Folder of `theodolite probe fit`, or a probe's JSON file.
    prompts
        FILE[#FIELD] with the prompts, or - for standard input: JSON lines, or else one text.
    field
        Where a record holds its text; by default as the probe was fitted.
    join
        Join so many texts into one prompt.
    model
        Where the probe's model is found now; any other is refused.
    """
    from dataclasses import asdict  # noqa: PLC0415 - keeps --help fast

    from theodolite.studies.probe.prompts import read_written  # noqa: PLC0415
    from theodolite.studies.probe.saved import read_probe  # noqa: PLC0415
    from theodolite.studies.probe.score import score_prompts  # noqa: PLC0415

    saved = read_probe(probe)
    given = read_written(_standard_input(), field or saved.config.field) if prompts == "-" else prompts
    scored = score_prompts(saved, given, field=field, join=join, reference=model)
    if output.json:
        print_json(
            {
                "command": "probe score",
                "status": "success",
                "probe": str(probe),
                "model": saved.reference,
                "prompts": [asdict(one) for one in scored],
            }
        )
    output.table(
        "",
        ("prompt", "tokens", f"probability of {saved.config.positive_label}", "label"),
        [
            (
                one.name,
                f"{one.n_tokens:,}",
                "–" if one.probability is None else f"{one.probability:.3f}",
                one.label or "–",
            )
            for one in scored
        ],
    )
    fitted = saved.config.join
    if fitted != join:
        output.say(f"warning: the probe was fitted on prompts of {fitted} joined texts; these are of {join}.")
    for one in scored:
        if one.reason:
            output.say(f"not scored: {one.name}: {one.reason}")
    return 0


def _standard_input() -> str:
    from theodolite.core.errors import FormatError  # noqa: PLC0415 - keeps --help fast

    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"Standard input is not UTF-8: byte {error.start + 1} is 0x{error.object[error.start]:02x}. Convert it."
        ) from error


def _save(run: "Run", output: Output) -> None:
    """Save the probe of each model: probe.json, or one file for each of several models."""
    from theodolite.studies.probe.saved import FILE, fit_saved, write_probe  # noqa: PLC0415 - keeps --help fast

    probes = fit_saved(run)
    for number, saved in enumerate(probes):
        name = FILE if len(probes) == 1 else f"probe-{number}.json"
        with run.workspace() as folder:
            write_probe(saved, folder / name)
        output.say(f"Probe:  {run.path / name} ({saved.reference})")
