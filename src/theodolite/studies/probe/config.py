"""Settings of the probe study (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from theodolite.core.errors import ParameterError
from theodolite.studies.layers.config import Convention, DType, LastLayer, SpecialTokens
from theodolite.studies.probe.asked import ADAPTIVE_LEAST, EVERYTHING, MEASURES, Measure, measured_with, parts_of

ProbeEstimator = Literal["gride", "twonn", "mle"]
Preset = Literal["viswanathan2025-probe"]

PRESETS: dict[str, dict[str, Any]] = {
    "viswanathan2025-probe": {
        "n_tokens": 1000,
        "minimum": 501,
        "maximum": 999,
        "special_tokens": "inside",
        "estimator": "gride",
        "scale": 8,
        "k": 32,
        "convention": "dadapy",
        "folds": 5,
        "shuffle_folds": False,
        "test_share": 0.2,
        "standardize": False,
        "seed": 42,
    }
}
"""The authors' settings; their clouds also hold padding rows, which no preset brings back."""

TRUSTED_TOKENS = 500
"""Prompts of fewer tokens were too short for the authors' probe."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the probe study.

    Attributes
    ----------
    references : tuple of str
        Models whose layers to measure; a probe is fitted for each.
    positive : tuple of str
        Hostile prompts, each as `[SOURCE=]FILE[#FIELD][?COLUMN=VALUE]`: where they come from (by default the name of
        the file, unless its records say so), the file, the field of a record that holds the text, and which records.
        Give hostile and benign prompts of one origin the same source: whole sources are left out to see whether a probe
        holds elsewhere.
    negative : tuple of str
        Benign prompts, likewise.
    prompts : tuple of str
        Files whose records have a `label` of their own.
    positive_label : str
        What hostile prompts are called.
    negative_label : str
        What benign prompts are called.
    field : str
        Where a record holds its text, where no FIELD is given.
    join : int
        Join so many texts of the same label and source into one prompt, drawn at random: an instruction of 20 tokens
        has no dimension of its own. What is classified then is a set of texts, which is easier than one.
    limit : int or None
        Most prompts of a label in a source: the first that are neither too short nor too long.
    balance : bool
        Leave out prompts, at random, until both kinds are equally many in every source that has both (and over the
        others together), so that one half is chance everywhere.
    n_tokens : int or None
        Cut each prompt to its first tokens; None for 1024, or the model's context where that is shorter.
    minimum : int
        Leave out prompts with fewer tokens than this; what was left out is listed. The authors take 500: a dimension
        of fewer points is not to be trusted.
    maximum : int or None
        Leave out prompts with more tokens than this, rather than cut them; None for none.
    special_tokens : {"none", "outside", "inside"}
        The model's own marks around a prompt: none; given to the model but left out of the cloud; in the cloud.
    last_layer : {"post_norm", "pre_norm"}
        The last layer behind the final norm, as transformers returns it, or before.
    dtype : str
        Precision of the model: float32, bfloat16, float16, or `stored`.
    device : str
        Where the model runs: `auto`, `cpu`, `cuda`, `split` over all devices.
    batch : int
        Prompts in one forward pass; halved where memory does not suffice.
    estimator : {"gride", "twonn", "mle"}
        Estimator of the dimension that is a feature.
    scale : int
        Outer neighbor that it compares: 8 means GRIDE with neighbors 4 and 8. TwoNN has no other than 2; MLE takes so
        many neighbors.
    k : int
        Neighbors to find for each token; GRIDE is measured at every doubling scale within.
    convention : {"exact", "dadapy"}
        GRIDE as derived, or digit for digit as the authors' library computes it.
    lens : str or None
        `logit` for the entropy of each layer read through the output head, or the folder of a tuned lens.
    mean_states : bool
        Keep each prompt's mean hidden state of the middle layer, for the baseline that reads it.
    guard : tuple of str
        Guards whose verdicts stand beside the baselines as they are, without fitting: models for the classification of
        sequences, or causal models with a chat template, asked as Llama Guard and ShieldGemma are.
    measures : tuple of str
        What else to measure of every layer: twonn, mle, mom, mada, adaptive, ess, tle, local_twonn,
        local_pca, correlation_dimension, fisher_separability, persistence_dimension, participation_ratio, norm,
        mean_cosine, overlap, angle, or `all`.
        Each is evaluated as a probe of its own, and `all` that were measured together.
    features : str
        What the saved probe reads: dimension, entropy, combined (both), one of the measures, several with a plus
        between them such as `dimension+norm`, or `all` that were measured. Every kind is evaluated.
    first_layers : int or None
        The saved probe reads the first so many layers only; it is evaluated beside the others.
    layer : int or None
        The saved probe reads this layer only; it is evaluated beside the others.
    folds : int
        Of the cross-validation.
    shuffle_folds : bool
        Draw the folds at random (stratified) rather than in the order of the prompts.
    test_share : float
        Share of the prompts in the held-out part of the single split.
    standardize : bool
        Bring every feature to mean 0 and variance 1 over the training prompts.
    seed : int
        Changes the split, the folds, the classifier and which texts are joined.
    preset : {"viswanathan2025-probe"} or None
        The authors' settings, in place of those given here for the same things.
    block : int
        Prompts in a unit of work.
    trust_remote_code : bool
        Run code that a model brings with it. Recorded in the run.

    Raises
    ------
    ParameterError
        If settings contradict each other.
    """

    references: tuple[str, ...] = ()
    _: KW_ONLY
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    positive_label: str = "harmful"
    negative_label: str = "benign"
    field: str = "text"
    join: int = 1
    limit: int | None = None
    balance: bool = True
    n_tokens: int | None = None
    minimum: int = 128
    maximum: int | None = None
    special_tokens: SpecialTokens = "none"
    last_layer: LastLayer = "post_norm"
    dtype: DType = "float32"
    device: str = "auto"
    batch: int = 8
    estimator: ProbeEstimator = "gride"
    scale: int = 8
    k: int = 32
    convention: Convention = "exact"
    lens: str | None = "logit"
    mean_states: bool = True
    guard: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    features: str = "dimension"
    first_layers: int | None = None
    layer: int | None = None
    folds: int = 5
    shuffle_folds: bool = True
    test_share: float = 0.2
    standardize: bool = True
    seed: int = 42
    preset: Preset | None = None
    block: int = 16
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        """Apply the preset, and refuse settings that no probe could be fitted with."""
        for name, value in PRESETS.get(self.preset or "", {}).items():
            object.__setattr__(self, name, value)
        if not self.references:
            raise ParameterError("Nothing to measure: name at least one model, such as bundled:pocket-128.")
        if not self.prompts and not (self.positive and self.negative):
            raise ParameterError(
                "A probe tells two kinds of prompts apart: give --positive FILE and --negative FILE, or --prompts FILE "
                "with a label in every record."
            )
        if self.positive_label == self.negative_label:
            raise ParameterError(f"Both kinds of prompts are called {self.positive_label!r}. Give them two names.")
        self._refuse_lengths()
        self._refuse_scale()
        if len(set(self.guard)) < len(self.guard):
            raise ParameterError("A guard is named twice. Name each once.")
        if self.folds < 2:
            raise ParameterError(f"folds={self.folds} leaves nothing to test on. Take at least 2.")
        if not 0 < self.test_share < 1:
            raise ParameterError(f"test_share={self.test_share} is no share between 0 and 1.")
        object.__setattr__(self, "measures", measured_with(self.measures, self.features))
        self._refuse_features()
        for name in ("join", "limit", "first_layers", "layer", "block", "batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ParameterError(f"{name}={value} leaves nothing to do. Take at least 1.")

    def _refuse_features(self) -> None:
        parts = parts_of(self.features)
        if self.features != EVERYTHING and "entropy" in parts and self.lens is None:
            raise ParameterError(f'features="{self.features}" needs entropies of layers: give a lens, such as logit.')
        if self.first_layers is not None and self.layer is not None:
            raise ParameterError(
                f"The probe cannot read the first {self.first_layers} layers and layer {self.layer} only. Give "
                "first_layers or layer."
            )
        if parts == ("overlap",) and 1 in (self.first_layers, self.layer):
            raise ParameterError("Layer 1 keeps neighbors of no layer below: overlap begins with layer 2.")
        needed = max((MEASURES[name].scale or 2 for name in self.measures), default=2)
        needed = max(needed, ADAPTIVE_LEAST if "adaptive" in self.measures else 2)
        if needed > self.k:
            raise ParameterError(
                f"measures={', '.join(self.measures)} need {needed} neighbors, but k={self.k}. Raise k to {needed}."
            )

    def _refuse_lengths(self) -> None:
        if self.minimum <= self.k:
            raise ParameterError(f"minimum={self.minimum} tokens cannot have k={self.k} neighbors each. Lower k.")
        if self.n_tokens is not None and self.n_tokens < self.minimum:
            raise ParameterError(
                f"n_tokens={self.n_tokens} cuts every prompt below minimum={self.minimum}. Lower the minimum."
            )
        if self.maximum is not None and self.maximum < self.minimum:
            raise ParameterError(f"maximum={self.maximum} lies below minimum={self.minimum}: no prompt would be left.")

    def _refuse_scale(self) -> None:
        doubling = self.scale >= 2 and self.scale & (self.scale - 1) == 0
        if self.estimator == "gride" and not doubling:
            raise ParameterError(f"scale={self.scale} is no doubling scale of GRIDE: take 2, 4, 8, 16 ...")
        if self.estimator == "twonn" and self.scale != 2:
            raise ParameterError(f"TwoNN compares neighbors 1 and 2, not scale={self.scale}. Take scale=2.")
        if self.estimator == "mle" and self.scale < 2:
            raise ParameterError(f"scale={self.scale} is too small for MLE. Take at least 2 neighbors.")
        if self.scale > self.k:
            raise ParameterError(f"scale={self.scale} is beyond the k={self.k} neighbors that are found. Raise k.")
