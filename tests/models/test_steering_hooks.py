"""Steering adds exactly what was asked, where it was asked, and leaves no hook behind."""

import numpy as np
import pytest
import torch

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.models import LanguageModel, hidden_states
from theodolite.models.steering_blocks import find_blocks
from theodolite.models.steering_hooks import plan_steering, steer
from theodolite.models.steering_vector import SteeringVector

DECODERS = {
    "llama": "model.layers",
    "gpt2": "transformer.h",
    "gpt2-bare": "h",
    "gpt-neox": "gpt_neox.layers",
    "opt": "model.decoder.layers",
    "gemma2": "model.layers",
    "granite": "model.layers",
    "mamba": "backbone.layers",
    "bloom": "transformer.h",
    "moe": "model.layers",
}
IDS = [5, 17, 31, 8, 60]


def states(model, ids=(IDS,)):
    return [one.states for one in hidden_states(model, list(ids), last_layer="pre_norm")]


def own_hooks(model):
    """Hooks of all modules; transformers keeps some of its own on the blocks, so this is compared, not zero."""
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.module.modules())


@pytest.fixture
def model(tiny):
    found = tiny("gpt-neox")
    states(found)  # transformers puts up its own hooks at the first call
    before = own_hooks(found)
    yield found
    assert own_hooks(found) == before


@pytest.mark.parametrize(("name", "path"), DECODERS.items())
def test_the_blocks_of_every_decoder_are_found(tiny, name, path):
    model = tiny(name)
    assert find_blocks(model.module, n_layers=model.n_layers)[0] == path


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "mamba"])  # its states begin with block 1
def test_every_decoder_is_steered_by_exactly_the_vector(tiny, name):
    model = tiny(name)
    (plain,) = states(model)
    before = own_hooks(model)
    vector = np.random.default_rng(0).normal(size=model.n_dims)
    for layer in range(model.n_layers + 1):
        with steer(model, {layer: vector}, strength=1.5):
            (moved,) = states(model)
        assert torch.equal(moved[:layer], plain[:layer])
        if layer == 0 and name == "bloom":  # transformers keeps this state before it reaches the first block
            assert not torch.allclose(moved[1], plain[1], atol=1e-2)
            continue
        change = (moved[layer] - plain[layer]).double().numpy()
        assert change == pytest.approx(np.broadcast_to(1.5 * vector, change.shape), abs=2e-5), layer
        if layer < model.n_layers:
            assert not torch.allclose(moved[-1], plain[-1], atol=1e-3)
    assert own_hooks(model) == before
    assert torch.equal(states(model)[0], plain)


def test_several_layers_and_nested_use_add_up(model):
    (plain,) = states(model)
    one, other = torch.ones(32), torch.arange(32.0)
    with steer(model, {3: one}), steer(model, {3: other}, strength=-2):
        (moved,) = states(model)
    assert torch.allclose(moved[3] - plain[3], one - 2 * other, atol=1e-4)
    with steer(model, {1: one, 3: other}):
        (both,) = states(model)
    assert torch.allclose(both[1] - plain[1], one.expand(5, -1), atol=1e-5)


def fail(model, n_hooks, error):
    assert own_hooks(model) == n_hooks
    raise error("enough")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_hooks_come_off_when_the_body_fails(model, error):
    before = own_hooks(model)
    with pytest.raises(error, match="enough"), steer(model, {0: np.ones(32), 2: np.ones(32)}, positions="last"):
        fail(model, before + 3, error)
    assert own_hooks(model) == before


def test_hooks_come_off_when_patching_fails_half_way(model, monkeypatch):
    before = own_hooks(model)
    blocks = find_blocks(model.module)[1]

    def refuse(*_, **__):
        raise RuntimeError("no hook today")

    monkeypatch.setattr(blocks[2], "register_forward_hook", refuse)
    with pytest.raises(RuntimeError, match="no hook today"), steer(model, {1: np.ones(32), 3: np.ones(32)}):
        pass
    assert own_hooks(model) == before


def test_hooks_come_off_when_the_forward_pass_fails(model):
    wanted = "The vector has 31 entries, but the model's states have 32"
    with pytest.raises(ParameterError, match=wanted), steer(model, {1: np.ones(31)}):
        states(model)


def test_positions(model):
    (plain,) = states(model)
    for positions, expected in ((3, [0, 0, 0, 1, 1]), ("last", [0, 0, 0, 0, 1]), ("all", [1, 1, 1, 1, 1])):
        with steer(model, {2: np.ones(32)}, positions=positions):
            (moved,) = states(model)
        change = (moved[2] - plain[2]).mean(dim=1)
        assert change.tolist() == pytest.approx(expected, abs=1e-5), positions


def test_the_last_token_of_a_padded_prompt_is_not_its_padding(model):
    short = IDS[:2]
    plain = states(model, [IDS, short])
    with steer(model, {2: np.ones(32)}, positions="last"):
        moved = states(model, [IDS, short])
    assert (moved[1][2] - plain[1][2]).mean(dim=1).tolist() == pytest.approx([0, 1], abs=1e-4)


