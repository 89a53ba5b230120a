"""A linear map from the states of one model to those of another, and what is known about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import ParameterError

Floats = npt.NDArray[np.float64]
Vector = npt.NDArray[Any] | torch.Tensor


class _Carried(Protocol):
    """Something that holds directions of a model and knows how to be carried to another one."""

    def carried_by(self, linear_map: "LinearMap", /) -> Any:
        """Return the same for the target model."""


CarriedT = TypeVar("CarriedT", bound=_Carried)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MapDiagnostics(Displayed):
    """How well a map does on tokens it was fitted on, and on tokens it was not.

    Attributes
    ----------
    n_fitted, n_held_out : int
        Tokens of the two parts that the numbers below rest on; the map itself is fitted on both together.
    r2_fitted, r2_held_out : float
        1 - squared error / spread about the mean of the fitted rows, all columns together; at most 1, and about 0 or
        below for a map that carries nothing. NaN where there is no such part.
    retrieval_1, retrieval_10 : float
        Share of held-out tokens whose mapped row has the token's own row among the 1 or 10 nearest by cosine, out of
        all rows of the table it is compared with. In [0, 1]; chance is 1 or 10 over `n_candidates`.
    n_candidates : int
        Rows of that table.
    held_out_cosine : float
        Mean cosine between mapped and true held-out rows.
    norm_change : float
        Mean length of mapped over true held-out rows.
    singular_values : numpy.ndarray
        Of the matrix, descending.
    objective : {"rows", "logits", "states"}
        What was fitted and judged: source rows onto target rows; target rows onto source rows (the logit-matching map
        moves state directions, and its transpose maps the rows backwards); paired states.
    """

    n_fitted: int
    n_held_out: int
    r2_fitted: float
    r2_held_out: float
    retrieval_1: float
    retrieval_10: float
    n_candidates: int
    held_out_cosine: float
    norm_change: float
    singular_values: Floats
    objective: str

    @property
    def condition(self) -> float:
        """Largest over smallest singular value; infinite for a map that loses directions."""
        smallest = float(self.singular_values[-1])
        return float(self.singular_values[0]) / smallest if smallest > 0 else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LinearMap(Displayed):
    """A map of columns: `matrix @ v` is the target model's counterpart of the source model's direction v.

    Attributes
    ----------
    matrix : numpy.ndarray
        `(d_target, d_source)` float64.
    bias : numpy.ndarray or None
        `(d_target,)`, added to states, never to directions (in a difference of two states it cancels).
    kind : str
        "least_squares", "ridge", "procrustes", "low_rank", "logit_matching", or a control: "permuted_<kind>", "random",
        "identity".
    space : str
        What the pairs were: "output" or "input" embeddings, "states", or the name of a tensor.
    source, target : mapping
        Provenance of both sides, fit for JSON: reference, sha256 of the tensor's bytes, width.
    params : mapping
        Settings that decided the matrix: penalty, rank, scaled, folded, limit, held_out, seed.
    diagnostics : MapDiagnostics or None
        None for a map that was not fitted.

    Examples
    --------
    >>> turn = LinearMap(matrix=np.array([[0.0, -1.0], [1.0, 0.0]]), kind="procrustes", space="output")
    >>> turn(np.array([1.0, 0.0]))
    array([0., 1.])
    >>> turn(np.ones(3))
    Traceback (most recent call last):
    ...
    theodolite.core.errors.ParameterError: This map takes vectors of 2 entries (source), but the vector has 3. Pass a \
