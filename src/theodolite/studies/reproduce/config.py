"""Settings of a reproduction (light: no torch, no polars)."""

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from theodolite.core.errors import ParameterError
from theodolite.core.number_format import counted

Paper = Literal["kataiwa2025", "lee2025", "viswanathan2025"]
Preset = Literal["v1", "v2", "probe"]
_MOST_NEIGHBORS = 32


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of a reproduction.

    Attributes
    ----------
    paper : {"kataiwa2025", "lee2025", "viswanathan2025"}
        What to reproduce.
    models : tuple of str
        References of the models to run it on; none for the bundled family. The first one is followed along training and
        trained at several ranks (kataiwa2025); vectors go from each of the first two to the other (lee2025).
    known_as : tuple of str
        What the paper calls each model, such as gpt2, in the order of the models: their numbers are compared with the
        paper's. A reference to the Hub goes by its own name.
    preset : {"v1", "v2", "probe"}
        Version of viswanathan2025, or its probe of hostile prompts.
    prompts : str
        Prompts of viswanathan2025: a file, a folder, or `examples`. For models that are given, prompts from elsewhere
        are cut to 1024 tokens, as the authors do, and shorter ones are left out.
    field : str
        Where a record of a jsonl or parquet file holds its text.
    index : str or None
        A file with the row numbers of the prompts to take, such as the authors' filtered_indices.npy.
    positive : tuple of str
        Hostile prompts of the probe, each as `[SOURCE=]FILE[#FIELD][?COLUMN=VALUE]`.
    negative : tuple of str
        Benign prompts of the probe, likewise.
    join : int
        Join so many texts of the same kind and source into one prompt of the probe, where single texts are short.
    minimum : int or None
        Fewest tokens of a prompt of viswanathan2025, in place of the authors' 1024 (501 for the probe); longer prompts
        are cut to 1024 (1000) tokens or the model's context. By default the authors' for models that are given, 192
        (128) for the bundled family.
    lens : str
        Entropies of layers (v2, probe): `logit`, or the folder of a tuned lens, which is of one model.
    guard : tuple of str
        Guards whose verdicts stand beside the probe's, as `theodolite probe fit` takes them.
    arrays : str or None
        A folder with a copy of the authors' arrays (`prompt_id/*.npz`, `token_geometry/*.npz`, `filtered_indices.npy`):
        their own numbers are computed again from them, and runs on the same prompts are compared prompt by prompt.
    quick : bool
        Few rows, prompts and steps: to see that everything runs, not for a result.
    device : str
        Where models run: auto, cpu, cuda, ...
    seed : int
        Changes every random draw.
    """

    paper: Paper
    _: KW_ONLY
    models: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()
    preset: Preset = "v2"
    prompts: str = "examples"
    field: str = "text"
    index: str | None = None
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    join: int = 1
    minimum: int | None = None
    lens: str = "logit"
    guard: tuple[str, ...] = ()
    arrays: str | None = None
    quick: bool = False
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if len(set(self.models)) < len(self.models):
            raise ParameterError("A model is named twice. Name each once.")
        if self.known_as and len(self.known_as) != len(self.models):
            raise ParameterError(
                f"{counted(len(self.known_as), 'name')} for {counted(len(self.models), 'model')}: give --known-as "
                "once for each model, in their order."
            )
        if self.paper == "lee2025" and len(self.models) == 1:
            raise ParameterError(f"{self.models[0]} alone shares its geometry with nothing: name a second model.")
        if self.paper == "viswanathan2025" and self.preset == "probe" and not (self.positive and self.negative):
            raise ParameterError(
                "The probe tells two kinds of prompts apart: give --positive FILE and --negative FILE."
            )
        own = {"positive": (), "negative": (), "join": 1, "guard": ()}
        for name, usual in own.items():
            if self.preset != "probe" and getattr(self, name) != usual:
                raise ParameterError(f"--{name} belongs to the probe: add --preset probe, or leave it out.")
        if self.minimum is not None and self.minimum <= _MOST_NEIGHBORS:
            raise ParameterError(
                f"minimum={self.minimum} tokens cannot have {_MOST_NEIGHBORS} neighbors each, which the measures of "
                f"{self.paper} take. Take at least {_MOST_NEIGHBORS + 1}."
            )
        if self.lens != "logit" and len(self.models) != 1:
            raise ParameterError(
                f"A tuned lens is of one model, but {len(self.models) or 'no'} models are given. Name the one that "
                f"{self.lens} was trained for with --models."
            )
        if self.arrays is not None and self.paper != "viswanathan2025":
            raise ParameterError(f"{self.paper} published no arrays: --arrays belongs to viswanathan2025.")
        if self.arrays is not None and self.preset == "probe":
            raise ParameterError("The authors published no arrays of their probe: --arrays goes with v1 and v2.")
