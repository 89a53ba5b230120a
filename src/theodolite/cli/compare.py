"""Command that says whether two runs agree."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from theodolite.cli.help_text import TOLERANCE
from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.number_format import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from theodolite.runs import Column, Run, RunComparison
    from theodolite.runs.reading.table_comparison import NumberDifference, TableComparison

_AGREE, _DIFFER = 0, 1
_LINES = 20


def compare_runs(
    a: Path,
    b: Path,
    /,
    *,
    rtol: Annotated[float, Parameter(group=TOLERANCE)] = 1e-6,
    atol: Annotated[float, Parameter(group=TOLERANCE)] = 1e-9,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Say whether two runs agree, and where not: settings, versions, inputs, rows, numbers.

    Numbers agree when they differ by at most atol + rtol * max(|a|, |b|); both 0 asks for equal numbers. The exit code
    is 0 where the tables agree and 1 where they differ.

    Parameters
    ----------
    a
        A run folder.
    b
        Another one.
    rtol
        Tolerance relative to the larger number.
    atol
        Tolerance that is always allowed.
    """
    from theodolite import runs  # noqa: PLC0415 - keeps --help fast

    first, second = runs.open_run(a), runs.open_run(b)
    found = runs.compare_runs(first, second, columns=_columns(first), rtol=rtol, atol=atol)
    if output.json:
        told = {"command": "compare-runs", "a": str(a), "b": str(b), "status": "success" if found.agree else "differ"}
        print_json({**told, "run_status": list(found.status), **_without(found.as_dict(), "status")})
    _show(str(a), str(b), found, output)
    return _AGREE if found.agree else _DIFFER


def _columns(run: "Run") -> "Mapping[str, Column] | None":
    """Return the columns of the run's study; None where this theodolite does not know it."""
    from theodolite.core.errors import ParameterError  # noqa: PLC0415 - keeps --help fast
    from theodolite.studies import resolve  # noqa: PLC0415

    try:
        return resolve(run.manifest["study"]).COLUMNS
    except ParameterError:
        return None


def _without(told: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in names}


def _show(a: str, b: str, found: "RunComparison", output: Output) -> None:
    table = found.table
    tolerance = f"rtol {found.rtol:g}, atol {found.atol:g}"
    if table is None:
        output.lines([f"{a} and {b} agree: their tables are the same file, byte for byte."])
    elif found.agree:
        output.lines([f"{a} and {b} agree: {counted(table.n_rows[0], 'row')}, every number within {tolerance}."])
    else:
        output.lines([f"{a} and {b} differ ({tolerance})."])
    for name, status in zip((a, b), found.status, strict=True):
        if status != "success":
            output.lines([f"{name} is {status}: only the rows that are there were compared."])
    for title, lines in (("Settings", found.settings), ("Versions", found.versions), ("Inputs", found.inputs)):
        _show_lines(title, lines, output)
    if table is not None:
        _show_lines("Columns", table.columns, output)
        _show_rows((a, b), table, output)
        _show_numbers(table.differences, output)


def _show_lines(title: str, lines: list[str], output: Output) -> None:
    if lines:
        more = [f"  and {len(lines) - _LINES} more; --json lists all"] if len(lines) > _LINES else []
        output.lines([f"{title}:", *(f"  {line}" for line in lines[:_LINES]), *more])


def _show_rows(names: tuple[str, str], table: "TableComparison", output: Output) -> None:
    for name, count, examples in zip(names, table.only, table.examples, strict=True):
        if count:
            output.lines([f"Rows only in {name}: {count:,}, such as", *(f"  {_named(one)}" for one in examples)])


def _show_numbers(differences: "list[NumberDifference]", output: Output) -> None:
    header = ("measure", "column", "rows", "beyond", "max abs", "max rel", "in stderr")
    rows = [
        (
            one.measure or "",
            one.column,
            f"{one.n_compared:,}",
            f"{one.n_differ:,}",
            f"{one.max_abs:.2g}",
            f"{one.max_rel:.2g}",
            "" if one.max_stderrs is None else f"{one.max_stderrs:.2g}",
        )
        for one in differences
    ]
    if rows:
        output.table("Numbers that are not equal", header, rows)
    worst = next((one for one in differences if one.worst), None)
    if worst is not None:
        named = {name: value for name, value in worst.worst.items() if name not in ("a", "b")}
        pair = f"{worst.worst['a']} and {worst.worst['b']}"
        output.lines([f"Farthest apart: {worst.column} of {worst.measure or 'the table'}, {pair}, at {_named(named)}"])


def _named(row: "Mapping[str, Any]") -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if value is not None)
