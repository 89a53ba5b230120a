"""A steering vector: directions at some layers of one model, and what they were made from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save_file

from theodolite.core.display import Displayed
from theodolite.core.errors import FormatError, ParameterError
from theodolite.core.hashing import canonical_json
from theodolite.core.tensor_file import new_file, read_tensors
from theodolite.models.language_model import LanguageModel
from theodolite.tables.entries import hash_tensor
from theodolite.transfer import LinearMap

Floats = npt.NDArray[np.float64]

FORMAT = "theodolite.steering_vector"
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SteeringVector(Displayed):
    """Directions in the residual stream of one model.

    Attributes
    ----------
    vectors : numpy.ndarray
        `(n_held, n_dims)` float64, one direction for each layer held.
    layers : tuple of int
        Which layers these are: 0 is the embedding output, l the output of block l, before any final norm.
    norms : numpy.ndarray or None
        `(n_held,)` mean norm of the states the directions were read from: the unit of strength. None where unknown.
    model : mapping
        What the vector belongs to, fit for JSON: reference, hashes of embeddings and weights, n_layers, n_dims.
    contrast : str
        What it was made from.
    tokens : str
        Which tokens were read.
    n_pairs : int or None
        Contrast pairs behind it.
    notes : mapping
        Anything else, fit for JSON: how it was carried, which file it came from.

    Raises
    ------
    ParameterError
        If shapes disagree, a layer occurs twice, or a number is not finite.

    Examples
    --------
    >>> vector = SteeringVector(vectors=np.eye(2, 3), layers=(4, 5))
    >>> vector.at(5).tolist(), vector.n_dims
    ([0.0, 1.0, 0.0], 3)
    """

    vectors: Floats
    layers: tuple[int, ...]
    norms: Floats | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    contrast: str = ""
    tokens: str = ""
    n_pairs: int | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what no model could be steered with."""
        shape = np.shape(self.vectors)
        if len(shape) != 2 or shape[0] != len(self.layers) or len(set(self.layers)) != shape[0]:
            raise ParameterError(
                f"Vectors of shape {shape} do not fit the layers {self.layers}: one row for each layer, each once."
            )
        if not np.isfinite(self.vectors).all():
            raise ParameterError(
                "A steering vector holds NaN or infinite numbers. Look at the states it was read from."
            )
        if self.norms is not None and np.shape(self.norms) != (shape[0],):
            raise ParameterError(f"Norms of shape {np.shape(self.norms)} do not fit {shape[0]} layers.")

    @property
    def n_dims(self) -> int:
        """Width of the model."""
        return int(self.vectors.shape[1])

    def at(self, layer: int) -> Floats:
        """Return the direction of one layer, `(n_dims,)`.

        Raises
        ------
        ParameterError
            If the layer is not held; those that are are named.
        """
        if layer not in self.layers:
            raise ParameterError(f"There is no vector for layer {layer}, only for {self.layers}.")
        direction: Floats = self.vectors[self.layers.index(layer)]
        return direction

    def by_layer(self) -> dict[int, Floats]:
        """Return layer to direction."""
        return {layer: self.vectors[row] for row, layer in enumerate(self.layers)}

    def norms_by_layer(self) -> dict[int, float]:
        """Return layer to mean residual norm; empty where they are not known."""
        return {} if self.norms is None else dict(zip(self.layers, map(float, self.norms), strict=True))

    def only(self, *layers: int) -> "SteeringVector":
        """Return the vector with some of its layers."""
        rows = [self.layers.index(layer) for layer in layers if self.at(layer) is not None]
        return replace(
            self,
            vectors=self.vectors[rows],
            layers=layers,
            norms=None if self.norms is None else self.norms[rows],
        )

    def placed(self, layers: Mapping[int, int]) -> "SteeringVector":
        """Return the vector with its directions at other layers: `{target layer: layer held}`.

        The norms belong to the old place and are dropped.
        """
        vectors = np.stack([self.at(held) for held in layers.values()])
        return replace(self, vectors=vectors, layers=tuple(layers), norms=None)

    def carried_by(self, linear_map: LinearMap) -> "SteeringVector":
        """Return the same directions for the target of a map; layers keep their numbers (`placed` moves them).

        Raises
        ------
        ParameterError
            If the width does not fit, or the vector was read from another model than the map's source.
        """
        linear_map.check_source(self.model)
        carried = {"map": linear_map.kind, "space": linear_map.space, "from": self.model.get("reference")}
        return replace(
            self,
            vectors=linear_map.directions(self.vectors),
            norms=None,
            model={**linear_map.target},
            notes={**self.notes, "carried": carried},
        )

    def check_model(self, model: Mapping[str, Any]) -> None:
        """Refuse a model that this vector was not made for, naming both; nothing is checked where one is unknown.

        Raises
        ------
        ParameterError
            If hashes are known on both sides and none agrees.
        """
        own, other = _hashes(self.model), _hashes(model)
        if own and other and not own & other:
            raise ParameterError(
                f"This steering vector belongs to {self.model.get('reference', 'another model')}, but the model is "
                f"{model.get('reference', 'another one')}. Carry it over with a map between the two "
                "(theodolite.transfer), or pass {layer: array} if you are sure."
            )


