"""Running a study into a folder: plan, keep what is done, do the rest, write the table, say what happened."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from theodolite.core.errors import ParameterError, RunError
from theodolite.core.number_format import counted
from theodolite.core.progress import Progress, Silent
from theodolite.core.redaction import redacted
from theodolite.runs.config import config_to_mapping
from theodolite.runs.driver import Driver, OnError
from theodolite.runs.folder.location import Location, locate
from theodolite.runs.folder.lock import locked
from theodolite.runs.folder.manifest import differences
from theodolite.runs.folder.store import Store, plan_hash
from theodolite.runs.folder.table import FromScan, Summarize, default_summary
from theodolite.runs.reading.run import Run
from theodolite.runs.runner import Runner, SerialRunner
from theodolite.runs.shards.driver import ShardDriver
from theodolite.runs.shards.shard import Shard
from theodolite.runs.study import Resolver, Study, find_study
from theodolite.runs.unit import Unit
from theodolite.runs.upgrade import as_before, may_go_on


def execute(
    study: Study,
    config: Any,
    *,
    out: Location | str,
    resolve: Resolver | None = None,
    runner: Runner | None = None,
    shard: Shard | str | None = None,
    progress: Progress | None = None,
    on_error: OnError = "continue",
    command: Sequence[str] | str | None = None,
    summarize: Summarize | FromScan | None = None,
) -> Run:
    """Run a study into a folder, or finish what an earlier call began there.

    A unit that is done is kept and never done again; its file is checked first, and a damaged one is done anew. The
    table holds no time and no order of execution, so it is the same file however often the work was cut short.

    Parameters
    ----------
    study : Study
        What to run.
    config : dataclass
        An instance of `study.Config`.
    out : path or str
        Folder of the run: new, empty, or a run of the same study and config; of settings that the study did not have
        then, at their default. A URL that fsspec knows, such as `s3://bucket/run`, is one too.
    resolve : mapping or callable, optional
        Where the studies of units are found that are not `study`'s own.
    runner : Runner, optional
        Who does the units; one after the other in this process by default.
    shard : Shard or str, optional
        Do only this share of the units, such as "2/4"; other processes do the others, into the same folder. Whichever
        finds all units done writes the table, as does a later call without a shard.
    progress : Progress, optional
        Told about each unit.
    on_error : {"continue", "stop"}
        What to do when a unit fails: go on and report it at the end, or stop there.
    command : sequence of str or str, optional
        The command line, for the manifest (a string is split as a shell would). Of its first word only the file name
        is kept, and of passwords and tokens nothing.
    summarize : callable, optional
        Turns the table into the small frame, or list of dicts, of `summary.csv`; by default the table's first 1000
        rows.

    Returns
    -------
    Run
        The folder. Its `status` is "success"; "partial" where units failed; "failed" where all failed, or one did and
        `on_error="stop"`. Where other shards have work left it is "running" while one of them lives, "interrupted"
        otherwise.

    Raises
    ------
    RunError
        If the folder holds something else or a run of another config, another process is writing it, or the system
        refuses to write (a full disk): what was finished until then is kept.
    ParameterError
        If the plan is empty or needs a study that is not known, or there is no such shard.
    KeyboardInterrupt
        After a Ctrl-C, once the folder says "interrupted".
    """
    if on_error not in ("continue", "stop"):
        raise ParameterError(f"on_error must be 'continue' or 'stop', not {on_error!r}.")
    part = Shard.parse(shard) if isinstance(shard, str) else shard
    store = Store(locate(out))
    settings = config_to_mapping(config)
    refuse_other_config(store, study, settings)
    units, notes = planned(study, config, resolve)
    store.create()
    with locked(store.path, shard=part) as guarded:
        refuse_other_config(store, study, settings)
        if not guarded:
            notes.append("The file system has no locks: make sure that nothing else writes this folder.")
        session: dict[str, Any] = {
            "store": store,
            "study": study,
            "settings": settings,
            "units": known_units(store, units, study, resolve),
            "notes": notes,
            "resolve": resolve,
            "runner": runner or SerialRunner(),
            "command": _command_words(command),
            "summarize": summarize or default_summary,
        }
        driver = Driver(**session) if part is None else ShardDriver(shard=part, **session)
        driver.drive(progress or Silent(), on_error)
    return Run(store.path)


def refuse_other_config(store: Store, study: Study, settings: dict[str, Any]) -> None:
    """Refuse a folder that this study and config may not continue.

    Raises
    ------
    RunError
        With the differing settings, old -> new.
    """
    store.refuse_foreign()
    if not store.exists():
        return
    manifest = store.read_manifest()
    if may_go_on(manifest, study, settings):
        return
    old = {"study": manifest["study"], "version": manifest["study_version"]}
    lines = differences(old, {"study": study.NAME, "version": study.VERSION})
    if manifest["study"] == study.NAME:
        lines += differences(manifest["config"], settings)
    shown = "\n".join(f"  {line}" for line in lines) or "  (the manifest was edited)"
    raise RunError(
        f"{store.path} holds a run with other settings:\n{shown}\n"
        "Choose another folder with --out, or delete this one to start over."
    )


def known_units(store: Store, units: list[Unit], study: Study, resolve: Resolver | None = None) -> list[Unit]:
    """Return the units of a plan under the keys that a folder knows them by (`upgrade.as_before`)."""
    if not store.exists() or store.read_manifest()["plan_sha256"] == plan_hash(units):
        return units
    try:
        before = store.read_plan()
    except RunError:  # it is written anew
        return units
    return as_before(units, before, resolve, study)


def planned(study: Study, config: Any, resolve: Resolver | None = None) -> tuple[list[Unit], list[str]]:
    """Return the units of a config, each once, and what is to be said about the plan.

    Raises
    ------
    ParameterError
        If there is no unit, or a unit's study is unknown or has columns that `study` has not.
    """
    everything = list(study.plan(config))
    units = list({unit.key: unit for unit in everything}.values())
    if not units:
        raise ParameterError(f"There is nothing to do: study {study.NAME!r} plans no unit for this config.")
    for name in dict.fromkeys(unit.study for unit in units):
        part = find_study(name, resolve, study)
        for column, meaning in part.COLUMNS.items():
            own = study.COLUMNS.get(column)
            if own is None or own.polars_name != meaning.polars_name:
                raise ParameterError(
                    f"Study {study.NAME!r} plans units of {name!r}, whose column {column!r} ({meaning.polars_name}) "
                    f"{'it lacks' if own is None else f'is {own.polars_name} there'}. Add it to COLUMNS."
                )
    repeated = len(everything) - len(units)
    return units, [f"{counted(repeated, 'unit')} planned more than once: each is done once."] if repeated else []


def _command_words(command: Sequence[str] | str | None) -> list[str] | None:
    words = shlex.split(command) if isinstance(command, str) else list(command or ())
    return [Path(words[0]).name, *map(redacted, words[1:])] if words else None
