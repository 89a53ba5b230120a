"""Steering vectors: made from contrasts, carried by maps, kept in files of ours and of other tools."""

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from theodolite import bundled
from theodolite.core.errors import FormatError, NotFoundError, ParameterError, UnsafeFileError
from theodolite.models import LanguageModel, hidden_states, load_model
from theodolite.models.contrast_pairs import ContrastPair, load_contrast
from theodolite.models.contrast_vectors import contrast_vector, tokenize_pairs
from theodolite.models.steering_formats import (
    export_gguf,
    export_lm_eval,
    export_steering_vectors,
    import_gguf,
    import_lm_eval,
    import_refusal_directions,
    import_steering_vectors,
)
from theodolite.models.steering_hooks import steer
from theodolite.models.steering_vector import SteeringVector, identity, load_vector, save_vector
from theodolite.tables import load_table
from theodolite.transfer import fit


@pytest.fixture(scope="module")
def native(pocket):
    return contrast_vector(pocket, load_contrast("gender"))


@pytest.mark.parametrize("tokens", ["last", "mean", "answer", -2])
def test_difference_of_means_equals_a_loop(pocket, tokens):
    pairs = load_contrast("tense").fitted[:5]
    vector = contrast_vector(pocket, pairs, tokens=tokens)
    wanted, norms = 0, 0
    for pair in pairs:
        n_prompt = len(pocket.tokenizer.encode(pair.prompt))
        sides = [pocket.tokenizer.encode(pair.prompt + text) for text in (pair.positive, pair.negative)]
        differ = next(i for i, (a, b) in enumerate(zip(*sides, strict=False)) if a != b)
        read = []
        for ids in sides:
            (found,) = hidden_states(pocket, [ids], last_layer="pre_norm")
            rows = {"last": [-1], "mean": range(n_prompt, len(ids)), "answer": [differ], -2: [-2]}[tokens]
            kept = found.states[:, list(rows)].double()
            read.append(kept.mean(dim=1).numpy())
            norms = norms + kept.norm(dim=2).mean(dim=1).numpy() / 10
        wanted = wanted + (read[0] - read[1]) / 5
    assert vector.vectors == pytest.approx(wanted, abs=1e-4)
    assert vector.norms == pytest.approx(norms, rel=1e-5)
    assert vector.layers == (0, 1, 2, 3, 4)
    assert vector.tokens == str(tokens)


def test_the_answer_token_of_option_letters(pocket):
    (pair,) = tokenize_pairs(pocket, [ContrastPair("Which?\n (A) Yes\n (B) No", " (A)", " (B)")])
    assert pocket.tokenizer.decode([int(pair.positive[pair.first_difference])]).strip(" (") == "A"
    assert pocket.tokenizer.decode([int(pair.negative[pair.first_difference])]).strip(" (") == "B"


def test_contrasts_that_cannot_be_read(pocket, tiny):
    pair = ContrastPair("It was late.", " He went.", " She went.")
    with pytest.raises(ParameterError, match="tokens='first' is not known"):
        contrast_vector(pocket, [pair], tokens="first")
    with pytest.raises(ParameterError, match="points outside a text"):
        contrast_vector(pocket, [pair], tokens=-99)
    with pytest.raises(ParameterError, match="no contrast pairs"):
        contrast_vector(pocket, [])
    with pytest.raises(ParameterError, match=r"Contrast pair 1 has .* takes at most 256"):
        contrast_vector(pocket, [ContrastPair("word " * 300, " a", " b")])
    with pytest.raises(ParameterError, match="begins with the whole other side"):
        contrast_vector(pocket, [ContrastPair("It was", " late", " late indeed")])
    with pytest.raises(ParameterError, match="has no tokenizer"):
        contrast_vector(tiny("llama"), [pair])


def test_layers_are_picked_and_placed(native):
    some = native.only(3, 1)
    assert some.layers == (3, 1)
    assert (some.at(1) == native.at(1)).all()
    assert some.norms_by_layer() == {layer: native.norms_by_layer()[layer] for layer in (3, 1)}
    moved = native.placed({6: 4, 2: 1})
    assert moved.layers == (6, 2)
    assert (moved.at(6) == native.at(4)).all()
    assert moved.norms is None
    with pytest.raises(ParameterError, match=r"no vector for layer 9, only for \(0, 1, 2, 3, 4\)"):
        native.at(9)


@pytest.mark.parametrize(
    ("vectors", "layers", "norms", "message"),
    [
        (np.ones(3), (1,), None, "do not fit the layers"),
        (np.ones((2, 3)), (1, 1), None, "each once"),
        (np.full((1, 3), np.nan), (1,), None, "NaN or infinite"),
        (np.ones((1, 3)), (1,), np.ones(2), "do not fit 1 layers"),
    ],
)
def test_vectors_that_make_no_sense(vectors, layers, norms, message):
    with pytest.raises(ParameterError, match=message):
        SteeringVector(vectors=vectors, layers=layers, norms=norms)


