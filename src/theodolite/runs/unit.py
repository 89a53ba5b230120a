"""The smallest piece of work that can be redone alone, and what doing it gives."""

import hashlib
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from theodolite.core.errors import ParameterError
from theodolite.core.hashing import canonical_json

if TYPE_CHECKING:
    import polars as pl

KEY_LENGTH = 20
SETTINGS = "settings"
"""Name under which params may hold a whole config."""


@dataclass(frozen=True, slots=True, init=False)
class Unit:
    """A piece of work named by everything that decides its rows.

    Two units are equal when their keys are. `params` is held as JSON, which takes less memory than dicts, and made
    anew whenever it is asked for: `run` sees the same values (lists for tuples, string keys) whether the unit comes
    from a plan or from a file, and nothing can change under the key.

    Attributes
    ----------
    study : str
        Name of the study whose `run` does the work.
    version : int
        The study's `VERSION`, raised when its numbers change.
    params : Mapping
        Everything that decides the rows, fit for JSON: content hashes of inputs rather than only their paths.
    group : str
        What is expensive to load; units of one group run one after the other. No part of the key.
    label : str
        What a person should read. No part of the key.
    later : tuple of str
        Settings among `params`, or in their entry "settings", that are no part of the key: they stand at their default,
        and the folder was begun when there were none of that name (`runs.upgrade`).
    key : str
        First 20 hex digits of the sha256 of study, version and params without `later`.

    Raises
    ------
    ParameterError
        If `params` cannot be written as JSON.

    Examples
    --------
    >>> first = Unit(study="demo", version=1, params={"k": 20, "path": "a"}, label="for humans")
    >>> first == Unit(study="demo", version=1, params={"path": "a", "k": 20})
    True
    >>> first.key
    'df4a7daea8c0e3eccf41'
    """

    study: str
    version: int
    group: str = field(compare=False)
    label: str = field(compare=False)
    later: tuple[str, ...] = field(compare=False)
    key: str
    _params: bytes = field(compare=False)

    def __init__(
        self,
        *,
        study: str,
        version: int,
        params: Mapping[str, Any],
        group: str = "",
        label: str = "",
        later: Sequence[str] = (),
    ) -> None:
        try:
            text = canonical_json(params).encode()
            named = canonical_json(without(params, later)).encode() if later else text
            identity = b'{"params":%b,"study":%b,"version":%b}' % (
                named,
                canonical_json(study).encode(),
                canonical_json(version).encode(),
            )
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"The params of a unit of study {study!r} cannot be written as JSON ({error}). "
                "Use strings, finite numbers, booleans, None, lists and dicts only."
            ) from error
        key = hashlib.sha256(identity).hexdigest()[:KEY_LENGTH]
        values = (study, version, sys.intern(group), label, tuple(later), key, text)
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def params(self) -> dict[str, Any]:
        """Everything that decides the rows, as JSON gives it."""
        params: dict[str, Any] = json.loads(self._params)
        return params

    @property
    def name(self) -> str:
        """The label, or the key where there is none."""
        return self.label or self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitResult:
    """What a study's `run` may return instead of bare rows.

    Attributes
    ----------
    rows : sequence of mapping, or polars.DataFrame
        Flat dicts with the columns of the study's `COLUMNS`; or a frame of exactly these columns and types, where rows
        are too many to be dicts.
    inputs : sequence of mapping
        Provenance of what was read (reference, revision, tensor, dtype, shape, sha256), fit for JSON. It is kept in
        the unit's file and gathered, each once, in the manifest.
    warnings : sequence of str
        What a reader of the numbers should know. Python warnings raised during `run` are gathered as well.
    parts : mapping of str to float
        Seconds that parts of the work took, such as the model and the geometry; the manifest holds their sums.
    notes : Mapping
        How the work was done, fit for JSON: what may differ between machines that give the same rows. Kept in the
        unit's file only.
    """

    rows: "Sequence[Mapping[str, Any]] | pl.DataFrame"
    inputs: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


def without(params: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return params without some settings, which lie among them or in their entry "settings".

    Examples
    --------
    >>> without({"row": 1, "k": 20, "settings": {"k": 20, "seed": 0}}, ["k"])
    {'row': 1, 'settings': {'seed': 0}}
    """
    kept = {name: value for name, value in params.items() if name not in names}
    if isinstance(inner := kept.get(SETTINGS), Mapping):
        kept[SETTINGS] = {name: value for name, value in inner.items() if name not in names}
    return kept


def is_key(text: str) -> bool:
    """Say whether `text` could be the key of a unit (and is therefore safe as a file name).

    Examples
    --------
    >>> is_key("0123456789abcdef0123"), is_key("../../etc/passwd")
    (True, False)
    """
    return len(text) == KEY_LENGTH and all(character in "0123456789abcdef" for character in text)
