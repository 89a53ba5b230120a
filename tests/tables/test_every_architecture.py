"""Every language model that transformers knows: both tables are found under the names that transformers saves.

The models are built on the meta device with one layer, and their checkpoints are headers in front of holes, so that
hundreds of architectures take no memory and no disk. Every eighth is run; all of them (minutes) with
`THEODOLITE_EVERY_ARCHITECTURE=1`.
"""

import json
import os
import struct
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers.core_model_loading import revert_weight_conversion
from transformers.models.auto import modeling_auto

from theodolite.tables import describe
from theodolite.tables.conventions import CONVENTIONS
from theodolite.tables.skeleton import _one_layer

pytestmark = pytest.mark.slow

MAPPINGS = (
    modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)
MODELS = {
    (name if isinstance(name, str) else name[0]): model_type
    for mapping in MAPPINGS
    for model_type, name in reversed(mapping.items())
}
CHOSEN = sorted(MODELS)[:: 1 if os.environ.get("THEODOLITE_EVERY_ARCHITECTURE") else 8]
DTYPES = {torch.float32: "F32", torch.int64: "I64", torch.bool: "BOOL", torch.bfloat16: "BF16", torch.float16: "F16"}


def build(name: str) -> Any:
    """Build a model on the meta device, or skip where its default config does not make one."""
    config_class = transformers.CONFIG_MAPPING[MODELS[name]]
    try:
        config = config_class.from_dict(_one_layer(config_class().to_dict()))
        with torch.device("meta"):
            return getattr(transformers, name)._from_config(config)
    except Exception as error:  # defaults that do not fit together, a library that is not installed
        pytest.skip(f"no model from the default config of {MODELS[name]} with one layer: {error!r:.100}")


def save(model: Any, folder: Path) -> dict[str, tuple[int, ...]]:
    """Write config and header as save_pretrained would; tied weights are stored once."""
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    state = {name: value for name, value in model.state_dict().items() if name not in model.all_tied_weights_keys}
    header, at = {}, 0
    for name, value in revert_weight_conversion(model, state).items():
        size = value.numel() * value.element_size()
        header[name] = {"dtype": DTYPES[value.dtype], "shape": list(value.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + at)
    return {name: tuple(entry["shape"]) for name, entry in header.items()}


@pytest.mark.parametrize("name", CHOSEN)
def test_both_tables_are_found(name: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build(name)
        table = getattr(model.get_input_embeddings(), "weight", None)
        head = getattr(model.get_output_embeddings(), "weight", None)
        if table is None or table.ndim != 2:
            pytest.skip("not a model of tokens: it has no input embedding")
        shapes = save(model, tmp_path)
        found = describe(tmp_path)
    assert found.input is not None, found.notes
    assert shapes[found.input] == tuple(table.shape)
    assert (found.output is None) == (head is None), found.notes
    if head is not None:
        assert shapes[found.output] == tuple(head.shape)
        assert found.tied is (found.input == found.output)


@pytest.mark.parametrize("model_type", sorted(CONVENTIONS))
def test_conventions_tie_as_transformers_does(model_type: str) -> None:
    assert transformers.CONFIG_MAPPING[model_type]().tie_word_embeddings is CONVENTIONS[model_type].ties
