"""Settings of the survey (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

from theodolite.core.errors import ParameterError
from theodolite.studies.dimension.config import NULL_DRAWS, NULLS, Null, Rows, Which
from theodolite.studies.families import family_references

Part = Literal["tables", "layers", "similarity"]
PARTS: tuple[Part, ...] = get_args(Part)


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
        Further references whose tables to measure along training, such as `./model@step*`.
    parts : tuple of str
        What to survey: tables (their dimension), layers (token clouds of prompts, layer by layer), similarity (geometry
        that models share, where there are two). What a reference cannot give is left out and said.
    which : tuple of str
        Which tables of a model: input, output, or both.
    rows : {"all", "tokenizer", "trimmed"}
        Rows to keep: all, those of the tokenizer (all where there is none), or those without special and never-trained
        tokens too.
    k : int
        Neighbors to find for each row of a table; scales up to `k` are measured.
    nulls : tuple of str
        Random tables of the same size to measure beside each table: gaussian (isotropic), permuted (each column
        shuffled), covariance (Gaussian with the table's own covariance; not for checkpoints).
    null_draws : int
        How often each random table is drawn; the mean is the null. One made of a checkpoint's own numbers (permuted) is
        drawn once.
    prompts : str
        Text for the layers: a file (jsonl, json, parquet, csv, txt), a folder of text files, a data set on the Hub
        (hub:OWNER/NAME), or `examples` for the prompts that ship with the package.
    most_prompts : int
        Take the first prompts only, this many of those that are long enough.
    whole : bool
        Fetch models on the Hub whole, which their layers need; without it only their tables are read.
    seed : int
        Changes every random draw.
    limit : int or None
        Measure a random subset of this many rows of each table: for a quick look, not for a result.
    """

    references: tuple[str, ...] = ()
    _: KW_ONLY
    family: str | None = None
    checkpoints: tuple[str, ...] = ()
    parts: tuple[Part, ...] = PARTS
    which: tuple[Which, ...] = ("input", "output")
    rows: Rows = "tokenizer"
    k: int = 64
    nulls: tuple[Null, ...] = NULLS
    null_draws: int = NULL_DRAWS
    prompts: str = "examples"
    most_prompts: int = 32
    whole: bool = False
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        """Refuse a family that is not known, and settings that leave nothing to do."""
        if self.family is not None:
            family_references(self.family)
        if not self.parts:
            raise ParameterError(f"parts is empty: take {', '.join(PARTS)}, or some of them.")
        if self.most_prompts < 1:
            raise ParameterError(f"most_prompts={self.most_prompts} leaves nothing to do. Take at least 1.")
