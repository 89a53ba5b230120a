"""Findings gathered by claim."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from theodolite.report.citations import arxiv_url, key_of
from theodolite.report.selection import short_names
from theodolite.studies.finding import Finding


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
    shown : tuple of Finding
        What to show at once, with short names in the subject: what stands against the majority where it is one, else
        the first.
    folded : tuple of Finding
        The rest.
    """

    id: str
    text: str
    source: str
    source_url: str | None
    source_key: str | None
    tally: tuple[tuple[str, int], ...]
    shown: tuple[Finding, ...]
    folded: tuple[Finding, ...]


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
    names = short_names({model for finding in findings for model in _models_of(finding.subject)})
    return [_claim(group, names) for group in groups.values()]


def _claim(group: Sequence[Finding], names: dict[str, str]) -> Claim:
    first = group[0]
    tally = tuple(Counter(finding.verdict for finding in group).most_common())
    verdicts = [replace(one, subject=_short_subject(one.subject, names)) for one in group]
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
    for model in sorted(_models_of(subject), key=len, reverse=True):
        subject = subject.replace(model, names[model])
    return subject


def _models_of(subject: str) -> list[str]:
    """Return the models of a subject: what stands before the table, or each of a pair."""
    if " and " in subject:
        return [word for word in subject.replace(",", " ").split() if ":" in word or "/" in word]
    model, _, which = subject.rpartition(" ")
    found = model or (which if ":" in which or "/" in which else "")
    return [found] if found else []
