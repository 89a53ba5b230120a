"""A study's frozen `Config` from a mapping and back: unknown fields, missing fields and wrong types are named."""

import difflib
import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from theodolite.core.errors import ParameterError
from theodolite.core.hashing import canonical_json

C = TypeVar("C")


class _MismatchError(Exception):
    """A value does not fit a type; the caller knows the field's name."""


def config_from_mapping(config_class: type[C], mapping: Mapping[str, Any]) -> C:
    """Build a config from what a YAML file, a command line or a manifest gives.

    Parameters
    ----------
    config_class : type
        A frozen dataclass whose fields are str, int, float, bool, None, Literal, tuples, lists, mappings with string
        keys, other such dataclasses, and unions of these.
    mapping : mapping
        Field name to value. Whole numbers are taken for float fields, lists for tuples; nothing else is converted.

    Returns
    -------
    config_class
        The config; fields that are not given have their defaults.

    Raises
    ------
    ParameterError
        If a field is unknown (with the closest name), missing, or of another type; or whatever the config refuses.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Config:
    ...     k: int = 20
    ...     discard: float = 0.1
    >>> config_from_mapping(Config, {"discard": 0})
    Config(k=20, discard=0.0)
    >>> config_from_mapping(Config, {"discrad": 0.2})
    Traceback (most recent call last):
    ...
    theodolite.core.errors.ParameterError: Config has no field 'discrad'. Did you mean 'discard'? Fields: k, discard.
    """
    try:
        return _build(config_class, mapping, "")
    except _MismatchError as error:
        raise ParameterError(str(error)) from None


def config_to_mapping(config: Any) -> dict[str, Any]:
    """Return the config as JSON-able values, field by field (tuples become lists).

    Parameters
    ----------
    config : dataclass
        An instance of a study's `Config`.

    Returns
    -------
    dict
        Field name to value.

    Raises
    ------
    ParameterError
        If it is not a dataclass, or a value has no JSON form.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Config:
    ...     which: tuple[str, ...] = ("input", "output")
    >>> config_to_mapping(Config())
    {'which': ['input', 'output']}
    """
    if not is_dataclass(config) or isinstance(config, type):
        raise ParameterError(f"A config must be a dataclass instance, but this is a {type(config).__name__}.")
    values = asdict(config)
    for name, value in values.items():
        try:
            canonical_json(value).encode()
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"Field {name!r} of {type(config).__name__} cannot be written as JSON ({error}). "
                "Use strings, finite numbers, booleans, None, lists and dicts only."
            ) from error
    copied: dict[str, Any] = json.loads(json.dumps(values))
    return copied


def default_settings(config_class: type[Any]) -> dict[str, Any]:
    """Return the fields that need not be given, with their defaults as JSON-able values.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Config:
    ...     reference: str
    ...     which: tuple[str, ...] = ("input", "output")
    >>> default_settings(Config)
    {'which': ['input', 'output']}
    """
    found: dict[str, Any] = {}
    for one in fields(config_class):
        if one.init and one.default is not MISSING:
            found[one.name] = one.default
        elif one.init and one.default_factory is not MISSING:
            found[one.name] = one.default_factory()
    values = {name: config_to_mapping(one) if is_dataclass(one) else one for name, one in found.items()}
    copied: dict[str, Any] = json.loads(json.dumps(values))
    return copied


def _build(config_class: type[C], mapping: Any, path: str) -> C:
    """Build one dataclass; `path` is empty, or the dotted name of the field it fills."""
    title = f"{config_class.__name__}{f' ({path})' if path else ''}"
    if not is_dataclass(config_class):
        raise ParameterError(f"{config_class.__name__} is not a dataclass, so it cannot hold settings.")
    if not isinstance(mapping, Mapping):
        raise _MismatchError(f"{title} needs field names and values, but got {_shown(mapping)}.")
    known = {one.name: one for one in fields(config_class) if one.init}
    for name in mapping:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise _MismatchError(f"{title} has no field {name!r}.{hint} Fields: {', '.join(known)}.")
    missing = [
        name
        for name, one in known.items()
        if name not in mapping and one.default is MISSING and one.default_factory is MISSING
    ]
    if missing:
        raise _MismatchError(f"{title} needs {', '.join(map(repr, missing))}, which is not given.")
    hints = get_type_hints(config_class)
    values = {name: _convert(value, hints[name], f"{path}.{name}".lstrip(".")) for name, value in mapping.items()}
    return config_class(**values)


def _convert(value: Any, kind: Any, path: str) -> Any:
    """Return `value` as `kind`, or raise `_MismatchError`."""
    origin, arguments = get_origin(kind), get_args(kind)
    container = origin or kind
    if origin in (Union, types.UnionType):
        converted = _convert_union(value, kind, arguments, path)
    elif origin is Literal:
        converted = _convert_choice(value, arguments, path)
    elif container in (tuple, list, Sequence):
        converted = _convert_sequence(value, kind, container, arguments, path)
    elif container in (dict, Mapping):
        converted = _convert_mapping(value, arguments, path)
    elif isinstance(kind, type) and is_dataclass(kind):
        converted = value if isinstance(value, kind) else _build(kind, value, path)
    else:
        converted = _convert_scalar(value, kind, path)
    return converted


def _convert_choice(value: Any, arguments: tuple[Any, ...], path: str) -> Any:
    if any(value == allowed and type(value) is type(allowed) for allowed in arguments):
        return value
    close = difflib.get_close_matches(str(value), [str(allowed) for allowed in arguments], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise _MismatchError(f"{path} must be one of {', '.join(map(repr, arguments))}, not {_shown(value)}.{hint}")


def _convert_mapping(value: Any, arguments: tuple[Any, ...], path: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise _MismatchError(f"{path} must map names to values, not {_shown(value)}.")
    inner = arguments[1] if arguments else Any
    return {name: _convert(one, inner, f"{path}.{name}") for name, one in value.items()}


def _convert_union(value: Any, kind: Any, arguments: tuple[Any, ...], path: str) -> Any:
    for one in arguments:  # a value that is exactly of one member's type stays what it is
        if isinstance(one, type) and type(value) is one:
            return value
    reasons = []
    for one in arguments:
        try:
            return _convert(value, one, path)
        except _MismatchError as error:
            reasons.append(str(error))
    real = [one for one in arguments if one is not type(None)]
    raise _MismatchError(reasons[arguments.index(real[0])] if len(real) == 1 else _wanted(path, _name(kind), value))


def _convert_sequence(value: Any, kind: Any, container: Any, arguments: tuple[Any, ...], path: str) -> Any:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _MismatchError(_wanted(path, f"a list ({_name(kind)})", value))
    if container is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise _MismatchError(f"{path} must have {len(arguments)} entries ({_name(kind)}), but has {len(value)}.")
        inner = arguments
    else:
        inner = ((arguments[0] if arguments else Any),) * len(value)
    converted = [
        _convert(one, wanted, f"{path}[{place}]") for place, (one, wanted) in enumerate(zip(value, inner, strict=True))
    ]
    return converted if container is list else tuple(converted)


def _convert_scalar(value: Any, kind: Any, path: str) -> Any:
    if kind is Any:
        return value
    if kind is None or kind is type(None):
        if value is None:
            return None
    elif kind is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    elif kind is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(kind, type) and isinstance(value, kind):
        return value
    raise _MismatchError(_wanted(path, _name(kind), value))


def _wanted(path: str, kind: str, value: Any) -> str:
    return f"{path} must be {kind}, not {_shown(value)}."


def _name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).replace("typing.", "")


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"
