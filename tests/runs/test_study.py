import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.runs import read_study_file
from theodolite.runs.study import find_study, study_file

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SETTINGS = st.dictionaries(
    TEXT,
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.lists(TEXT),
)


@given(SETTINGS)
def test_a_study_file_reads_back(tmp_path_factory, settings):
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_bytes(study_file("toy", 3, settings).encode())
    assert read_study_file(path) == ("toy", 3, settings)


def test_a_study_file_needs_only_a_name(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("study: toy\n")
    assert read_study_file(path) == ("toy", None, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study: [", "is not valid YAML"),
        ("- study", "does not say which study to run"),
        ("config: {}", "does not say which study to run"),
        ("study: 3", "does not say which study to run"),
        ("study: toy\nsettings: {}", "has the unknown entry 'settings'"),
        ("study: toy\nversion: new", "must be a whole number, not 'new'"),
        ("study: toy\nversion: true", "must be a whole number, not True"),
        ("study: toy\nconfig: [1]", "must be field names and values"),
        ("study: !!python/object/apply:os.system ['true']", "is not valid YAML"),
    ],
)
def test_a_study_file_of_another_shape_is_refused(tmp_path, text, message):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_study_file(path)


def test_a_study_file_is_text(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="is not a text file in UTF-8"):
        read_study_file(path)


def test_a_study_file_exists(tmp_path):
    with pytest.raises(NotFoundError, match=r"Cannot read the study file .*No such file"):
        read_study_file(tmp_path / "none.yaml")


def test_studies_are_found_by_name_module_attribute_and_callable(toy):
    assert find_study("toy", None, toy) is toy
    assert find_study("toy", {"toy": toy}) is toy
    assert find_study("toy", {"toy": "toy_study"}) is sys.modules["toy_study"]
    assert find_study("exit", {"exit": "sys:exit"}) is sys.exit
    assert find_study("other", lambda name: SimpleNamespace(NAME=name)).NAME == "other"


def test_an_unknown_study_is_named_with_the_closest(toy):
    with pytest.raises(ParameterError, match=r"No study is called 'dimensoin'\. Did you mean 'dimension'\?"):
        find_study("dimensoin", {"dimension": toy})
    with pytest.raises(ParameterError, match=r"No study is called 'x'\. Known: toy\."):
        find_study("x", None, toy)
    with pytest.raises(ParameterError, match=r"No study is called 'x'\. Known: none\."):
        find_study("x", None)
