"""What other programs read is held to a published schema."""

import json

import jsonschema
import pytest

from theodolite.runs import Manifest
from theodolite.runs.folder.manifest import Session


@pytest.mark.parametrize("name", ["output", "manifest"])
def test_the_schema_is_printed_as_it_is_shipped(theodolite, name):
    done = theodolite("schema", name)
    assert done.code == 0
    assert json.loads(done.out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_manifest_schema_names_every_field(theodolite):
    content = json.loads(theodolite("schema", "manifest").out)
    assert set(content["properties"]) == set(Manifest.__annotations__)
    assert set(content["$defs"]["session"]["properties"]) == set(Session.__annotations__)


def test_a_run_follows_both_schemas(theodolite, validate, table_file, tmp_path):
    done = theodolite("dimension", table_file, "--json", "--out", tmp_path / "run")
    assert done.json["status"] == "success"
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    validate("manifest", manifest)
    manifest["sessions"][0]["status"] = "done"
    with pytest.raises(jsonschema.ValidationError, match="'done' is not one of"):
        validate("manifest", manifest)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rows": [{"measure": "dimension", "method": "twonn"}]}, "'value' is a required property"),
        ({"rows": [{"measure": "dimension", "method": "twonn", "value": "19"}]}, "is not of type 'number'"),
        (
            {"findings": [{"id": "a", "claim": "b", "source": "c", "verdict": "yes", "evidence": "d"}]},
            "'yes' is not one",
        ),
        ({"status": "error"}, "'error' is a required property"),
        ({"schema_version": 2}, "1 was expected"),
    ],
)
def test_the_output_schema_refuses_what_is_wrong(validate, change, reason):
    answer = {"schema_version": 1, "command": "dimension", "status": "success", "run": "r", "rows": [], "findings": []}
    validate("output", answer)
    with pytest.raises(jsonschema.ValidationError, match=reason):
        validate("output", answer | change)
