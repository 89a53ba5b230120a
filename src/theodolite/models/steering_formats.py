"""Steering vectors of other tools, in and out: steering-vectors, repeng and llama.cpp, lm-eval, refusal directions.

They count layers in two ways. Here layer l is what comes out of block l, and layer 0 the embedding output. The other
tools count blocks from 0, so that their block b is layer b + 1 here. (The refusal directions were read at the input of
each block, so theirs are the same as here.)
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, UnsafeFileError
from theodolite.core.tensor_file import new_file
from theodolite.models.language_model import LanguageModel
from theodolite.models.steering_blocks import find_blocks
from theodolite.models.steering_vector import SteeringVector, identity, read_safetensors

_ARCHITECTURE = "controlvector"
_LAYER_TYPE = "decoder_block"


def export_gguf(vector: SteeringVector, path: Path | str, *, model_type: str | None = None) -> tuple[int, ...]:
    """Write a control vector for llama.cpp and repeng: one tensor `direction.<block>` for each layer.

    Parameters
    ----------
    vector : SteeringVector
        What to write. llama.cpp adds it as it is, times the scale on its command line.
    path : path
        A new file, `.gguf` by custom.
    model_type : str, optional
        The architecture the file names, such as "llama"; by default that of the vector's model.

    Returns
    -------
    tuple of int
        The layers left out: llama.cpp takes none for the embedding output and the first block (layers 0 and 1).

    Raises
    ------
    ParameterError
        If no layer remains, the architecture is not known, or the file exists.
    """
    import gguf  # noqa: PLC0415 - half a second that only this function needs

    hint = model_type or vector.model.get("model_type")
    if not hint:
        raise ParameterError("A control vector names its architecture. Pass model_type, such as 'llama'.")
    kept = [layer for layer in vector.layers if layer >= 2]
    if not kept:
        raise ParameterError(
            f"llama.cpp takes directions for the second block and later, but this vector has the layers "
            f"{vector.layers}."
        )
    writer = gguf.GGUFWriter(str(new_file(path)), _ARCHITECTURE)
    writer.add_string(f"{_ARCHITECTURE}.model_hint", str(hint))
    writer.add_uint32(f"{_ARCHITECTURE}.layer_count", len(kept))
    for layer in kept:
        writer.add_tensor(f"direction.{layer - 1}", vector.at(layer).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tuple(layer for layer in vector.layers if layer < 2)


def import_gguf(path: Path | str) -> SteeringVector:
    """Read a control vector of llama.cpp or repeng.

    Parameters
    ----------
    path : path
        A GGUF file of the architecture "controlvector".

    Returns
    -------
    SteeringVector
        Its model is only known by architecture, so no other check than the width is possible.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If it is no GGUF file, is of another architecture, or holds no directions of one width.
    """
    import gguf  # noqa: PLC0415 - half a second that only this function needs

    place = _existing(path)
    try:
        reader = gguf.GGUFReader(str(place))
        kind = _text(reader, "general.architecture")
        hint = _text(reader, f"{_ARCHITECTURE}.model_hint")
        found = {
            int(tensor.name.removeprefix("direction.")) + 1: np.array(tensor.data, dtype=np.float64).reshape(-1)
            for tensor in reader.tensors
            if tensor.name.startswith("direction.")
        }
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise FormatError(f"{place} cannot be read as GGUF: {error}. Copy or download it again.") from error
    if kind != _ARCHITECTURE:
        raise FormatError(f"{place} is a GGUF file of architecture {kind!r}, not a control vector.")
    return _from_layers(found, place, model={"model_type": hint}, tool="gguf control vector")


def export_steering_vectors(vector: SteeringVector, path: Path | str) -> tuple[int, ...]:
    """Write what the package steering-vectors needs: `SteeringVector(**torch.load(path))`.

    Parameters
    ----------
    vector : SteeringVector
        What to write.
    path : path
        A new file, `.pt` by custom: a dict of `layer_activations` (block from 0 to tensor) and `layer_type`.

    Returns
    -------
    tuple of int
        The layers left out: that package has no place for the embedding output (layer 0).

    Raises
    ------
    ParameterError
        If no layer remains, or the file exists.
    """
    blocks = {layer - 1: torch.from_numpy(one).float() for layer, one in vector.by_layer().items() if layer}
    if not blocks:
        raise ParameterError("steering-vectors steers the output of blocks, but this vector has only layer 0.")
    torch.save({"layer_activations": blocks, "layer_type": _LAYER_TYPE}, new_file(path))
    return tuple(layer for layer in vector.layers if not layer)


def import_steering_vectors(path: Path | str) -> SteeringVector:
    """Read vectors of the package steering-vectors, saved as plain dicts: with or without `layer_type`.

    Parameters
    ----------
    path : path
        What `torch.save` wrote of `layer_activations` or of `{"layer_activations": ..., "layer_type": ...}`. A pickled
        object of that package is refused, since reading it runs code.

    Returns
    -------
    SteeringVector
        Of unknown model.

    Raises
    ------
    NotFoundError
        If there is no such file.
    UnsafeFileError
        If reading it would run code.
    FormatError
        If it holds something else, or vectors for another part than the blocks.
    """
    place = _existing(path)
    content = _load_tensors(place)
    kind = content.get("layer_type", _LAYER_TYPE) if isinstance(content, dict) else None
    layers = content.get("layer_activations", content) if isinstance(content, dict) else None
    if kind != _LAYER_TYPE or not isinstance(layers, dict) or not all(isinstance(key, int) for key in layers):
        raise FormatError(f"{place} holds no vectors of decoder blocks: a dict of block number to tensor is needed.")
    found = {block + 1: _numbers(one, place) for block, one in layers.items()}
    return _from_layers(found, place, model={}, tool="steering-vectors")


def export_lm_eval(
    vector: SteeringVector,
    path: Path | str,
    *,
    model: LanguageModel,
    layer: int,
    strength: float = 1.0,
) -> str:
    """Write a file for `lm_eval --model steered --model_args pretrained=...,steer_path=FILE`.

    Parameters
    ----------
    vector : SteeringVector
        What to write.
    path : path
        A new file; lm-eval wants the ending `.pt`.
    model : LanguageModel
        The model that will be steered, whose modules name the place.
    layer : int
        One layer, from 1 on. That harness (0.4.13) adds the vector of the last place at every place of a file, so more
        than one would be steered wrongly.
    strength : float
        Written as the coefficient.

    Returns
    -------
    str
        The place as lm-eval names it, such as "layers.3".

    Raises
    ------
    ParameterError
        If the layer is 0 or not held, the vector belongs to another model, the ending is another, or the file exists.
    """
    if layer < 1:
        raise ParameterError("lm-eval steers the output of blocks. Choose a layer from 1 on.")
    if Path(path).suffix not in (".pt", ".pth"):
        raise ParameterError(f"lm-eval reads steering from .pt files, but {path} ends otherwise.")
    vector.check_model(identity(model))
    name, blocks = find_blocks(model.module, n_layers=model.n_layers)
    if layer > len(blocks):
        raise ParameterError(f"There is no layer {layer}: the model has {len(blocks)} blocks.")
    prefix = f"{getattr(model.module, 'base_model_prefix', '')}."
    place = f"{name.removeprefix(prefix)}.{layer - 1}"
    entry = {
        "action": "add",
        "steering_coefficient": float(strength),
        "steering_vector": torch.from_numpy(vector.at(layer)).float(),
        "bias": None,
    }
    torch.save({place: entry}, new_file(path))
    return place


def import_lm_eval(path: Path | str) -> tuple[SteeringVector, dict[int, float]]:
    """Read a file of lm-eval's steered models.

    Parameters
    ----------
    path : path
        A `.pt` file: a dict of place ("layers.3") to action, coefficient, vector and bias.

    Returns
    -------
    tuple
        The vector, and its strength at each layer.

    Raises
    ------
    NotFoundError
        If there is no such file.
    UnsafeFileError
        If reading it would run code.
    FormatError
        If it is of another shape, or clamps instead of adding.
    """
    place = _existing(path)
    content = _load_tensors(place)
    found, strengths = {}, {}
    for name, entry in content.items() if isinstance(content, dict) else ():
        number = str(name).rpartition(".")[2]
        if not number.isdigit() or not isinstance(entry, dict) or "steering_vector" not in entry:
            raise FormatError(f"{place} is no file of lm-eval's steered models: {name!r} is no block with a vector.")
        if entry.get("action") != "add":
            raise FormatError(f"{place} wants to {entry.get('action')} at {name}; only adding is supported.")
        found[int(number) + 1] = _numbers(entry["steering_vector"], place)
        strengths[int(number) + 1] = float(entry.get("steering_coefficient", 1.0))
    return _from_layers(found, place, model={}, tool="lm-eval"), strengths


def import_refusal_directions(path: Path | str, *, position: int | None = None) -> SteeringVector:
    """Read refusal directions kept as safetensors: `mean_diffs` `(n_positions, n_layers, n_dims)` and `direction`.

    Parameters
    ----------
    path : path
        The file; its metadata may name the position and layer that were chosen.
    position : int, optional
        Which token position of `mean_diffs`, counted from the end (-1 is the last); by default the one of `direction`.

    Returns
    -------
    SteeringVector
        One direction for each layer, 0 to n_layers - 1, read at the input of each block, which is layer l here.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If it holds no such tensors.
    ParameterError
        If there is no such position.

    References
    ----------
    A. Arditi et al., Refusal in language models is mediated by a single direction (2024), arXiv 2406.11717.
    """
    place = Path(path)
    tensors, metadata = read_safetensors(place)
    table = tensors.get("mean_diffs")
    if table is None or table.ndim != 3:
        raise FormatError(f"{place} holds no mean_diffs of three axes (position, layer, dimension).")
    n_positions = table.shape[0]
    if position is None:
        chosen = tensors.get("direction")
        same = [] if chosen is None else np.argwhere((table == chosen).all(axis=2)).tolist()
        position = same[0][0] - n_positions if same else -1
    if not -n_positions <= position < 0:
        raise ParameterError(f"There is no position {position}: the file has {n_positions}, -1 being the last.")
    found = {layer: table[position, layer].astype(np.float64) for layer in range(table.shape[1])}
    notes = {"position": position, "metadata": metadata}
    return _from_layers(found, place, model={}, tool="refusal_direction", notes=notes)


def _existing(path: Path | str) -> Path:
    place = Path(path)
    if not place.is_file():
        raise NotFoundError(f"There is no file {place}. Check the name.")
    return place


def _text(reader: Any, name: str) -> str | None:
    """Return a text field of a GGUF file."""
    found = reader.get_field(name)
    return None if found is None else bytes(found.parts[-1]).decode("utf-8", "replace")


def _load_tensors(place: Path) -> Any:
    """Read a torch file that holds nothing but tensors, numbers and plain containers."""
    try:
        return torch.load(place, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeFileError(
            f"{place} cannot be read without running code that is in it, or is damaged. Save the tensors alone, as in "
            "torch.save(vector.layer_activations, path)."
        ) from error
    except (RuntimeError, ValueError, EOFError, OSError) as error:
        raise FormatError(f"{place} cannot be read by torch: {error}. Copy or download it again.") from error


def _numbers(tensor: Any, place: Path) -> Any:
    """Return a vector in float64."""
    if not isinstance(tensor, torch.Tensor) or tensor.squeeze().ndim != 1:
        raise FormatError(f"{place} holds a {type(tensor).__name__} where a vector was expected.")
    return tensor.squeeze().double().numpy()


def _from_layers(
    found: Mapping[int, Any],
    place: Path,
    *,
    model: Mapping[str, Any],
    tool: str,
    notes: Mapping[str, Any] | None = None,
) -> SteeringVector:
    """Build the vector, layers ascending."""
    widths = sorted({len(one) for one in found.values()})
    if len(widths) != 1:
        raise FormatError(f"{place} holds {len(found)} directions of the widths {widths}; one width is needed.")
    layers = tuple(sorted(found))
    return SteeringVector(
        vectors=np.stack([found[layer] for layer in layers]),
        layers=layers,
        model=dict(model),
        notes={"read_from": place.name, "tool": tool, **(notes or {})},
    )
