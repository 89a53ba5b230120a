"""Fit a map between two aligned tables, or between paired states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError, PointsError
from theodolite.core.number_format import counted
from theodolite.core.points import as_points
from theodolite.core.seeds import generator_from
from theodolite.transfer import solve
from theodolite.transfer.diagnostics import diagnose
from theodolite.transfer.linear_map import LinearMap
from theodolite.transfer.moments import Moments, Pairs, Side

Floats = npt.NDArray[np.float64]
Kind = Literal["least_squares", "ridge", "procrustes", "low_rank", "logit_matching"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_KEPT = ("reference", "revision", "tensor", "which", "dtype", "shape", "sha256", "content", "hashes")
_JUDGES = 0.1
"""Share of the fitted tokens that chooses a penalty or a rank."""


@runtime_checkable
class Aligned(Protocol):
    """A table: anything with points, a name of what they are, and provenance."""

    @property
    def points(self) -> torch.Tensor:
        """`(n_tokens, n_dims)`."""

    @property
    def which(self) -> str:
        """Such as "output"."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Fit for JSON."""


Rowed: TypeAlias = "Aligned | torch.Tensor | npt.NDArray[Any]"


@dataclass(frozen=True, slots=True)
class _Fit:
    """A map from x to y fitted on some pairs."""

    matrix: Floats
    bias: Floats | None


def fit(
    source: Rowed,
    target: Rowed,
    *,
    kind: Kind = "least_squares",
    space: str | None = None,
    bias: bool = False,
    penalties: Sequence[float] = solve.PENALTIES,
    rank: int | None = None,
    scaled: bool = False,
    gains: tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None] = (None, None),
    limit: int | None = 100_000,
    held_out: float = 0.1,
    permute: bool = False,
    seed: int = 0,
) -> LinearMap:
    """Fit the map that carries directions of the source model into the target model (Emb2Emb).

    Parameters
    ----------
    source, target : Table, torch.Tensor or numpy.ndarray
        `(n_tokens, d_source)` and `(n_tokens, d_target)`: the same token in the same row of both, as `tables.align`
        returns them; or paired hidden states.
    kind : {"least_squares", "ridge", "procrustes", "low_rank", "logit_matching"}
        Which map, see Notes.
    space : str, optional
        What the rows are; by default what the source table says of itself, or "rows" for bare arrays.
    bias : bool
        Fit an affine map (for states); the bias never touches directions.
    penalties : sequence of float
        For "ridge": candidates in units of the mean eigenvalue of the source's second moments.
    rank : int, optional
        For "low_rank": by default chosen like the penalty.
    scaled : bool
        For "procrustes": with the best common factor.
    gains : tuple of numpy.ndarray or None
        `(d_source,)` and `(d_target,)`: gains of the final norms, multiplied into the columns before the fit.
    limit : int or None
        Tokens used at most; a seeded sample of them where there are more.
    held_out : float
        Share of the tokens that the diagnostics hold out, in [0, 0.5].
    permute : bool
        Pair the tokens at random: the control that shows what a map of no content does.
    seed : int
        Decides sample, split and permutation.

    Returns
    -------
    LinearMap
        Fitted on all tokens used; its diagnostics are those of the same fit without the held-out tokens.

    Raises
    ------
    ParameterError
        If a setting is outside its range or not one of its words.
    PointsError
        If the tables differ in their number of rows, are too short to fit, or hold rows that are not finite.

    Notes
    -----
    With rows u_S and u_T of the two tables, and columns v_S and v_T:

    * least_squares: A = argmin sum |A u_S - u_T|^2, v_T = A v_S (the preset of lee2025, without bias);
    * ridge: the same with a penalty chosen on tokens that neither the fit nor the diagnostics use;
    * procrustes: A semi-orthogonal, so that lengths and angles stay;
    * low_rank: reduced-rank regression;
    * logit_matching: v_T = pinv(U_T) U_S v_S, the direction whose effect on the target's logits, U_T v_T, is nearest to
      U_S v_S. A table's rows act on states, so this is another map than the row map; they agree for orthogonal maps.

    Penalty and rank are chosen once, on a tenth of the fitted tokens, and kept for the fit on everything.

    References
    ----------
    A. Lee et al., Shared global and local geometry of language model embeddings (2025), arXiv 2503.21073.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> rows, known = generator.normal(size=(500, 4)), generator.normal(size=(6, 4))
    >>> found = fit(rows, rows @ known.T)
    >>> bool(np.allclose(found.matrix, known)), found.diagnostics.retrieval_1
    (True, 1.0)
    """
    _check(kind, held_out, limit, rank, bias)
    sides = _sides(source, target, gains)
    pairs, n_held = _split(sides, limit=limit, share=held_out, permute=permute, seed=seed)
    backwards = kind == "logit_matching"
    if backwards:
        pairs = Pairs(x=pairs.y, y=pairs.x, rows_x=pairs.rows_y, rows_y=pairs.rows_x)
    needed = pairs.x.n_dims + 1
    if len(pairs) - n_held < needed:
        raise PointsError(
            f"A map from {pairs.x.n_dims} columns needs at least {needed} tokens to fit, but {len(pairs) - n_held} of "
            f"{len(pairs)} remain after holding out {n_held}. Give more shared tokens, or hold out fewer."
        )
    rest = pairs.part(slice(n_held, None))
    setting = float(rank) if rank is not None else None
    if kind == "ridge" or (kind == "low_rank" and rank is None):
        setting = _choose(kind, rest, penalties, bias=bias)
    fitted = rest.moments()
    judged = _solve(kind, fitted, setting, scaled=scaled, bias=bias)
    held = pairs.part(slice(n_held))
    final = _solve(kind, held.moments() + fitted, setting, scaled=scaled, bias=bias) if n_held else judged
    matrix = final.matrix.T if backwards else final.matrix
    word = space or (source.which if isinstance(source, Aligned) else "rows")
    return LinearMap(
        matrix=matrix,
        bias=final.bias,
        kind=f"permuted_{kind}" if permute else kind,
        space=word,
        source=_provenance(source, sides[0]),
        target=_provenance(target, sides[1]),
        params={
            "setting": setting,
            "scaled": scaled,
            "folded": gains[0] is not None or gains[1] is not None,
            "n_tokens": len(pairs),
            "limit": limit,
            "held_out": held_out,
            "seed": seed,
        },
        diagnostics=diagnose(
            judged.matrix,
            judged.bias,
            fitted=fitted,
            held_out=held,
            candidates=np.sort(pairs.rows_y),
            objective="logits" if backwards else "states" if word == "states" else "rows",
            singular_values=np.linalg.svd(matrix, compute_uv=False).astype(np.float64),
        ),
    )


