"""Doing one unit: run it, hold its rows to the columns, write its file, say what came of it."""

import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from theodolite.core.errors import GeometryWarning, RunError
from theodolite.core.hashing import canonical_json
from theodolite.core.redaction import redacted
from theodolite.runs.columns import columns_hash
from theodolite.runs.folder.store import Store
from theodolite.runs.folder.unit_file import UnitRecord, read_unit_record, write_unit_file
from theodolite.runs.folder.working import marked
from theodolite.runs.rows import frame_from_rows
from theodolite.runs.runner import Failure, Outcome
from theodolite.runs.study import Resolver, Study, find_study
from theodolite.runs.unit import Unit, UnitResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a runner calls on every unit. A unit's own failure is an outcome; a folder that refuses is an error.

    Attributes
    ----------
    store : Store
        Where the unit's file goes.
    own : Study or None
        The study being executed.
    resolve : mapping or callable, optional
        Where the studies of other units are found.
    attempts : mapping of str to int
        How often units were tried before.
    """

    store: Store
    own: Study | None = None
    resolve: Resolver | None = None
    attempts: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, unit: Unit) -> Outcome:
        """Do the unit.

        Raises
        ------
        RunError
            If its file cannot be written.
        """
        with marked(self.store.units_path, unit):
            return self._do(unit)

    def _do(self, unit: Unit) -> Outcome:
        """Do the unit, and write its rows."""
        start = time.perf_counter()
        try:
            study = find_study(unit.study, self.resolve, self.own)
            result, noted = _run(study, unit)
            frame = frame_from_rows(result.rows, study.COLUMNS)
            inputs, notes = _checked(result.inputs, "An input"), _checked([result.notes], "A note")[0]
        except Exception as error:
            return Outcome(key=unit.key, seconds=time.perf_counter() - start, failure=describe(error))
        seconds = time.perf_counter() - start
        record = UnitRecord(
            key=unit.key,
            study=unit.study,
            version=unit.version,
            label=unit.label,
            columns=columns_hash(study.COLUMNS),
            n_rows=frame.height,
            seconds=seconds,
            attempts=self.attempts.get(unit.key, 0) + 1,
            inputs=inputs,
            warnings=list(dict.fromkeys(redacted(one) for one in (*map(str, result.warnings), *noted))),
            parts={str(name): float(spent) for name, spent in result.parts.items()},
            notes=notes,
        )
        write_unit_file(self.store.unit_path(unit.key), frame, record)
        return Outcome(key=unit.key, seconds=seconds, n_rows=frame.height)

    def kept(self, unit: Unit) -> Outcome | None:
        """Return the outcome of a unit whose file is there, as after a worker that died before it could say so."""
        columns = columns_hash(find_study(unit.study, self.resolve, self.own).COLUMNS)
        if not self.store.is_intact(unit, columns):
            return None
        record = read_unit_record(self.store.unit_path(unit.key))
        return Outcome(key=unit.key, seconds=record.seconds, n_rows=record.n_rows)


def _run(study: Study, unit: Unit) -> tuple[UnitResult, list[str]]:
    """Run the unit and gather the warnings it raises."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", GeometryWarning)
        result = study.run(unit)
    if not isinstance(result, UnitResult):
        result = UnitResult(rows=result)
    if isinstance(result.rows, str | Mapping) or not isinstance(result.rows, Sequence | pl.DataFrame):
        raise RunError(
            f"Study {study.NAME!r} returned a {type(result.rows).__name__} for unit {unit.name}. "
            "Its run must return a list of dicts, a frame or a UnitResult."
        )
    noted = [
        str(one.message) if issubclass(one.category, GeometryWarning) else f"{one.category.__name__}: {one.message}"
        for one in caught
    ]
    return result, noted


def _checked(facts: Sequence[Mapping[str, Any]], what: str) -> list[dict[str, Any]]:
    for one in facts:
        try:
            canonical_json(one)
        except (TypeError, ValueError) as error:
            raise RunError(
                f"{what} of the unit cannot be written as JSON ({error}): {one!r:.200}. "
                "Use strings, finite numbers, booleans, None, lists and dicts only."
            ) from error
    return [dict(one) for one in facts]


def describe(error: Exception) -> Failure:
    """Return what `failures.jsonl` keeps of an exception; the home folder's name is left out.

    Examples
    --------
    >>> describe(ValueError("k must be positive")).exception
    'ValueError'
    """
    lines = traceback.TracebackException.from_exception(error).format()
    home = str(Path.home())
    text = "".join(lines)
    return Failure(
        exception=type(error).__name__,
        message=str(error),
        traceback=text.replace(home, "~") if len(home) > 1 else text,
    )
