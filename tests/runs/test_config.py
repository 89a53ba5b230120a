from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Optional, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodolite.core.errors import ParameterError
from theodolite.runs import config_from_mapping, config_to_mapping

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@dataclass(frozen=True, kw_only=True)
class Inner:
    k: int = 20


@dataclass(frozen=True, kw_only=True)
class Config:
    reference: str
    k: int = 64
    discard: float = 0.1
    null: bool = True
    which: tuple[str, ...] = ("input", "output")
    pair: tuple[int, float] = (1, 2.0)
    rows: Literal["all", "tokenizer"] = "tokenizer"
    limit: int | None = None
    either: int | str = 1
    scale: Optional[float] = None  # noqa: UP045 - the older spelling is understood too
    mixed: Union[int, float, None] = None  # noqa: UP007
    names: list[str] = field(default_factory=list)
    many: Sequence[int] = ()
    table: Mapping[str, float] = field(default_factory=dict)
    inner: Inner = Inner()
    anything: Any = None
    bare: tuple = ()  # type: ignore[type-arg]
    found: int = field(default=0, init=False)

    def __post_init__(self):
        if self.k < 2:
            raise ParameterError(f"k={self.k} is too small. Take k >= 2.")


def build(**values):
    return config_from_mapping(Config, {"reference": "a"} | values)


@given(
    st.builds(
        Config,
        reference=TEXT,
        k=st.integers(2),
        discard=st.floats(allow_nan=False, allow_infinity=False),
        which=st.lists(TEXT).map(tuple),
        limit=st.none() | st.integers(),
        either=st.integers() | TEXT,
        mixed=st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        table=st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False)),
        inner=st.builds(Inner, k=st.integers()),
    )
)
def test_a_config_comes_back_from_its_mapping(config):
    mapping = config_to_mapping(config)
    del mapping["found"]
    assert config_from_mapping(Config, mapping) == config


def test_lists_become_tuples_and_whole_numbers_floats():
    config = build(which=["input"], pair=[3, 4], discard=0, scale=2, table={"a": 1}, inner={"k": 3}, many=[1], bare=[1])
    assert config.which == ("input",)
    assert config.pair == (3, 4.0)
    assert (config.many, config.bare) == ((1,), (1,))
    assert [type(value) for value in (config.pair[1], config.discard, config.scale, config.table["a"])] == [float] * 4
    assert config.inner == Inner(k=3)
    assert build(inner=Inner(k=4)).inner == Inner(k=4)


def test_a_member_of_a_union_stays_what_it_is():
    assert (build(either="1").either, build(either=1).either) == ("1", 1)
    assert type(build(mixed=1).mixed) is int
    assert build(anything={"x": [1]}).anything == {"x": [1]}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"discrad": 0.1}, r"Config has no field 'discrad'\. Did you mean 'discard'\? Fields: reference, k,"),
        ({"zzz": 0.1}, r"Config has no field 'zzz'\. Fields: "),
        ({"found": 1}, "Config has no field 'found'"),
        ({"inner": {"kk": 1}}, r"Inner \(inner\) has no field 'kk'\. Did you mean 'k'\?"),
        ({"inner": 3}, r"Inner \(inner\) needs field names and values, but got 3 \(int\)"),
        ({"k": "64"}, r"k must be int, not '64' \(str\)"),
        ({"k": 6.4}, r"k must be int, not 6\.4 \(float\)"),
        ({"k": True}, "k must be int, not True"),
        ({"k": None}, "k must be int, not None"),
        ({"discard": "0.1"}, "discard must be float, not '0.1'"),
        ({"discard": False}, "discard must be float, not False"),
        ({"null": 1}, "null must be bool, not 1"),
        ({"reference": 1}, "reference must be str, not 1"),
        ({"which": "input"}, r"which must be a list \(tuple\[str, \.\.\.\]\), not 'input'"),
        ({"which": ["input", 3]}, r"which\[1\] must be str, not 3"),
        ({"names": 3}, "names must be a list"),
        ({"pair": [1]}, "pair must have 2 entries"),
        ({"rows": "tokeniser"}, r"rows must be one of 'all', 'tokenizer', not 'tokeniser'.*Did you mean 'tokenizer'\?"),
        ({"rows": 7}, r"rows must be one of 'all', 'tokenizer', not 7 \(int\)\.$"),
        ({"limit": "many"}, "limit must be int, not 'many'"),
        ({"either": 1.5}, r"either must be int \| str, not 1\.5"),
        ({"scale": "x"}, "scale must be float, not 'x'"),
        ({"table": [1]}, "table must map names to values"),
        ({"table": {"a": "b"}}, r"table\.a must be float, not 'b'"),
        ({"k": 1}, "k=1 is too small"),
        ({"reference": ["x" * 100]}, r"\.\.\. \(list\)"),
    ],
)
def test_what_does_not_fit_is_named(values, message):
    with pytest.raises(ParameterError, match=message):
        build(**values)


def test_a_field_without_a_default_is_needed():
    with pytest.raises(ParameterError, match="Config needs 'reference', which is not given"):
        config_from_mapping(Config, {})


def test_settings_are_held_by_a_dataclass():
    with pytest.raises(ParameterError, match="int is not a dataclass"):
        config_from_mapping(int, {})
    with pytest.raises(ParameterError, match="must be a dataclass instance, but this is a type"):
        config_to_mapping(Config)
    with pytest.raises(ParameterError, match="must be a dataclass instance, but this is a dict"):
        config_to_mapping({})


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\udc80"])
def test_a_config_is_fit_for_json(value):
    with pytest.raises(ParameterError, match="Field 'anything' of Config cannot be written as JSON"):
        config_to_mapping(Config(reference="a", anything=value))
