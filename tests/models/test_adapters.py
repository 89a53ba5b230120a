"""Only the embedding is trained, at the rank that was asked for, and the model is left as it was."""

import copy
import hashlib
import warnings

import numpy as np
import peft
import pytest
import torch
import transformers

from theodolite.core.errors import FormatError, NotFoundError, ParameterError, PointsError
from theodolite.models import LanguageModel, evaluate_loss, load_model
from theodolite.models.adapters import save_adapter, tune_embedding
from theodolite.models.adapters_factors import FactorizedEmbedding, load_factors, save_factors, truncations
from theodolite.models.adapters_table import embedding_table, replaced_embedding


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = transformers.GPTNeoXConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    return LanguageModel.of(transformers.GPTNeoXForCausalLM(config), reference="tiny")


@pytest.fixture(scope="module")
def tied():
    torch.manual_seed(1)
    config = transformers.GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, n_positions=32, bos_token_id=0)
    return LanguageModel.of(transformers.GPT2LMHeadModel(config), reference="tied")


@pytest.fixture(scope="module")
def text():
    """40 windows of 10 tokens below 30, in which each token mostly follows from the one before."""
    generator = np.random.default_rng(0)
    rows = [generator.integers(30, size=40)]
    for _ in range(9):
        rows.append(np.where(generator.random(40) < 0.9, (7 * rows[-1] + 3) % 30, generator.integers(30, size=40)))
    return np.stack(rows, axis=1)


def digest(module):
    content = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        content.update(name.encode() + tensor.numpy().tobytes())
    return content.hexdigest(), [part.requires_grad for part in module.parameters()], str(module), module.training


@pytest.mark.parametrize("rank", [1, 4, None])
@pytest.mark.parametrize("kind", ["untied", "tied"])
def test_the_model_is_left_as_it_was(model, tied, text, rank, kind):
    one = tied if kind == "tied" else model
    before = digest(one.module)
    tuned = tune_embedding(one, text, rank=rank, n_steps=3)
    assert digest(one.module) == before
    assert tuned.update.abs().max() > 0
    assert tuned.tied is (kind == "tied")


def test_only_the_rows_of_tokens_seen_are_trained(model, text):
    tuned = tune_embedding(model, text, rank=None, n_steps=5, learning_rate=0.01)
    moved = tuned.update.abs().amax(dim=1) > 0
    # 40 windows in 5 batches of 8: all are seen; the last token of a window predicts nothing
    assert set(torch.nonzero(moved).flatten().tolist()) == set(text[:, :-1].ravel().tolist())
    assert tuned.n_parameters == 50 * 16


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate(model, text):
    tuned = tune_embedding(model, text, rank=None, n_steps=1, learning_rate=0.01)
    moved = tuned.update[tuned.update.abs().amax(dim=1) > 0]
    assert moved.abs().median().item() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("alpha", ["sqrt", "r", "2r"])
def test_an_adapter_has_the_rank_and_scaling_that_were_asked_for(model, text, alpha):
    tuned = tune_embedding(model, text, rank=3, n_steps=5, alpha=alpha)
    assert np.linalg.matrix_rank(tuned.update.numpy(), tol=1e-6) == 3
    assert tuned.scaling == pytest.approx({"sqrt": 3**-0.5, "r": 1.0, "2r": 2.0}[alpha])
    assert tuned.n_parameters == 3 * (50 + 16)
    assert [factor.shape for factor in tuned.factors] == [(50, 3), (3, 16)]
    torch.testing.assert_close(tuned.factors[0] @ tuned.factors[1], tuned.update)


@pytest.mark.parametrize(("alpha", "growth"), [("sqrt", 1.0), ("r", 4.0)])
def test_a_first_step_is_about_as_long_at_every_rank_under_the_square_root(model, text, alpha, growth):
    """The first step of Adam adds B's r random rows, signed by the gradient: |.|^2 is r d (1 + 2 r / pi d)."""
    norms = [
        np.sqrt(
            np.mean(
                [
                    float(tune_embedding(model, text, rank=rank, n_steps=1, alpha=alpha, seed=seed).update.norm()) ** 2
                    for seed in range(12)
                ]
            )
        )
        for rank in (1, 16)
    ]
    expected = growth * np.sqrt((1 + 2 / np.pi) / (1 + 2 / (16 * np.pi)))
    assert norms[1] / norms[0] == pytest.approx(expected, rel=0.2)


def test_every_rank_sees_the_same_text_in_the_same_order(model, text):
    losses = [tune_embedding(model, text, rank=rank, n_steps=1, seed=5).losses[0] for rank in (1, 8, None)]
    assert losses[0] == losses[1] == losses[2]
    assert losses[0] != tune_embedding(model, text, rank=1, n_steps=1, seed=6).losses[0]


