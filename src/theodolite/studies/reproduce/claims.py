"""The sentences of the papers, and which of our findings tests each of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from theodolite.studies.finding import Finding
from theodolite.studies.reproduce.comparison import Comparison


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of a paper, and the findings that test it."""

    figure: str
    text: str
    study: str
    findings: tuple[str, ...]
    only: str = ""
    """What the subject of a finding must hold, where a finding is about several things."""


_V1, _V2, _PROBE = "viswanathan2025 v1", "viswanathan2025 v2", "viswanathan2025 probe"
CLAIMS: dict[str, tuple[Claim, ...]] = {
    "kataiwa2025": (
        Claim(
            "abstract; Fig. 1, random baseline",
            "Embedding tables lie on something of far lower dimension than their columns, and than random tables.",
            "dimension",
            ("low-dimension",),
        ),
        Claim("size sweep", "The dimension grows with the size of the model.", "dimension", ("dimension-grows",)),
        Claim("size sweep", "The redundancy grows with the size of the model.", "dimension", ("redundancy-grows",)),
        Claim("training sweep", "The dimension drops fast early in training.", "training", ("early-drop",)),
        Claim(
            "LoRA on the embedding layer",
            "Perplexity drops until the rank reaches the dimension, and hardly beyond.",
            "rank",
            ("knee-at-dimension",),
            "adapter",
        ),
        Claim(
            "training-free form of the LoRA figure (ours)",
            "The same of tables that are cut to a rank, and of trained updates cut to a rank.",
            "rank",
            ("knee-at-dimension",),
            "cut to a rank",
        ),
        Claim(
            "answer by Quemy 2026",
            "A hub of short rows makes the reading; without it the dimension is small at every size.",
            "dimension",
            ("hub-of-short-rows", "size-without-hub"),
        ),
    ),
    "lee2025": (
        Claim(
            "Fig. 1",
            "Pairwise cosines of tokens are highly correlated across models.",
            "similarity",
            ("shared-global",),
        ),
        Claim(
            "Fig. 1, untied models",
            "In untied models the correlation is low between input and high between output embeddings.",
            "similarity",
            ("untied-input",),
        ),
        Claim(
            "LLE weights",
            "Tokens are the same combination of their neighbors, far above random tables.",
            "similarity",
            ("shared-neighbors",),
        ),
        Claim(
            "local dimension",
            "The local dimension of a token is correlated across models.",
            "similarity",
            ("shared-dimension",),
        ),
        Claim("token lists", "Low dimension goes with coherent neighborhoods.", "similarity", ("coherent-low",)),
        Claim("motivation of Emb2Emb", "The likeness persists into the hidden states.", "similarity", ("persists",)),
        Claim(
            "steering figures",
            "Vectors carried by a linear map steer the other model as its own do, monotonically in the strength.",
            "transfer",
            ("emb2emb",),
        ),
    ),
    _V1: (
        Claim("Fig. 2", "Shuffling raises the mean cosine of a prompt's tokens.", "layers", ("shuffle-cosine",)),
        Claim("Fig. 3", "The dimension of the token cloud peaks in inner layers.", "layers", ("peak-inside",)),
        Claim("Figs. 3 and 9", "Shuffling raises the dimension.", "layers", ("shuffle-dimension",)),
        Claim("Fig. 5", "Neighbors are kept from layer to layer, less so at the ends.", "layers", ("kept-neighbors",)),
        Claim("Fig. 6", "Prompts of higher dimension have a higher loss.", "layers", ("dimension-loss",)),
        Claim("Fig. 7", "The dimension of the logits goes with the entropy.", "layers", ("logits-entropy",)),
        Claim("Fig. 7", "The contextual entropy goes with the loss.", "layers", ("entropy-loss",)),
    ),
    _V2: (
        Claim("Fig. 1", "The dimension of the token cloud peaks in inner layers.", "layers", ("peak-inside",)),
        Claim("Fig. 1", "Shuffling raises the dimension.", "layers", ("shuffle-dimension",)),
        Claim("Fig. 2", "Prompts of higher dimension have a higher loss.", "layers", ("dimension-loss",)),
        Claim(
            "Fig. 2, one token of each type (ours)",
            "The same where copies of a token are no neighbors.",
            "layers",
            ("dimension-loss-types",),
        ),
        Claim("Fig. 3", "The dimension of the logits goes with the entropy.", "layers", ("logits-entropy",)),
        Claim("Fig. 3", "The contextual entropy goes with the loss.", "layers", ("entropy-loss",)),
        Claim(
            "text", "The dimension of the logits goes with that of the last layer.", "layers", ("logits-last-layer",)
        ),
        Claim(
            "logit box",
            "The farther the largest logits of a prompt spread, the lower its entropy.",
            "layers",
            ("box-entropy",),
        ),
        Claim(
            "homogeneity check (PAk)",
            "Density is about constant over more neighbors than the dimension compares (some 20).",
            "layers",
            ("constant-density",),
        ),
        Claim(
            "homogeneity check (PAk), one token of each type (ours)",
            "The same where copies of a token are no neighbors.",
            "layers",
            ("constant-density-types",),
        ),
        Claim(
            "homogeneity check (TwoNN)",
            "The TwoNN line is straight for neighbors 1 and 2, but not for 2 and 4.",
            "layers",
            ("straight-line",),
        ),
        Claim(
            "homogeneity check (TwoNN), one token of each type (ours)",
            "The same where copies of a token are no neighbors.",
            "layers",
            ("straight-line-types",),
        ),
    ),
    _PROBE: (
        Claim(
            "tables of the safety probe",
            "The layers' dimensions tell hostile from benign prompts.",
            "probe",
            ("dimension-tells",),
        ),
        Claim(
            "tables of the safety probe",
            "The entropies of the layers do so as well.",
            "probe",
            ("entropy-as-good",),
        ),
        Claim(
            "public reviews (not the paper's)",
            "They tell more than a classifier fitted on the text of the prompts.",
            "probe",
            ("dimension-beats-text",),
        ),
    ),
}


def compare_claims(
    claims: Sequence[Claim], found: Mapping[str, Sequence[Finding]], failures: Mapping[str, str], *, paper: str
) -> Iterator[Comparison]:
    """Put each claim beside what we found.

    Parameters
    ----------
    claims : sequence of Claim
        Of one paper.
    found : mapping
        Study to its findings.
    failures : mapping
        Study to the reason why it could not be run.
    paper : str
        Whose claims these are.

    Yields
    ------
    Comparison
        One for each finding that tests a claim, or one that says why there is none.
    """
    for claim in claims:
        tested = [one for one in found.get(claim.study, ()) if one.id in claim.findings and claim.only in one.subject]
        for one in tested:
            yield Comparison(
                paper=paper,
                figure=claim.figure,
                claim=claim.text,
                subject=one.subject,
                published="yes",
                ours=one.evidence,
                agreement=one.verdict,
                study=claim.study,
            )
        if not tested:
            failed = claim.study not in found
            reason = failures.get(claim.study, "") if failed else "What was given does not allow the test."
            yield Comparison(
                paper=paper,
                figure=claim.figure,
                claim=claim.text,
                subject="",
                published="yes",
                ours="",
                agreement="not run" if failed else "not applicable",
                note=reason,
                study=claim.study,
            )
