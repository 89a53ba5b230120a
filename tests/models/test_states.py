"""Hidden states equal what transformers returns, whatever the batch; the last layer is what it says it is."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from theodolite.core.errors import FormatError, ParameterError, PointsError
from theodolite.models import LanguageModel, hidden_states

CAUSAL = ("llama", "gpt2", "gpt2-bare", "gpt-neox", "opt", "gemma2", "granite", "mamba", "bloom", "moe")
KINDS = {
    **dict.fromkeys(CAUSAL, "causal"),
    **dict.fromkeys(("bert", "bert-bare", "roberta", "albert", "fnet", "mra", "modernbert"), "encoder"),
    **dict.fromkeys(("t5", "bart"), "encoder-decoder"),
}
FINAL_NORMS = {
    "llama": "model.norm",
    "gpt2": "transformer.ln_f",
    "gpt2-bare": "ln_f",
    "gpt-neox": "gpt_neox.final_layer_norm",
    "opt": "model.decoder.final_layer_norm",
    "gemma2": "model.norm",
    "granite": "model.norm",
    "mamba": "backbone.norm_f",
    "bloom": "transformer.ln_f",
    "moe": "model.norm",
    "modernbert": "model.final_norm",
    "t5": "encoder.final_layer_norm",
}


def plain(model, ids):
    """The states of an ordinary call of transformers on one prompt."""
    trunk = model.module.get_encoder() if model.kind == "encoder-decoder" else model.module
    with torch.no_grad():
        outputs = trunk(input_ids=torch.as_tensor(ids)[None], output_hidden_states=True)
    return torch.stack([state[0] for state in outputs.hidden_states])


@pytest.mark.parametrize("name", KINDS)
def test_states_are_those_of_a_plain_call(name, tiny, ragged):
    model = tiny(name)
    assert model.kind == KINDS[name]
    assert (model.n_layers, model.n_dims, model.n_vocabulary) == (3, 32, 97)
    alone = list(hidden_states(model, ragged, batch_size=1))
    batched = list(hidden_states(model, ragged, batch_size=4))
    assert [found.index for found in batched] == [0, 1, 2, 3, 4]
    for ids, one, several in zip(ragged, alone, batched, strict=True):
        expected = plain(model, ids)
        assert one.states.shape == (4, len(ids), 32)
        assert torch.equal(one.states, expected)
        torch.testing.assert_close(several.states, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
        assert one.token_ids.tolist() == several.token_ids.tolist() == ids.tolist()
        assert one.positions.tolist() == list(range(len(ids)))


@pytest.mark.parametrize("name", KINDS)
def test_pre_norm_is_the_residual_stream_before_the_final_norm(name, tiny, ragged):
    model = tiny(name)
    assert model.final_norm == FINAL_NORMS.get(name)
    (post,) = hidden_states(model, ragged[:1])
    (pre,) = hidden_states(model, ragged[:1], last_layer="pre_norm")
    assert torch.equal(pre.states[:-1], post.states[:-1])
    if model.final_norm is None:
        assert pre.last_layer == post.last_layer == model.last_layer == "no_norm"
        assert torch.equal(pre.states[-1], post.states[-1])
        return
    assert (pre.last_layer, post.last_layer) == ("pre_norm", "post_norm")
    assert not torch.allclose(pre.states[-1], post.states[-1], atol=1e-3)
    with torch.no_grad():
        normed = model.module.get_submodule(model.final_norm)(pre.states[-1])
    torch.testing.assert_close(normed, post.states[-1], rtol=0, atol=1e-6)


def test_a_model_that_returns_the_raw_last_state_is_recognized_and_gives_both(tiny, ragged):
    usual = tiny("llama")
    config = copy.deepcopy(usual.module.config)
    config.tie_last_hidden_states = False
    raw = type(usual.module)(config)
    raw.load_state_dict(usual.module.state_dict())
    model = LanguageModel.of(raw)
    assert (model.last_layer, model.final_norm) == ("pre_norm", "model.norm")
    for last_layer in ("post_norm", "pre_norm"):
        (found,) = hidden_states(model, ragged[:1], last_layer=last_layer)
        (expected,) = hidden_states(usual, ragged[:1], last_layer=last_layer)
        assert torch.equal(found.states, expected.states)


@pytest.mark.parametrize("name", ["llama", "gemma2", "granite", "mamba", "bert"])
def test_logits_are_the_models_own_and_leave_the_states_alone(name, tiny, ragged):
    model = tiny(name)
    without = list(hidden_states(model, ragged, batch_size=2))
    for ids, bare, found in zip(
        ragged, without, hidden_states(model, ragged, batch_size=1, include_logits=True), strict=True
    ):
        with torch.no_grad():
            expected = model.module(input_ids=torch.as_tensor(ids)[None]).logits[0]
        assert bare.logits is None
        assert torch.equal(found.logits, expected)
        torch.testing.assert_close(found.states, bare.states, rtol=0, atol=1e-5)


def test_special_tokens_outside_shape_the_states_but_are_no_points(tiny, ragged):
    model = tiny("gpt-neox")
    assert (model.front_ids, model.back_ids) == ((3,), ())
    ids = ragged[0]
    (outside,) = hidden_states(model, [ids], special_tokens="outside", include_logits=True)
    (inside,) = hidden_states(model, [ids], special_tokens="inside", include_logits=True)
    (by_hand,) = hidden_states(model, [[3, *ids]], include_logits=True)
    assert torch.equal(inside.states, by_hand.states)
    assert inside.token_ids.tolist() == [3, *ids]
    assert torch.equal(outside.states, by_hand.states[:, 1:])
    assert torch.equal(outside.logits, by_hand.logits[1:])
    assert torch.equal(outside.first_logits, by_hand.logits[0])
    assert inside.first_logits is None
    assert outside.token_ids.tolist() == ids.tolist()
    assert (outside.special_tokens, inside.special_tokens, by_hand.special_tokens) == ("outside", "inside", "none")


def test_marks_on_both_sides_are_left_out_of_ragged_batches(tiny, ragged):
    model = tiny("bert")
    marked = LanguageModel.of(model.module, Marks())
    assert (marked.front_ids, marked.back_ids) == ((5,), (6, 7))
    for ids, found in zip(ragged, hidden_states(marked, ragged, special_tokens="outside"), strict=True):
        expected = plain(model, [5, *ids, 6, 7])[:, 1:-2]
        torch.testing.assert_close(found.states, expected, rtol=0, atol=1e-5)


class Marks:
    """A tokenizer that puts one token before a text and two after it."""

    def encode(self, text, *, add_special_tokens):
        return [5, *map(ord, text[:1]), 6, 7] if add_special_tokens else [*map(ord, text[:1])]


def test_positions_choose_rows_and_leave_logits_whole(tiny, ragged):
    model = tiny("llama")
    chosen = [np.array([0, 2]), [4, 1, 11], np.array([2])]
    everything = list(hidden_states(model, ragged[:3], include_logits=True))
    for whole, part in zip(
        everything, hidden_states(model, ragged[:3], positions=chosen, include_logits=True), strict=True
    ):
        rows = chosen[part.index]
        assert part.positions.tolist() == list(rows)
        assert torch.equal(part.states, whole.states[:, torch.as_tensor(rows)])
        assert torch.equal(part.logits, whole.logits)
    with pytest.raises(ParameterError, match="names rows for 1 prompt, but there are 3"):
        hidden_states(model, ragged[:3], positions=[[0]])
    with pytest.raises(ParameterError, match="positions of prompt 0 must be whole numbers from 0 to 6"):
        hidden_states(model, ragged[:1], positions=[[7]])
    with pytest.raises(ParameterError, match="positions of prompt 0 name a token twice"):
        hidden_states(model, ragged[:1], positions=[[2, 2]])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    ],
    ids=["cpu", "gpu"],
)
def test_lack_of_memory_halves_the_batch_and_is_remembered(error, tiny, ragged, monkeypatch):
    model = tiny("llama")
    expected = list(hidden_states(model, ragged, batch_size=1))
    tried = []
    inner = type(model.module.model).forward

    def forward(self, input_ids=None, **others):
        tried.append(len(input_ids))
        if len(input_ids) > 2:
            raise error
        return inner(self, input_ids=input_ids, **others)

    monkeypatch.setattr(type(model.module.model), "forward", forward)
    found = list(hidden_states(model, ragged, batch_size=5))
    assert tried == [5, 2, 2, 1]
    assert {one.batch_size for one in found} == {2}
    for one, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(one.states, wanted.states, rtol=0, atol=1e-5)


def test_one_prompt_that_does_not_fit_says_so_and_other_errors_pass(tiny, ragged, monkeypatch):
    model = tiny("llama")

    def forward(self, **_):
        raise RuntimeError(message)

    monkeypatch.setattr(type(model.module.model), "forward", forward)
    message = "CUDA out of memory"
    with pytest.raises(RuntimeError, match="CUDA out of memory") as caught:
        list(hidden_states(model, ragged, batch_size=4))
    assert "Prompt 0 alone (7 tokens) does not fit the memory of cpu" in caught.value.__notes__[0]
    message = "shapes do not match"
    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(hidden_states(model, ragged, batch_size=4))


def test_states_that_are_not_finite_name_layer_and_prompt(tiny, ragged):
    model = LanguageModel.of(copy.deepcopy(tiny("llama").module))
    weight = model.module.model.layers[1].mlp.down_proj.weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight[0, 0] = float("inf")
    with pytest.raises(PointsError, match=r"Layer 2 of prompt 0 holds values that are not finite \(torch.float32\)"):
        list(hidden_states(model, ragged))
    table = model.module.get_input_embeddings().weight
    with torch.no_grad():
        weight.copy_(kept)
        table[ragged[1][-1]] = float("nan")
    assert ragged[1][-1] not in ragged[0]
    stream = hidden_states(model, ragged[:2])
    assert next(stream).index == 0
    with pytest.raises(PointsError, match="Layer 0 of prompt 1 holds"):
        next(stream)


def test_hooks_are_gone_when_the_stream_ends_or_is_dropped(tiny, ragged):
    model = tiny("llama")
    norm = model.module.get_submodule(model.final_norm)
    list(hidden_states(model, ragged, last_layer="pre_norm"))
    assert not norm._forward_hooks
    stream = hidden_states(model, ragged, last_layer="pre_norm")
    next(stream)
    stream.close()
    assert not norm._forward_hooks


def test_models_that_cannot_be_measured_are_named():
    class Silent(torch.nn.Module):
        config = SimpleNamespace(is_encoder_decoder=False)

        def __init__(self, width=4):
            super().__init__()
            self.table, self.width = torch.nn.Embedding(9, 4), width

        def get_input_embeddings(self):
            return self.table

        def forward(self, input_ids, output_hidden_states=False):
            assert output_hidden_states
            return SimpleNamespace(hidden_states=self.cut(self.table(input_ids)))

        def cut(self, embedded):
            del embedded

    class Tapered(Silent):
        def cut(self, embedded):
            return (embedded, embedded[..., :2])

    class Demanding(Silent):
        def forward(self, pixel_values):
            return pixel_values

    class Numb(Silent):
        def get_input_embeddings(self):
            raise NotImplementedError

    with pytest.raises(FormatError, match="Silent returns no hidden states"):
        LanguageModel.of(Silent())
    with pytest.raises(FormatError, match=r"The states of Tapered are not one vector .* \(1, 3, 4\), \(1, 3, 2\)\)"):
        LanguageModel.of(Tapered())
    with pytest.raises(FormatError, match="Demanding cannot be run on token ids alone"):
        LanguageModel.of(Demanding())
    with pytest.raises(FormatError, match="Numb has no table of token embeddings"):
        LanguageModel.of(Numb())
    with pytest.raises(ParameterError, match="A model of transformers is needed, but a str was given"):
        LanguageModel.of("gpt2")
    with pytest.raises(ParameterError, match="A model of transformers is needed, but a Linear was given"):
        LanguageModel.of(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("prompts", "settings", "message"),
    [
        ([[]], {}, "Prompt 0 is no list of token ids"),
        ([[1, 2], 5], {}, "Prompt 1 is no list of token ids"),
        ([[1.5]], {}, r"Prompt 0 is no list of token ids \(shape \(1,\), float64\)"),
        ([[1], [97]], {}, "Prompt 1 holds the token id 97, but llama has the ids 0 to 96"),
        ([[-1]], {}, "holds the token id -1"),
        ([[1] * 2049], {}, "Prompt 0 has 2049 tokens, but llama takes at most 2048"),
        ([[1] * 2048], {"special_tokens": "inside"}, "has 2049 tokens with its special tokens"),
        ([[1]], {"batch_size": 0}, "batch_size=0 is not possible"),
        ([[1]], {"last_layer": "raw"}, "last_layer='raw' is not known"),
        ([[1]], {"special_tokens": "yes"}, "special_tokens='yes' is not known"),
    ],
)
def test_refusals(prompts, settings, message, tiny):
    with pytest.raises(ParameterError, match=message):
        hidden_states(tiny("llama"), prompts, **settings)


def test_what_a_model_does_not_have_is_refused(tiny):
    with pytest.raises(ParameterError, match="GPT2Model has no head and makes no logits"):
        list(hidden_states(tiny("gpt2-bare"), [[1]], include_logits=True))
    with pytest.raises(ParameterError, match="t5 is an encoder-decoder"):
        hidden_states(tiny("t5"), [[1]], include_logits=True)
    with pytest.raises(ParameterError, match="bert has no tokens to put around a text"):
        hidden_states(tiny("bert"), [[1]], special_tokens="outside")
    assert list(hidden_states(tiny("llama"), [])) == []


def test_models_whose_padding_leaks_get_batches_of_one_length(tiny):
    fourier = tiny("fnet")
    assert not fourier.masks_padding
    assert tiny("bert").masks_padding
    draw = np.random.default_rng(3)
    prompts = [draw.integers(5, 97, size=n) for n in (4, 4, 9, 9, 9, 4)]
    for ids, found in zip(prompts, hidden_states(fourier, prompts, batch_size=4), strict=True):
        torch.testing.assert_close(found.states, plain(fourier, ids), rtol=0, atol=1e-5)


def test_context_of_roberta_leaves_out_the_rows_for_padding(tiny):
    model = tiny("roberta")
    assert model.n_positions == 64
    (found,) = hidden_states(model, [[9] * 64])
    assert found.states.shape[1] == 64


def test_bfloat16_states_stay_bfloat16_and_agree(tiny, ragged):
    model = LanguageModel.of(copy.deepcopy(tiny("llama").module).to(torch.bfloat16))
    assert (model.dtype, model.kind, model.last_layer) == ("bfloat16", "causal", "post_norm")
    (half,) = hidden_states(model, ragged[:1])
    (full,) = hidden_states(tiny("llama"), ragged[:1])
    assert half.states.dtype == torch.bfloat16
    torch.testing.assert_close(half.states.float(), full.states, rtol=0.05, atol=0.05)