def test_a_vector_is_carried_by_a_map_of_its_own_model_only(native, pocket):
    seen = np.flatnonzero(bundled.token_counts() > 0)
    small, other = (load_table(f"bundled:{name}#output").take(seen) for name in ("pocket-64", "pocket-128"))
    carried = fit(small, other)(native)
    assert carried.n_dims == 128
    assert carried.layers == native.layers
    assert carried.model["sha256"] == other.provenance["sha256"]
    assert carried.notes["carried"] == {"map": "least_squares", "space": "output", "from": "bundled:pocket-64"}
    with pytest.raises(
        ParameterError, match="read from bundled:pocket-64, but the map was fitted on bundled:pocket-128"
    ):
        fit(other, small)(SteeringVector(vectors=np.ones((1, 128)), layers=(1,), model=native.model))
    with steer(load_model("bundled:pocket-128", device="cpu"), carried.placed({3: 2})):
        pass
    with pytest.raises(ParameterError, match="belongs to bundled:pocket-128"), steer(pocket, carried):
        pass


def test_a_table_in_half_precision_is_recognized_in_a_model_loaded_in_single(pocket):
    stored = load_table("bundled:pocket-64#output")
    assert stored.provenance["dtype"] == "float16"
    assert stored.provenance["sha256"] in identity(pocket)["hashes"]
    assert pocket.provenance["content"] in identity(pocket)["hashes"]


def test_a_saved_vector_comes_back_bit_for_bit(native, tmp_path):
    save_vector(native, tmp_path / "v.safetensors")
    back = load_vector(tmp_path / "v.safetensors")
    assert (back.vectors == native.vectors).all()
    assert (back.norms == native.norms).all()
    assert (back.layers, back.contrast, back.tokens, back.n_pairs) == (native.layers, "gender", "last", 32)
    assert dict(back.model) == dict(native.model)
    with pytest.raises(ParameterError, match="is there already"):
        save_vector(native, tmp_path / "v.safetensors")
    with pytest.raises(NotFoundError, match="Make it first"):
        save_vector(native, tmp_path / "nowhere" / "v.safetensors")


def test_files_that_hold_no_vector(tmp_path):
    with pytest.raises(NotFoundError, match="There is no file"):
        load_vector(tmp_path / "absent")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FormatError, match="cannot be read as safetensors"):
        load_vector(tmp_path / "text")
    save_file({"vectors": np.eye(2)}, tmp_path / "plain")
    with pytest.raises(FormatError, match="no steering vector of theodolite"):
        load_vector(tmp_path / "plain")
    described = {"format": "theodolite.steering_vector", "vector": '{"version": 2}'}
    save_file({"vectors": np.eye(2)}, tmp_path / "later", metadata=described)
    with pytest.raises(FormatError, match="is damaged"):
        load_vector(tmp_path / "later")


def test_control_vectors_of_llama_cpp(native, tmp_path):
    path = tmp_path / "v.gguf"
    assert export_gguf(native, path) == (0, 1)
    tensors = {tensor.name: np.array(tensor.data) for tensor in gguf.GGUFReader(str(path)).tensors}
    assert sorted(tensors) == ["direction.1", "direction.2", "direction.3"]
    assert tensors["direction.1"] == pytest.approx(native.at(2).astype(np.float32))
    back = import_gguf(path)
    assert back.layers == (2, 3, 4)
    assert back.vectors == pytest.approx(native.only(2, 3, 4).vectors.astype(np.float32))
    assert back.model == {"model_type": "gpt_neox"}
    with pytest.raises(ParameterError, match="second block and later"):
        export_gguf(native.only(0, 1), tmp_path / "w.gguf")
    with pytest.raises(ParameterError, match="Pass model_type"):
        export_gguf(SteeringVector(vectors=np.ones((1, 2)), layers=(3,)), tmp_path / "w.gguf")


