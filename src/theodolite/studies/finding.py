"""A claim, what the numbers say about it, and where the claim comes from."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["supported", "not supported", "undecided", "not applicable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One sentence that a study can test, with its verdict.

    Attributes
    ----------
    id : str
        Stable name, such as `early-drop`.
    claim : str
        The sentence that was tested.
    source : str
        Where the claim comes from: a paper of this project's three, or another citation.
    verdict : {"supported", "not supported", "undecided", "not applicable"}
        What the numbers say.
    evidence : str
        The numbers, in a sentence with their uncertainty.
    subject : str
        Reference and table that the finding is about; empty where it is about the whole run.
    study : str
        In a survey, the study that it is from; empty elsewhere.
    """

    id: str
    claim: str
    source: str
    verdict: Verdict
    evidence: str
    subject: str = ""
    study: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as a dict fit for JSON."""
        return asdict(self)
