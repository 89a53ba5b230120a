"""What is said about final norms, factors and modules on the way is what running the models shows."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from theodolite.tables import describe, load_table
from theodolite.tables.conventions import CONVENTIONS
from theodolite.tables.model_config import parse_config
from theodolite.tables.skeleton import build_skeleton
from theodolite.tables.surroundings import FinalNorm, ask_for_norm

_spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).with_name("test_architectures.py"))
assert _spec is not None
assert _spec.loader is not None
tiny = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny)

IDS = torch.tensor([[5, 9, 17, 40, 3]])
CHANGES: dict[str, dict[str, Any]] = {"gemma2": {"final_logit_softcapping": None}}  # a bound, not a factor


def random_model(model_type: str) -> Any:
    """Return a model in which no two tensors are alike, norms included."""
    model = tiny.build(model_type, **CHANGES.get(model_type, {})).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.1, 0.3)
    return model


def run(model: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Return the logits, and what entered and left each module first."""
    entered: dict[str, torch.Tensor] = {}
    left: dict[str, torch.Tensor] = {}

    def listen(name: str) -> Any:
        def hook(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
            given = args[0] if args else kwargs.get("hidden_states", kwargs.get("hidden"))
            out = out[0] if isinstance(out, tuple) else out
            if isinstance(given, torch.Tensor):
                entered.setdefault(name, given)
            if isinstance(out, torch.Tensor):
                left.setdefault(name, out)

        return hook

    handles = [
        module.register_forward_hook(listen(name), with_kwargs=True) for name, module in model.named_modules() if name
    ]
    decoder = {"decoder_input_ids": IDS} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        logits = model(input_ids=IDS, **decoder).logits
    for handle in handles:
        handle.remove()
    return logits, entered, left


def name_in_model(model: Any, stored: str) -> str:
    """Return the name of a module of the model for its name on disk."""
    modules = dict(model.named_modules())
    return stored if stored in modules else f"{model.base_model_prefix}.{stored}"


def normed(points: torch.Tensor, norm: FinalNorm, tensors: dict[str, torch.Tensor], epsilon: float) -> torch.Tensor:
    """Apply a norm as its description says, in a way of our own."""
    points = points.double()
    if norm.kind == "LayerNorm":
        points = points - points.mean(-1, keepdim=True)
    points = points / (points.square().mean(-1, keepdim=True) + epsilon).sqrt()
    if norm.weight is not None:
        points = points * (norm.offset + tensors[norm.weight].double())
    return points if norm.bias is None else points + tensors[norm.bias].double()


CASES = [
    pytest.param(name, marks=() if name in tiny.COMMON else pytest.mark.slow)
    for name in (*tiny.COMMON, *tiny.TAIL)
    if name in transformers.CONFIG_MAPPING
]


@pytest.mark.parametrize("model_type", CASES)
def test_from_row_to_block_and_from_state_to_logit(model_type: str, tmp_path: Path) -> None:
    model = random_model(model_type)
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    found = describe(tmp_path)
    table = load_table(tmp_path)
    assert (found.before_blocks is not None) == (model_type in CONVENTIONS)
    before = [name_in_model(model, one) for one in found.before_blocks or ()]
    with torch.no_grad():
        for name in before:  # what is added to the rows is taken out of the way
            if isinstance(model.get_submodule(name), torch.nn.Embedding):
                model.get_submodule(name).weight.zero_()
    logits, entered, left = run(model)

    rows = found.embedding_scale * table.points[IDS]
    blocks = next(n for n, one in model.named_modules() if isinstance(one, torch.nn.ModuleList) and len(one) > 0)
    changing = [name for name in before if not isinstance(model.get_submodule(name), torch.nn.Embedding)]
    embedding = next(n for n, one in model.named_modules() if one is model.get_input_embeddings())
    places = [entered.get(changing[0] if changing else f"{blocks}.0")]
    if found.before_blocks is None:
        places += [left.get(name) for name in (embedding, f"{model.base_model_prefix}.encoder.embed_tokens")]
        places += [one.transpose(0, 1) for one in places if one is not None and one.ndim == 3]  # XLNet
    assert any(one is not None and one.shape == rows.shape and torch.allclose(one, rows, rtol=1e-5) for one in places)

    norm = found.final_norm
    state = None
    if norm is not None:
        modules = dict(model.named_modules())
        weighted = [n for n, one in modules.items() if norm.weight and same(one, tensors[norm.weight])]
        [name] = weighted if norm.weight else [n for n in left if n.endswith(".norm")]
        epsilon = (
            next(
                float(getattr(modules[name], one))
                for one in ("eps", "variance_epsilon", "epsilon")
                if hasattr(modules[name], one)
            )
            if norm.weight
            else 1e-5
        )
        state = left[name]
        assert torch.allclose(normed(entered[name], norm, tensors, epsilon), state.double(), rtol=1e-4, atol=1e-5)
    after = [name_in_model(model, one) for one in found.after_blocks or ()]
    if after and state is not None:
        assert torch.equal(entered[after[0]], state)
    if after:
        state = left[after[-1]]
    if state is not None:
        head = model.get_output_embeddings()
        expected = found.logit_scale * (state @ load_table(tmp_path, which="output").points.T)
        expected = expected if head.bias is None else expected + head.bias
        assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-5)
    else:
        assert found.after_blocks is None, "known architectures are known to the end"

    said = {key: table.provenance[key] for key in ("embedding_scale", "logit_scale", "before_blocks", "after_blocks")}
    assert said == {
        "embedding_scale": found.embedding_scale,
        "logit_scale": found.logit_scale,
        "before_blocks": None if found.before_blocks is None else list(found.before_blocks),
        "after_blocks": None if found.after_blocks is None else list(found.after_blocks),
    }
    assert table.provenance["final_norm"] == (found.as_dict()["final_norm"])