def test_gguf_files_that_are_no_control_vectors(tmp_path):
    writer = gguf.GGUFWriter(str(tmp_path / "model.gguf"), "llama")
    writer.add_tensor("direction.1", np.ones(4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(FormatError, match="architecture 'llama', not a control vector"):
        import_gguf(tmp_path / "model.gguf")
    (tmp_path / "text.gguf").write_bytes(b"GGUF" + bytes(8))
    with pytest.raises(FormatError, match="cannot be read as GGUF"):
        import_gguf(tmp_path / "text.gguf")
    with pytest.raises(NotFoundError, match="no file"):
        import_gguf(tmp_path / "absent.gguf")


def test_vectors_of_the_package_steering_vectors(native, tmp_path):
    path = tmp_path / "v.pt"
    assert export_steering_vectors(native, path) == (0,)
    stored = torch.load(path, weights_only=True)
    assert stored["layer_type"] == "decoder_block"
    assert sorted(stored["layer_activations"]) == [0, 1, 2, 3]
    back = import_steering_vectors(path)
    assert back.layers == (1, 2, 3, 4)
    assert back.vectors == pytest.approx(native.vectors[1:].astype(np.float32))
    torch.save(stored["layer_activations"], tmp_path / "bare.pt")
    assert import_steering_vectors(tmp_path / "bare.pt").layers == (1, 2, 3, 4)
    torch.save({**stored, "layer_type": "self_attn"}, tmp_path / "attention.pt")
    with pytest.raises(FormatError, match="no vectors of decoder blocks"):
        import_steering_vectors(tmp_path / "attention.pt")
    with pytest.raises(ParameterError, match="only layer 0"):
        export_steering_vectors(native.only(0), tmp_path / "w.pt")


def test_files_that_would_run_code_are_refused(tmp_path):
    torch.save(SteeringVector(vectors=np.ones((1, 2)), layers=(1,)), tmp_path / "object.pt")
    with pytest.raises(UnsafeFileError, match="without running code"):
        import_steering_vectors(tmp_path / "object.pt")
    (tmp_path / "empty.pt").write_bytes(b"")
    with pytest.raises(FormatError, match="cannot be read by torch"):
        import_steering_vectors(tmp_path / "empty.pt")


def test_steered_models_of_lm_eval(native, pocket, tmp_path):
    path = tmp_path / "v.pt"
    assert export_lm_eval(native, path, model=pocket, layer=2, strength=1.5) == "layers.1"
    # what lm-eval does: look the place up in the base model, add coefficient times vector to its output
    stored = torch.load(path, weights_only=True)
    ((place, entry),) = stored.items()
    block = dict(pocket.module.base_model.named_modules())[place]
    (plain,) = hidden_states(pocket, [[5, 6, 7]])
    handle = block.register_forward_hook(
        lambda _, __, output: (
            (output[0] + entry["steering_coefficient"] * entry["steering_vector"], *output[1:])
            if isinstance(output, tuple)
            else output + entry["steering_coefficient"] * entry["steering_vector"]
        )
    )
    (theirs,) = hidden_states(pocket, [[5, 6, 7]])
    handle.remove()
    with steer(pocket, native.only(2), strength=1.5):
        (ours,) = hidden_states(pocket, [[5, 6, 7]])
    assert torch.allclose(theirs.states[3:], ours.states[3:], atol=1e-4)
    assert not torch.allclose(theirs.states[3:], plain.states[3:], atol=1e-2)
    back, strengths = import_lm_eval(path)
    assert (back.layers, strengths) == ((2,), {2: 1.5})
    torch.save({place: {**entry, "action": "clamp"}}, tmp_path / "clamp.pt")
    with pytest.raises(FormatError, match="wants to clamp"):
        import_lm_eval(tmp_path / "clamp.pt")
    torch.save({"nowhere": entry}, tmp_path / "nowhere.pt")
    with pytest.raises(FormatError, match="no block with a vector"):
        import_lm_eval(tmp_path / "nowhere.pt")
    for settings, message in (
        ({"layer": 0}, "from 1 on"),
        ({"layer": 9}, "no layer 9"),
    ):
        with pytest.raises(ParameterError, match=message):
            export_lm_eval(native, tmp_path / "w.pt", model=pocket, **settings)
    with pytest.raises(ParameterError, match="ends otherwise"):
        export_lm_eval(native, tmp_path / "w.bin", model=pocket, layer=2)


@pytest.mark.parametrize(
    ("name", "n_layers", "chosen", "norm"), [("gemma-2b-it", 18, 10, 10.064), ("qwen-1_8b-chat", 24, 15, 26.287)]
)
def test_the_two_real_refusal_directions_load(shared_data, name, n_layers, chosen, norm):
    vector = import_refusal_directions(shared_data / f"contrast/refusal_direction/vectors/{name}.safetensors")
    assert vector.layers == tuple(range(n_layers))
    assert vector.notes["position"] == -2
    assert np.linalg.norm(vector.at(chosen)) == pytest.approx(norm, abs=1e-3)


def test_a_real_refusal_direction_steers_a_model_of_its_width(shared_data):
    import transformers  # noqa: PLC0415 - seconds

    config = transformers.GemmaConfig(
        vocab_size=64,
        hidden_size=2048,
        num_hidden_layers=1,
        intermediate_size=8,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=8,
    )
    model = LanguageModel.of(transformers.GemmaForCausalLM(config), reference="tiny gemma")
    vector = import_refusal_directions(shared_data / "contrast/refusal_direction/vectors/gemma-2b-it.safetensors")
    placed = vector.placed({1: 10})
    (plain,) = hidden_states(model, [[1, 2]], last_layer="pre_norm")
    with steer(model, placed, strength=2.0):
        (moved,) = hidden_states(model, [[1, 2]], last_layer="pre_norm")
    change = (moved.states[1] - plain.states[1]).double().norm(dim=1)
    assert change.tolist() == pytest.approx([2 * 10.064] * 2, abs=5e-3)


def test_refusal_files_of_another_shape(tmp_path):
    save_file({"direction": np.ones(3)}, tmp_path / "v.safetensors")
    with pytest.raises(FormatError, match="no mean_diffs of three axes"):
        import_refusal_directions(tmp_path / "v.safetensors")
    save_file({"mean_diffs": np.ones((2, 3, 4))}, tmp_path / "w.safetensors")
    assert import_refusal_directions(tmp_path / "w.safetensors").notes["position"] == -1
    with pytest.raises(ParameterError, match="no position -3"):
        import_refusal_directions(tmp_path / "w.safetensors", position=-3)
