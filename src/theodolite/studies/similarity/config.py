"""Settings of the similarity study (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from theodolite.core.errors import ParameterError

MEASURED = "measured"
PERMUTED = "permuted"
GAUSSIAN: Literal["gaussian"] = "gaussian"
COVARIANCE: Literal["covariance"] = "covariance"
NO_PROMPTS = "none"
Which = Literal["input", "output"]
Metric = Literal["cosine", "euclidean"]

_FEWEST = 50


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the similarity study.

    Attributes
    ----------
    references : tuple of str
        Two models or tables, or more: every pair is compared; None for the bundled family.
    which : tuple of str
        Which tables of a model: input, output, or both. A file of one table is compared with either.
    tokens : int or None
        Compare a random sample of this many shared tokens (lee2025: 20000); None for all of them.
    seen : int
        Leave out tokens that training saw less often than this, where counts are known.
    k : int
        Neighbors for locally linear embedding, overlap and coherence.
    pca_k : tuple of int
        Neighbors for the local dimension by principal components (lee2025: also 1200); those above the number of tokens
        are left out. The largest is the one of the verdicts.
    threshold : float
        Share of the variance that the components must explain.
    mle_k : int
        Neighbors for the local dimension by maximum likelihood; it is also read at 2, as TwoNN compares.
    metric : {"cosine", "euclidean"}
        By which distance neighbors are found.
    queries : int
        Tokens whose neighbors are ranked for the information imbalance.
    nulls : bool
        Whether to measure permuted and Gaussian tables too.
    lexicon : str or None
        A file with a word and its group, such as a topic, in each line (separated by a tab or a comma): one more
        measure of coherence.
    prompts : str
        Text whose hidden states are compared layer by layer: a file (jsonl, json, parquet, csv, txt), a folder of text
        files, a data set on the Hub (hub:OWNER/NAME), `examples` for the prompts that ship with the package, or `none`.
    states : int
        Tokens of the prompts whose hidden states are compared, each type at most once.
    shown : int
        Tokens in each list, and fifty times as many points in a scatter plot.
    seed : int
        Changes every random draw.
    """

    references: tuple[str, ...] = ()
    _: KW_ONLY
    which: tuple[Which, ...] = ("input", "output")
    tokens: int | None = None
    seen: int = 1
    k: int = 10
    pca_k: tuple[int, ...] = (20, 100)
    threshold: float = 0.95
    mle_k: int = 20
    metric: Metric = "cosine"
    queries: int = 1000
    nulls: bool = True
    lexicon: str | None = None
    prompts: str = "examples"
    states: int = 1500
    shown: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that no unit could run with."""
        if len(self.references) == 1:
            raise ParameterError(
                f"{self.references[0]} alone has nothing to be compared with: name a second model, such as "
                "bundled:pocket-128. (`theodolite dimension` measures one table, `theodolite tokens` shows its rows.)"
            )
        if not self.which:
            raise ParameterError('which is empty: take "input", "output" or both.')
        if self.k < 2 or self.mle_k < 2:
            raise ParameterError(f"k={self.k} and mle_k={self.mle_k} must be at least 2.")
        if not self.pca_k or any(k < 3 for k in self.pca_k):
            raise ParameterError(f"pca_k={self.pca_k} must name numbers of neighbors of at least 3.")
        if not 0 < self.threshold < 1:
            raise ParameterError(f"threshold={self.threshold} is no share of the variance: take from 0 to 1.")
        for name, least in (("tokens", _FEWEST), ("states", _FEWEST), ("queries", 2), ("shown", 1), ("seen", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ParameterError(f"{name}={value} is too small: take at least {least}.")
