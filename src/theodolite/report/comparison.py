"""What differs between runs of one study: settings and versions, readings that both have, rows that only one has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from theodolite.core.number_format import counted, format_count, format_value
from theodolite.runs import Column, Run
from theodolite.runs.reading.table_comparison import NumberDifference, compare_tables

RUN = "run"
"""Column that says which run a row is from."""
_MODELS = (("model",), ("model_a", "model_b"), ("source", "target"))
"""Columns that name what was measured; of each group, all or none are there."""
_TOLERANCE = 1e-6
_HIDDEN = ("n1", "params", "token_id", "token", "x")
_MOST = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting that is not the same in all runs: its name, and its value in each."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How far the readings of one measure lie apart in two runs.

    Attributes
    ----------
    run, measure : str
        The other run, and what was measured.
    compared, differ, largest, errors : str
        Readings that both have, how many of them differ, the largest difference, and that in standard errors.
    where : str
        The reading that differs most, with both values.
    """

    run: str
    measure: str
    compared: str
    differ: str
    largest: str
    errors: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What the page of several runs begins with.

    Attributes
    ----------
    title : str
        Heading of the page.
    names : tuple of str
        Short names of the runs.
    sentences : list of str
        What differs, in words.
    settings : list of Setting
        Settings and versions that differ.
    changes : list of Change
        Readings that both have and that differ, the largest differences first.
    """

    title: str
    names: tuple[str, ...]
    sentences: list[str]
    settings: list[Setting]
    changes: list[Change]


def side_by_side(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Put the tables of runs under one another; a model that stands in several of them is named with its run.

    Parameters
    ----------
    frames : mapping of str to polars.DataFrame
        Name of the run to its table.

    Returns
    -------
    polars.DataFrame
        With the run's name in the first column, `run`.
    """
    named = dict(frames)
    for group in _MODELS:
        known = {run: _subjects(frame, group) for run, frame in frames.items()}
        for run, frame in named.items():
            others = set().union(*(subjects for other, subjects in known.items() if other != run))
            shared = known[run] & others
            if shared:
                named[run] = _renamed(frame, group, shared, run)
    return pl.concat(
        [frame.select(pl.lit(run).alias(RUN), pl.all()) for run, frame in named.items()], how="diagonal_relaxed"
    )


def compare(study: str, runs: Mapping[str, Run], columns: Mapping[str, Column]) -> Comparison:
    """Say what differs between runs of one study, each compared with the first.

    Parameters
    ----------
    study : str
        Name of the study.
    runs : mapping of str to Run
        Names to runs, two at least.
    columns : mapping of str to Column
        The study's columns.

    Returns
    -------
    Comparison
        Readings differ where they are not equal to six digits.
    """
    names = tuple(runs)
    first, *others = names
    differing = _settings(runs)
    sentences = [_setting_sentence(differing)]
    changes = []
    for other in others:
        tables = _without_settings([runs[first].scan(), runs[other].scan()], differing)
        found = compare_tables(*tables, columns=columns, rtol=_TOLERANCE, atol=_TOLERANCE)
        values = [one for one in found.differences if one.column == "value"]
        n_shared = found.n_rows[0] - found.only[0]
        sentences.append(_result_sentence(first, other, n_shared, values))
        apart = sorted((one for one in values if one.n_differ), key=lambda one: -(one.max_stderrs or one.max_rel))
        changes += [_change(other, one) for one in apart[:_MOST]]
    title = f"{study.capitalize()}: {', '.join(names[:-1])} and {names[-1]} compared"
    return Comparison(title=title, names=names, sentences=sentences, settings=differing, changes=changes)


def _subjects(frame: pl.DataFrame, group: Sequence[str]) -> set[tuple[Any, ...]]:
    """Return what was measured, as the values of some columns; nothing where the frame lacks them."""
    if not set(group) <= set(frame.columns):
        return set()
    return set(frame.select(group).unique().filter(pl.col(group[0]).is_not_null()).rows())


