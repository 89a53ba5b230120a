"""The report of a run: one HTML file, offline, with everything a reader needs to judge the numbers."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
from markupsafe import Markup

from theodolite.core.number_format import format_moment
from theodolite.core.visible import visible
from theodolite.report.chapter import Chapter, Section
from theodolite.report.chapters import chapter_of
from theodolite.report.citations import cited
from theodolite.report.claims import Claim, gather
from theodolite.report.figure_files import save_figures
from theodolite.report.figures.wording import listed
from theodolite.report.headline import HeadlineTable
from theodolite.report.page_figures import PageFigure, page_figures
from theodolite.report.provenance import banners, facts, input_table, reproduce, settings
from theodolite.runs import Run
from theodolite.studies.finding import Finding

FILE_NAME = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"


def write(
    run: Run,
    *,
    summary: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
    warnings: Sequence[str] = (),
    figures: bool = True,
) -> Path:
    """Write `report.html` into a run's folder, and the figures with their data beside it.

    Parameters
    ----------
    run : Run
        The run, finished or not.
    summary : sequence of mapping
        Rows of the JSON output: what the headline table shows.
    findings : sequence of Finding
        What the numbers say.
    warnings : sequence of str
        Shown beside those of the run's manifest.
    figures : bool
        Whether to write the folder `figures` as well.

    Returns
    -------
    Path
        The page. It replaces an older one only once it is complete.
    """
    frame = run.table()
    if figures:
        save_figures(run.path, frame, families=_chapter(run).families)
    page = render(run, frame=frame, summary=summary, findings=findings, warnings=warnings)
    path = Path(run.path) / FILE_NAME
    unfinished = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(path)
    return path


def render(
    run: Run,
    *,
    frame: pl.DataFrame,
    summary: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
    warnings: Sequence[str] = (),
) -> str:
    """Return the report of a run as the text of an HTML page.

    Parameters
    ----------
    run : Run
        For its manifest, status and failures.
    frame : polars.DataFrame
        Rows of the run's study.
    summary, findings, warnings
        As in `write`.

    Returns
    -------
    str
        A page that loads nothing, runs no script but its own (by hash), and escapes every string it was given.
    """
    manifest = dict(run.manifest)
    chapter = _chapter(run)
    table, claims, drawn = chapter.headline(summary, findings), gather(findings), page_figures(frame, chapter.families)
    sections = chapter.sections(frame, summary)
    style, script = _asset("report.css"), _asset("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=_policy(script),
            title=_title(table, manifest),
            name=Path(run.path).name,
            moment=format_moment(manifest.get("finished") or manifest.get("created")),
            status=run.status,
            banners=banners(manifest, run.status),
            chapter=chapter,
            opening=chapter.opening(table),
            claims=claims,
            headline=table,
            figures=drawn,
            sections=sections,
            downloads=_downloads(sections, drawn),
            warnings=list(dict.fromkeys([*(manifest.get("warnings") or []), *warnings])),
            failures=run.failures(),
            reproduce=reproduce(manifest, Path(run.path)),
            inputs=input_table(manifest),
            facts=facts(manifest),
            settings=settings(manifest),
            citations=cited(_citation_keys(claims, drawn)),
        )
    )


def _chapter(run: Run) -> Chapter:
    return chapter_of(str(run.manifest.get("study")))


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


def _finalize(value: Any) -> Any:
    """Make every string visible and savable before it is escaped; keep an error on the line of its value."""
    return visible(value).replace(" ± ", "\u00a0±\u00a0") if type(value) is str else value


def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Return the content security policy: nothing from anywhere, no script but the one with this hash."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )


def _title(table: HeadlineTable, manifest: Mapping[str, Any]) -> str:
    names = list(dict.fromkeys(name for row in table.rows for name in row.name.split(", ")))
    about = listed(names) or "nothing yet"
    study = str(manifest.get("study") or "survey").replace("_", " ")
    return f"{study.capitalize()} of {about}"


def _downloads(sections: Sequence[Section], drawn: Sequence[PageFigure]) -> dict[str, str]:
    """Return the data of each figure and table as a link that needs neither network nor script."""
    found = {figure.name: _data_url(figure.data) for figure in drawn}
    return found | {section.id: _data_url(section.data) for section in sections if section.data is not None}


def _data_url(data: pl.DataFrame) -> str:
    return "data:text/csv;base64," + base64.b64encode(data.write_csv().encode()).decode()


def _citation_keys(claims: Sequence[Claim], drawn: Sequence[PageFigure]) -> list[str]:
    from_claims = [claim.source_key for claim in claims if claim.source_key]
    return [*from_claims, *(key for figure in drawn for key in figure.sources)]
