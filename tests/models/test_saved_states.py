"""Saved states come back bit for bit, one file a prompt, and nothing is overwritten."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.models import hidden_states, save_states


def test_round_trip(tiny, ragged, tmp_path):
    model = tiny("llama")
    written = save_states(
        tmp_path / "states", hidden_states(model, ragged[:2], include_logits=True, last_layer="pre_norm"), model=model
    )
    files = sorted((tmp_path / "states").iterdir())
    assert [file.name for file in files] == ["prompt-00000.safetensors", "prompt-00001.safetensors"]
    assert written == sum(file.stat().st_size for file in files)
    wanted = hidden_states(model, ragged[:2], include_logits=True, last_layer="pre_norm")
    for file, found in zip(files, wanted, strict=True):
        with safe_open(file, "pt") as stored:
            assert torch.equal(stored.get_tensor("states"), found.states)
            assert torch.equal(stored.get_tensor("logits"), found.logits)
            np.testing.assert_array_equal(stored.get_tensor("token_ids").numpy(), found.token_ids)
            np.testing.assert_array_equal(stored.get_tensor("positions").numpy(), found.positions)
            about = stored.metadata()
        assert (about["last_layer"], about["special_tokens"]) == ("pre_norm", "none")
        assert json.loads(about["model"])["reference"] == "llama"


def test_refusals(tiny, ragged, tmp_path):
    stream = hidden_states(tiny("llama"), ragged[:1])
    with pytest.raises(NotFoundError, match="does not exist, so states cannot be made in it"):
        save_states(tmp_path / "nowhere" / "states", stream)
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ParameterError, match="is not empty, and nothing is overwritten"):
        save_states(tmp_path, stream)
