"""Saved states come back bit for bit, one file a prompt, and nothing is overwritten."""

import json
import resource

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, RunError
from theodolite.models import hidden_states, load_states, save_states


def test_round_trip(tiny, ragged, tmp_path):
    model = tiny("llama")
    written = save_states(
        tmp_path / "states", hidden_states(model, ragged[:2], include_logits=True, last_layer="pre_norm"), model=model
    )
    files = sorted((tmp_path / "states").iterdir())
    assert [file.name for file in files] == ["prompt-00000.safetensors", "prompt-00001.safetensors"]
    assert written == sum(file.stat().st_size for file in files)
    (tmp_path / "plain").touch()
    assert {file.stat().st_mode for file in files} == {(tmp_path / "plain").stat().st_mode}
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
    again = list(load_states(tmp_path / "states"))
    for saved, found in zip(again, hidden_states(model, ragged[:2], last_layer="pre_norm"), strict=True):
        assert torch.equal(saved.found.states, found.states)
        np.testing.assert_array_equal(saved.found.token_ids, found.token_ids)
        assert (saved.found.index, saved.found.last_layer) == (found.index, "pre_norm")
        assert saved.about["model"]["reference"] == "llama"
    (one,) = load_states(files[1])
    assert one.found.index == 1


def test_refusals(tiny, ragged, tmp_path):
    stream = hidden_states(tiny("llama"), ragged[:1])
    with pytest.raises(NotFoundError, match="does not exist, so states cannot be made in it"):
        save_states(tmp_path / "nowhere" / "states", stream)
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ParameterError, match="is not empty, and nothing is overwritten"):
        save_states(tmp_path, stream)


def test_a_full_disk_leaves_whole_files_and_says_what_to_do(tiny, ragged, tmp_path):
    model = tiny("llama")
    size = save_states(tmp_path / "first", hidden_states(model, ragged[1:2]))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1, hard))  # the system refuses larger files, as a full disk does
    try:
        with pytest.raises(RunError, match=r"Cannot write .*safetensors: File too large\. Free some space"):
            save_states(tmp_path / "states", hidden_states(model, ragged[1:2]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "states").iterdir()) == []


def test_what_is_no_file_of_states_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(NotFoundError, match="There are no saved states at"):
            load_states(place)
    (tmp_path / "prompt-00000.safetensors").write_bytes(b"x" * 40)
    with pytest.raises(FormatError, match="holds no saved states"):
        list(load_states(tmp_path))
    save_file({"weight": torch.zeros(2)}, tmp_path / "prompt-00000.safetensors")
    with pytest.raises(FormatError, match="holds no saved states: 'states'"):
        list(load_states(tmp_path))
