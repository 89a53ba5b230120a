"""The grammar of references, and that every reference can be written down and read back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import ReferenceSyntaxError
from theodolite.tables import Reference

EXAMPLES = {
    "bundled:pocket-128@step512#output": ("bundled", "pocket-128", "step512", "output"),
    "bundled:pocket-128": ("bundled", "pocket-128", None, None),
    "hub:EleutherAI/pythia-70m@step3000#unembedding": ("hub", "EleutherAI/pythia-70m", "step3000", "output"),
    "EleutherAI/pythia-70m@step3000": ("hub", "EleutherAI/pythia-70m", "step3000", None),
    "gpt2#Embedding": ("hub", "gpt2", None, "input"),
    "hub:gpt2@refs/pr/1": ("hub", "gpt2", "refs/pr/1", None),
    "weights.safetensors#wte.weight": ("path", "weights.safetensors", None, "wte.weight"),
    "pytorch_model.bin#a.b": ("path", "pytorch_model.bin", None, "a.b"),
    "some/where/array.npy": ("path", "some/where/array.npy", None, None),
    "./model@step512#input": ("path", "./model", "step512", "input"),
    "/a/b/c": ("path", "/a/b/c", None, None),
    "a/b/c": ("path", "a/b/c", None, None),
    "./x%40y%23z%25": ("path", "./x@y#z%", None, None),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reference = Reference.parse(text)
    assert (reference.scheme, reference.location, reference.revision, reference.selector) == EXAMPLES[text]
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize("name", ["model", "a@b", "a#b", "a@b#c@d", "hub:x", "owner", "x%40y", "a b"])
def test_a_path_that_exists_wins(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    for prefix in ("", "./", f"{tmp_path}/"):
        plain = Reference.parse(prefix + name)
        assert (plain.scheme, plain.revision, plain.selector) == ("path", None, None)
        assert Path(plain.location).resolve() == tmp_path / name
        more = Reference.parse(f"{prefix}{name}@step5#w.x")
        assert (Path(more.location).resolve(), more.revision, more.selector) == (tmp_path / name, "step5", "w.x")
        assert Reference.parse(str(more)) == more


def test_the_longest_path_that_exists_wins(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m@v1").mkdir()
    assert Reference.parse(f"{tmp_path}/m@v1").revision is None
    assert Reference.parse(f"{tmp_path}/m@v2").revision == "v2"


def test_paths_and_references_pass_through(tmp_path: Path) -> None:
    reference = Reference.parse(tmp_path / "x@y#z")
    assert reference.location == f"{tmp_path}/x@y#z"
    assert Reference.parse(reference) is reference


def test_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert Reference.parse("~/model").location == "/home/somebody/model"


def test_unknown_scheme_is_named() -> None:
    with pytest.raises(ReferenceSyntaxError, match="'ftp' is not known"):
        Reference(scheme="ftp", location="x")  # type: ignore[arg-type]


PARTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)


@given(
    st.one_of(
        st.tuples(st.just("path"), PARTS.map(lambda text: f"nowhere/{text}") | PARTS),
        st.tuples(st.just("bundled"), NAMES),
        st.tuples(st.just("hub"), NAMES | st.tuples(NAMES, NAMES).map("/".join)),
    ),
    st.none() | PARTS,
    st.none() | PARTS,
)
def test_round_trip(where: tuple[str, str], revision: str | None, selector: str | None) -> None:
    reference = Reference(scheme=where[0], location=where[1], revision=revision, selector=selector)  # type: ignore[arg-type]
    if not Path(str(reference).split("#")[0]).exists():
        assert Reference.parse(str(reference)) == reference


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except ReferenceSyntaxError:
        return
    assert Reference.parse(str(reference)) == reference
