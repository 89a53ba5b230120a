import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.hashing import canonical_json, hash_file, hash_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@given(JSON)
def test_canonical_json_reads_back(value):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_order_of_keys_does_not_matter(mapping):
    backwards = dict(reversed(mapping.items()))
    assert canonical_json(mapping) == canonical_json(backwards)
    assert hash_json(mapping) == hash_json(backwards)


@given(JSON)
def test_canonical_json_has_no_white_space_outside_strings(value):
    text = canonical_json(value)
    assert "".join(text.split()) == text or any(one.isspace() for one in _strings(value))


def _strings(value):
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(key + _strings(one) for key, one in value.items())
    if isinstance(value, list):
        return "".join(_strings(one) for one in value)
    return ""


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, float("-inf")]])
def test_values_without_an_identity_are_refused(value):
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json(value)


def test_the_hash_is_the_published_sha256():
    assert hash_json({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


def test_the_hash_is_the_same_in_another_process():
    code = "from theodolite.core.hashing import hash_json; print(hash_json({'b': [1, 'é'], 'a': None}))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert printed == hash_json({"a": None, "b": (1, "é")})


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_hash_file_equals_the_hash_of_its_bytes(tmp_path, size):
    data = bytes(index % 251 for index in range(size))
    path = tmp_path / "file"
    path.write_bytes(data)
    assert hash_file(path) == hashlib.sha256(data).hexdigest()
