"""Tuned lenses: an affine map for each layer, trained by others, in the format of the tuned-lens package."""

import pickle
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.display import Displayed
from theodolite.core.errors import FormatError, NotFoundError, ParameterError, UnsafeFileError
from theodolite.core.hashing import hash_file
from theodolite.models.anatomy import LastLayer
from theodolite.models.language_model import LanguageModel
from theodolite.models.lens import check_states, lens_entropies
from theodolite.tables.json_file import read_json

_CONFIG, _PARAMETERS = "config.json", "params.pt"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TunedLens(Displayed):
    """Translators of the states of each layer but the last.

    Attributes
    ----------
    weights : torch.Tensor
        Shape `(n_layers, n_dims, n_dims)`, float32.
    biases : torch.Tensor
        Shape `(n_layers, n_dims)`; zeros for a lens without bias.
    provenance : dict
        Base model and revision as the lens states them, and the hash of its file.
    """

    weights: torch.Tensor = field(repr=False)
    biases: torch.Tensor = field(repr=False)
    provenance: dict[str, Any]

    def translate(self, state: torch.Tensor, layer: int) -> torch.Tensor:
        """Return `state + state W^T + b` for one layer, `(n_tokens, n_dims)` in float32."""
        state = state.float()
        weight, bias = self.weights[layer].to(state.device), self.biases[layer].to(state.device)
        return state + torch.nn.functional.linear(state, weight, bias)


def load_lens(folder: str | Path) -> TunedLens:
    """Read a tuned lens.

    Parameters
    ----------
    folder : str or pathlib.Path
        Holds `config.json` and `params.pt`, as the tuned-lens package saves them.

    Returns
    -------
    TunedLens
        In float32 on the CPU.

    Raises
    ------
    NotFoundError
        If one of the files is missing.
    FormatError
        If the parameters are not those of a linear lens.
    UnsafeFileError
        If the file holds anything but tensors.

    Notes
    -----
    The file is read without unpickling objects. Keys are `"<layer>.weight"` and `"<layer>.bias"`.
    """
    place = Path(folder)
    for name in (_CONFIG, _PARAMETERS):
        if not (place / name).is_file():
            raise NotFoundError(
                f"{place} has no {name}. A tuned lens is a folder with {_CONFIG} and {_PARAMETERS}, as the tuned-lens "
                "package saves it."
            )
    config = read_json(place / _CONFIG)
    try:
        with warnings.catch_warnings(action="ignore"):
            stored = torch.load(place / _PARAMETERS, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeFileError(
            f"{place / _PARAMETERS} holds more than tensors and could only be read by running code that is in it. Get "
            "the lens from its authors again."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise FormatError(f"{place / _PARAMETERS} cannot be read: {str(error)[:200]}. Download it again.") from error
    weights, biases = _stacked(place / _PARAMETERS, stored)
    return TunedLens(
        weights=weights,
        biases=biases,
        provenance={
            "folder": str(place),
            "base_model": config.get("base_model_name_or_path"),
            "base_revision": config.get("base_model_revision"),
            "lens_type": config.get("lens_type"),
            "sha256": hash_file(place / _PARAMETERS),
        },
    )


def tuned_lens_entropy(
    model: LanguageModel,
    states: torch.Tensor,
    lens: TunedLens,
    *,
    last_layer: LastLayer,
    epsilon: float = 0.0,
) -> npt.NDArray[np.float64]:
    """Measure the entropy of what each layer predicts through its translator, final norm and head, in nats.

    Parameters
    ----------
    model : LanguageModel
        The model that the states come from and the lens was trained for.
    states : torch.Tensor
        Shape `(n_layers + 1, n_tokens, n_dims)`.
    lens : TunedLens
        From `load_lens`.
    last_layer : {"post_norm", "pre_norm", "no_norm"}
        As `PromptStates.last_layer`.
    epsilon : float
        Added inside the logarithm, on all layers but the last; 1e-12 is the authors' setting.

    Returns
    -------
    numpy.ndarray
        Shape `(n_layers + 1, n_tokens)`, float64. The last row is the entropy of the model's own prediction.

    Raises
    ------
    ParameterError
        If lens and model differ in layers or width, or the model's logits cannot be read through a lens.

    Notes
    -----
    Row i belongs to state i, the input of block i + 1. The published figure pairs the entropy of row i with the
    dimension after block i + 1 (lag 1); rows and layers are aligned here, and the lag is the reader's choice.

    References
    ----------
    Belrose et al. 2023, arXiv:2303.08112; Viswanathan et al. 2025, arXiv:2501.10573, figure 4.
    """
    check_states(model, states, last_layer)
    if lens.weights.shape[:2] != (model.n_layers, model.n_dims):
        raise ParameterError(
            f"The lens has {lens.weights.shape[0]} layers of {lens.weights.shape[1]} dimensions, but "
            f"{model.provenance['reference']} has {model.n_layers} of {model.n_dims}. Pass the lens of this model; it "
            f"was trained for {lens.provenance['base_model']}."
        )
    translated = (lens.translate(state, layer) for layer, state in enumerate(states[:-1]))
    return lens_entropies(model, translated, states[-1], last_layer=last_layer, epsilon=epsilon)


def _stacked(path: Path, stored: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return weights and biases of all layers as one tensor each."""
    weights = (
        {} if not isinstance(stored, dict) else {key: value for key, value in stored.items() if torch.is_tensor(value)}
    )
    n_layers = sum(key.endswith(".weight") for key in weights)
    try:
        stacked = torch.stack([weights[f"{layer}.weight"].float() for layer in range(n_layers)])
        zero = torch.zeros(stacked.shape[1])
        biases = torch.stack([weights.get(f"{layer}.bias", zero).float() for layer in range(n_layers)])
    except (KeyError, RuntimeError, IndexError) as error:
        raise FormatError(
            f"{path} does not hold one weight (and bias) for each layer, named 0.weight, 0.bias, 1.weight, ... Was it "
            "saved by the tuned-lens package?"
        ) from error
    if stacked.ndim != 3 or stacked.shape[1] != stacked.shape[2] or biases.shape != stacked.shape[:2]:
        raise FormatError(
            f"{path} holds weights of shape {tuple(stacked.shape[1:])} and biases of shape {tuple(biases.shape[1:])}; "
            "needed are square matrices and one bias for each row."
        )
    return stacked, biases