vector of the source model.
    """

    matrix: Floats
    bias: Floats | None = None
    kind: str
    space: str
    source: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    diagnostics: MapDiagnostics | None = None

    @property
    def n_source(self) -> int:
        """Width of the source model."""
        return int(self.matrix.shape[1])

    @property
    def n_target(self) -> int:
        """Width of the target model."""
        return int(self.matrix.shape[0])

    @overload
    def __call__(self, vector: Vector) -> Floats: ...
    @overload
    def __call__(self, vector: CarriedT) -> CarriedT: ...
    def __call__(self, vector: Any) -> Any:
        """Carry a direction, several directions `(..., d_source)`, or a `models.SteeringVector`.

        Raises
        ------
        ParameterError
            If the width is not that of the source, or a steering vector was read from another model.
        """
        return vector.carried_by(self) if hasattr(vector, "carried_by") else self.directions(vector)

    def directions(self, vectors: Vector) -> Floats:
        """Map directions `(..., d_source)` to `(..., d_target)`, without the bias."""
        values = self._checked(vectors)
        mapped: Floats = values @ self.matrix.T
        return mapped

    def states(self, vectors: Vector) -> Floats:
        """Map states `(..., d_source)` to `(..., d_target)`, with the bias where there is one."""
        mapped = self.directions(vectors)
        return mapped if self.bias is None else mapped + self.bias

    def _checked(self, vectors: Vector) -> Floats:
        """Return the vectors in float64 after a look at their width."""
        if isinstance(vectors, torch.Tensor):
            vectors = vectors.detach().to("cpu", torch.float64).numpy()
        values: Floats = np.asarray(vectors, dtype=np.float64)
        n_dims = values.shape[-1] if values.ndim else 0
        if n_dims != self.n_source:
            hint = (
                f"It has the width of the target ({name_of(self.target, 'target')}): a map goes one way only."
                if n_dims == self.n_target
                else "Pass a vector of the source model."
            )
            raise ParameterError(
                f"This map takes vectors of {self.n_source} entries ({name_of(self.source, 'source')}), but the vector "
                f"has {n_dims}. {hint}"
            )
        return values

    def check_source(self, model: Mapping[str, Any]) -> None:
        """Refuse a vector that was read from another model than this map's source.

        Parameters
        ----------
        model : mapping
            Provenance of the vector's model: "reference" and "hashes", the sha256 of its embeddings and weights.
            Where either side knows no hash, nothing is checked.

        Raises
        ------
        ParameterError
            If both sides know what they were made from and it is not the same; both are named.
        """
        known = hashes_of(self.source)
        given = hashes_of(model)
        if known and given and not known & given:
            raise ParameterError(
                f"This vector was read from {name_of(model, 'a model')}, but the map was fitted on "
                f"{name_of(self.source, 'another model')}: their embeddings differ. Fit a map from the vector's own "
                "model, or pass the bare array if you are sure."
            )


def name_of(provenance: Mapping[str, Any], otherwise: str) -> str:
    """Name a side by its reference.

    Examples
    --------
    >>> name_of({"reference": "bundled:pocket-64"}, "source"), name_of({}, "source")
    ('bundled:pocket-64', 'source')
    """
    return str(provenance.get("reference") or otherwise)


def hashes_of(provenance: Mapping[str, Any]) -> frozenset[str]:
    """Return every content hash that a provenance knows.

    Examples
    --------
    >>> sorted(hashes_of({"sha256": "a", "hashes": ["b", "c"], "content": None}))
    ['a', 'b', 'c']
    """
    listed: Iterable[Any] = provenance.get("hashes") or ()
    return frozenset(str(one) for one in (provenance.get("sha256"), provenance.get("content"), *listed) if one)


def cosine(first: Vector, second: Vector) -> float:
    """Return the cosine between two vectors of one space; in [-1, 1], NaN where one is zero.

    Parameters
    ----------
    first, second : numpy.ndarray or torch.Tensor
        `(n_dims,)`.

    Returns
    -------
    float
        Dimensionless.

    Raises
    ------
    ParameterError
        If their widths differ: vectors of two models have no angle until one is carried over.

    Examples
    --------
    >>> cosine(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    0.7071067811865475
    """
    a, b = (np.asarray(one.detach().cpu() if isinstance(one, torch.Tensor) else one, float) for one in (first, second))
    if a.shape != b.shape:
        raise ParameterError(
            f"Vectors of {a.shape} and {b.shape} have no angle between them. Carry one into the other's model first."
        )
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a.ravel() @ b.ravel()) / lengths if lengths else float("nan")