def same(module: Any, weight: torch.Tensor) -> bool:
    mine = getattr(module, "weight", None)
    return isinstance(mine, torch.Tensor) and mine.shape == weight.shape and torch.equal(mine, weight)


EXPECTED = {
    "gpt2": (1.0, 1.0, "LayerNorm", 0.0, ("transformer.wpe",), ()),
    "gpt_neox": (1.0, 1.0, "LayerNorm", 0.0, (), ()),
    "gemma": (4.0, 1.0, "RMSNorm", 1.0, (), ()),
    "t5": (1.0, 0.25, "RMSNorm", 0.0, (), ()),
    "llama": (1.0, 1.0, "RMSNorm", 0.0, (), ()),
    "granite": (12.0, 0.125, "RMSNorm", 0.0, None, None),
    "minicpm3": (12.0, 0.25, "RMSNorm", 0.0, None, None),
    "cohere": (1.0, 0.0625, "LayerNorm", 0.0, (), ()),
    "bloom": (1.0, 1.0, "LayerNorm", 0.0, ("transformer.word_embeddings_layernorm",), ()),
    "olmo": (1.0, 1.0, "LayerNorm", 0.0, (), ()),
    "bart": (4.0, 1.0, None, None, None, None),
    "opt": (
        1.0,
        1.0,
        "LayerNorm",
        0.0,
        ("model.decoder.embed_positions", "model.decoder.project_in"),
        ("model.decoder.project_out",),
    ),
    "rwkv": (1.0, 1.0, "LayerNorm", 0.0, ("rwkv.blocks.0.pre_ln",), ()),
}


@pytest.mark.parametrize(
    "model_type", [pytest.param(n, marks=() if n in tiny.COMMON else pytest.mark.slow) for n in EXPECTED]
)
def test_what_is_said_of_each(model_type: str, tmp_path: Path) -> None:
    tiny.build(model_type).save_pretrained(tmp_path)
    found = describe(tmp_path)
    kind, offset = (None, None) if found.final_norm is None else (found.final_norm.kind, found.final_norm.offset)
    said = (found.embedding_scale, found.logit_scale, kind, offset, found.before_blocks, found.after_blocks)
    assert said == EXPECTED[model_type]


def test_whole_sharded_and_bin_say_the_same(tmp_path: Path) -> None:
    model = tiny.build("gpt2")
    said = []
    for form in tiny.FORMS:
        tiny.save(model, tmp_path / form, form)
        found = describe(tmp_path / form)
        said.append((found.final_norm, found.before_blocks, found.logit_scale))
    assert said[0][0] == FinalNorm(kind="LayerNorm", weight="transformer.ln_f.weight", bias="transformer.ln_f.bias")
    assert all(one == said[0] for one in said)


def test_base_model_and_embedding_alone(tmp_path: Path) -> None:
    """Without the head's class the names have no prefix; without the norm's weights nothing is said about it."""
    tiny.build("llama", auto=transformers.AutoModel).save_pretrained(tmp_path)
    assert describe(tmp_path).final_norm == FinalNorm(kind="RMSNorm", weight="norm.weight", bias=None)
    only = {"embed_tokens.weight": load_file(tmp_path / "model.safetensors")["embed_tokens.weight"]}
    (tmp_path / "model.safetensors").unlink()
    torch.save(only, tmp_path / "pytorch_model.bin")
    assert describe(tmp_path).final_norm is None


def test_t5_scales_its_logits_where_it_was_trained_tied() -> None:
    """T5 1.1 has a head of its own and no factor; what transformers writes down since is believed first."""
    t5 = {"model_type": "t5", "d_model": 16}
    assert parse_config(t5).logit_scale == 0.25
    assert parse_config({**t5, "tie_word_embeddings": False}).logit_scale == 1.0
    assert parse_config({**t5, "tie_word_embeddings": True, "scale_decoder_outputs": False}).logit_scale == 1.0
    assert parse_config({"model_type": "gpt2", "d_model": 16}).logit_scale == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("model_type", sorted(set(CONVENTIONS) & {*tiny.COMMON, *tiny.TAIL}))
def test_conventions_name_the_norm_that_transformers_builds(model_type: str, tmp_path: Path) -> None:
    """The two ways to a final norm, the table of conventions and a look at the model without weights, agree."""
    tiny.build(model_type).save_pretrained(tmp_path)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert build_skeleton(tmp_path).norm_on_disk(names) == describe(tmp_path).final_norm


def test_a_norm_that_cannot_be_tried_is_not_guessed() -> None:
    class OddNorm(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(4))

        def forward(self, points: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
            return points * gate

    class Model(torch.nn.Module):
        def __init__(self, *norms: torch.nn.Module) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4)])
            for i, norm in enumerate(norms):
                setattr(self, f"norm_{'ab'[i]}", norm)

    assert ask_for_norm(Model(OddNorm())) is None
    assert ask_for_norm(Model()) is None
    one, other = torch.nn.LayerNorm(4), torch.nn.LayerNorm(4)
    assert ask_for_norm(Model(one)) == FinalNorm(kind="LayerNorm", weight="norm_a.weight", bias="norm_a.bias")
    assert ask_for_norm(Model(one, other)) is None, "which of two is not guessed"
    plain = torch.nn.RMSNorm(4, elementwise_affine=False)
    assert ask_for_norm(Model(plain)) == FinalNorm(kind="RMSNorm", weight=None, bias=None)
    assert ask_for_norm(Model(torch.nn.RMSNorm(4))) == FinalNorm(kind="RMSNorm", weight="norm_a.weight", bias=None)
