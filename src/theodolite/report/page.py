"""The report of a run: one HTML file, offline, with everything a reader needs to judge the numbers."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from theodolite.core.number_format import format_moment
from theodolite.report.chapter import Chapter, Section
from theodolite.report.chapters import chapter_of
from theodolite.report.citations import cited
from theodolite.report.claims import Claim, gather
from theodolite.report.figure_files import save_figures
from theodolite.report.figures.wording import listed
from theodolite.report.headline import HeadlineTable
from theodolite.report.html import asset, environment, policy, write_page
from theodolite.report.page_figures import PageFigure, page_figures
from theodolite.report.provenance import banners, facts, input_table, reproduce, settings
from theodolite.runs import Run
from theodolite.studies.finding import Finding


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
    return write_page(Path(run.path), page)


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
    style, script = asset("report.css"), asset("report.js")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=policy(script),
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
