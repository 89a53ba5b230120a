"""Settings of the transfer study (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

from theodolite.core.errors import ParameterError

NATIVE = "native"
STATES = "states"
MapName = Literal["least_squares", "ridge", "procrustes", "low_rank", "logit_matching", "states"]
Control = Literal["random", "permuted", "identity"]
CONTROLS: tuple[Control, ...] = get_args(Control)
DRAWN: tuple[Control, ...] = ("random", "permuted")
TokenRule = Literal["last", "mean", "answer"]
PositionWord = Literal["all", "after", "last"]


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the transfer study.

    Attributes
    ----------
    sources : tuple of str
        Models that vectors are read from.
    targets : tuple of str
        Models that are steered: as many as sources, pair by pair, or one for all.
    contrasts : tuple of str
        Shipped contrasts by name, or files of contrast pairs.
    maps : tuple of str
        How vectors are carried: least_squares (the row map of lee2025), ridge, procrustes, low_rank, logit_matching,
        and states, an affine map between hidden states (Linear Representation Transferability). Verdicts are on the
        first one.
    space : {"output", "input"}
        Which embedding the maps are fitted on.
    fold : bool
        Whether to multiply the gain of the final norm into the columns of an output embedding first.
    controls : tuple of str
        What a vector carried by the first map is compared with: random vectors, the same map fitted on pairs dealt anew
        (permuted), and where widths agree the source's own vector as it is (identity).
    draws : int
        Draws of each random control; fewer than 19 cannot support a claim at 5 %.
    tokens : tuple of str
        Rules for the token that is read; the one whose native vector does best within the fitted pairs
        (cross-validated) is taken.
    layers : tuple of int
        Layers of the target to steer at; by default those at a third, two thirds and all of its depth. The verdict is
        on the one whose native vector does best within the fitted pairs (cross-validated).
    strengths : tuple of float
        Strengths in mean residual norms of the layer, of both signs.
    positions : {"all", "after", "last"}
        Which tokens are steered: all, those after the prompt, or the last.
    most_damage : float
        The working range ends where the native vector raises the perplexity of neutral text by more than this factor.
    n_generated : int
        Tokens to generate after each prompt for the repetition score; 0 leaves it out.
    n_bootstrap : int
        Resamples of the held-out pairs.
    confidence : float
        Coverage of the intervals.
    seed : int
        Changes every random draw.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    _: KW_ONLY
    contrasts: tuple[str, ...] = ("dialogue", "feeling", "gender", "person", "question", "tense")
    maps: tuple[MapName, ...] = ("least_squares", "logit_matching", "procrustes", "states")
    space: Literal["output", "input"] = "output"
    fold: bool = False
    controls: tuple[Control, ...] = CONTROLS
    draws: int = 39
    tokens: tuple[TokenRule, ...] = ("last", "mean")
    layers: tuple[int, ...] = ()
    strengths: tuple[float, ...] = (-0.5, -0.25, 0.25, 0.5)
    positions: PositionWord = "after"
    most_damage: float = 2.0
    n_generated: int = 16
    n_bootstrap: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that no unit could run with."""
        if not self.sources or len(self.targets) not in (1, len(self.sources)):
            raise ParameterError(
                f"{len(self.sources)} sources and {len(self.targets)} targets make no pairs: name one target for each "
                "source, or one for all, such as bundled:pocket-256 and bundled:pocket-128."
            )
        if not self.contrasts or not self.maps or not self.tokens:
            raise ParameterError("Nothing to transfer: at least one contrast, one map and one token rule are needed.")
        if len([one for one in self.strengths if one > 0]) < 1 or len([one for one in self.strengths if one < 0]) < 1:
            raise ParameterError(
                f"strengths={self.strengths} must have both signs: a vector that works pushes both ways."
            )
        if 0 in self.strengths or len(set(self.strengths)) < len(self.strengths):
            raise ParameterError(f"strengths={self.strengths} must be distinct and not 0, which is always measured.")
        if self.draws < 1 or self.n_generated < 0 or self.n_bootstrap < 100:
            raise ParameterError(
                f"draws={self.draws} must be at least 1, n_generated={self.n_generated} at least 0, "
                f"n_bootstrap={self.n_bootstrap} at least 100."
            )
        if self.most_damage <= 1:
            raise ParameterError(f"most_damage={self.most_damage} forbids all steering: take a factor above 1.")
        if any(layer < 0 for layer in self.layers):
            raise ParameterError(f"layers={self.layers} counts from 0, the embedding output. Take no negative ones.")
        if not 0.5 <= self.confidence < 1:
            raise ParameterError(f"confidence={self.confidence} is no coverage: take from 0.5 to below 1.")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Source and target of each transfer."""
        targets = self.targets * len(self.sources) if len(self.targets) == 1 else self.targets
        return tuple(zip(self.sources, targets, strict=True))
