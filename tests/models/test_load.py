"""Loading: references, precision, devices, offload, encoders and heads, damage, foreign code."""

import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from theodolite import bundled
from theodolite.core.errors import FormatError, NotFoundError, ParameterError, UnsafeFileError
from theodolite.models import LanguageModel, hidden_states, load_model
from theodolite.models import load as load_room


@pytest.mark.parametrize("name", [model.name for model in bundled.family().models])
def test_the_bundled_family_loads_with_what_is_known_of_it(name):
    (known,) = [model for model in bundled.family().models if model.name == name]
    model = load_model(f"bundled:{name}", device="cpu")
    assert (model.n_layers, model.n_dims) == (known.n_layers, known.n_dims)
    assert model.provenance["n_parameters"] == known.n_parameters
    assert (model.kind, model.last_layer, model.tied, model.n_positions) == ("causal", "post_norm", False, 256)
    assert model.final_norm == "gpt_neox.final_layer_norm"
    assert model.front_ids == (0,)
    assert model.tokenizer.decode(model.tokenizer.encode("The cat")) == "The cat"
    assert not model.module.training
    assert json.loads(json.dumps(model.provenance))["reference"] == f"bundled:{name}"


def test_content_is_of_config_and_weights(saved_llama, tmp_path):
    content = load_model(saved_llama, device="cpu").provenance["content"]
    assert load_model(saved_llama, device="cpu").provenance["content"] == content
    changed = tmp_path / "changed"
    shutil.copytree(saved_llama, changed)
    weights = load_file(changed / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][0, 0] += 1e-3
    save_file(weights, changed / "model.safetensors", metadata={"format": "pt"})
    assert load_model(changed, device="cpu").provenance["content"] != content
    other = tmp_path / "other"
    shutil.copytree(saved_llama, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.5}))
    assert load_model(other, device="cpu").provenance["content"] != content


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64", "stored"])
def test_precision(dtype, saved_llama):
    model = load_model(saved_llama, dtype=dtype, device="cpu")
    expected = "float32" if dtype == "stored" else dtype
    assert model.dtype == expected
    assert {str(weight.dtype) for weight in model.module.parameters()} == {f"torch.{expected}"}
    (found,) = hidden_states(model, [[5, 6, 7]])
    assert str(found.states.dtype) == f"torch.{expected}"


@pytest.mark.parametrize(
    ("name", "kind", "loaded"),
    [
        ("bert", "encoder", "BertForMaskedLM"),
        ("bert-bare", "encoder", "BertModel"),
        ("modernbert", "encoder", "ModernBertForMaskedLM"),
        ("t5", "encoder-decoder", "T5Model"),
        ("gpt2-bare", "causal", "GPT2LMHeadModel"),
        ("mamba", "causal", "MambaForCausalLM"),
    ],
)
def test_each_kind_loads_complete(name, kind, loaded, tiny, tmp_path):
    tiny(name).module.save_pretrained(tmp_path)
    model = load_model(tmp_path, device="cpu")
    assert (model.kind, model.provenance["class"], model.tokenizer) == (kind, loaded, None)
    (found,) = hidden_states(model, [[5, 6, 7]])
    (expected,) = hidden_states(tiny(name), [[5, 6, 7]])
    assert torch.equal(found.states, expected.states)


def test_a_classifier_gives_its_encoder(tiny, tmp_path):
    classifier = transformers.BertForSequenceClassification(tiny("bert").module.config)
    classifier.save_pretrained(tmp_path)
    model = load_model(tmp_path, device="cpu")
    assert (model.kind, model.provenance["class"]) == ("encoder", "BertModel")


def test_old_checkpoints_load_without_unpickling(saved_llama, tmp_path):
    shutil.copy(saved_llama / "config.json", tmp_path)
    torch.save(load_file(saved_llama / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (found,) = hidden_states(load_model(tmp_path, device="cpu"), [[5, 6, 7]])
    (expected,) = hidden_states(load_model(saved_llama, device="cpu"), [[5, 6, 7]])
    assert torch.equal(found.states, expected.states)


@pytest.mark.parametrize(
    "device",
    [
        "split",
        {"": "cpu"},
        {
            "model.embed_tokens": "cpu",
            "model.layers": "disk",
            "model.norm": "cpu",
            "model.rotary_emb": "cpu",
            "lm_head": "cpu",
        },
        {
            "model.embed_tokens": "disk",
            "model.layers": "cpu",
            "model.norm": "disk",
            "model.rotary_emb": "cpu",
            "lm_head": "disk",
        },
    ],
    ids=["split", "one", "layers-on-disk", "ends-on-disk"],
)
@pytest.mark.parametrize("last_layer", ["post_norm", "pre_norm"])
def test_a_model_in_parts_gives_the_same_states(device, last_layer, saved_llama, tmp_path):
    prompts = [[5, 6, 7], [8, 9]]
    model = load_model(saved_llama, device=device)
    assert (model.provenance["device_map"] is None) == (device in ("split", {"": "cpu"}))  # one device needs no map
    assert model.device == torch.device("cpu")
    whole = load_model(saved_llama, device="cpu")
    for found, expected in zip(
        hidden_states(model, prompts, last_layer=last_layer, include_logits=True),
        hidden_states(whole, prompts, last_layer=last_layer, include_logits=True),
        strict=True,
    ):
        assert torch.equal(found.states, expected.states)
        assert torch.equal(found.logits, expected.logits)


def test_auto_takes_a_gpu_that_has_room_and_splits_otherwise(saved_llama, monkeypatch):
    size = (saved_llama / "model.safetensors").stat().st_size
    if not torch.cuda.is_available():
        assert load_room._placement(saved_llama, "float32", "auto") == {"device": torch.device("cpu")}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for free, dtype, expected in [
        (3 * size, "float32", {"device": torch.device("cuda", 0)}),
        (2 * size, "float32", {"device_map": "auto"}),
        (2 * size, "bfloat16", {"device": torch.device("cuda", 0)}),
        (size, "bfloat16", {"device_map": "auto"}),
    ]:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, free))
        assert load_room._placement(saved_llama, dtype, "auto") == expected


