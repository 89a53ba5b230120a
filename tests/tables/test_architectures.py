"""Both embeddings of tiny random models, saved by transformers, equal what the model itself says they are."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from theodolite.tables import describe, load_table

VOCAB = 96
_LLAMA = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
_BERT = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
_MOE = {"num_local_experts": 2, "num_experts": 2, "moe_intermediate_size": 8, "num_experts_per_tok": 1}
_DEEPSEEK = {
    **_LLAMA,
    "q_lora_rank": 8,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "n_routed_experts": 2,
    "moe_intermediate_size": 8,
    "num_experts_per_tok": 1,
}
_BART = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "scale_embedding": True,
    "pad_token_id": 1,
}
CAUSAL, MASKED, SEQ2SEQ = (
    transformers.AutoModelForCausalLM,
    transformers.AutoModelForMaskedLM,
    transformers.AutoModelForSeq2SeqLM,
)

# model type, head, sizes; the first group is run by `make quick`
COMMON: dict[str, tuple[Any, dict[str, Any]]] = {
    "gpt2": (CAUSAL, {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}),
    "gpt_neox": (CAUSAL, {**_BERT, "max_position_embeddings": 32}),
    "llama": (CAUSAL, _LLAMA),
    "gemma": (CAUSAL, {**_LLAMA, "pad_token_id": 0}),
    "bert": (MASKED, _BERT),
    "t5": (SEQ2SEQ, {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}),
}
TAIL: dict[str, tuple[Any, dict[str, Any]]] = {
    "bart": (SEQ2SEQ, _BART),
    "bloom": (CAUSAL, {"hidden_size": 16, "n_layer": 2, "n_head": 2}),
    "cohere": (CAUSAL, _LLAMA),
    "cohere2": (CAUSAL, _LLAMA),
    "deberta": (MASKED, {**_BERT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "deepseek_v2": (CAUSAL, {**_DEEPSEEK, "topk_method": "greedy"}),
    "deepseek_v3": (CAUSAL, {**_DEEPSEEK, "n_group": 1, "topk_group": 1, "n_shared_experts": 1}),
    "deberta-v2": (MASKED, {**_BERT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "distilbert": (MASKED, {"dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2}),
    "albert": (MASKED, {**_BERT, "embedding_size": 8}),
    "electra": (MASKED, {**_BERT, "embedding_size": 8}),
    "falcon": (CAUSAL, {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}),
    "gemma2": (CAUSAL, {**_LLAMA, "pad_token_id": 0}),
    "gemma3_text": (CAUSAL, {**_LLAMA, "pad_token_id": 0}),
    "gpt_neo": (CAUSAL, {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "attention_types": [[["global"], 2]]}),
    "gpt_oss": (CAUSAL, {**_LLAMA, "num_local_experts": 2, "num_experts_per_tok": 1}),
    "gptj": (CAUSAL, {"n_embd": 16, "n_layer": 2, "n_head": 2, "rotary_dim": 4}),
    "granite": (CAUSAL, {**_LLAMA, "embedding_multiplier": 12.0, "logits_scaling": 8.0}),
    "llama4_text": (CAUSAL, {**_LLAMA, "num_local_experts": 2, "intermediate_size_mlp": 24, "num_experts_per_tok": 1}),
    "mamba": (CAUSAL, {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}),
    "mamba2": (
        CAUSAL,
        {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "num_heads": 4, "head_dim": 8, "n_groups": 1},
    ),
    "minicpm3": (CAUSAL, {**_LLAMA, "scale_emb": 12, "dim_model_base": 4, "q_lora_rank": 8, "kv_lora_rank": 8}),
    "mistral": (CAUSAL, _LLAMA),
    "mixtral": (CAUSAL, {**_LLAMA, **_MOE}),
    "modernbert": (MASKED, {**_BERT, "pad_token_id": 0}),
    "mpt": (CAUSAL, {"d_model": 16, "n_layers": 2, "n_heads": 2}),
    "olmo": (CAUSAL, _LLAMA),
    "olmo2": (CAUSAL, _LLAMA),
    "opt": (
        CAUSAL,
        {"hidden_size": 16, "ffn_dim": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "word_embed_proj_dim": 8},
    ),
    "phi": (CAUSAL, _LLAMA),
    "phi3": (CAUSAL, {**_LLAMA, "pad_token_id": 0}),
    "qwen2": (CAUSAL, _LLAMA),
    "qwen3": (CAUSAL, _LLAMA),
    "qwen3_moe": (CAUSAL, {**_LLAMA, **_MOE}),
    "roberta": (MASKED, _BERT),
    "rwkv": (CAUSAL, {"hidden_size": 16, "num_hidden_layers": 2}),
    "xlnet": (CAUSAL, {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24}),
}
CASES = [
    *COMMON,
    *(pytest.param(name, marks=pytest.mark.slow) for name in TAIL if name in transformers.CONFIG_MAPPING),
]
FORMS = ("safetensors", "sharded", "bin", "sharded-bin")


def build(model_type: str, *, auto: Any = None, **changes: Any) -> Any:
    """Make a tiny random model of a type."""
    head, sizes = (COMMON | TAIL)[model_type]
    auto = auto or head
    config = transformers.CONFIG_MAPPING[model_type](**{"vocab_size": VOCAB, **sizes, **changes})
    torch.manual_seed(0)
    return auto.from_config(config)


def save(model: Any, folder: Path, form: str) -> None:
    """Save a model in one of the four forms that checkpoints come in."""
    size = "3KB" if form.startswith("sharded") else "5GB"
    model.save_pretrained(folder, max_shard_size=size)
    if not form.endswith("bin"):
        return
    index = folder / "model.safetensors.index.json"
    if index.exists():
        text = index.read_text().replace(".safetensors", ".bin").replace("model-", "pytorch_model-")
        (folder / "pytorch_model.bin.index.json").write_text(text)
        assert len(set(json.loads(text)["weight_map"].values())) > 1
        index.unlink()
        for shard in folder.glob("model-*.safetensors"):
            torch.save(load_file(shard), folder / f"pytorch_{shard.stem}.bin")
            shard.unlink()
    else:  # the state dict as torch.save writes it: tied weights under both names
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("model_type", CASES)
def test_input_and_output_in_every_form(model_type: str, tmp_path: Path) -> None:
    for ties in (True, False):
        model = build(model_type, tie_word_embeddings=ties)
        expected_input = model.get_input_embeddings().weight
        expected_output = model.get_output_embeddings().weight
        tied = expected_input is expected_output
        for form in FORMS:
            folder = tmp_path / f"{ties}-{form}"
            save(model, folder, form)
            table = load_table(folder)
            head = load_table(folder, which="unembedding")
            assert torch.equal(table.points, expected_input), (form, ties)
            assert torch.equal(head.points, expected_output), (form, ties)
            assert (table.which, head.which) == ("input", "output")
            assert table.tied is head.tied is tied, (form, ties)
            assert table.provenance["shape"] == list(expected_input.shape)
            assert (table.provenance["sha256"] == head.provenance["sha256"]) is tied


@pytest.mark.parametrize("model_type", CASES)
def test_base_model_without_head(model_type: str, tmp_path: Path) -> None:
    model = build(model_type, auto=transformers.AutoModel)
    model.save_pretrained(tmp_path)
    assert torch.equal(load_table(tmp_path).points, model.get_input_embeddings().weight)
    found = describe(tmp_path)
    assert found.output is None
    assert any("without a head over the vocabulary" in note for note in found.notes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_kept(dtype: torch.dtype, tmp_path: Path) -> None:
    model = build("gpt2").to(dtype)
    for form in FORMS:
        save(model, tmp_path / form, form)
        table = load_table(tmp_path / form)
        assert table.points.dtype == dtype
        assert table.provenance["dtype"] == str(dtype).removeprefix("torch.")
        assert torch.equal(table.points, model.get_input_embeddings().weight)


@pytest.mark.parametrize(
    ("model_type", "scale"),
    [
        ("gemma", 4.0),
        pytest.param("gemma2", 4.0, marks=pytest.mark.slow),
        pytest.param("gemma3_text", 4.0, marks=pytest.mark.slow),
        pytest.param("granite", 12.0, marks=pytest.mark.slow),
        pytest.param("bart", 4.0, marks=pytest.mark.slow),
        ("llama", 1.0),
    ],
)
def test_scaling_is_recorded_and_not_applied(model_type: str, scale: float, tmp_path: Path) -> None:
    model = build(model_type)
    model.save_pretrained(tmp_path)
    table = load_table(tmp_path)
    assert table.provenance["embedding_scale"] == pytest.approx(scale)
    assert torch.equal(table.points, model.get_input_embeddings().weight)
    assert load_table(f"{tmp_path}#output").provenance["embedding_scale"] == 1.0


def test_tied_by_config_but_stored_with_other_numbers(tmp_path: Path) -> None:
    """As transformers does: two matrices with different values are not one."""
    model = build("gpt2")
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(state, tmp_path / "pytorch_model.bin")
    assert load_table(tmp_path).tied is True
    state["lm_head.weight"] += 1
    torch.save(state, tmp_path / "pytorch_model.bin")
    table = load_table(f"{tmp_path}#output")
    assert table.tied is False
    assert torch.equal(table.points, state["lm_head.weight"])


def test_only_the_head_is_stored(tmp_path: Path) -> None:
    """A tied model may be saved under the name of its head alone; transformers ties the other way then."""
    model = build("llama", tie_word_embeddings=True)
    model.save_pretrained(tmp_path)
    state = dict(model.state_dict())
    del state["model.embed_tokens.weight"]
    (tmp_path / "model.safetensors").unlink()
    torch.save(state, tmp_path / "pytorch_model.bin")
    table = load_table(tmp_path)
    assert (table.which, table.tied, table.provenance["tensor"]) == ("input", True, "lm_head.weight")


@pytest.mark.slow
def test_text_model_inside_a_multimodal_one(tmp_path: Path) -> None:
    text = transformers.Gemma3TextConfig(vocab_size=VOCAB, pad_token_id=0, **_LLAMA)
    vision = transformers.SiglipVisionConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    config = transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    model = transformers.Gemma3ForConditionalGeneration(config)
    for form in FORMS:
        save(model, tmp_path / form, form)
        table = load_table(tmp_path / form)
        assert torch.equal(table.points, model.get_input_embeddings().weight)
        assert table.provenance["embedding_scale"] == 4.0
        assert load_table(f"{tmp_path / form}#output").tied is True


@pytest.mark.slow
def test_llama_4_with_its_vision_model(tmp_path: Path) -> None:
    text = transformers.Llama4TextConfig(vocab_size=VOCAB, **TAIL["llama4_text"][1])
    vision = transformers.Llama4VisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        vision_output_dim=16,
        projector_input_dim=16,
        projector_output_dim=16,
    )
    model = transformers.Llama4ForConditionalGeneration(
        transformers.Llama4Config(text_config=text, vision_config=vision)
    )
    for form in FORMS:
        save(model, tmp_path / form, form)
        assert torch.equal(load_table(tmp_path / form).points, model.get_input_embeddings().weight)
        head = load_table(f"{tmp_path / form}#output")
        assert torch.equal(head.points, model.get_output_embeddings().weight)
        assert head.tied is False
        assert head.provenance["final_norm"]["weight"] == "language_model.model.norm.weight"
