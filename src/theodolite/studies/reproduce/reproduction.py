"""Reproduce a paper: run its studies with its settings, and put what it says beside what they find."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theodolite import studies
from theodolite.core.errors import RunError, TheodoliteError
from theodolite.core.hashing import without_nan
from theodolite.runs import Run
from theodolite.studies.finding import Finding
from theodolite.studies.layers.findings import HEADLINE_V1
from theodolite.studies.reproduce.arrays import AuthorsArrays, compare_prompts, compare_with_print, read_arrays
from theodolite.studies.reproduce.claims import CLAIMS, compare_claims
from theodolite.studies.reproduce.comparison import Comparison, comparison_frame, layer_frame
from theodolite.studies.reproduce.config import Config
from theodolite.studies.reproduce.layers import compare_layers
from theodolite.studies.reproduce.plan import Part, names, plan
from theodolite.studies.reproduce.probe import compare_probe
from theodolite.studies.reproduce.shapes import compare_shapes
from theodolite.studies.reproduce.tables import compare_tables

if TYPE_CHECKING:
    from theodolite.core.progress import Progress
    from theodolite.runs import Runner
    from theodolite.runs.runners import OnError, RunnerName

_SETTLED = ("agrees", "supported")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A study of a reproduction, and what became of it.

    Attributes
    ----------
    part : Part
        The study with its settings.
    run : Run or None
        Its run; None where it could not be started.
    error : str
        Why there are no numbers; empty where there are.
    """

    part: Part
    run: Run | None
    error: str = ""

    @property
    def unfinished(self) -> bool:
        """Whether units are left that this call was not to do."""
        return self.run is not None and self.run.status in ("running", "interrupted")

    @property
    def warnings(self) -> list[str]:
        """What the run left out or doubts."""
        return [] if self.run is None else self.run.warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A paper reproduced.

    Attributes
    ----------
    title : str
        The paper, and the version where there are several.
    path : pathlib.Path
        Folder with a run folder for each study, comparison.csv, comparison.json and layers.csv.
    outcomes : tuple of Outcome
        In the order of the paper.
    comparisons : tuple of Comparison
        What the paper says beside what we find.
    quick : bool
        Made of few rows, prompts and steps.
    """

    title: str
    path: Path
    outcomes: tuple[Outcome, ...]
    comparisons: tuple[Comparison, ...]
    quick: bool = False

    @property
    def tally(self) -> dict[str, int]:
        """How often each agreement was reached."""
        counts: dict[str, int] = {}
        for one in self.comparisons:
            counts[one.agreement] = counts.get(one.agreement, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: (item[0] not in _SETTLED, -item[1])))


def reproduce(
    config: Config,
    *,
    out: Path | str | None = None,
    runner: "RunnerName | Runner" = "serial",
    shard: str | None = None,
    on_error: "OnError" = "continue",
    progress: "Progress | None" = None,
    command: Sequence[str] | None = None,
) -> Reproduction:
    """Run the studies of a paper and compare. The same call goes on where an earlier one stopped.

    Parameters
    ----------
    config : Config
        Which paper, on which models.
    out : path, optional
        Folder; by default `runs/reproduce-<paper>`, with the preset behind it.
    runner : {"serial", "processes", "ray"} or Runner
        Who does the units.
    shard : str, optional
        Do only this share of the units of each study, such as "2/4".
    on_error : {"continue", "stop"}
        What to do when a unit fails.
    progress : Progress, optional
        Told how far each study is.
    command : sequence of str, optional
        For the manifests of the runs.

    Returns
    -------
    Reproduction
        A study that cannot be run is an outcome with an error: the others are run all the same.

    Raises
    ------
    RunError
        If a folder holds a run with other settings, or cannot be written.
    NotFoundError
        If `config.arrays` holds no arrays.
    """
    folder = Path(out) if out is not None else default_folder(config)
    arrays = {} if config.arrays is None else read_arrays(config.arrays, preset=config.preset)
    how = {"runner": runner, "shard": shard, "on_error": on_error, "progress": progress, "command": command}
    outcomes = tuple(_run(part, folder, how) for part in plan(config))
    comparisons = tuple(_compare(config, outcomes, arrays))
    found = Reproduction(
        title=title_of(config), path=folder, outcomes=outcomes, comparisons=comparisons, quick=config.quick
    )
    _save(found)
    return found


def default_folder(config: Config) -> Path:
    """Return the folder of a reproduction that was given none.

    Examples
    --------
    >>> default_folder(Config("lee2025")).as_posix()
    'runs/reproduce-lee2025'
    """
    return Path("runs", f"reproduce-{title_of(config).replace(' ', '-')}{'-quick' if config.quick else ''}")


def title_of(config: Config) -> str:
    """Return the name of what is reproduced.

    Examples
    --------
    >>> title_of(Config("viswanathan2025"))
    'viswanathan2025 v2'
    """
    return f"{config.paper} {config.preset}" if config.paper == "viswanathan2025" else config.paper


def _run(part: Part, folder: Path, how: Mapping[str, Any]) -> Outcome:
    try:
        run = studies.execute(part.study, part.config, out=folder / part.study, **how)
    except RunError:
        raise
    except TheodoliteError as error:
        return Outcome(part=part, run=None, error=str(error))
    if run.status == "failed":
        return Outcome(part=part, run=run, error=run.failures()[0].message)
    if run.status in ("running", "interrupted"):
        return Outcome(part=part, run=run, error="Other shards have units left. Run again when they are done.")
    return Outcome(part=part, run=run)


def _compare(config: Config, outcomes: Sequence[Outcome], arrays: Mapping[str, AuthorsArrays]) -> Iterator[Comparison]:
    found: dict[str, Sequence[Finding]] = {}
    failures = {one.part.study: one.error for one in outcomes if one.error}
    known = names(config)
    numbers: list[Comparison] = []
    for one in outcomes:
        if one.run is None or one.error:
            continue
        study, frame = studies.resolve(one.part.study), one.run.table()
        scale = {"scale": HEADLINE_V1} if config.preset == "v1" and one.part.study == "layers" else {}
        found[one.part.study] = study.find(frame, **scale)
        if one.part.study == "dimension":
            numbers += compare_tables(study.summarize(frame), known)
        if one.part.study == "layers":
            numbers += compare_shapes(frame, preset=config.preset)
            numbers += compare_layers(frame, known, preset=config.preset)
            numbers += compare_prompts(frame, known, arrays)
        if one.part.study == "probe":
            numbers += compare_probe(frame, known)
    yield from compare_claims(CLAIMS[title_of(config)], found, failures, paper=title_of(config))
    yield from numbers
    yield from compare_with_print(arrays)


def _save(found: Reproduction) -> None:
    """Write the comparison beside the runs; each file replaces an older one only once it is complete."""
    content = {
        "title": found.title,
        "studies": {
            one.part.study: {
                "departures": one.part.departures,
                "warnings": one.warnings,
                "error": one.error,
                "run": one.part.study,
            }
            for one in found.outcomes
        },
        "tally": found.tally,
        "comparisons": [one.as_dict() for one in found.comparisons],
    }
    texts = {
        "comparison.csv": comparison_frame(found.comparisons).write_csv(),
        "layers.csv": layer_frame(found.comparisons).write_csv(),
        "comparison.json": json.dumps(without_nan(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    try:
        found.path.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            unfinished = found.path / f".{name}.{os.getpid()}"
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(found.path / name)
    except OSError as error:
        raise RunError(f"{found.path} cannot be written: {error.strerror}. Choose another folder.") from error