def _renamed(frame: pl.DataFrame, group: Sequence[str], shared: set[tuple[Any, ...]], run: str) -> pl.DataFrame:
    """Write the run behind the models of some rows."""
    chosen = pl.DataFrame(list(shared), schema=dict.fromkeys(group, pl.String), orient="row").with_columns(
        pl.lit(value=True).alias("_shared")
    )
    joined = frame.join(chosen, on=list(group), how="left", nulls_equal=True, maintain_order="left")
    names = [
        pl.when(pl.col("_shared")).then(pl.format("{} in {}", name, pl.lit(run))).otherwise(name) for name in group
    ]
    return joined.with_columns(
        one.alias(name) if name == group[0] else pl.when(pl.col(name).is_null()).then(None).otherwise(one).alias(name)
        for name, one in zip(group, names, strict=True)
    ).drop("_shared")


def _settings(runs: Mapping[str, Run]) -> list[Setting]:
    """Return the settings and versions that differ."""
    flat = []
    for run in runs.values():
        manifest = run.manifest
        versions = (manifest.get("environment") or {}).get("versions") or {}
        flat.append(
            {
                **manifest["config"],
                "version of the study": manifest["study_version"],
                **{f"version of {name}": version for name, version in versions.items()},
            }
        )
    found = []
    for name in dict.fromkeys(name for one in flat for name in one):
        values = tuple(_text(one.get(name)) for one in flat)
        if len(set(values)) > 1:
            found.append(Setting(name=name, values=values))
    return found


def _without_settings(tables: list[pl.LazyFrame], differing: Sequence[Setting]) -> list[pl.LazyFrame]:
    """Drop columns that hold nothing but a setting which differs: they would keep equal readings from being paired."""
    schemas = [table.collect_schema() for table in tables]
    names = [one.name for one in differing if all(one.name in schema for schema in schemas)]
    dropped = [
        name for name in names if all(table.select(pl.col(name).n_unique()).collect().item() == 1 for table in tables)
    ]
    return [table.drop(dropped) for table in tables]


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return "–" if value is None else str(value)


def _setting_sentence(differing: Sequence[Setting]) -> str:
    if not differing:
        return "Settings and versions are the same."
    one = differing[0]
    if len(differing) == 1 and len("".join(one.values)) < 60:
        return f"One setting differs: {one.name} is {', '.join(one.values[:-1])} and {one.values[-1]}."
    return f"These differ: {', '.join(setting.name for setting in differing)}."


def _result_sentence(first: str, other: str, n_shared: int, values: Sequence[NumberDifference]) -> str:
    if not n_shared:
        return f"{first} and {other} have no reading in common: they stand side by side."
    n_differ = sum(one.n_differ for one in values)
    if not n_differ:
        return f"Of {counted(n_shared, 'reading')} that {first} and {other} have in common, none differs."
    errors = [one.max_stderrs for one in values if one.max_stderrs is not None]
    furthest = f", at most by {format_value(max(errors))} standard errors" if errors else ""
    return (
        f"Of {counted(n_shared, 'reading')} that {first} and {other} have in common, {format_count(n_differ)} "
        f"{'differs' if n_differ == 1 else 'differ'}{furthest}."
    )


def _change(run: str, found: NumberDifference) -> Change:
    place = [
        str(value)
        for name, value in found.worst.items()
        if name not in ("a", "b", "measure", *_HIDDEN) and value is not None
    ]
    both = " → ".join(format_value(found.worst.get(side)) for side in "ab")
    return Change(
        run=run,
        measure=(found.measure or found.column).replace("_", " "),
        compared=format_count(found.n_compared),
        differ=format_count(found.n_differ),
        largest=format_value(found.max_abs),
        errors="–" if found.max_stderrs is None else format_value(found.max_stderrs),
        where=f"{', '.join(place)}: {both}",
    )
