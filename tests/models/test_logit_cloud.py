"""Points with the distances of the logits, against the logits themselves."""

import numpy as np
import pytest
import torch
import transformers

from theodolite.dimension import gride
from theodolite.models import LanguageModel, hidden_states, load_model, logit_cloud, logit_root
from theodolite.neighborhoods import neighbors


@pytest.mark.parametrize("last_layer", ["post_norm", "pre_norm"])
def test_distances_and_dimension_are_those_of_the_logits(last_layer):
    model = load_model("bundled:pocket-64", device="cpu")
    ids = np.random.Generator(np.random.PCG64(1)).integers(10, 4000, 200)
    (found,) = hidden_states(model, [ids], include_logits=True, last_layer=last_layer)
    points = logit_cloud(model, found.states[-1], logit_root(model), last_layer=found.last_layer)
    assert points.shape == (200, 64)
    apart, expected = (torch.pdist(one.double()) for one in (points, found.logits))
    assert torch.allclose(apart, expected, rtol=1e-5)
    read, wanted = (gride(neighbors(one, k=16)) for one in (points, found.logits))
    assert [one.value for one in read] == pytest.approx([one.value for one in wanted], rel=1e-4)


def test_a_softcap_leaves_no_linear_cloud():
    config = transformers.Gemma2Config(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        final_logit_softcapping=0.05,
    )
    torch.manual_seed(0)
    model = LanguageModel.of(transformers.Gemma2ForCausalLM(config).eval())
    assert logit_root(model) is None


def test_an_encoder_without_a_head_has_none():
    config = transformers.BertConfig(
        vocab_size=200, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    assert logit_root(LanguageModel.of(transformers.BertModel(config).eval())) is None