def test_positions_count_tokens_in_the_cache(model):
    ids = torch.tensor([IDS])
    steered = {2: np.ones(32)}
    with steer(model, steered, positions=3), torch.no_grad():
        whole = model.module(input_ids=ids).logits
        first = model.module(input_ids=ids[:, :2], use_cache=True)
        rest = model.module(input_ids=ids[:, 2:], past_key_values=first.past_key_values).logits
    assert torch.allclose(rest, whole[:, 2:], atol=1e-4)


def test_a_plain_module_can_be_steered(model):
    ids = torch.tensor([IDS])
    with torch.no_grad():
        plain = model.module(input_ids=ids).logits
        with steer(model.module, {1: np.ones(32)}):
            moved = model.module(input_ids=ids).logits
    assert not torch.allclose(plain, moved)


def test_strength_in_residual_norms():
    vector = SteeringVector(vectors=np.array([[3.0, 4.0]]), layers=(1,), norms=np.array([10.0]))
    assert plan_steering(vector, strength=0.5, unit="residual").added[1].tolist() == pytest.approx([3.0, 4.0])
    assert plan_steering(vector, strength=-2).added[1].tolist() == [-6.0, -8.0]
    assert plan_steering({1: np.zeros(2)}, unit="residual", norms={1: 3.0}).added[1].tolist() == [0, 0]
    with pytest.raises(ParameterError, match="mean residual norm of layer 1 is not known"):
        plan_steering({1: np.ones(2)}, unit="residual")


@pytest.mark.parametrize(
    ("vector", "settings", "message"),
    [
        ({1: np.ones(2)}, {"unit": "meters"}, "unit='meters' is not known"),
        ({1: np.ones(2)}, {"positions": "first"}, "positions='first' is not known"),
        ({1: np.ones(2)}, {"strength": np.nan}, "is not finite"),
        ({}, {}, "no layer to steer at"),
        ({1: np.ones((2, 2))}, {}, r"has shape \(2, 2\)"),
        ({1: np.array([np.inf, 0.0])}, {}, "is not finite"),
    ],
)
def test_plans_that_make_no_sense(vector, settings, message):
    with pytest.raises(ParameterError, match=message):
        plan_steering(vector, **settings)


def test_layers_that_are_not_there(model):
    wanted = r"no layer 4: GPTNeoXForCausalLM has the layers 0 .* to 3"
    with pytest.raises(ParameterError, match=wanted), steer(model, {4: np.ones(32)}):
        pass


def test_blocks_that_are_not_found_are_answered_with_candidates(tiny):
    model = tiny("llama")
    with pytest.raises(NotFoundError, match=r"'model.blocks' is no module of .*model.layers \(3 x LlamaDecoderLayer\)"):
        find_blocks(model.module, path="model.blocks")
    with pytest.raises(NotFoundError, match=r"'model\.norm' is a LlamaRMSNorm, no list of blocks"):
        find_blocks(model.module, path="model.norm")
    with pytest.raises(NotFoundError, match=r"No list of 7 blocks was found in .*model.layers \(3 x"):
        find_blocks(model.module, n_layers=7)
    with pytest.raises(NotFoundError, match="no ModuleList at all"):
        find_blocks(torch.nn.Linear(2, 2))


def test_experts_inside_blocks_are_no_blocks_and_twins_are_refused():
    model = torch.nn.Module()
    block = torch.nn.Module()
    block.experts = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(9))
    model.layers = torch.nn.ModuleList([block])
    assert find_blocks(model)[0] == "layers"
    model.twins = torch.nn.ModuleList([torch.nn.Linear(2, 2)])
    with pytest.raises(ParameterError, match="several lists of 1 blocks: layers, twins"):
        find_blocks(model)
    assert find_blocks(model, path="twins")[0] == "twins"


def test_the_decoder_of_an_encoder_decoder_is_found(tiny):
    assert find_blocks(tiny("bart").module)[0] == "model.decoder.layers"


def test_blocks_that_hand_on_no_tensor_are_named():
    class Odd(torch.nn.Module):
        def forward(self, _):
            return {"states": 1}

    model = torch.nn.Module()
    model.layers = torch.nn.ModuleList([Odd()])
    with pytest.raises(FormatError, match="handed on a dict"), steer(model, {1: np.ones(2)}):
        model.layers[0](torch.ones(1, 1, 2))


def test_a_vector_of_another_model_is_refused(tiny):
    foreign = SteeringVector(vectors=np.ones((1, 32)), layers=(1,), model={"reference": "elsewhere", "hashes": ["x"]})
    with (
        pytest.raises(ParameterError, match="belongs to elsewhere, but the model is llama"),
        steer(tiny("llama"), foreign),
    ):
        pass
    with steer(tiny("llama"), foreign.by_layer()):
        pass
    assert isinstance(tiny("llama"), LanguageModel)
