"""Tables of lower rank: the best ones for each rank, a layer that runs on the factors, and their file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, PointsError
from theodolite.core.points import Points, as_points

_ROWS = 1 << 14
_KIND = "theodolite.factors"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Factors:
    """A table of rank r as the product of two thin ones, plus a mean row where it was centered first.

    Attributes
    ----------
    left : torch.Tensor
        `(n_tokens, rank)` float32.
    right : torch.Tensor
        `(rank, n_dims)` float32, orthonormal rows.
    mean : torch.Tensor or None
        `(n_dims,)` float32, added to every row.
    """

    left: torch.Tensor = field(repr=False)
    right: torch.Tensor = field(repr=False)
    mean: torch.Tensor | None = field(repr=False)

    @property
    def rank(self) -> int:
        """Columns of the left factor."""
        return int(self.left.shape[1])

    @property
    def n_parameters(self) -> int:
        """Numbers that the factors hold."""
        return self.left.numel() + self.right.numel() + (0 if self.mean is None else self.mean.numel())

    def table(self) -> torch.Tensor:
        """Return the table that the factors stand for, `(n_tokens, n_dims)` float32."""
        product = self.left @ self.right
        return product if self.mean is None else product + self.mean


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truncations:
    """The best approximations of a table at every rank.

    Attributes
    ----------
    variances : torch.Tensor
        `(n_dims,)` float64: squared singular values, descending. What a rank leaves out sums to the squared error.
    directions : torch.Tensor
        `(n_dims, n_dims)` float64: principal directions in rows.
    mean : torch.Tensor or None
        `(n_dims,)` float64, subtracted first.
    points : torch.Tensor
        The table, `(n_tokens, n_dims)`.
    """

    variances: torch.Tensor = field(repr=False)
    directions: torch.Tensor = field(repr=False)
    mean: torch.Tensor | None = field(repr=False)
    points: torch.Tensor = field(repr=False)

    def factors(self, rank: int) -> Factors:
        """Return the best approximation of a rank, in the least-squares sense.

        Parameters
        ----------
        rank : int
            From 1 to n_dims.

        Returns
        -------
        Factors
            On the device of the table.

        Raises
        ------
        ParameterError
            If the table has no such rank.
        """
        n_dims = self.points.shape[1]
        if not 1 <= rank <= n_dims:
            raise ParameterError(f"rank={rank} is not possible for a table of {n_dims} columns. Take 1 to {n_dims}.")
        right = self.directions[:rank]
        blocks = (self.points[start : start + _ROWS].double() for start in range(0, len(self.points), _ROWS))
        left = torch.cat([(block if self.mean is None else block - self.mean) @ right.T for block in blocks])
        return Factors(left=left.float(), right=right.float(), mean=None if self.mean is None else self.mean.float())


def truncations(points: Points, *, center: bool = False) -> Truncations:
    """Find the best approximations of a table at every rank.

    Parameters
    ----------
    points : torch.Tensor or numpy.ndarray
        `(n_tokens, n_dims)`, finite.
    center : bool
        Whether the mean row is subtracted first and kept beside the factors (PCA), or not (SVD).

    Returns
    -------
    Truncations
        Ask it for `factors(rank)`.

    Raises
    ------
    PointsError
        If the table is empty or holds numbers that are not finite.

    Notes
    -----
    From the eigenvectors of the Gram matrix of the columns in float64: the same subspaces as a singular value
    decomposition at a fraction of its memory. Singular values below 1e-8 of the largest are lost to rounding, which
    float32 tables do not resolve either.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> thin = torch.randn(50, 3, generator=generator) @ torch.randn(3, 8, generator=generator)
    >>> found = truncations(thin)
    >>> [bool(torch.allclose(found.factors(rank).table(), thin, atol=1e-5)) for rank in (2, 3)]
    [False, True]
    """
    values = as_points(points)
    if not len(values) or not torch.isfinite(values).all():
        raise PointsError("The table is empty or holds numbers that are not finite, so it has no truncation.")
    mean = values.mean(dim=0, dtype=torch.float64) if center else None
    gram = torch.zeros(values.shape[1], values.shape[1], dtype=torch.float64, device=values.device)
    for start in range(0, len(values), _ROWS):
        block = values[start : start + _ROWS].double()
        block = block if mean is None else block - mean
        gram.addmm_(block.T, block)
    variances, directions = torch.linalg.eigh(gram)
    return Truncations(
        variances=variances.flip(0).clamp_min(0.0),
        directions=directions.flip(1).T.contiguous(),
        mean=mean,
        points=values,
    )


class FactorizedEmbedding(torch.nn.Module):
    """An embedding layer that keeps two thin tables instead of a wide one.

    Parameters
    ----------
    factors : Factors
        What to run on.
    padding_idx : int or None
        Kept for code that asks for it.

    Examples
    --------
    >>> layer = FactorizedEmbedding(truncations(torch.eye(4)).factors(2))
    >>> layer(torch.tensor([[0, 3]])).shape
    torch.Size([1, 2, 4])
    """

    def __init__(self, factors: Factors, padding_idx: int | None = None) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = len(factors.left), factors.right.shape[1]
        self.padding_idx = padding_idx
        self.left = torch.nn.Parameter(factors.left)
        self.right = torch.nn.Parameter(factors.right)
        self.mean = None if factors.mean is None else torch.nn.Parameter(factors.mean)

    @property
    def weight(self) -> torch.Tensor:
        """The table that the factors stand for, made anew on each call."""
        product = self.left @ self.right
        return product if self.mean is None else product + self.mean

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Look up rows of the left factor and multiply them with the right one."""
        rows = torch.nn.functional.embedding(input_ids, self.left) @ self.right
        return rows if self.mean is None else rows + self.mean


def save_factors(path: Path, factors: Factors, facts: Mapping[str, Any]) -> None:
    """Write factors as one safetensors file with the tensors `left`, `right` and, where centered, `mean`.

    Parameters
    ----------
    path : pathlib.Path
        The file; its folder must exist.
    factors : Factors
        What to write.
    facts : mapping
        Where they come from, fit for JSON; kept in the file's metadata.
    """
    tensors = {"left": factors.left, "right": factors.right}
    if factors.mean is not None:
        tensors["mean"] = factors.mean
    metadata = {"kind": _KIND, "rank": str(factors.rank), "facts": json.dumps(dict(facts), ensure_ascii=True)}
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, path, metadata=metadata)


def load_factors(path: Path) -> tuple[Factors, dict[str, Any]]:
    """Read what `save_factors` wrote.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    tuple
        The factors, and what is known of where they come from.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If it is no file of factors, or its tensors do not fit each other.
    """
    path = Path(path)
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}. Name the .safetensors file that was exported.")
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
        facts = json.loads(metadata.get("facts", "{}"))
    except (SafetensorError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as safetensors: {error}. Export it again.") from error
    left, right, mean = (tensors.get(name) for name in ("left", "right", "mean"))
    if metadata.get("kind") != _KIND or left is None or right is None:
        raise FormatError(f"{path} holds no factors of a table (left, right). Name a file that was exported as such.")
    fits = left.ndim == right.ndim == 2 and left.shape[1] == right.shape[0]
    if not fits or (mean is not None and mean.shape != right.shape[1:]):
        raise FormatError(
            f"The factors in {path} do not fit each other: {tuple(left.shape)} and {tuple(right.shape)}. Export them "
            "again."
        )
    return Factors(left=left, right=right, mean=mean), facts
