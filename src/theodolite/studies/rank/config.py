"""Settings of the rank study (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from theodolite.core.errors import ParameterError

Truncation = Literal["svd", "pca"]
Alpha = Literal["sqrt", "r", "2r"]

PYTHON = "python"
_RANKS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_LARGE_RANKS = (384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the rank study.

    Attributes
    ----------
    references : tuple of str
        Models to measure; all their weights are needed, so no training checkpoints of which only the tables exist.
    text : str
        What to train and evaluate on: `python` (the language reference that every Python carries), `examples` (the
        prompts that ship with theodolite), or a file or folder of texts.
    ranks : tuple of int
        Ranks to measure; none stands for 1 to 256 for adapters and up to the number of columns for truncations.
    truncations : tuple of str
        How to cut the table without training: svd (as it is), pca (its mean row kept apart).
    training_free : bool
        Measure only the curves that need no training: tables cut to each rank.
    seeds : int
        Trainings of each rank, which differ in the order of the text and the initial values.
    steps : int
        Steps of each training, the same at every rank.
    batch : int
        Windows in a step.
    context : int
        Tokens in a window, in training and evaluation.
    learning_rate : float
        Peak learning rate of AdamW.
    alpha : {"sqrt", "r", "2r"}
        LoRA's alpha at each rank r: r or 2r, or growing as its root, which holds the length of a step about equal.
    windows : int
        Held-out windows that every loss is measured on.
    k : int
        Neighbors for the dimension of the table.
    device : str
        Where models run: auto, cpu, cuda, ...
    """

    references: tuple[str, ...] = ()
    _: KW_ONLY
    text: str = PYTHON
    ranks: tuple[int, ...] = ()
    truncations: tuple[Truncation, ...] = ("svd", "pca")
    training_free: bool = False
    seeds: int = 2
    steps: int = 60
    batch: int = 8
    context: int = 128
    learning_rate: float = 0.01
    alpha: Alpha = "sqrt"
    windows: int = 64
    k: int = 64
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse settings that no unit could run with."""
        if not self.references:
            raise ParameterError("Nothing to measure: name at least one model, such as bundled:pocket-128.")
        for name, least in (("seeds", 1), ("steps", 1), ("batch", 1), ("context", 2), ("windows", 2), ("k", 2)):
            if getattr(self, name) < least:
                raise ParameterError(f"{name}={getattr(self, name)} is too small. Take at least {least}.")
        if any(rank < 1 for rank in self.ranks):
            raise ParameterError(f"ranks holds {min(self.ranks)}, but a rank is at least 1.")
        if not 0 < self.learning_rate < float("inf"):
            raise ParameterError(f"learning_rate={self.learning_rate} does not train. Take a positive number.")
        if self.training_free and not self.truncations:
            raise ParameterError("Nothing to measure: neither training nor a truncation is asked for.")

    def ranks_for(self, n_dims: int, *, adapters: bool) -> tuple[int, ...]:
        """Return the ranks to measure on a table of so many columns.

        Parameters
        ----------
        n_dims : int
            Columns of the table.
        adapters : bool
            Whether for trained adapters, or for truncations.

        Returns
        -------
        tuple of int
            Ascending, each once.

        Raises
        ------
        ParameterError
            If a rank is asked for that the table does not have.
        """
        if self.ranks:
            if max(self.ranks) > n_dims:
                raise ParameterError(
                    f"ranks holds {max(self.ranks)}, but the table has {n_dims} columns, and no rank above that."
                )
            return tuple(sorted(set(self.ranks)))
        known = _RANKS if adapters else (*_RANKS, *_LARGE_RANKS)
        return tuple(sorted({rank for rank in known if rank <= n_dims} | ({n_dims} if not adapters else set())))