def _check(kind: str, held_out: float, limit: int | None, rank: int | None, bias: bool) -> None:
    if kind not in KINDS:
        raise ParameterError(f"kind={kind!r} is no map. Choose one of {', '.join(KINDS)}.")
    if not 0 <= held_out <= 0.5:
        raise ParameterError(f"held_out={held_out} is no share to hold out: take from 0 to 0.5.")
    if limit is not None and limit < 1:
        raise ParameterError(f"limit={limit} leaves no tokens. Take a positive number, or None for all.")
    if rank is not None and (rank < 1 or kind != "low_rank"):
        raise ParameterError(f'rank={rank} needs kind="low_rank" and at least 1; the kind is {kind!r}.')
    if bias and kind == "logit_matching":
        raise ParameterError("A logit-matching map moves directions only and has no bias. Leave bias out.")


def _sides(source: Rowed, target: Rowed, gains: Sequence[npt.NDArray[Any] | None]) -> tuple[Side, Side]:
    """Return both tables, checked to be rows of the same tokens."""
    tables = [as_points(one.points if isinstance(one, Aligned) else one) for one in (source, target)]
    if tables[0].shape[0] != tables[1].shape[0]:
        raise PointsError(
            f"The tables have {tables[0].shape[0]} and {tables[1].shape[0]} rows, but a map needs the same tokens in "
            "the same order. Align them first (theodolite.align)."
        )
    sides = []
    for name, points, gain in zip(("source", "target"), tables, gains, strict=True):
        bad = int((~torch.isfinite(points).all(dim=1)).sum())
        if bad:
            raise PointsError(
                f"The {name} table holds {counted(bad, 'row')} with numbers that are not finite. Leave these tokens "
                "out."
            )
        factors = None if gain is None else np.asarray(gain, dtype=np.float64)
        if factors is not None and factors.shape != (points.shape[1],):
            raise ParameterError(
                f"The gain of the {name} has shape {factors.shape}, but its table has {points.shape[1]} columns."
            )
        sides.append(Side(points=points, gain=factors))
    return sides[0], sides[1]


def _split(sides: tuple[Side, Side], *, limit: int | None, share: float, permute: bool, seed: int) -> tuple[Pairs, int]:
    """Return the pairs in random order, and how many of the first are held out."""
    generator = generator_from("transfer", seed)
    rows = generator.permutation(int(sides[0].points.shape[0]))[:limit].astype(np.int64)
    partners = generator.permutation(rows) if permute else rows
    return Pairs(x=sides[0], y=sides[1], rows_x=rows, rows_y=partners), round(share * len(rows))


def _choose(kind: str, pairs: Pairs, penalties: Sequence[float], *, bias: bool) -> float:
    """Choose a penalty or a rank on a tenth of the fitted tokens."""
    n_judges = max(1, round(_JUDGES * len(pairs)))
    judge, train = pairs.part(slice(n_judges)).moments(), pairs.part(slice(n_judges, None)).moments()

    def lost(setting: float) -> float:
        one = _solve(kind, train, setting, scaled=False, bias=bias)
        return judge.squared_error(one.matrix, one.bias)

    return min(penalties if kind == "ridge" else solve.ranks(train), key=lost)


def _solve(kind: str, found: Moments, setting: float | None, *, scaled: bool, bias: bool) -> _Fit:
    """Fit the map from x to y on the pairs summed up in `found`."""
    used = found.centered() if bias else found
    if kind == "procrustes":
        matrix = solve.procrustes(used, scaled=scaled)
    elif kind == "low_rank":
        matrix = solve.low_rank(used, int(setting or 1))
    else:
        matrix = solve.least_squares(used, penalty=(setting or 0.0) if kind == "ridge" else 0.0)
    return _Fit(matrix, found.mean_y - matrix @ found.mean_x if bias else None)


def _provenance(rows: Rowed, side: Side) -> dict[str, Any]:
    """Keep of a table's provenance what names it and tells it from another."""
    known = rows.provenance if isinstance(rows, Aligned) else {}
    return {**{name: known[name] for name in _KEPT if name in known}, "n_dims": side.n_dims}
