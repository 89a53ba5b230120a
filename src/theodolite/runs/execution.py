"""Running a study into a folder: plan, keep what is done, do the rest, write the table, say what happened."""

import shlex
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, cast

from theodolite.core.errors import ParameterError, RunError
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.core.provenance import environment, git_commit
from theodolite.runs.atomic import write_atomically
from theodolite.runs.columns import columns_hash
from theodolite.runs.config import config_to_mapping
from theodolite.runs.lock import locked
from theodolite.runs.manifest import SCHEMA_VERSION, SEEDS, Manifest, Session, Status, config_hash, differences, now
from theodolite.runs.run import Run
from theodolite.runs.runner import Outcome, Runner, SerialRunner
from theodolite.runs.store import Store, failure_record, plan_hash
from theodolite.runs.study import Resolver, Study, find_study, study_file
from theodolite.runs.table import Summarise, compact, default_summary
from theodolite.runs.unit import Unit
from theodolite.runs.work import Work

OnError = Literal["continue", "stop"]


def execute(
    study: Study,
    config: Any,
    *,
    out: Path | str,
    resolve: Resolver | None = None,
    runner: Runner | None = None,
    progress: Progress | None = None,
    on_error: OnError = "continue",
    command: Sequence[str] | str | None = None,
    summarise: Summarise | None = None,
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
    out : path
        Folder of the run: new, empty, or a run of the same study and config.
    resolve : mapping or callable, optional
        Where the studies of units are found that are not `study`'s own.
    runner : Runner, optional
        Who does the units; one after the other in this process by default.
    progress : Progress, optional
        Told about each unit.
    on_error : {"continue", "stop"}
        What to do when a unit fails: go on and report it at the end, or stop there.
    command : sequence of str or str, optional
        The command line, for the manifest (a string is split as a shell would). Of its first word only the file name
        is kept.
    summarise : callable, optional
        Turns the table into the small frame, or list of dicts, of `summary.csv`; by default the table's first 1000
        rows.

    Returns
    -------
    Run
        The folder. Its `status` is "success"; "partial" where units failed; "failed" where all failed, or one did and
        `on_error="stop"`.

    Raises
    ------
    RunError
        If the folder holds something else or a run of another config, another process is writing it, or the system
        refuses to write (a full disk): what was finished until then is kept.
    ParameterError
        If the plan is empty or needs a study that is not known.
    KeyboardInterrupt
        After a Ctrl-C, once the folder says "interrupted".
    """
    if on_error not in ("continue", "stop"):
        raise ParameterError(f"on_error must be 'continue' or 'stop', not {on_error!r}.")
    store = Store(Path(out))
    settings = config_to_mapping(config)
    refuse_other_config(store, study, settings)
    units, notes = planned(study, config, resolve)
    store.create()
    with locked(store.path) as guarded:
        refuse_other_config(store, study, settings)
        if not guarded:
            notes.append("The file system has no locks: make sure that nothing else writes this folder.")
        driver = _Driver(
            store=store,
            study=study,
            settings=settings,
            units=units,
            notes=notes,
            resolve=resolve,
            runner=runner or SerialRunner(),
            command=_command_words(command),
            summarise=summarise or default_summary,
        )
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
    if manifest["config_sha256"] == config_hash(study.NAME, study.VERSION, settings):
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
    return units, [f"{repeated} units were planned more than once and are done once."] if repeated else []


def _command_words(command: Sequence[str] | str | None) -> list[str] | None:
    words = shlex.split(command) if isinstance(command, str) else list(command or ())
    return [Path(words[0]).name, *words[1:]] if words else None


class _Driver:
    """One session on a locked folder."""

    def __init__(
        self,
        *,
        store: Store,
        study: Study,
        settings: dict[str, Any],
        units: list[Unit],
        notes: list[str],
        resolve: Resolver | None,
        runner: Runner,
        command: list[str] | None,
        summarise: Summarise,
    ) -> None:
        self.store = store
        self.study = study
        self.units = units
        self.notes = notes
        self.resolve = resolve
        self.runner = runner
        self.summarise = summarise
        self.clock = time.perf_counter()
        self.by_key = {unit.key: unit for unit in units}
        self.layout = {
            name: columns_hash(find_study(name, resolve, study).COLUMNS) for name in {unit.study for unit in units}
        }
        self.previous = store.read_manifest() if store.exists() else None
        self.manifest = self._manifest(settings, command)

    def drive(self, progress: Progress, on_error: OnError) -> None:
        """Do what is not done, and leave a folder that says how it went."""
        store = self.store
        store.write_manifest(self.manifest)
        try:
            store.create_inside()
            store.clear_leftovers()
            store.write_plan(self.units)
            name, version, settings = self.study.NAME, self.study.VERSION, self.manifest["config"]
            write_atomically(store.study_path, study_file(name, version, settings).encode("utf-8", "backslashreplace"))
            with tracked(progress, len(self.units), name):
                pending = self._pending(progress)
                store.write_manifest(self.manifest)
                self._work(pending, progress, on_error)
            self._finish(stopped=on_error == "stop")
        except KeyboardInterrupt:
            self._close("interrupted", None)
            raise
        except BaseException as error:
            self._close("failed", f"{type(error).__name__}: {error}".replace(str(self.store.path), "."))
            raise

    def _pending(self, progress: Progress) -> list[Unit]:
        """Return the units to do, those of one group together, and count the others as kept."""
        finished = self.store.finished_keys()
        pending = []
        for unit in self.units:
            if unit.key in finished:
                if self.store.is_intact(unit, self.layout[unit.study]):
                    self.manifest["units"]["kept"] += 1
                    continue
                self.notes.append(f"The stored rows of {unit.name} were damaged or of another layout: done again.")
            pending.append(unit)
        self._session["kept"] = self.manifest["units"]["kept"]
        if self._session["kept"]:
            progress.advance(self._session["kept"], "kept from before")
        groups = {group: place for place, group in enumerate(dict.fromkeys(unit.group for unit in pending))}
        return sorted(pending, key=lambda unit: groups[unit.group])

    def _work(self, pending: list[Unit], progress: Progress, on_error: OnError) -> None:
        """Have the units done, and take down each outcome as it comes."""
        before = self.store.read_failures()
        attempts = {key: record.attempts for key, record in before.items()}
        work = Work(store=self.store, own=self.study, resolve=self.resolve, attempts=attempts)
        with closing(self.runner.map(work, pending)) as outcomes:
            for outcome in outcomes:
                self._take(outcome, attempts)
                progress.advance(1, self.by_key[outcome.key].name)
                if outcome.failure and on_error == "stop":
                    break

    def _take(self, outcome: Outcome, attempts: dict[str, int]) -> None:
        counts = self.manifest["units"]
        if outcome.failure is None:
            counts["done"] += 1
        else:
            counts["failed"] += 1
            unit = self.by_key[outcome.key]
            record = failure_record(unit, outcome.failure, attempts.get(unit.key, 0) + 1, now())
            self.store.append_failure(record)

    def _finish(self, *, stopped: bool) -> None:
        """Write the table, and close the session with what came of it."""
        store, manifest = self.store, self.manifest
        counts = manifest["units"]
        finished = store.finished_keys() & self.by_key.keys()
        failures = {key: one for key, one in store.read_failures().items() if key in self.by_key.keys() - finished}
        store.replace_failures(failures.values())
        if failures and (stopped or counts["kept"] + counts["done"] == 0):
            self._close("failed", None)
            return
        done = [unit for unit in self.units if unit.key not in failures]
        gathered = compact(store, self.study.COLUMNS, [unit.key for unit in done], self.summarise)
        manifest["table"] = gathered.table
        manifest["inputs"] = gathered.inputs
        manifest["unit_seconds"] = gathered.seconds
        manifest["part_seconds"] = gathered.parts
        manifest["warnings"] = [*self.notes, *gathered.warnings]
        if failures:
            manifest["warnings"].insert(0, f"{len(failures)} of {len(self.units)} units failed; see failures.jsonl.")
        self._close("partial" if failures else "success", None)

    def _close(self, status: Status, error: str | None) -> None:
        """Put the end of the session into the manifest. Where an error is on its way, a refusal must not hide it."""
        manifest, session = self.manifest, self._session
        manifest["status"] = session["status"] = status
        manifest["finished"] = session["finished"] = now()
        if self.previous and not manifest["units"]["done"]:  # nothing was computed here and now
            manifest["environment"], manifest["git"] = self.previous["environment"], self.previous["git"]
        else:
            manifest["environment"] = environment()
        session["seconds"] = round(time.perf_counter() - self.clock, 3)
        session["done"], session["failed"] = manifest["units"]["done"], manifest["units"]["failed"]
        session["error"] = error
        if status in ("success", "partial"):
            self.store.write_manifest(manifest)
        else:
            with suppress(RunError):
                self.store.write_manifest(manifest)

    @property
    def _session(self) -> Session:
        return self.manifest["sessions"][-1]

    def _manifest(self, settings: dict[str, Any], command: list[str] | None) -> Manifest:
        previous = self.previous
        fingerprint = plan_hash(self.units)
        if previous and previous["plan_sha256"] != fingerprint:
            self.notes.append("The plan changed since this folder was begun: the inputs or another study are new.")
        session = Session(
            started=now(),
            finished=None,
            seconds=None,
            status="running",
            runner=self.runner.name,
            kept=0,
            done=0,
            failed=0,
            command=command,
            error=None,
        )
        return Manifest(
            schema_version=SCHEMA_VERSION,
            status="running",
            study=self.study.NAME,
            study_version=self.study.VERSION,
            config=settings,
            config_sha256=config_hash(self.study.NAME, self.study.VERSION, settings),
            plan_sha256=fingerprint,
            created=previous["created"] if previous else session["started"],
            finished=None,
            units={"planned": len(self.units), "kept": 0, "done": 0, "failed": 0},
            unit_seconds=None,
            part_seconds={},
            table=None,
            inputs=previous["inputs"] if previous else [],
            warnings=list(self.notes),
            seeds=SEEDS,
            environment=environment(),
            git=git_commit(Path(__file__).parent),
            command=command,
            sessions=[*cast(list[Session], previous["sessions"] if previous else []), session],
        )
