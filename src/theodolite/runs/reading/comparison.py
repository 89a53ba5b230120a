"""Whether two runs agree, and where not: settings, versions, inputs, rows, numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from theodolite.core.errors import ParameterError, RunError
from theodolite.core.hashing import canonical_json, hash_file
from theodolite.runs.columns import Column
from theodolite.runs.folder.location import local_copy
from theodolite.runs.folder.manifest import Manifest, differences
from theodolite.runs.reading.run import Run
from theodolite.runs.reading.table_comparison import TableComparison, compare_tables

_RTOL, _ATOL = 1e-6, 1e-9
_NAMING = ("reference", "repository", "tensor", "which", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Whether two runs agree, and where not.

    Attributes
    ----------
    agree : bool
        Whether their tables have the same rows and columns, with numbers within the tolerance.
    identical : bool
        Whether the tables are the same file, byte for byte; then `table` is None, for there is nothing to compare.
    status : tuple of str
        Of each run. One that is not finished is compared by the rows that are there.
    settings, versions, inputs : list of str
        What differs before any number does, one `name: first -> second` each: study and config; packages, machine and
        commit; what was read.
    table : TableComparison or None
        Rows and numbers.
    rtol, atol : float
        Numbers agree when they differ by at most `atol + rtol * max(|a|, |b|)`.
    """

    agree: bool
    identical: bool
    status: tuple[str, str]
    settings: list[str]
    versions: list[str]
    inputs: list[str]
    table: TableComparison | None
    rtol: float
    atol: float

    def as_dict(self) -> dict[str, Any]:
        """Return the same as nested dicts and lists, fit for JSON."""
        return asdict(self)


def compare_runs(
    a: Run,
    b: Run,
    *,
    columns: Mapping[str, Column] | None = None,
    rtol: float = _RTOL,
    atol: float = _ATOL,
) -> RunComparison:
    """Say whether two runs agree, and where not.

    Parameters
    ----------
    a, b : Run
        Open runs, finished or not.
    columns : mapping of str to Column, optional
        The study's `COLUMNS`: which columns name a row, and which hold what came out. Without them, types and names
        say it.
    rtol, atol : float
        Numbers agree when they differ by at most `atol + rtol * max(|a|, |b|)`; both 0 asks for equal numbers.

    Returns
    -------
    RunComparison
        Tables of equal checksum are not read further.

    Raises
    ------
    ParameterError
        If a tolerance is negative or no number, or the runs are of different studies.
    RunError
        If a table is damaged or missing.

    Notes
    -----
    A row is named by its text, booleans and whole numbers, without counts (`n_...`), and by positions on continuous
    axes (`is_key_column`); these are compared to six digits. Rows of equal names are paired in their order, which is
    that of the plan. Memory holds about a million rows of each table at a time.
    """
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise ParameterError(f"{name} must be 0 or more, not {tolerance}.")
    first, second = a.manifest, b.manifest
    if first["study"] != second["study"]:
        raise ParameterError(
            f"{a.path} is a run of {first['study']!r} and {b.path} one of {second['study']!r}: runs of different "
            "studies have no rows in common. Compare runs of one study."
        )
    one, other = _checksum(a, first), _checksum(b, second)
    identical = one is not None and one == other
    table = None if identical else compare_tables(a.scan(), b.scan(), columns=columns, rtol=rtol, atol=atol)
    return RunComparison(
        agree=table is None or table.agree,
        identical=identical,
        status=(a.status, b.status),
        settings=differences(_settings(first), _settings(second)),
        versions=differences(_versions(first), _versions(second)),
        inputs=_input_differences(first["inputs"], second["inputs"]),
        table=table,
        rtol=rtol,
        atol=atol,
    )


def _checksum(run: Run, manifest: Manifest) -> str | None:
    """Return the checksum of a finished table, after a look at the file; None of a run that has none."""
    stated = manifest["table"]
    if stated is None:
        return None
    try:
        with local_copy(run.store.table_path) as local:
            found = hash_file(local)
    except OSError as error:
        raise RunError(
            f"Cannot read {run.store.table_path}: {error.strerror}. Run the study again: the units are kept."
        ) from error
    if found != stated["sha256"]:
        raise RunError(
            f"{run.store.table_path} is damaged: its checksum is not the one in the manifest. Run the study again: the "
            "table is written anew from the units, which are kept."
        )
    return found


def _settings(manifest: Manifest) -> dict[str, Any]:
    return {"study": manifest["study"], "version": manifest["study_version"], "config": manifest["config"]}


def _versions(manifest: Manifest) -> dict[str, Any]:
    environment = dict(manifest["environment"])
    return {**environment.pop("versions", {}), **environment, "commit": manifest.get("git")}


def _input_differences(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the inputs of one run that the other has not, and what differs in those of one name."""
    left, right = _named(a), _named(b)
    lines = [f"only in the first: {name}" for name in left if name not in right]
    lines += [f"only in the second: {name}" for name in right if name not in left]
    for name, one in left.items():
        if name in right and canonical_json(one) != canonical_json(right[name]):
            lines += [f"{name}: {line}" for line in differences(one, right[name])]
    return lines


def _named(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return inputs by what names them; where several share a name, by their order as well."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in inputs:
        name = " ".join(str(one[part]) for part in _NAMING if isinstance(one.get(part), str)) or "input"
        count = sum(1 for known in found if known == name or known.startswith(f"{name} ("))
        found[f"{name} ({count + 1})" if count else name] = one
    return found
