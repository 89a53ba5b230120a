"""Settings of the table studies, and the conditions a table is measured under (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

from theodolite.core.errors import ParameterError

MEASURED = "measured"
GAUSSIAN = "gaussian"
UNIT_NORM = "unit_norm"
COVARIANCE = "covariance"
WITHOUT_SHORTEST = "without_shortest"
FREQUENCY_BAND = "frequency_band"
RANDOM_PART = "random_part"
Null = Literal["gaussian", "permuted", "covariance"]
NULLS: tuple[Null, ...] = get_args(Null)
NULL_DRAWS = 3
"""Draws of each null: three leave the error of a ratio to it 15 % above that of a null known exactly, one draw 41 %."""
_MOST = 0.5
"""Share of the rows that may be removed."""
Rows = Literal["all", "tokenizer", "trimmed"]
Which = Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the dimension study.

    Attributes
    ----------
    references : tuple of str
        Tables or models to measure. A revision may be a pattern (`@step*`): it stands for every revision that matches.
    checkpoints : tuple of str
        References measured without the checks for the hub of short rows, as one wants along training.
    which : tuple of str
        Which tables of a model: input, output, or both.
    rows : {"all", "tokenizer", "trimmed"}
        Rows to keep: all, those of the tokenizer (all where there is none), or those without special and never-trained
        tokens too.
    k : int
        Neighbors to find for each row; scales up to `k` are measured.
    mle_k : tuple of int
        Numbers of neighbors for the Levina-Bickel estimator; those above `k` are left out.
    discard : float
        Share of the largest distance ratios that the TwoNN line leaves out.
    nulls : tuple of str
        Random tables of the same size to measure beside each table: gaussian (isotropic), permuted (each column
        shuffled), covariance (Gaussian with the table's own covariance; not for checkpoints).
    null_draws : int
        How often each random table is drawn; the mean is the null. One made of a checkpoint's own numbers (permuted) is
        drawn once.
    shortest : tuple of int
        How many of the shortest rows to remove in the sweep for the hub, read by TwoNN.
    shares : tuple of float
        Shares of the rows, shortest first, to remove in the sweep that TwoNN, MLE and GRIDE at its widest scale read.
    counts : str or None
        A TSV file with the columns `id` or `token`, and `count`: how often each token occurs, for the dimension by
        frequency. Bundled models know their own.
    explored : int
        Tokens of each table that the report's explorer holds: those that stand out, then the most frequent; 0 for none.
    seed : int
        Changes every random draw.
    limit : int or None
        Measure a random subset of this many rows: for a quick look, not for a result.
    """

    references: tuple[str, ...] = ()
    _: KW_ONLY
    checkpoints: tuple[str, ...] = ()
    which: tuple[Which, ...] = ("input", "output")
    rows: Rows = "tokenizer"
    k: int = 64
    mle_k: tuple[int, ...] = (2, 3, 5, 10, 20, 50)
    discard: float = 0.1
    nulls: tuple[Null, ...] = NULLS
    null_draws: int = NULL_DRAWS
    shortest: tuple[int, ...] = (10, 30, 100, 300, 1000)
    shares: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.1)
    counts: str | None = None
    explored: int = 4096
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings that no unit could run with."""
        if not self.references and not self.checkpoints:
            raise ParameterError("Nothing to measure: name at least one reference, such as bundled:pocket-128.")
        if self.k < 2:
            raise ParameterError(f"k={self.k} is too small: TwoNN compares the first two neighbors. Take k >= 2.")
        if self.null_draws < 1:
            raise ParameterError(f"null_draws={self.null_draws} draws nothing. Take at least 1, or nulls=() for none.")
        if not 0 < self.discard < 1:
            raise ParameterError(f"discard={self.discard} is no share: take more than 0 and less than 1.")
        if any(k < 2 for k in self.mle_k):
            raise ParameterError(f"mle_k={min(self.mle_k)} is too small: Levina-Bickel compares at least 2 neighbors.")
        if any(count < 1 for count in self.shortest):
            raise ParameterError(f"shortest={min(self.shortest)} removes nothing. Take numbers of at least 1.")
        if any(not 0 < share <= _MOST for share in self.shares):
            raise ParameterError(f"shares={self.shares} must lie above 0 and at most at {_MOST}.")
        if self.explored < 0:
            raise ParameterError(f"explored={self.explored} is no number of tokens. Take 0 for none, or more.")
        if self.limit is not None and self.limit <= self.k:
            raise ParameterError(f"limit={self.limit} leaves too few rows for k={self.k}. Raise it above {self.k}.")
