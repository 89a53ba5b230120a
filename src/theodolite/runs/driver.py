"""A session on a run folder, from the locked folder to the closed manifest."""

import hashlib
import platform
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, cast

from theodolite.core.errors import RunError
from theodolite.core.interrupts import heeding_interrupts
from theodolite.core.number_format import counted
from theodolite.core.progress import Progress, Silent, tracked
from theodolite.core.provenance import environment, git_commit
from theodolite.core.redaction import redacted
from theodolite.runs.columns import columns_hash
from theodolite.runs.folder.atomic import write_atomically
from theodolite.runs.folder.checked import read_checked
from theodolite.runs.folder.manifest import SCHEMA_VERSION, SEEDS, Manifest, Session, Status, config_hash, now
from theodolite.runs.folder.store import FailureRecord, Store, failure_record, plan_hash
from theodolite.runs.folder.table import DamagedUnitsError, FromScan, Summarize, compact
from theodolite.runs.runner import Outcome, Runner
from theodolite.runs.shards.files import all_failures_paths, remove_shards
from theodolite.runs.study import Resolver, Study, find_study, study_file
from theodolite.runs.unit import Unit
from theodolite.runs.work import Work

OnError = Literal["continue", "stop"]


class Driver:
    """One session on a locked folder: keep what is done, have the rest done, write the table, say what happened.

    Parameters
    ----------
    store : Store
        The folder.
    study : Study
        What to run.
    settings : dict
        Its config, as JSON gives it.
    units : list of Unit
        The whole plan.
    notes : list of str
        What is to be said about it.
    resolve : mapping or callable, optional
        Where the studies of units are found that are not `study`'s own.
    runner : Runner
        Who does the units.
    command : list of str or None
        The command line.
    summarize : callable
        Makes the small table.
    """

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
        summarize: Summarize | FromScan,
    ) -> None:
        self.store = store
        self.study = study
        self.units = units
        self.mine = units
        self.notes = notes
        self.resolve = resolve
        self.runner = runner
        self.summarize = summarize
        self.interrupted: Callable[[], bool] = lambda: False
        self.clock = time.perf_counter()
        self.layout = {
            name: columns_hash(find_study(name, resolve, study).COLUMNS) for name in {unit.study for unit in units}
        }
        self.previous = store.read_manifest() if store.exists() else None
        self.manifest = self._manifest(settings, command)

    def drive(self, progress: Progress, on_error: OnError) -> None:
        """Do what is not done, and leave a folder that says how it went."""
        self._save()
        try:
            with heeding_interrupts() as self.interrupted:
                self._go(progress, on_error)
        except KeyboardInterrupt:
            self._close("interrupted", None)
            raise
        except BaseException as error:
            message = redacted(f"{type(error).__name__}: {error}")
            for folder in (self.store.path.absolute(), self.store.path):
                message = message.replace(str(folder), ".")
            self._close("failed", message)
            raise

    def _go(self, progress: Progress, on_error: OnError) -> None:
        """Have the units done, and the table written."""
        self._prepare()
        with tracked(progress, len(self.mine), self.study.NAME):
            pending = self._pending(progress)
            self._save()
            self._work(pending, progress, on_error)
        try:
            self._finish(stopped=on_error == "stop")
        except DamagedUnitsError as error:
            self._work(self._given_up(error.keys), Silent(), on_error)
            self._finish(stopped=on_error == "stop")

    def _save(self) -> None:
        """Put where the session is into the folder."""
        self.store.write_manifest(self.manifest)

    def _prepare(self) -> None:
        """Make the folder ready for units, and take over what shards left."""
        store = self.store
        store.create_inside(len(self.units))
        store.clear_leftovers()
        if all_failures_paths(store.path):
            store.replace_failures(store.read_failures().values())
        remove_shards(store.path)
        store.write_plan(self.units)
        write_atomically(store.study_path, self._study_file())

    def _study_file(self) -> bytes:
        text = study_file(self.study.NAME, self.study.VERSION, self.manifest["config"])
        return text.encode("utf-8", "backslashreplace")

    def _pending(self, progress: Progress) -> list[Unit]:
        """Return the units to do, those of one group together, and count the others as kept."""
        files, checked = self.store.unit_files(), read_checked(self.store.path)
        pending = []
        for unit in self.mine:
            if unit.key in files:
                layout = self.layout[unit.study]
                if checked.knows(unit.key, files[unit.key].stamp, layout) or self.store.is_intact(unit, layout):
                    self.manifest["units"]["kept"] += 1
                    continue
                self.notes.append(f"The stored rows of {unit.name} were damaged or of another layout: done again.")
            pending.append(unit)
        self._session["kept"] = self.manifest["units"]["kept"]
        if self._session["kept"]:
            progress.advance(self._session["kept"], "kept from before")
        groups = {group: place for place, group in enumerate(dict.fromkeys(unit.group for unit in pending))}
        return sorted(pending, key=lambda unit: groups[unit.group])

    def _given_up(self, keys: Sequence[str]) -> list[Unit]:
        """Delete files that proved damaged when their rows were used, and return their units, to be done again."""
        damaged = set(keys)
        units = [unit for unit in self.units if unit.key in damaged]
        for unit in units:
            self.store.delete_unit(unit.key)
            self.notes.append(f"The stored rows of {unit.name} were damaged: done again.")
        counts = self.manifest["units"]
        counts["kept"] = self._session["kept"] = max(0, counts["kept"] - len(units))
        return units

    def _work(self, pending: list[Unit], progress: Progress, on_error: OnError) -> None:
        """Have the units done, and take down each outcome as it comes."""
        attempts = {key: record.attempts for key, record in self.store.read_failures().items()}
        work = Work(store=self.store, own=self.study, resolve=self.resolve, attempts=attempts)
        by_key = {unit.key: unit for unit in pending}
        with closing(self.runner.map(work, pending)) as outcomes:
            for outcome in outcomes:
                unit = by_key.pop(outcome.key)
                if outcome.failure and self.interrupted():  # whatever the unit says of it, a Ctrl-C is no failure
                    raise KeyboardInterrupt
                self._take(outcome, unit, attempts)
                if self.interrupted():  # and the exception was lost, as those of callbacks and of finalizers are
                    raise KeyboardInterrupt
                progress.advance(1, unit.name)
                if outcome.failure and on_error == "stop":
                    break

    def _take(self, outcome: Outcome, unit: Unit, attempts: dict[str, int]) -> None:
        counts = self.manifest["units"]
        if outcome.failure is None:
            counts["done"] += 1
        else:
            counts["failed"] += 1
            self._note_failure(failure_record(unit, outcome.failure, attempts.get(unit.key, 0) + 1, now()))

    def _note_failure(self, record: FailureRecord) -> None:
        self.store.append_failure(record)

    def _failures(self, units: Sequence[Unit]) -> list[FailureRecord]:
        """Return what is on record against units that are not done."""
        records = self.store.read_failures()
        if not records:
            return []
        open_keys = {unit.key for unit in units} - self.store.finished_keys()
        return [record for key, record in records.items() if key in open_keys]

    def _finish(self, *, stopped: bool) -> None:
        """Write the table, and close the session with what came of it."""
        counts = self.manifest["units"]
        failures = self._failures(self.units)
        self.store.replace_failures(failures)
        if failures and (stopped or counts["kept"] + counts["done"] == 0):
            self._warn(failures)
            self._close("failed", None)
            return
        self._write_table(failures)
        self._close("partial" if failures else "success", None)

    def _write_table(self, failures: Sequence[FailureRecord]) -> None:
        """Write the table of all units but the failed ones, and what the manifest says of it."""
        manifest, failed = self.manifest, {record.key for record in failures}
        done = [unit.key for unit in self.units if unit.key not in failed]
        gathered = compact(self.store, self.study.COLUMNS, done, self.summarize)
        manifest["table"] = gathered.table
        manifest["inputs"] = gathered.inputs
        manifest["unit_seconds"] = gathered.seconds
        manifest["part_seconds"] = gathered.parts
        manifest["warnings"] = [*self.notes, *gathered.warnings]
        if failures:
            self._warn(failures)

    def _warn(self, failures: Sequence[FailureRecord]) -> None:
        """Put first among the warnings how many units failed, and why the first of the plan did."""
        places = {unit.key: place for place, unit in enumerate(self.units)}
        first = min(failures, key=lambda record: places[record.key])
        self.manifest["warnings"].insert(
            0,
            f"{len(failures)} of {counted(len(self.units), 'unit')} failed; see failures.jsonl. The first, "
            f"{first.label or first.key}: {first.message}",
        )

    def _close(self, status: Status, error: str | None) -> None:
        """Put the end of the session into the manifest. Where an error is on its way, a refusal must not hide it."""
        self._end_session(status, error)
        self._end_manifest(status)
        if status in ("success", "partial"):
            self._save()
        else:
            with suppress(RunError):
                self._save()

    def _end_session(self, status: Status, error: str | None) -> None:
        session, counts = self._session, self.manifest["units"]
        session["status"], session["finished"], session["error"] = status, now(), error
        session["seconds"] = round(time.perf_counter() - self.clock, 3)
        session["done"], session["failed"], session["workers"] = counts["done"], counts["failed"], self.runner.workers

    def _end_manifest(self, status: Status) -> None:
        manifest = self.manifest
        manifest["status"], manifest["finished"] = status, self._session["finished"]
        if self.previous and not manifest["units"]["done"]:  # nothing was computed here and now
            manifest["environment"], manifest["git"] = self.previous["environment"], self.previous["git"]
        else:
            manifest["environment"] = environment()

    @property
    def _session(self) -> Session:
        return self.manifest["sessions"][-1]

    def _manifest(self, settings: dict[str, Any], command: list[str] | None) -> Manifest:
        previous = self.previous
        fingerprint = plan_hash(self.units)
        if previous and previous["plan_sha256"] != fingerprint:
            self.notes.append("The plan changed since this folder was begun: the inputs or another study are new.")
        session = Session(
            id=secrets.token_hex(4),
            started=now(),
            finished=None,
            seconds=None,
            status="running",
            runner=self.runner.name,
            workers=self.runner.workers,
            host=hashlib.sha256(platform.node().encode()).hexdigest()[:8],
            shard=None,
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
            columns={name: column.polars_name for name, column in self.study.COLUMNS.items()},
            table=None,
            inputs=previous["inputs"] if previous else [],
            warnings=list(self.notes),
            seeds=SEEDS,
            environment=environment(),
            git=git_commit(Path(__file__).parent),
            command=command,
            sessions=[*cast(list[Session], previous["sessions"] if previous else []), session],
        )
