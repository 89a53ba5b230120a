"""Who may use a map, and what comes back from a file."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.transfer import LinearMap, fit, load_map, save_map


@pytest.fixture
def carry():
    return LinearMap(
        matrix=np.arange(6.0).reshape(2, 3),
        kind="ridge",
        space="output",
        source={"reference": "bundled:wide", "sha256": "aa"},
        target={"reference": "bundled:narrow", "sha256": "bb"},
    )


def test_one_vector_and_many(carry):
    assert carry(np.array([1.0, 0.0, 1.0])).tolist() == [2.0, 8.0]
    assert carry(torch.ones(4, 5, 3, dtype=torch.bfloat16)).shape == (4, 5, 2)
    assert carry(np.array([1, 0, 1])).tolist() == [2.0, 8.0]


def test_a_vector_of_the_wrong_width_is_refused(carry):
    with pytest.raises(ParameterError, match=r"3 entries \(bundled:wide\), but the vector has 2. It has the width of"):
        carry(np.ones(2))
    with pytest.raises(ParameterError, match=r"has 5\. Pass a vector of the source"):
        carry(np.ones(5))
    with pytest.raises(ParameterError, match="the vector has 0"):
        carry(np.float64(1.0))


def test_a_vector_of_the_wrong_model_is_refused_by_name(carry):
    carry.check_source({"reference": "bundled:wide", "hashes": ["x", "aa"]})
    carry.check_source({"reference": "a vector of unknown origin"})
    with pytest.raises(ParameterError, match="read from bundled:other, but the map was fitted on bundled:wide"):
        carry.check_source({"reference": "bundled:other", "hashes": ["x"]})


@pytest.mark.parametrize("settings", [{"bias": True}, {"kind": "ridge"}, {"held_out": 0.0}])
def test_a_saved_map_comes_back_bit_for_bit(tmp_path, settings):
    generator = np.random.default_rng(0)
    made = fit(generator.normal(size=(200, 3)), generator.normal(size=(200, 2)), **settings)
    save_map(made, tmp_path / "map.safetensors")
    back = load_map(tmp_path / "map.safetensors")
    assert (back.matrix == made.matrix).all()
    assert (back.bias is None) == (made.bias is None)
    assert made.bias is None or (back.bias == made.bias).all()
    assert (back.kind, back.space, dict(back.source), dict(back.params)) == (
        made.kind,
        made.space,
        dict(made.source),
        dict(made.params),
    )
    for name in ("r2_fitted", "r2_held_out", "retrieval_1", "n_fitted", "objective", "condition"):
        assert repr(getattr(back.diagnostics, name)) == repr(getattr(made.diagnostics, name))


def test_files_are_not_overwritten_and_need_a_folder(tmp_path, carry):
    path = tmp_path / "map.safetensors"
    save_map(carry, path)
    assert load_map(path).diagnostics is None
    with pytest.raises(ParameterError, match="is there already"):
        save_map(carry, path)
    with pytest.raises(NotFoundError, match=r"does not exist\. Make it first"):
        save_map(carry, tmp_path / "nowhere" / "map.safetensors")


def rewritten(path, edit):
    with safe_open(path, framework="np") as file:
        described = json.loads(file.metadata()["map"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    edit(described, tensors)
    save_file(tensors, path, metadata={"format": "theodolite.linear_map", "map": json.dumps(described)})


def without_kind(described, tensors):
    del described["kind"]


def of_another_version(described, tensors):
    described["version"] = 99


def with_unknown_diagnostics(described, tensors):
    described["diagnostics"] = {"surprise": 1}


def in_single_precision(described, tensors):
    tensors["matrix"] = tensors["matrix"].astype(np.float32)


def not_finite(described, tensors):
    tensors["matrix"] = np.full((2, 3), np.nan)


@pytest.mark.parametrize(
    "edit", [without_kind, of_another_version, with_unknown_diagnostics, in_single_precision, not_finite]
)
def test_damaged_descriptions_are_named(tmp_path, carry, edit):
    path = tmp_path / "map.safetensors"
    save_map(carry, path)
    rewritten(path, edit)
    with pytest.raises(FormatError, match="is damaged"):
        load_map(path)


def test_files_that_are_no_maps(tmp_path):
    with pytest.raises(NotFoundError, match="no map at"):
        load_map(tmp_path / "absent.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(FormatError, match="cannot be read as safetensors"):
        load_map(tmp_path / "text.safetensors")
    save_file({"matrix": np.eye(2)}, tmp_path / "other.safetensors")
    with pytest.raises(FormatError, match="no map of theodolite"):
        load_map(tmp_path / "other.safetensors")
