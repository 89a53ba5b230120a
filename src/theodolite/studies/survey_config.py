"""Settings of the survey (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass

from theodolite.studies.families import family_references
from theodolite.studies.table_config import NULLS, Null, Rows, Which


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the survey.

    Attributes
    ----------
    references : tuple of str
        Models or tables to survey; none for the bundled family and its training checkpoints.
    family : str or None
        A family to survey by one word: pythia (14M to 12B, from the Hub), pythia-deduped, pocket.
    checkpoints : tuple of str
        Further references to measure along training, such as `./model@step*`.
    which : tuple of str
        Which tables of a model: input, output, or both.
    rows : {"all", "tokenizer", "trimmed"}
        Rows to keep: all, those of the tokenizer (all where there is none), or those without special and never-trained
        tokens too.
    k : int
        Neighbors to find for each row; scales up to `k` are measured.
    nulls : tuple of str
        Random tables of the same size to measure beside each table: gaussian (isotropic), permuted (each column
        shuffled), covariance (Gaussian with the table's own covariance; not for checkpoints).
    seed : int
        Changes every random draw.
    limit : int or None
        Measure a random subset of this many rows: for a quick look, not for a result.
    """

    references: tuple[str, ...] = ()
    _: KW_ONLY
    family: str | None = None
    checkpoints: tuple[str, ...] = ()
    which: tuple[Which, ...] = ("input", "output")
    rows: Rows = "tokenizer"
    k: int = 64
    nulls: tuple[Null, ...] = NULLS
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse a family that is not known."""
        if self.family is not None:
            family_references(self.family)
