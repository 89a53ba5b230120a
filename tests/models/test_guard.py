"""Guards made here: each rule beside the plain call of transformers that it stands for."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.models import guard_scores, load_guard

WORDS = (
    "a",
    "garden",
    "with",
    "poison",
    "and",
    "bread",
    "Yes",
    "No",
    "safe",
    "unsafe",
    "guideline",
    "human",
    ":",
    "No.",
)
TEXTS = ("a garden with bread", "poison and a garden")
SHIELD = "{{ 'human : ' + messages[0]['content'] + ' guideline ' + guideline }}"
LLAMA = "{{ 'human : ' + messages[0]['content'] }}"


def tokenizer(template=None):
    vocabulary = {word: place for place, word in enumerate(("[UNK]", "[CLS]", "[SEP]", "[PAD]", *WORDS))}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    found = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]")
    found.chat_template = template
    return found


def saved(folder, model, template=None):
    model.save_pretrained(folder)
    tokenizer(template).save_pretrained(folder)
    return str(folder)


def classifier(**settings):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=32,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
        **settings,
    )
    model = BertForSequenceClassification(config).eval()
    torch.nn.init.normal_(model.classifier.weight, std=2.0)
    return model


def causal(n_positions=64):
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=n_positions,
    )
    return LlamaForCausalLM(config).eval()


def plain_logits(model, text):
    ids = torch.tensor([tokenizer().encode(text)])
    with torch.no_grad():
        return model(ids).logits[0].double()


@pytest.mark.parametrize(
    ("labels", "harmless"),
    [({0: "benign", 1: "harmful"}, 0), ({0: "jailbreak", 1: "SAFE", 2: "injection"}, 1), ({0: "a", 1: "b"}, 0)],
)
def test_a_classifier_gives_what_is_left_beside_its_harmless_label(tmp_path, labels, harmless):
    model = classifier(num_labels=len(labels), id2label=labels)
    guard = load_guard(saved(tmp_path, model), device="cpu")
    assert (guard.rule, guard.harmless) == ("classifier", harmless)
    expected = [1 - torch.softmax(plain_logits(model, text), dim=0)[harmless].item() for text in TEXTS]
    assert guard_scores(guard, TEXTS) == pytest.approx(expected, rel=1e-5)
    assert abs(expected[0] - expected[1]) > 0.01


def test_one_output_and_several_labels_at_once_are_read_through_the_logistic_function(tmp_path):
    one = classifier(num_labels=1)
    guard = load_guard(saved(tmp_path / "one", one), device="cpu")
    expected = [torch.sigmoid(plain_logits(one, text)[0]).item() for text in TEXTS]
    assert guard_scores(guard, TEXTS) == pytest.approx(expected, rel=1e-5)
    labels = {0: "safe", 1: "insult", 2: "threat"}
    several = classifier(num_labels=3, id2label=labels, problem_type="multi_label_classification")
    guard = load_guard(saved(tmp_path / "several", several), device="cpu")
    expected = [torch.sigmoid(plain_logits(several, text)[1:]).max().item() for text in TEXTS]
    assert guard_scores(guard, TEXTS) == pytest.approx(expected, rel=1e-5)


def test_the_most_harmful_part_of_a_long_text_counts(tmp_path):
    model = classifier(num_labels=2)
    guard = load_guard(saved(tmp_path, model), device="cpu")
    parts = ["a garden with bread and a garden with bread and poison and", "poison poison No"]
    each = guard_scores(guard, parts)
    assert guard_scores(guard, [" ".join(parts)]) == pytest.approx(each.max(), rel=1e-5)
    assert each[0] != pytest.approx(each[1], abs=1e-3)
    with pytest.raises(ParameterError, match="text without tokens"):
        guard_scores(guard, [""])


def test_a_template_with_a_guideline_is_asked_for_yes_and_no(tmp_path):
    model = causal(256)
    guard = load_guard(saved(tmp_path, model, SHIELD), device="cpu")
    assert guard.rule == "yes_no"
    found = guard_scores(guard, TEXTS)
    words = [tokenizer().convert_tokens_to_ids(word) for word in ("Yes", "No")]
    for text, score in zip(TEXTS, found, strict=True):
        asked = guard.model.tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, guideline=_guideline()
        )
        assert 'guideline * "No Dangerous Content"' in asked
        assert score == pytest.approx(torch.softmax(plain_logits(model, asked)[-1, words], dim=0)[0].item(), rel=1e-5)


def _guideline():
    from theodolite.models import guard as module  # noqa: PLC0415 - the words are no part of the interface

    return module._POLICIES


@pytest.mark.parametrize(("answer", "score"), [("safe", 0.0), ("unsafe", 1.0), ("safe safe", 1.0), ("No", 1.0)])
def test_any_other_template_must_answer_safe(tmp_path, monkeypatch, answer, score):
    guard = load_guard(saved(tmp_path, causal(256), LLAMA), device="cpu")
    assert guard.rule == "answer"
    new = torch.tensor([tokenizer().encode(answer)])
    monkeypatch.setattr(guard.model.module, "generate", lambda input_ids, **_: torch.cat([input_ids, new], dim=1))
    assert guard_scores(guard, TEXTS[:1]).tolist() == [score]


def test_an_answer_is_generated(tmp_path):
    guard = load_guard(saved(tmp_path, causal(256), LLAMA), device="cpu")
    assert guard_scores(guard, TEXTS[:1]).tolist() == [1.0]  # a hundred random words
    with pytest.raises(ParameterError, match=r"202 tokens does not fit into the context of 256 .*Cut the prompts"):
        guard_scores(guard, ["a " * 200])


def test_what_is_no_guard_is_refused(tmp_path):
    with pytest.raises(FormatError, match="bundled:pocket-64 is no guard: needed is a model for the classification"):
        load_guard("bundled:pocket-64", device="cpu")
    classifier(num_labels=2).save_pretrained(tmp_path)
    with pytest.raises(FormatError, match="has no tokenizer, which a guard needs"):
        load_guard(str(tmp_path), device="cpu")
    with pytest.raises(NotFoundError):
        load_guard(str(tmp_path / "nowhere"), device="cpu")