def identity(model: LanguageModel) -> dict[str, Any]:
    """Return what tells a model from another: its reference and the hashes of its embeddings and weights.

    An embedding is hashed in every precision that holds its numbers exactly, so that a table stored in half precision
    is recognized in a model that was loaded in single.

    Parameters
    ----------
    model : LanguageModel
        The model.

    Returns
    -------
    dict
        Fit for JSON: reference, hashes, n_layers, n_dims, model_type.
    """
    hashes = [model.provenance["content"]]
    for getter in ("get_input_embeddings", "get_output_embeddings"):
        weight = getattr(getattr(model.module, getter)(), "weight", None)
        if isinstance(weight, torch.Tensor) and weight.device.type != "meta":
            hashes += _lossless_hashes(weight.detach().cpu())
    return {
        "reference": model.provenance["reference"],
        "hashes": list(dict.fromkeys(hashes)),
        "n_layers": model.n_layers,
        "n_dims": model.n_dims,
        "model_type": getattr(model.module.config, "model_type", None),
    }


def save_vector(vector: SteeringVector, path: Path | str) -> None:
    """Write a steering vector as safetensors with everything else as JSON; a file that is there stays.

    Parameters
    ----------
    vector : SteeringVector
        What to keep.
    path : path
        A new file.

    Raises
    ------
    ParameterError
        If the file exists.
    NotFoundError
        If its folder does not.
    """
    place = new_file(path)
    tensors = {"vectors": np.ascontiguousarray(vector.vectors)}
    if vector.norms is not None:
        tensors["norms"] = np.ascontiguousarray(vector.norms)
    described = {
        "version": 1,
        "layers": list(vector.layers),
        "model": dict(vector.model),
        "contrast": vector.contrast,
        "tokens": vector.tokens,
        "n_pairs": vector.n_pairs,
        "notes": dict(vector.notes),
    }
    save_file(tensors, place, metadata={"format": FORMAT, "vector": canonical_json(described)})


def load_vector(path: Path | str) -> SteeringVector:
    """Read a steering vector that `save_vector` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    SteeringVector
        Equal to the one saved, bit for bit.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If it is no safetensors file, or holds no steering vector.
    """
    tensors, metadata = read_safetensors(Path(path))
    if metadata.get("format") != FORMAT:
        raise FormatError(f"{path} is no steering vector of theodolite: its format is {metadata.get('format')!r}.")
    try:
        described = json.loads(metadata["vector"])
        if described.pop("version") != 1:
            raise ValueError("unknown version")
        layers = tuple(described.pop("layers"))
        return SteeringVector(vectors=tensors["vectors"], layers=layers, norms=tensors.get("norms"), **described)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"The description in {path} is damaged ({error!r}). Save the vector again.") from error


def read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the tensors of a file as arrays, and its metadata."""
    missing = f"There is no file {path}. Check the name."
    return read_tensors(path, missing=missing, advice="Copy or download it again.")


def _hashes(model: Mapping[str, Any]) -> frozenset[str]:
    """Return every content hash that a provenance knows."""
    return frozenset(str(one) for one in (model.get("sha256"), model.get("content"), *model.get("hashes", ())) if one)


def _lossless_hashes(weight: torch.Tensor) -> list[str]:
    """Hash a matrix in its own precision, and in each narrower or wider one that holds the same numbers."""
    found = [hash_tensor(weight)]
    for dtype in _DTYPES:
        if dtype != weight.dtype:
            narrow = weight.to(dtype)
            if torch.equal(narrow.to(weight.dtype), weight) and torch.equal(narrow.to(torch.float64), weight.double()):
                found.append(hash_tensor(narrow))
    return found
