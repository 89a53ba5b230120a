"""Settings of the layer study, and the ways a prompt is disturbed (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from theodolite.core.errors import ParameterError

STRUCTURED = "structured"
BLOCK_SHUFFLE = "block_shuffle"
FULL_SHUFFLE = "full_shuffle"
RANDOM_VOCABULARY = "random_vocabulary"
WORD_REPLACEMENT = "word_replacement"

Positions = Literal["all", "first"]
Estimator = Literal[
    "gride",
    "twonn",
    "mle",
    "mom",
    "mada",
    "adaptive",
    "ess",
    "tle",
    "local_twonn",
    "local_pca",
    "fisher_separability",
    "persistence_dimension",
]
Convention = Literal["exact", "dadapy"]
SpecialTokens = Literal["none", "outside", "inside"]
DType = Literal["float32", "bfloat16", "float16", "float64", "stored"]
LastLayer = Literal["post_norm", "pre_norm"]
Pairs = Literal["consecutive", "all"]


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the layer study.

    Attributes
    ----------
    references : tuple of str
        Models whose layers to measure.
    prompts : str
        A file (jsonl, json, parquet, csv, txt), a folder of text files, a data set on the Hub
        (hub:OWNER/NAME[@REVISION][#CONFIGURATION/SPLIT]), or `examples` for the prompts that ship with the package.
    field : str
        Where a record of a file of several texts holds its text, such as a column.
    index : str or None
        A file (.npy, .txt, .json) with the row numbers of the prompts to take.
    first_rows : int or None
        Read the first rows of the prompts only; of a data set on the Hub no more is fetched than these take.
    strip : bool
        Cut blanks at both ends of a prompt, as the authors do.
    limit : int or None
        Take the first prompts only, once the short ones are left out.
    n_tokens : int or None
        Cut each prompt to its first tokens; None for 1024, or the model's context where that is shorter.
    minimum : int
        Leave out prompts with fewer tokens than this; what was left out is listed. A dimension of a few hundred points
        is not to be trusted below some 200.
    also_under : tuple of str
        Further models under whose tokenizers a prompt must reach the minimum too.
    special_tokens : {"none", "outside", "inside"}
        The model's own marks around a prompt: none; given to the model but left out of the cloud; in the cloud.
    positions : tuple of str
        Which tokens make the cloud: `all`, or the `first` of each token type, because copies of a token are each
        other's nearest neighbors.
    last_layer : {"post_norm", "pre_norm"}
        The last layer behind the final norm, as transformers returns it, or before.
    dtype : str
        Precision of the model: float32, bfloat16, float16, or `stored`.
    device : str
        Where the model runs: `auto`, `cpu`, `cuda`, `split` over all devices.
    batch : int
        Prompts in one forward pass; halved where memory does not suffice.
    shuffles : tuple of int
        Levels S of block shuffling: 4^S blocks are permuted (0: the prompt itself, which is always measured).
    full_shuffles : int
        Independent permutations of all tokens of a prompt.
    random_vocabularies : int
        Prompts of distinct random tokens.
    replaced : tuple of float
        Shares of words to replace by random words of the prompts that ship with the package.
    controlled : int or None
        Disturb only the first prompts; None for all.
    encoder : str or None
        A model whose last layer says how much a disturbed prompt still resembles its original (greedy matching of
        tokens, as BERTScore does); BLEU says it without one.
    estimators : tuple of str
        Estimators of the dimension: gride, twonn, mle, mom, mada, adaptive (as many neighbors as the density around a
        token is constant for), and the slower ess, tle, local_twonn (as published, each neighborhood a cloud of its
        own), local_pca (Fukunaga and Olsen's rule), fisher_separability and persistence_dimension (whole clouds).
    k : int
        Neighbors to find for each token; GRIDE is measured at every doubling scale within, and the neighborhoods of
        local_twonn and local_pca hold so many, those of adaptive at most.
    mle_k : int
        Neighbors of MLE (Levina-Bickel), MOM and MADA.
    ess_k : int
        Neighbors of ESS.
    tle_k : int
        Neighbors of TLE.
    overlap_k : int
        Overlap between layers is measured for 1 to this many neighbors.
    pairs : {"consecutive", "all"}
        Between which layers to measure the overlap.
    convention : {"exact", "dadapy"}
        GRIDE as derived, or digit for digit as the authors' library computes it.
    logits : bool
        Measure the dimension of the logits too; what they predict (loss, surprisal, entropy) is measured in any case.
    box : bool
        Measure, for prompts as they are, what the largest logits hold of each prediction: probability, entropy, and how
        far as many of them spread as the logits have dimensions (the length of the logit box).
    homogeneity : bool
        Check in each layer whether density is constant over the neighbors that GRIDE compares (k*), and whether the
        TwoNN plot is straight.
    lens : str or None
        `logit` for the entropy of each layer read through the output head, or the folder of a tuned lens.
    shown : int
        Prompts of which every token's surprisal is kept, for the prompt view of the report.
    block : int
        Prompts in a unit of work.
    seed : int
        Changes every random draw.
    trust_remote_code : bool
        Run code that a model brings with it. Recorded in the run.
    save_states : str or None
        A folder to keep the states of every prompt in, as safetensors: layers x tokens x width numbers for each, of the
        precision of the model. Read again with theodolite.models.load_states.
    """

    references: tuple[str, ...] = ()
    _: KW_ONLY
    prompts: str = "examples"
    field: str = "text"
    index: str | None = None
    first_rows: int | None = None
    strip: bool = True
    limit: int | None = None
    n_tokens: int | None = None
    minimum: int = 128
    also_under: tuple[str, ...] = ()
    special_tokens: SpecialTokens = "none"
    positions: tuple[Positions, ...] = ("all",)
    last_layer: LastLayer = "post_norm"
    dtype: DType = "float32"
    device: str = "auto"
    batch: int = 8
    shuffles: tuple[int, ...] = ()
    full_shuffles: int = 0
    random_vocabularies: int = 0
    replaced: tuple[float, ...] = ()
    controlled: int | None = None
    encoder: str | None = None
    estimators: tuple[Estimator, ...] = ("gride", "twonn", "mle")
    k: int = 64
    mle_k: int = 20
    ess_k: int = 10
    tle_k: int = 20
    overlap_k: int = 31
    pairs: Pairs = "consecutive"
    convention: Convention = "exact"
    logits: bool = True
    box: bool = True
    homogeneity: bool = False
    lens: str | None = None
    shown: int = 3
    block: int = 8
    seed: int = 0
    trust_remote_code: bool = False
    save_states: str | None = None

    def __post_init__(self) -> None:
        """Refuse settings that no unit could run with."""
        if not self.references:
            raise ParameterError("Nothing to measure: name at least one model, such as bundled:pocket-128.")
        if self.k < 2:
            raise ParameterError(f"k={self.k} is too small: the scales begin with neighbors 1 and 2. Take k >= 2.")
        self._refuse_neighbors()
        if self.n_tokens is not None and self.n_tokens < self.minimum:
            raise ParameterError(
                f"n_tokens={self.n_tokens} cuts every prompt below minimum={self.minimum}. Lower the minimum."
            )
        if self.minimum <= self.k:
            raise ParameterError(
                f"minimum={self.minimum} tokens cannot have k={self.k} neighbors each. Lower k, or raise the minimum."
            )
        self._refuse_controls()
        for name in ("limit", "first_rows", "controlled", "block", "batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ParameterError(f"{name}={value} leaves nothing to do. Take at least 1.")
        if not self.positions:
            raise ParameterError('positions is empty: take "all", "first" or both.')
        for name in ("positions", "estimators"):
            chosen = getattr(self, name)
            if len(set(chosen)) < len(chosen):
                raise ParameterError(f"{name}={','.join(chosen)} names one twice. Name each once.")

    def _refuse_neighbors(self) -> None:
        if self.k < 3 and {"local_twonn", "local_pca"} & set(self.estimators):
            raise ParameterError(f"k={self.k} makes no neighborhoods for local_twonn and local_pca. Take k >= 3.")
        for name, k in self.neighbors().items():
            if k < (least := {"ess": 3, "tle": 3, "adaptive": 4}.get(name, 2)):
                raise ParameterError(f"{name} can read nothing from k={k} neighbors. Take {least} or more.")
        needed = max(self.neighbors().values(), default=2)
        if needed > self.k:
            raise ParameterError(f"An estimator needs {needed} neighbors, but k={self.k}. Raise k to {needed}.")
        if not 1 <= self.overlap_k <= self.k:
            raise ParameterError(f"overlap_k={self.overlap_k} must lie between 1 and k={self.k}.")

    def _refuse_controls(self) -> None:
        if any(level < 0 for level in self.shuffles):
            raise ParameterError(f"shuffles={min(self.shuffles)} is no level: take 0, 1, 2, ... up to log4(n_tokens).")
        if strange := [rate for rate in self.replaced if not 0 <= rate <= 1]:
            raise ParameterError(f"replaced={strange[0]:g} is no share of words: take numbers from 0 to 1.")
        for name in ("full_shuffles", "random_vocabularies", "shown"):
            if getattr(self, name) < 0:
                raise ParameterError(
                    f"{name}={getattr(self, name)} is no number of repetitions or prompts: take 0 or more."
                )

    def neighbors(self) -> dict[Estimator, int]:
        """Return how many listed neighbors each estimator asked for needs, beyond those of GRIDE and TwoNN."""
        known: dict[Estimator, int] = {
            "mle": self.mle_k,
            "mom": self.mle_k,
            "mada": self.mle_k,
            "adaptive": self.k,
            "ess": self.ess_k,
            "tle": self.tle_k,
            "local_twonn": self.k,
            "local_pca": self.k,
        }
        return {name: k for name, k in known.items() if name in self.estimators}
