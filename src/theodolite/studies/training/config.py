"""Settings of the training study (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from theodolite.core.errors import ParameterError
from theodolite.studies.dimension.config import NULL_DRAWS, Rows, Which

TrainingNull = Literal["gaussian", "permuted"]
EVERY = ("*",)
"""Every checkpoint."""
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the training study.

    Attributes
    ----------
    references : tuple of str
        Models to follow along training.
    revisions : tuple of str
        Which checkpoints: names, or patterns such as `step*`; all of them by default.
    points : int or None
        Keep this many checkpoints, spread evenly over the logarithm of the step; None for all.
    losses : str or None
        A CSV file with the columns `step` and `loss`, to draw beside the dimension. Bundled models know their own, and
        so do folders that transformers' Trainer wrote.
    which : tuple of str
        Which tables of a model: input, output, or both.
    rows : {"all", "tokenizer", "trimmed"}
        Rows to keep: all, those of the tokenizer (all where there is none), or those without special and never-trained
        tokens too.
    k : int
        Neighbors to find for each row; scales up to `k` are measured.
    mle_k : tuple of int
        Numbers of neighbors for the Levina-Bickel estimator; those above `k` are left out.
    nulls : tuple of str
        Random tables of the same size at every step: gaussian (isotropic), permuted (each column shuffled).
    null_draws : int
        How often each random table is drawn; the mean is the null. One made of a checkpoint's own numbers (permuted) is
        drawn once.
    seed : int
        Changes every random draw.
    limit : int or None
        Measure a random subset of this many rows: for a quick look, not for a result.
    """

    references: tuple[str, ...] = ()
    _: KW_ONLY
    revisions: tuple[str, ...] = EVERY
    points: int | None = None
    losses: str | None = None
    which: tuple[Which, ...] = ("input", "output")
    rows: Rows = "tokenizer"
    k: int = 64
    mle_k: tuple[int, ...] = (2, 5, 20, 50)
    nulls: tuple[TrainingNull, ...] = ("gaussian", "permuted")
    null_draws: int = NULL_DRAWS
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings that no unit could run with."""
        if not self.references:
            raise ParameterError("Nothing to follow: name at least one model, such as bundled:pocket-128.")
        if not self.revisions:
            raise ParameterError("revisions is empty: name checkpoints, or leave it out for all of them.")
        if self.points is not None and self.points < _FEWEST:
            raise ParameterError(f"points={self.points} makes no curve. Take at least {_FEWEST}.")
