"""Settings of the neighbors study (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from theodolite.core.errors import ParameterError
from theodolite.studies.dimension.config import Rows, Which

NEIGHBORHOOD = "neighborhood"
COUNT = "count"
BLOCK_ROWS = 65_536
"""Rows of a block where the number of blocks is not given: a table that is searched in a minute stays in one piece,
since blocks take 1.2 to 1.5 times as long, and what each makes ready anew is little at this size. Measured in
benchmarks/results/blocks.md."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the neighbors study.

    Attributes
    ----------
    reference : str
        The table: a model, a tensor of a file, word vectors, an array.
    which : {"input", "output"}
        Which embedding of a model.
    rows : {"all", "tokenizer", "trimmed"}
        Rows to keep: all, those of the tokenizer (all where there is none), or those without special and never-trained
        tokens too.
    k : int
        Neighbors to find for each row.
    metric : {"euclidean", "cosine"}
        Distance between rows, or the chord between their directions.
    blocks : int or None
        Units to cut the table into; None for one for each 65,536 rows. The graph is the same for any number, but a
        table in one piece takes the least time.
    device : {"auto", "cpu", "cuda"}
        Where to search; auto takes a GPU where there is one.
    """

    reference: str = ""
    _: KW_ONLY
    which: Which = "input"
    rows: Rows = "tokenizer"
    k: int = 64
    metric: Literal["euclidean", "cosine"] = "euclidean"
    blocks: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        """Refuse settings that no unit could run with."""
        if not self.reference:
            raise ParameterError("Nothing to search: name a table, such as bundled:pocket-128.")
        if self.k < 1:
            raise ParameterError(f"k={self.k} finds nothing: take at least 1 neighbor.")
        if self.blocks is not None and self.blocks < 1:
            raise ParameterError(f"blocks={self.blocks} leaves nothing to do: take at least 1.")

    def blocks_of(self, n_rows: int) -> int:
        """Return how many blocks a table of so many rows is cut into.

        Parameters
        ----------
        n_rows : int
            Rows of the table.

        Returns
        -------
        int
            At least 1.

        Raises
        ------
        ParameterError
            If more blocks are asked for than there are rows.

        Examples
        --------
        >>> [Config("bundled:pocket-64").blocks_of(n_rows) for n_rows in (50_304, 256_000)]
        [1, 4]
        """
        if self.blocks is None:
            return max(1, -(-n_rows // BLOCK_ROWS))
        if self.blocks > n_rows:
            raise ParameterError(f"{n_rows} rows cannot be cut into blocks={self.blocks}. Take {n_rows} at most.")
        return self.blocks
