"""The command that counts shared tokens."""


def test_two_models_of_one_tokenizer(theodolite):
    done = theodolite("align", "bundled:pocket-64", "bundled:pocket-256", "--json")
    assert done.code == 0
    content = done.json
    assert (content["schema_version"], content["command"], content["method"]) == (1, "align", "id")
    assert content["tables"] == ["bundled:pocket-64", "bundled:pocket-256"]
    assert content["n_unmatched"] == [0, 0]
    assert content["n_shared"] == content["counts"]["exact"] == content["n_candidates"][0]
    assert content["warnings"] == []


def test_what_a_person_sees(theodolite, shared_data):
    stories = shared_data / "models" / "stories260k"
    done = theodolite("align", "bundled:pocket-64", stories)
    assert done.code == 0
    assert "shared tokens (other tokenizers, by what tokens spell)." in done.out
    assert "same bytes, same start of a word" in done.out
    assert "88 unreachable" in done.out
    assert "fewer than 1000" in done.err
    assert theodolite("align", "bundled:pocket-64", stories, "--quiet").out == ""
    content = theodolite("align", "bundled:pocket-64", stories, "--fold-case", "--fold-forms", "--json").json
    assert content["fold_case"] is content["fold_forms"] is True
    assert content["counts"]["case"] > 0
    assert content["n_shared"] == sum(content["counts"].values())
    assert "fewer than 1000" in content["warnings"][0]


def test_a_table_without_tokens_is_refused(theodolite, table_file):
    done = theodolite("align", table_file, "bundled:pocket-64")
    assert done.code == 2
    assert "has no token strings" in done.err
