"""What a finished study says on a terminal: what its report opens with, one line for each subject, and its claims."""

from collections.abc import Sequence

from theodolite.cli.output import Output
from theodolite.report.chapter import Chapter, Summary
from theodolite.report.claims import Claim, gather
from theodolite.report.headline import HeadlineTable
from theodolite.studies.finding import Finding

_MOST_LINES = 12
"""Lines of a table that is shown briefly; the report has all of them."""


def show_findings(chapter: Chapter, summary: Summary, findings: Sequence[Finding], output: Output) -> None:
    """Print what a study found; of a chapter that is made of parts, each part briefly.

    Parameters
    ----------
    chapter : Chapter
        How the study is shown.
    summary : sequence of mapping
        Rows of the JSON output.
    findings : sequence of Finding
        What the numbers say.
    output : Output
        How to speak.
    """
    if not chapter.parts:
        show_headline(chapter, chapter.headline(summary, findings), output)
        show_claims(gather(findings), output)
        return
    found = [(part, part.headline(summary, findings)) for part in chapter.parts]
    for place, (part, table) in enumerate((part, table) for part, table in found if table.rows):
        output.lines([part.nav.upper()])
        show_headline(part, table, output, brief=place > 0)
        output.lines([*(f"  {_tallied(claim)}" for claim in gather(part.findings_shown(findings))), ""])


def show_headline(chapter: Chapter, table: HeadlineTable, output: Output, *, brief: bool = False) -> None:
    """Print what the report opens with: the sentences, and one line for each subject.

    Parameters
    ----------
    chapter : Chapter
        Which columns a terminal shows.
    table : HeadlineTable
        The headline.
    output : Output
        How to speak.
    brief : bool
        Whether to print the essential columns and the first lines only.
    """
    output.lines(chapter.opening(table))
    shown = chapter.terminal if output.wide and not brief else chapter.essential
    columns = {key: chapter.short.get(key, table.columns[key]) for key in shown if key in table.columns}
    lines = []
    for row in table.rows[: _MOST_LINES if brief else None]:
        name = f"{row.name}@{row.revision}" if row.revision else row.name
        lines.append([f"{name} {row.which}".rstrip(), *(row.cells[column].text for column in columns)])
    if lines:
        output.table("", (chapter.noun, *columns.values()), lines)
    if len(lines) < len(table.rows):
        output.lines([f" and {len(table.rows) - len(lines)} more in the report", ""])


def show_claims(claims: Sequence[Claim], output: Output) -> None:
    """Print each claim with its tally, and the verdict that matters most.

    Parameters
    ----------
    claims : sequence of Claim
        What was tested.
    output : Output
        How to speak.
    """
    for claim in claims:
        output.lines([_tallied(claim)])
        output.lines([f"  {one.subject}: {one.evidence}" for one in claim.shown])


def _tallied(claim: Claim) -> str:
    tally = ", ".join(f"{verdict}{f' ({count})' if count > 1 else ''}" for verdict, count in claim.tally)
    return f"{claim.text}  {tally}  [{claim.source}]"