def test_tokenizer_of_a_checkpoint_lies_above_it(tmp_path):
    home = bundled.path("pocket-64")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(home / name, tmp_path)
    (tmp_path / "checkpoint-5").mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(home / name, tmp_path / "checkpoint-5")
    model = load_model(f"{tmp_path}@checkpoint-5", device="cpu")
    assert model.tokenizer.encode("The cat") == load_model("bundled:pocket-64", device="cpu").tokenizer.encode(
        "The cat"
    )
    assert model.provenance["revision"] == "checkpoint-5"


def test_foreign_code_runs_only_when_asked_for(tmp_path):
    (tmp_path / "modeling_odd.py").write_text(CODE)
    config = {
        "model_type": "odd-model",
        "auto_map": {"AutoConfig": "modeling_odd.OddConfig", "AutoModelForCausalLM": "modeling_odd.OddForCausalLM"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"table.weight": torch.ones(9, 4)}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnsafeFileError, match="is built by Python code that lies in its folder"):
        load_model(tmp_path, device="cpu")
    model = load_model(tmp_path, device="cpu", trust_remote_code=True)
    assert model.provenance["trust_remote_code"] is True
    assert (model.n_layers, model.n_dims, model.final_norm) == (1, 4, None)


CODE = """
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class OddConfig(PretrainedConfig):
    model_type = "odd-model"


class OddForCausalLM(PreTrainedModel):
    config_class = OddConfig

    def __init__(self, config):
        super().__init__(config)
        self.table = torch.nn.Embedding(9, 4)
        self.post_init()

    def get_input_embeddings(self):
        return self.table

    def forward(self, input_ids, output_hidden_states=False):
        states = self.table(input_ids)
        return CausalLMOutput(hidden_states=(states, states.cumsum(1)))
"""


def test_refusals(saved_llama, tmp_path):
    with pytest.raises(ParameterError, match="names one tensor, but a whole model is needed"):
        load_model("bundled:pocket-64#output")
    with pytest.raises(NotFoundError, match=r"holds only its tables \(tables.safetensors\)"):
        load_model("bundled:pocket-128@step512")
    with pytest.raises(ParameterError, match="dtype='int8' is not known"):
        load_model(saved_llama, dtype="int8")
    with pytest.raises(ParameterError, match="device='quantum' cannot be used here"):
        load_model(saved_llama, device="quantum")
    with pytest.raises(FormatError, match="is one file, but a model to run is a folder"):
        load_model(saved_llama / "model.safetensors")
    with pytest.raises(NotFoundError, match=r"has no config\.json"):
        load_model(tmp_path)
    shutil.copy(saved_llama / "config.json", tmp_path)
    with pytest.raises(NotFoundError, match="holds a config, but no weights"):
        load_model(tmp_path)


def test_damage(saved_llama, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(saved_llama, folder)
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"], weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FormatError, match=r"lacks 2 of the model's weights \(model\.layers\.1\.mlp\.up_proj\.weight, "):
        load_model(folder, device="cpu")
    (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(FormatError, match="cannot be loaded as AutoModelForCausalLM"):
        load_model(folder, device="cpu")
    shutil.copy(saved_llama / "model.safetensors", folder)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(FormatError, match=r"The tokenizer in .* cannot be read"):
        load_model(folder, device="cpu")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "no-such-model"}))
    with pytest.raises(FormatError, match="transformers cannot read the config"):
        load_model(folder, device="cpu")
    (folder / "config.json").write_text("{")
    with pytest.raises(FormatError, match="is no valid JSON"):
        load_model(folder, device="cpu")


def test_loading_says_nothing(saved_llama, capfd):
    load_model(saved_llama, device="cpu")
    LanguageModel.of(load_model("bundled:pocket-64", device="cpu").module)
    assert capfd.readouterr() == ("", "")
