"""The geometry that models share: all pairs of tokens, neighbors, local dimension, hidden states (lee2025).

One unit measures one table, one compares two tables on the tokens they share, and one compares the hidden states of two
models on the same text, layer by layer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from theodolite import bundled
from theodolite.core.errors import FormatError, ParameterError, PointsError
from theodolite.core.hashing import hash_json
from theodolite.core.number_format import counted
from theodolite.core.seeds import seed_from
from theodolite.runs import Unit, UnitResult
from theodolite.studies.rows import RowMaker
from theodolite.studies.similarity import states as similarity_states
from theodolite.studies.similarity import tables as similarity_tables
from theodolite.studies.similarity.coherence import measure_table, read_lexicon
from theodolite.studies.similarity.columns import COLUMNS
from theodolite.studies.similarity.config import MEASURED, NO_PROMPTS, Config
from theodolite.studies.similarity.findings import find
from theodolite.studies.similarity.measures import counts, measure_pair
from theodolite.studies.similarity.summary import summarize, summary_frame
from theodolite.tables import Table, expand

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "run", "summarize", "summary_frame"]

NAME = "similarity"
VERSION = 4

_TABLE, _PAIR, _STATES = "table", "pair", "states"
_NOT_OF_A_UNIT = ("references", "which", "prompts", "states")


def plan(config: Config) -> list[Unit]:
    """List the units: each table on its own, each pair of tables, and each pair of models on the same text.

    Parameters
    ----------
    config : Config
        What to compare.

    Returns
    -------
    list of Unit
        Tables first, then pairs in the order of the references, then hidden states.

    Raises
    ------
    ParameterError
        If the references are fewer than two, or two of them are the same.
    ParameterError, PointsError
        If the tokens of no pair can be matched: the reason of the first.
    """
    similarity_tables.forget()
    similarity_states.forget()
    pairs = list(combinations(_references(config), 2))
    _refuse_unmatched(config, pairs)
    return plan_pairs(config, pairs)


def plan_pairs(config: Config, pairs: Sequence[tuple[str, str]], *, alone: bool = True) -> list[Unit]:
    """List the units of some pairs, for a study that has chosen them.

    Parameters
    ----------
    config : Config
        What to compare; its references are not looked at.
    pairs : sequence of (str, str)
        References.
    alone : bool
        Whether each table is measured on its own too: local dimension, coherence, tokens of low and high dimension.

    Returns
    -------
    list of Unit
        As `plan`.
    """
    settings = {name: value for name, value in asdict(config).items() if name not in _NOT_OF_A_UNIT}
    if config.lexicon is not None:
        settings["lexicon_content"] = hash_json(read_lexicon(config.lexicon))
    found = {pair: similarity_tables.common(*pair, config.which) for pair in pairs}
    sides = dict.fromkeys(
        (which, reference, name)
        for (a, b), kinds in found.items()
        for which, name_a, name_b in kinds
        for reference, name in ((a, name_a), (b, name_b))
    )
    contents = {(reference, name): similarity_tables.table(reference, name).content for _, reference, name in sides}
    units = [
        _unit(
            settings,
            kind=_TABLE,
            which=which,
            tables=[[reference, name]],
            content=[contents[reference, name]],
            label=f"{reference} {which}",
        )
        for which, reference, name in (sides if alone else ())
    ]
    reasons = {} if config.prompts == NO_PROMPTS else {pair: _partners(pair, config) for pair in pairs}
    for (a, b), kinds in found.items():
        there = [kind for kind, _, _ in kinds]
        absent = [] if similarity_tables.ONLY_TABLE in there else [one for one in config.which if one not in there]
        for place, (which, name_a, name_b) in enumerate(kinds):
            units.append(
                _unit(
                    {
                        **settings,
                        "absent": absent if place == 0 else [],
                        "no_states": reasons.get((a, b), ([], ""))[1] if place == 0 else "",
                    },
                    kind=_PAIR,
                    which=which,
                    tables=[[a, name_a], [b, name_b]],
                    content=[contents[a, name_a], contents[b, name_b]],
                    label=f"{a} and {b} {which}",
                )
            )
    for (a, b), (content, _) in reasons.items():
        if content:
            units.append(
                _unit(
                    {**settings, "prompts": config.prompts, "states": config.states},
                    kind=_STATES,
                    which=_STATES,
                    tables=[[a, ""], [b, ""]],
                    content=content,
                    label=f"{a} and {b} hidden states",
                )
            )
    return units


def run(unit: Unit) -> UnitResult:
    """Measure one table, one pair of tables, or the hidden states of one pair of models.

    Parameters
    ----------
    unit : Unit
        As `plan` made it.

    Returns
    -------
    UnitResult
        Rows with the columns of `COLUMNS`, the provenance of what was read, and warnings.

    Raises
    ------
    FormatError
        If a table, a model or the prompts changed after the run was planned.
    """
    params: Mapping[str, Any] = unit.params
    names = [reference for reference, _ in params["tables"]]
    if params["kind"] == _STATES:
        content, _ = similarity_states.partners(names[0], names[1], params["prompts"])
        _same(content, params["content"], names)
        make = RowMaker.of(COLUMNS, model_a=names[0], model_b=names[1], which=_STATES, condition=MEASURED)
        rows = similarity_states.measure_states(make, names[0], names[1], params)
        return UnitResult(rows=rows, inputs=[similarity_states.facts(name, params["prompts"])[0] for name in names])
    tables = [similarity_tables.table(*one) for one in params["tables"]]
    _same([table.content for table in tables], params["content"], names)
    sides = [(reference, name) for reference, name in params["tables"]]
    found = similarity_tables.shared(
        sides[0], sides[-1], tokens=params["tokens"], seen=params["seen"], seed=params["seed"]
    )
    views = [
        similarity_tables.view(reference, name, rows, params)
        for (reference, name), rows in zip(sides, (found.rows_a, found.rows_b), strict=False)
    ]
    seed = seed_from("similarity", *params["content"], params["seed"])
    if params["kind"] == _TABLE:
        rows = measure_table(_maker(params, tables), views[0], params, seed=seed)
        return UnitResult(rows=rows, inputs=[tables[0].provenance])
    make = _maker(params, tables)
    rows = [*counts(make, found), *measure_pair(make, views[0], views[1], params, seed=seed)]
    return UnitResult(
        rows=rows, inputs=[table.provenance for table in tables], warnings=_warnings(params, names, found)
    )


def _unit(settings: Mapping[str, Any], *, kind: str, label: str, tables: list[list[str]], **params: Any) -> Unit:
    return Unit(
        study=NAME,
        version=VERSION,
        params={**settings, "kind": kind, "tables": tables, **params},
        group=" ".join(reference for reference, _ in tables),
        label=label,
    )


def _references(config: Config) -> list[str]:
    """Return the references written out; the bundled family where there are none."""
    if not config.references:
        return [f"bundled:{model.name}" for model in bundled.family().models]
    found = [str(one) for pattern in config.references for one in expand(pattern)]
    twice = sorted({one for one in found if found.count(one) > 1})
    if twice:
        raise ParameterError(f"{twice[0]} is given twice, and a model is always like itself. Name each model once.")
    if len(found) < 2:
        raise ParameterError(f"{found[0]} alone has nothing to be compared with: name a second model.")
    return found


def _refuse_unmatched(config: Config, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse references of which no two share tokens, before anything is measured; a pair among others fails alone."""
    reasons = []
    for a, b in pairs:
        _, name_a, name_b = similarity_tables.common(a, b, config.which)[0]
        try:
            similarity_tables.shared((a, name_a), (b, name_b), tokens=config.tokens, seen=config.seen, seed=config.seed)
        except (ParameterError, PointsError) as error:
            reasons.append(error)
        else:
            return
    raise reasons[0]


