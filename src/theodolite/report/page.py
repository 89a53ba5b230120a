"""The report of a run: one HTML file, offline, with everything a reader needs to judge the numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from urllib.parse import quote

import polars as pl
from markupsafe import Markup

from theodolite.core.number_format import format_moment
from theodolite.report.chapter import Chapter, Section, Summary
from theodolite.report.chapters import chapter_of
from theodolite.report.citations import cited
from theodolite.report.claims import Claim, gather
from theodolite.report.comparison import Comparison
from theodolite.report.drawings import Drawing, drawings
from theodolite.report.figure_files import Format, save_drawings
from theodolite.report.figures.wording import listed
from theodolite.report.headline import HeadlineTable
from theodolite.report.html import FILE_NAME, environment, page_script, page_style, policy, write_page
from theodolite.report.page_figures import PageFigure, page_figures, styled_once
from theodolite.report.provenance import banners, facts, input_table, reproduce, settings
from theodolite.runs import Run
from theodolite.runs.folder.location import Location
from theodolite.studies.finding import Finding

_LONGEST_LINK = 600_000
"""Characters of data that a link may hold; a page that named the rest would be too heavy to open."""


_PLAIN = "!$()*+,-./:;=?@_~|"
"""Characters that a link may hold as they are, besides letters and digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a chapter shows of a run.

    Attributes
    ----------
    chapter : Chapter
        How it is shown.
    prefix : str
        What the anchors of the part begin with; empty where it is the whole page.
    headline : HeadlineTable
        One line for each subject.
    opening : sequence of str
        What the headline says in words.
    claims : list of Claim
        What was tested.
    drawn : list of Drawing
        Figures that the rows allow.
    figures : list of PageFigure
        The same as the page shows them.
    sections : sequence of Section
        Below the figures.
    """

    chapter: Chapter
    prefix: str
    headline: HeadlineTable
    opening: Sequence[str]
    claims: Sequence[Claim]
    drawn: Sequence[Drawing]
    figures: Sequence[PageFigure]
    sections: Sequence[Section]


def write(
    run: Run,
    *,
    summary: Sequence[Mapping[str, Any]],
    findings: Sequence[Finding],
    warnings: Sequence[str] = (),
    figures: bool = True,
    formats: Sequence[Format] = ("svg", "png"),
    frame: pl.DataFrame | None = None,
) -> Location:
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
    formats : sequence of {"svg", "png", "pdf"}
        Kinds of file in it.
    frame : polars.DataFrame, optional
        The run's rows, where they are read already.

    Returns
    -------
    Path or UrlPath
        The page. It replaces an older one only once it is complete.
    """
    parts = shown_parts(_chapter(run), run.table() if frame is None else frame, summary, findings)
    page = page_of(run, parts, findings, warnings)
    with run.workspace() as folder:
        if figures:
            save_drawings(folder, [drawing for part in parts for drawing in part.drawn], formats=formats)
        write_page(folder, page)
    return run.path / FILE_NAME


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
    return page_of(run, shown_parts(_chapter(run), frame, summary, findings), findings, warnings)


def page_of(
    run: Run,
    parts: Sequence[Part],
    findings: Sequence[Finding],
    warnings: Sequence[str] = (),
    *,
    comparison: Comparison | None = None,
) -> str:
    """Return the page of parts that are drawn already.

    Parameters
    ----------
    run : Run
        For its manifest, status and failures.
    parts : sequence of Part
        What is shown.
    findings, warnings
        As in `write`.
    comparison : Comparison or None
        What differs between several runs, to begin with.

    Returns
    -------
    str
        As `render`.
    """
    manifest: dict[str, Any] = dict(run.manifest)
    claims = gather(findings)
    drawn, rules = styled_once([figure for part in parts for figure in part.figures])
    rest = iter(drawn)
    parts = [replace(part, figures=list(islice(rest, len(part.figures)))) for part in parts]
    sections = [section for part in parts for section in part.sections]
    style, script = page_style() + rules, page_script()
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=policy(script),
            title=_title(parts, manifest) if comparison is None else comparison.title,
            comparison=comparison,
            name=run.path.name,
            moment=format_moment(manifest.get("finished") or manifest.get("created")),
            status=run.status,
            banners=banners(manifest, run.status),
            parts=parts,
            downloads=_downloads(sections, drawn),
            warnings=list(dict.fromkeys([*(manifest.get("warnings") or []), *warnings])),
            failures=run.failures(),
            reproduce=reproduce(manifest, run.path),
            inputs=input_table(manifest),
            facts=facts(manifest),
            settings=settings(manifest),
            citations=cited(_citation_keys(claims, drawn)),
        )
    )


def _chapter(run: Run) -> Chapter:
    return chapter_of(str(run.manifest.get("study")))


def shown_parts(chapter: Chapter, frame: pl.DataFrame, summary: Summary, findings: Sequence[Finding]) -> list[Part]:
    """Return the parts of a chapter that have something to show, its first where none has; itself without parts."""
    parts = [_part(one, frame, summary, findings) for one in chapter.parts or (chapter,)]
    return [part for part in parts if part.headline.rows or part.figures] or parts[:1]


def _part(chapter: Chapter, frame: pl.DataFrame, summary: Summary, findings: Sequence[Finding]) -> Part:
    table, drawn = chapter.headline(summary, findings), drawings(frame, chapter.families)
    return Part(
        chapter=chapter,
        prefix=f"{chapter.study}-" if chapter.study else "",
        headline=table,
        opening=chapter.opening(table),
        claims=gather(chapter.findings_shown(findings)),
        drawn=drawn,
        figures=page_figures(drawn, prefix=chapter.study[:1] or "f"),
        sections=chapter.sections(frame, summary),
    )


def _title(parts: Sequence[Part], manifest: Mapping[str, Any]) -> str:
    rows = [row for part in parts for row in part.headline.rows]
    names = list(dict.fromkeys(name for row in rows for name in row.name.split(", ")))
    about = listed(names) or "nothing yet"
    study = str(manifest.get("study") or "survey").replace("_", " ")
    return f"{study.capitalize()} of {about}"


def _downloads(sections: Sequence[Section], drawn: Sequence[PageFigure]) -> dict[str, str]:
    """Return the data of each figure and table that are not too large as a link that needs no network and no script."""
    found = {figure.name: _data_url(figure.data) for figure in drawn}
    found |= {section.id: _data_url(section.data) for section in sections if section.data is not None}
    return {name: url for name, url in found.items() if len(url) <= _LONGEST_LINK}


def _data_url(data: pl.DataFrame) -> str:
    return f"data:text/csv;charset=utf-8,{quote(data.write_csv(), safe=_PLAIN)}"


def _citation_keys(claims: Sequence[Claim], drawn: Sequence[PageFigure]) -> list[str]:
    from_claims = [claim.source_key for claim in claims if claim.source_key]
    return [*from_claims, *(key for figure in drawn for key in figure.sources)]
