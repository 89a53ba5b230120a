import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import RunError
from theodolite.runs import execute
from theodolite.runs.folder.manifest import Manifest, config_hash, differences, distinct, manifest_bytes, parse_manifest

SETTINGS = st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 2) | st.sampled_from(["x", "y"]))


@pytest.fixture
def path(toy, tmp_path):
    return execute(toy, toy.Config(), out=tmp_path / "run").store.manifest_path


def test_a_manifest_has_every_field_and_no_other(path):
    manifest = parse_manifest(path)
    assert set(manifest) == Manifest.__required_keys__
    assert manifest["schema_version"] == 1
    assert manifest["status"] == "success"
    assert (manifest["study"], manifest["study_version"]) == ("toy", 1)
    assert manifest["units"] == {"planned": 4, "kept": 0, "done": 4, "failed": 0}
    assert manifest["inputs"] == [{"reference": f"file {number}", "sha256": "0" * 64} for number in range(3)]
    assert manifest["config_sha256"] == config_hash("toy", 1, manifest["config"])
    assert manifest["sessions"][0]["runner"] == "serial"
    assert manifest["finished"] is not None
    assert manifest["finished"] >= manifest["created"]


def test_a_manifest_names_no_folder_of_this_machine(path, tmp_path):
    assert str(tmp_path) not in path.read_text()


def test_lone_surrogates_do_not_stop_a_manifest(path):
    manifest = parse_manifest(path)
    manifest["warnings"] = ["half a \udc80 token", "½"]
    path.write_bytes(manifest_bytes(manifest))
    assert parse_manifest(path)["warnings"] == ["half a \udc80 token", "½"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "has schema version 2, but this theodolite reads up to 1. Update theodolite"),
        ({"schema_version": None}, "is not the manifest of a run: it states no schema_version"),
        ({"units": 4}, "is damaged: units missing or of the wrong type"),
        ({"units": {}}, r"is damaged: units\.planned, units\.kept"),
        ({"sessions": [{}]}, r"is damaged: sessions\.started"),
        ({"sessions": [{"started": "yesterday"}]}, r"is damaged: sessions\.started"),
        ({"columns": {"value": "Object"}}, "is damaged: columns missing or of the wrong type"),
        ({"columns": ["value"]}, "is damaged: columns missing or of the wrong type"),
        ({"table": []}, "is damaged: table missing or of the wrong type. Restore it, or delete the folder"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(path, change, message):
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunError, match=message):
        parse_manifest(path)


@pytest.mark.parametrize("name", ["status", "config", "plan_sha256", "sessions"])
def test_a_manifest_that_lacks_a_field_is_refused(path, name):
    content = json.loads(path.read_text())
    del content[name]
    path.write_text(json.dumps(content))
    with pytest.raises(RunError, match=f"is damaged: {name} missing"):
        parse_manifest(path)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"schema_version": 1'])
def test_a_manifest_that_is_no_json_is_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(RunError, match="is damaged: it is not valid JSON"):
        parse_manifest(path)


@pytest.mark.parametrize("data", [b"[]", b"null", b"3"])
def test_json_that_is_no_manifest_is_refused(path, data):
    path.write_bytes(data)
    with pytest.raises(RunError, match="is not the manifest of a run"):
        parse_manifest(path)


def test_a_manifest_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"Cannot read .*: Is a directory"):
        parse_manifest(tmp_path)


@given(SETTINGS, SETTINGS)
def test_differences_name_exactly_the_fields_that_differ(old, new):
    absent = object()
    named = {line.split(":")[0] for line in differences(old, new)}
    assert named == {name for name in {*old, *new} if old.get(name, absent) != new.get(name, absent)}


def test_differences_go_into_mappings_and_are_short():
    lines = differences({"null": {"n": 1, "kind": "a"}, "text": "x" * 500}, {"null": {"n": 2, "kind": "a"}, "text": ""})
    assert lines[0] == "null.n: 1 -> 2"
    assert lines[1].endswith('... (502 characters) -> ""')


def test_distinct_keeps_the_first_of_equal_mappings():
    assert distinct([{"b": 1, "a": 2}, {"c": 3}, {"a": 2, "b": 1}]) == [{"b": 1, "a": 2}, {"c": 3}]