def _partners(pair: tuple[str, str], config: Config) -> tuple[list[str], str]:
    """Return what the hidden states of a pair rest on, or why they cannot be compared."""
    for reference in pair:
        if similarity_tables.ONLY_TABLE in similarity_tables.whiches(reference):
            return [], f"{reference} is a table without a model."
    return similarity_states.partners(*pair, config.prompts)


def _maker(params: Mapping[str, Any], tables: list[Table]) -> RowMaker:
    shared: dict[str, Any] = {"which": params["which"], "condition": MEASURED}
    for side, (reference, _), table in zip("ab", params["tables"], tables, strict=False):
        shared |= {f"model_{side}": reference, f"tied_{side}": table.tied, f"extrinsic_{side}": table.n_dims}
    return RowMaker.of(COLUMNS, **shared)


def _same(found: list[str], planned: list[str], names: list[str]) -> None:
    if found != planned:
        raise FormatError(f"{' or '.join(names)} changed after the run was planned. Run the study again.")


def _warnings(params: Mapping[str, Any], names: list[str], found: similarity_tables.Shared) -> list[str]:
    """Say in sentences what a reader of the pair's numbers should know."""
    both = " and ".join(names)
    said = []
    n_used = len(found.rows_a)
    if found.match.is_small or (n_used < _FEW and not found.n_unsampled):
        said.append(
            f"{both} are compared on {counted(n_used, 'token')} (of {found.match.n_shared} shared), fewer than "
            f"{_FEW}: that says "
            "little about whole vocabularies."
        )
    if found.n_unsampled:
        said.append(f"{both} are compared on a random sample of {n_used} of {n_used + found.n_unsampled} tokens.")
    if found.n_nonfinite:
        said.append(f"{both}: {counted(found.n_nonfinite, 'shared token')} left out because a row is not finite.")
    for which in params["absent"]:
        said.append(f"{both} are not compared in their {which} embedding, which one of them does not have.")
    if params["no_states"]:
        said.append(f"The hidden states of {both} are not compared: {params['no_states']}")
    return said


_FEW = 1000