def test_the_same_call_gives_the_same_numbers(model, text):
    torch.manual_seed(1)
    one = tune_embedding(model, text, rank=2, n_steps=4, seed=3)
    state = torch.random.get_rng_state()
    other = tune_embedding(model, text, rank=2, n_steps=4, seed=3)
    assert torch.equal(one.update, other.update)
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's random numbers are left alone
    assert not torch.equal(one.update, tune_embedding(model, text, rank=2, n_steps=4, seed=4).update)


def test_training_lowers_the_loss_and_more_so_at_a_higher_rank(model, text):
    table = embedding_table(model)
    found = [evaluate_loss(model, text).mean]
    for rank in (1, 16):
        tuned = tune_embedding(model, text, rank=rank, n_steps=40, learning_rate=0.03)
        with replaced_embedding(model, table + tuned.update):
            found.append(evaluate_loss(model, text).mean)
    assert found[0] > found[1] > found[2]


def test_a_saved_adapter_is_what_was_trained(model, text, tmp_path):
    tuned = tune_embedding(model, text, rank=4, n_steps=20)
    before = digest(model.module)
    save_adapter(model, tuned, tmp_path / "adapter")
    assert digest(model.module) == before
    with replaced_embedding(model, embedding_table(model) + tuned.update):
        wanted = evaluate_loss(model, text[:4]).per_window
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
        loaded = peft.PeftModel.from_pretrained(copy.deepcopy(model.module), tmp_path / "adapter")
    ids = torch.from_numpy(text[:4])
    with torch.no_grad():
        logits = loaded(input_ids=ids).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    np.testing.assert_allclose(losses.reshape(4, -1).mean(dim=1), wanted, rtol=1e-5)
    weights = (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size
    assert weights < 4 * tuned.n_parameters + 2000  # the adapter alone, no table
    written = (tmp_path / "adapter" / "adapter_config.json").read_text(encoding="utf-8")
    assert "tiny" in written
    assert {file.name for file in (tmp_path / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }


def test_a_tied_table_can_be_replaced_on_one_side_or_both(tied, text):
    table = embedding_table(tied)
    other = table + 0.3 * torch.randn(table.shape, generator=torch.Generator().manual_seed(0))
    plain = evaluate_loss(tied, text).mean
    with replaced_embedding(tied, other, side="input"):
        one_side = evaluate_loss(tied, text).mean
        assert tied.module.lm_head.weight is not tied.module.get_input_embeddings().weight
    with replaced_embedding(tied, other, side="both"):
        both_sides = evaluate_loss(tied, text).mean
        assert torch.equal(tied.module.lm_head.weight, other)
    assert len({plain, one_side, both_sides}) == 3
    assert tied.module.lm_head.weight is tied.module.get_input_embeddings().weight
    assert evaluate_loss(tied, text).mean == plain


def test_the_table_is_put_back_after_an_error(model):
    table = embedding_table(model)
    with pytest.raises(RuntimeError, match="inside"), replaced_embedding(model, table + 1):
        raise RuntimeError("inside")
    assert torch.equal(embedding_table(model), table)


def test_training_that_diverges_is_refused_and_leaves_nothing_behind(model, text):
    before = digest(model.module)
    with pytest.raises(ParameterError, match=r"training loss is nan at step \d+ of 20 with learning_rate=1e\+30"):
        tune_embedding(model, text, rank=None, n_steps=20, learning_rate=1e30)
    assert digest(model.module) == before


def test_wrong_settings_are_refused(model, text):
    def tune(windows=text, rank=2, **settings):
        return tune_embedding(model, windows, rank=rank, **{"n_steps": 1, **settings})

    with pytest.raises(ParameterError, match="rank=17 is not possible for a table of 16 columns"):
        tune(rank=17)
    with pytest.raises(ParameterError, match="rank=0 is not possible"):
        tune(rank=0)
    with pytest.raises(ParameterError, match="learning_rate=0 does not train"):
        tune(learning_rate=0)
    with pytest.raises(ParameterError, match="alpha must be 'sqrt', 'r', '2r', not 'r/2'"):
        tune(alpha="r/2")
    with pytest.raises(ParameterError, match="n_steps=0 and batch_size=8 must both be at least 1"):
        tune(n_steps=0)
    with pytest.raises(ParameterError, match="3 windows do not fill a batch of 8"):
        tune(text[:3])
    with pytest.raises(ParameterError, match="must be of one length"):
        tune([[1, 2], [1, 2, 3]], batch_size=1)
    with pytest.raises(ParameterError, match="hold token 50, but the model has 50"):
        tune([[1, 50]], batch_size=1)
    with (
        pytest.raises(ParameterError, match='side must be "input" or "both"'),
        replaced_embedding(model, embedding_table(model), side="output"),
    ):
        pass
    with (
        pytest.raises(ParameterError, match="has an output embedding of its own"),
        replaced_embedding(model, embedding_table(model), side="both"),
    ):
        pass
    with (
        pytest.raises(PointsError, match=r"has shape \(2, 2\), but the model's has \(50, 16\)"),
        replaced_embedding(model, torch.zeros(2, 2)),
    ):
        pass
    with (
        pytest.raises(PointsError, match="numbers that are not finite"),
        replaced_embedding(model, torch.full((50, 16), torch.nan)),
    ):
        pass
    with pytest.raises(ParameterError, match="so there is no adapter to save"):
        save_adapter(model, tune(rank=None), "nowhere")


def test_models_that_cannot_be_trained_are_refused(model, text):
    half = load_model("bundled:pocket-64", device="cpu", dtype="bfloat16")
    with pytest.raises(ParameterError, match="is in bfloat16, in which small updates are rounded away"):
        tune_embedding(half, text, rank=2, n_steps=1)

    torch.manual_seed(0)
    shape = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    encoder = transformers.BertForMaskedLM(transformers.BertConfig(**shape, intermediate_size=32))
    with pytest.raises(ParameterError, match=r"encoder is no causal model \(encoder\)"):
        tune_embedding(LanguageModel.of(encoder, reference="encoder"), text, rank=2, n_steps=1)

    class Lookup(torch.nn.Module):
        def __init__(self, table):
            super().__init__()
            self.weight = torch.nn.Parameter(table)

        def forward(self, ids):
            return self.weight[ids]

    layer = model.module.get_input_embeddings()
    model.module.set_input_embeddings(Lookup(embedding_table(model)))
    try:
        with pytest.raises(FormatError, match="The embedding of tiny is a Lookup"):
            embedding_table(model)
    finally:
        model.module.set_input_embeddings(layer)
    layer.to("meta")
    try:
        with pytest.raises(FormatError, match="weights of tiny are not in memory"):
            embedding_table(model)
    finally:
        layer.to_empty(device="cpu")
        torch.nn.init.normal_(layer.weight, std=0.02, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("center", [False, True])
def test_truncations_are_those_of_the_singular_value_decomposition(center):
    generator = np.random.default_rng(0)
    table = (generator.normal(size=(200, 12)) * np.linspace(3, 0.1, 12) + 2).astype(np.float32)
    found = truncations(table, center=center)
    mean = table.mean(axis=0) if center else np.zeros(12)
    u, s, vt = np.linalg.svd(table - mean, full_matrices=False)
    np.testing.assert_allclose(found.variances.sqrt(), s, rtol=1e-6)
    for rank in (1, 5, 12):
        factors = found.factors(rank)
        np.testing.assert_allclose(factors.table(), (u[:, :rank] * s[:rank]) @ vt[:rank] + mean, atol=2e-5)
        assert factors.rank == rank
        assert factors.n_parameters == rank * 212 + (12 if center else 0)
        left_out = ((factors.table().double() - torch.from_numpy(table)) ** 2).sum()
        assert float(left_out) == pytest.approx(float(found.variances[rank:].sum()), rel=1e-4, abs=1e-6)


def test_a_model_runs_on_the_factors(model, text, tmp_path):
    factors = truncations(embedding_table(model), center=True).factors(5)
    save_factors(tmp_path / "table.safetensors", factors, {"reference": "tiny"})
    loaded, facts = load_factors(tmp_path / "table.safetensors")
    assert facts == {"reference": "tiny"}
    with replaced_embedding(model, factors.table()):
        wanted = evaluate_loss(model, text).per_window
    layer = model.module.get_input_embeddings()
    model.module.set_input_embeddings(FactorizedEmbedding(loaded))
    try:
        found = evaluate_loss(model, text).per_window
    finally:
        model.module.set_input_embeddings(layer)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_bad_factors_are_refused(tmp_path):
    from safetensors.torch import save_file  # noqa: PLC0415

    with pytest.raises(NotFoundError, match="There is no file"):
        load_factors(tmp_path / "absent.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"no tensors")
    with pytest.raises(FormatError, match="cannot be read as safetensors"):
        load_factors(bad)
    save_file({"left": torch.zeros(3, 2)}, bad)
    with pytest.raises(FormatError, match="holds no factors"):
        load_factors(bad)
    save_file({"left": torch.zeros(3, 2), "right": torch.zeros(3, 2)}, bad, metadata={"kind": "theodolite.factors"})
    with pytest.raises(FormatError, match=r"do not fit each other: \(3, 2\) and \(3, 2\)"):
        load_factors(bad)
    with pytest.raises(ParameterError, match="rank=4 is not possible for a table of 3 columns"):
        truncations(torch.eye(3)).factors(4)
    with pytest.raises(PointsError, match="empty or holds numbers that are not finite"):
        truncations(torch.full((3, 2), torch.inf))
