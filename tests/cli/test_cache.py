"""What is kept of models on the Hub, from the command line: listed, and given back only when that was said."""

import importlib.util
import sys
from pathlib import Path

import pytest

from theodolite import bundled
from theodolite.tables import cache_size, cached_models, load_table

ONE, OTHER = "pocket/64", "other/model"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    name = "theodolite_hub_server"
    if name not in sys.modules:
        place = Path(__file__).parent.parent / "tables" / "hub_server.py"
        spec = importlib.util.spec_from_file_location(name, place)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    with sys.modules[name].serving(tmp_path / "hub", monkeypatch) as running:
        for repository in (ONE, OTHER):
            running.add(repository, bundled.path("pocket-64"))
        yield running


@pytest.fixture
def kept(hub):
    load_table(f"hub:{ONE}#output")
    load_table(f"hub:{OTHER}#input")
    return hub


def test_what_is_kept_is_listed_with_its_total(theodolite, kept):
    content = theodolite("cache", "--json").json
    assert (content["schema_version"], content["command"], content["status"]) == (1, "cache", "success")
    by_name = {one["repository"]: one for one in content["models"]}
    assert set(by_name) == {ONE, OTHER}
    assert by_name[ONE]["tensors"] == ["embed_out.weight"]
    assert by_name[ONE]["commit"] == kept.repositories[ONE].commits["main"]
    assert by_name[ONE]["n_bytes"] >= 4096 * 64 * 2
    assert content["n_bytes"] == cache_size()
    shown = theodolite("cache").out
    assert all(text in shown for text in (ONE, OTHER, "embed_out.weight", by_name[ONE]["commit"][:12], "Total: "))


def test_an_empty_cache_is_no_error(theodolite, hub):
    assert theodolite("cache", "--json").json["models"] == []
    done = theodolite("cache")
    assert (done.code, done.out) == (0, "")
    assert "Nothing of the Hub is kept" in done.err
    assert theodolite("cache", "clear", "--json").json["n_bytes"] == 0


def test_one_model_is_removed_and_the_other_stays(theodolite, kept):
    before = cache_size()
    done = theodolite("cache", "clear", f"hub:{ONE}", "--yes", "--json")
    assert done.code == 0
    assert done.json["command"] == "cache clear"
    assert done.json["n_bytes"] == before - cache_size() > 500_000
    assert [one["repository"] for one in done.json["removed"]] == [ONE]
    assert [one.repository for one in cached_models()] == [OTHER]


def test_nothing_is_removed_before_somebody_agreed(theodolite, kept, monkeypatch):
    done = theodolite("cache", "clear", "--json")
    assert done.code == 2
    assert done.json["status"] == "error"
    assert "Pass --yes" in done.json["error"]["message"]

    class Person:
        said = "n\n"

        def isatty(self):
            return True

        def readline(self):
            return self.said

    monkeypatch.setattr(sys, "stdin", Person())
    refused = theodolite("cache", "clear")
    assert refused.code == 1
    assert f"({OTHER}, {ONE})? [y/N]" in refused.err
    assert len(cached_models()) == 2
    Person.said = "y\n"
    assert "are free again" in theodolite("cache", "clear").out
    assert cached_models() == ()


def test_a_model_that_is_not_kept_is_named_with_those_that_are(theodolite, kept):
    done = theodolite("cache", "clear", "no/such", "--yes")
    assert done.code == 1
    assert "Nothing of no/such is in the cache" in done.err
    assert ONE in done.err
