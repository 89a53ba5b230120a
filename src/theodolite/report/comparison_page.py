"""One report of several runs of a study: what differs between them, then everything side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from theodolite import studies
from theodolite.core.errors import ParameterError
from theodolite.report.chapters import chapter_of
from theodolite.report.comparison import compare, side_by_side
from theodolite.report.figure_files import Format, save_drawings, save_figures
from theodolite.report.figures.canvas import Style
from theodolite.report.html import write_page
from theodolite.report.page import page_of, shown_parts
from theodolite.runs import Run, open_run

TABLE = "table.parquet"


@dataclass(frozen=True, slots=True)
class _Several:
    """What the page asks of a run, answered for several."""

    path: Path
    manifest: Mapping[str, Any]
    status: str
    problems: Sequence[Any]

    def failures(self) -> list[Any]:
        """Return the failed units of all runs."""
        return list(self.problems)


def write_comparison(
    runs: Sequence[Run | Path | str],
    out: Path | str,
    *,
    formats: Sequence[Format] = ("svg", "png"),
    style: Style = "slides",
) -> Path:
    """Write one report of several runs of the same study.

    Parameters
    ----------
    runs : sequence of Run, Path or str
        Two runs or more, or their folders. A model that stands in several of them is named with its run.
    out : Path or str
        Folder to write: `report.html`, `table.parquet` (all rows, with the name of their run in the column `run`) and
        `figures`.
    formats : sequence of {"svg", "png", "pdf"}
        Kinds of figure files.
    style : {"slides", "one-column", "two-column"}
        For a paper, the figures are written as wide as its columns too.

    Returns
    -------
    Path
        The page. It begins with what differs in settings and in results.

    Raises
    ------
    ParameterError
        If there are fewer than two runs, their studies are not the same, or `out` is a run itself.
    """
    opened = [run if isinstance(run, Run) else open_run(run) for run in runs]
    out = Path(out)
    _refuse(opened, out)
    named = dict(zip(_names(opened), opened, strict=True))
    name = str(opened[0].manifest["study"])
    study, chapter = studies.resolve(name), chapter_of(name)
    frame = side_by_side({run: one.table() for run, one in named.items()})
    summary, findings = study.summarize(frame), study.find(frame)
    parts = shown_parts(chapter, frame, summary, findings)
    out.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(out / TABLE)
    save_drawings(out, [drawing for part in parts for drawing in part.drawn], formats=formats)
    if style != "slides":
        save_figures(out, frame, families=chapter.families, formats=formats, style=style)
    several = _several(named, out)
    comparison = compare(name, named, study.COLUMNS)
    return write_page(out, page_of(cast(Run, several), parts, findings, comparison=comparison))


def _refuse(runs: Sequence[Run], out: Path) -> None:
    """Refuse runs that no page can show together."""
    if len(runs) < 2:
        raise ParameterError(f"{len(runs)} run cannot be compared with anything. Name two runs or more.")
    found = {str(run.path): str(run.manifest["study"]) for run in runs}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{path} is a run of {study!r}" for path, study in found.items())
        raise ParameterError(f"Only runs of one study can be compared, but {listed}. Compare those of each study.")
    if len(found) < len(runs):
        raise ParameterError("A run is named twice, and it is always like itself. Name each run once.")
    if (out / "manifest.json").exists():
        raise ParameterError(f"{out} is a run itself, and its report would be overwritten. Choose another folder.")


def _names(runs: Sequence[Run]) -> list[str]:
    """Return the folders' own names where these are distinct, else their paths."""
    names = [run.path.name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.path).replace("/", "-") for run in runs]


def _several(runs: Mapping[str, Run], out: Path) -> _Several:
    manifests = {name: run.manifest for name, run in runs.items()}
    states = {run.status for run in runs.values()}
    first = next(iter(manifests.values()))
    manifest = {
        "study": first["study"],
        "finished": max((one["finished"] or one["created"] for one in manifests.values()), default=None),
        "warnings": [f"{name}: {warning}" for name, one in manifests.items() for warning in one["warnings"]],
        "inputs": list({str(one): one for manifest in manifests.values() for one in manifest["inputs"]}.values()),
        "command": ["theodolite", "report", *(str(run.path) for run in runs.values()), "--out", str(out)],
    }
    problems = [failure for run in runs.values() for failure in run.failures()]
    return _Several(out, manifest, "success" if states == {"success"} else "partial", problems)
