"""Margins, preferences and side effects equal what a plain forward pass gives; generation leaves nothing behind."""

import numpy as np
import pytest
import torch

from theodolite.core.errors import ParameterError
from theodolite.models.contrast_pairs import load_contrast
from theodolite.models.contrast_vectors import contrast_vector, tokenize_pairs
from theodolite.models.steering_blocks import find_blocks
from theodolite.models.steering_generation import Generated, generate
from theodolite.models.steering_hooks import plan_steering
from theodolite.models.steering_scores import predictions, score_pairs, side_effects


@pytest.fixture(scope="module")
def gender(pocket):
    return contrast_vector(pocket, load_contrast("gender"))


@pytest.fixture(scope="module")
def pairs(pocket):
    return tokenize_pairs(pocket, load_contrast("gender").held_out[:6])


def plain_scores(pocket, pair, added=None, start=0):
    found = []
    for ids in (pair.positive, pair.negative):
        handle = None
        if added is not None:

            def move(_, __, output):
                states = output[0] if isinstance(output, tuple) else output
                states = states.clone()
                states[:, start:] += added
                return (states, *output[1:]) if isinstance(output, tuple) else states

            handle = find_blocks(pocket.module)[1][1].register_forward_hook(move)
        with torch.no_grad():
            logs = pocket.module(input_ids=torch.from_numpy(ids)[None]).logits[0].log_softmax(-1)
        if handle is not None:
            handle.remove()
        taken = logs[:-1].gather(1, torch.from_numpy(ids)[1:, None])[:, 0].double()
        found.append((float(taken[pair.n_prompt - 1 :].mean()), float(taken[pair.first_difference - 1])))
    (positive, first), (negative, second) = found
    return positive, negative, np.exp(first) / (np.exp(first) + np.exp(second))


@pytest.mark.parametrize("batch_size", [1, 5, 64])
@pytest.mark.parametrize("positions", [None, "all", "after"])
def test_scores_equal_plain_forward_passes(pocket, pairs, gender, batch_size, positions):
    steering, added = None, None
    if positions is not None:
        steering = plan_steering(gender.only(2), strength=0.5, unit="residual", positions=positions)
        added = steering.added[2]
    scores = score_pairs(pocket, pairs, steering=steering, batch_size=batch_size)
    for row, pair in enumerate(pairs):
        start = pair.n_prompt - 1 if positions == "after" else 0
        wanted = plain_scores(pocket, pair, added, start)
        assert (scores.positive[row], scores.negative[row], scores.preference[row]) == pytest.approx(wanted, abs=1e-4)
    assert scores.margin == pytest.approx(scores.positive - scores.negative)


def test_a_vector_moves_held_out_text_both_ways(pocket, pairs, gender):
    base = score_pairs(pocket, pairs).margin
    moved = {
        strength: score_pairs(
            pocket, pairs, steering=plan_steering(gender.only(3), strength=strength, unit="residual")
        ).margin
        - base
        for strength in (-0.25, 0.25)
    }
    assert (moved[-0.25] < 0).all()
    assert (moved[0.25] > 0).all()


def test_side_effects(pocket, gender):
    windows = [np.arange(10, 40), np.arange(50, 60)]
    before = predictions(pocket, windows)
    nothing = side_effects(pocket, windows, before, steering=plan_steering({2: np.zeros(64)}))
    assert nothing.kl == pytest.approx(0, abs=1e-6)
    assert nothing.n_predicted == 38
    lost = [
        -float(logs.gather(1, torch.from_numpy(ids[1:])[:, None]).sum())
        for ids, logs in zip(windows, before, strict=True)
    ]
    assert nothing.loss == pytest.approx(sum(lost) / 38, rel=1e-5)
    assert nothing.perplexity == pytest.approx(np.exp(sum(lost) / 38), rel=1e-4)
    kls = [
        side_effects(
            pocket, windows, before, steering=plan_steering(gender.only(3), strength=strength, unit="residual")
        ).kl
        for strength in (0.25, 1.0)
    ]
    assert 0 < kls[0] < kls[1]


def test_generation_is_greedy_seeded_and_leaves_torch_as_it_was(pocket, gender):
    prompts = ["It was late, and the lamps were lit."]
    first, second = (generate(pocket, prompts, n_tokens=8)[0] for _ in range(2))
    assert first.text == second.text
    assert len(first.token_ids) == 8
    state = torch.get_rng_state()
    drawn = [generate(pocket, prompts, n_tokens=8, temperature=1.0, seed=seed)[0].text for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.get_rng_state(), state)
    steering = plan_steering(gender.only(4), strength=1.0, unit="residual", positions="after")
    assert generate(pocket, prompts, n_tokens=8, steering=steering)[0].text != first.text


def test_steering_after_the_prompt_is_the_same_with_and_without_a_cache(pocket, gender):
    prompt = "It was late, and the lamps were lit."
    n_prompt = len(pocket.tokenizer.encode(prompt))
    after = plan_steering(gender.only(2), strength=0.5, unit="residual", positions="after")
    index = plan_steering(gender.only(2), strength=0.5, unit="residual", positions=n_prompt - 1)
    assert generate(pocket, [prompt], steering=after)[0].text == generate(pocket, [prompt], steering=index)[0].text


def test_an_interrupted_generation_leaves_no_hooks(pocket, gender, monkeypatch):
    steering = plan_steering(gender.only(2, 3), positions="after")
    parts = list(pocket.module.modules())
    count = [sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in parts)]

    def interrupted(*_, **__):
        count.append(sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in parts))
        raise KeyboardInterrupt

    monkeypatch.setattr(pocket.module, "generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(pocket, ["It was late."], steering=steering)
    count.append(sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in parts))
    assert count == [count[0], count[0] + 3, count[0]]


def test_repetition():
    looped = Generated(prompt="", text="", token_ids=np.array([4, 4, 4, 4]))
    assert looped.distinct(2) == pytest.approx(1 / 3)
    assert np.isnan(Generated(prompt="", text="", token_ids=np.array([4])).distinct(2))


def test_prompts_that_cannot_be_continued(pocket, tiny):
    with pytest.raises(ParameterError, match="has no tokenizer"):
        generate(tiny("llama"), ["a"])
    with pytest.raises(ParameterError, match="without tokens"):
        generate(pocket, [""])
    with pytest.raises(ParameterError, match="exceed the context of 256"):
        generate(pocket, ["a"], n_tokens=300)
    with pytest.raises(ParameterError, match="must be at least 1"):
        generate(pocket, ["a"], n_tokens=0)
