"""Findings gathered by claim, and the sentence at the top of the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from theodolite.core.number_format import format_range
from theodolite.report.citations import arxiv_url, key_of
from theodolite.report.headline import HeadlineTable
from theodolite.report.selection import short_names
from theodolite.studies.finding import Finding


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the numbers of one subject say.

    Attributes
    ----------
    subject, verdict, evidence : str
        As in `Finding`, the subject with its short name.
    """

    subject: str
    verdict: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with its verdict for every subject.

    Attributes
    ----------
    id, text, source : str
        As in `Finding`.
    source_url : str or None
        Where to read the source.
    source_key : str or None
        Key of the source among the citations.
    tally : tuple of (str, int)
        Verdicts and how often each was reached, most frequent first.
    shown : tuple of Verdict
        What to show at once: what stands against the majority where it is one subject, else the first.
    folded : tuple of Verdict
        The rest.
    """

    id: str
    text: str
    source: str
    source_url: str | None
    source_key: str | None
    tally: tuple[tuple[str, int], ...]
    shown: tuple[Verdict, ...]
    folded: tuple[Verdict, ...]


def gather(findings: Sequence[Finding]) -> list[Claim]:
    """Gather findings by claim, in the order of first mention.

    Parameters
    ----------
    findings : sequence of Finding
        As the study gives them.

    Returns
    -------
    list of Claim
        One for each id and claim.
    """
    groups: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.id, finding.claim, finding.source), []).append(finding)
    names = short_names({finding.subject.rpartition(" ")[0] for finding in findings} - {""})
    return [_claim(group, names) for group in groups.values()]


def opening_sentences(table: HeadlineTable) -> list[str]:
    """Say in words what the headline table says: the range of dimensions, their nulls, and what not to trust.

    Parameters
    ----------
    table : HeadlineTable
        The headline table.

    Returns
    -------
    list of str
        Sentences; empty without tables.
    """
    if not table.rows:
        return []
    n_tables, n_models = len(table.rows), len({row.reference for row in table.rows})
    sure = [row for row in table.rows if not row.doubtful]
    sentences = []
    if sure:
        subject = _tables(len(sure)) if len(sure) == n_tables else f"{len(sure)} of {_tables(n_tables)}"
        of_models = f" of {n_models} models" if n_models > 1 else f" of {table.rows[0].name}"
        dimensions = [row.cells["twonn"].value or 0.0 for row in sure]
        widths = [row.cells["extrinsic"].value for row in sure if row.cells["extrinsic"].value]
        reads = "reads" if len(sure) == 1 else "read"
        columns = f", in {format_range(min(widths), max(widths), whole=True)} columns" if widths else ""
        value = format_range(min(dimensions), max(dimensions)) if len(sure) > 1 else sure[0].cells["twonn"].text
        sentences.append(f"{subject}{of_models} {reads} a dimension of {value}{columns}.")
        nulls = [row.cells["gaussian"].value for row in sure if row.cells["gaussian"].value is not None]
        if nulls:
            random = "A random table" if len(nulls) == 1 else "Random tables"
            verb = "reads" if len(nulls) == 1 else "read"
            sentences.append(f"{random} of the same size {verb} {format_range(min(nulls), max(nulls))}.")
    doubtful = [row for row in table.rows if row.doubtful]
    if doubtful:
        names = ", ".join(f"{row.name} {row.which}" for row in doubtful)
        sentences.append(
            f"Do not trust the headline number of {names}: a few short rows near the origin make it "
            f"({', '.join(row.cells['twonn'].text for row in doubtful)})."
        )
    return sentences


def _claim(group: Sequence[Finding], names: dict[str, str]) -> Claim:
    first = group[0]
    counts: dict[str, int] = {}
    for finding in group:
        counts[finding.verdict] = counts.get(finding.verdict, 0) + 1
    tally = tuple(sorted(counts.items(), key=lambda item: -item[1]))
    verdicts = [Verdict(_short_subject(one.subject, names), one.verdict, one.evidence) for one in group]
    exceptions = [one for one in verdicts if one.verdict != tally[0][0]]
    shown = exceptions if len(exceptions) == 1 else verdicts[:1]
    folded = [one for one in verdicts if one not in shown]
    return Claim(
        id=first.id,
        text=first.claim,
        source=first.source,
        source_url=arxiv_url(first.source),
        source_key=key_of(first.source),
        tally=tally,
        shown=tuple(shown),
        folded=tuple(folded),
    )


def _short_subject(subject: str, names: dict[str, str]) -> str:
    model, _, which = subject.rpartition(" ")
    return f"{names[model]} {which}" if model in names else subject


def _tables(count: int) -> str:
    return "One table" if count == 1 else f"{count} tables"
