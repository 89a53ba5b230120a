"""A session on one shard of a run: many of them may work on one folder, on many machines."""

from contextlib import nullcontext, suppress
from typing import Any

from theodolite.core.errors import RunError
from theodolite.runs.driver import Driver
from theodolite.runs.folder.atomic import write_atomically
from theodolite.runs.folder.location import Location
from theodolite.runs.folder.lock import shards_at_work, taking_turns
from theodolite.runs.folder.manifest import Status
from theodolite.runs.folder.store import FailureRecord, make_folder, plan_bytes
from theodolite.runs.shards.files import SHARDS, failures_path, read_shard, with_shards, write_shard
from theodolite.runs.shards.shard import Shard


class ShardDriver(Driver):
    """A driver that does its share, says what came of it in files of its own, and writes the table if nothing is left.

    The manifest of the run is written by the first shard (the run is begun) and by the one that finds all units done,
    each time under a lock that lasts as long as the writing.

    Parameters
    ----------
    shard : Shard
        Which share.
    **session
        As `Driver` takes it.
    """

    def __init__(self, *, shard: Shard, **session: Any) -> None:
        super().__init__(**session)
        self.shard = shard
        self.mine = shard.share(self.units)
        self.folder = self.store.path
        self._session["shard"] = str(shard)
        self._refuse_other_plan()
        self._before = read_shard(self.folder, shard)[1]

    def _refuse_other_plan(self) -> None:
        for other in shards_at_work(self.folder):
            plan, _ = read_shard(self.folder, other)
            if other != self.shard and plan not in (None, self.manifest["plan_sha256"]):
                raise RunError(
                    f"Shard {other} is at work in {self.folder} with another plan: the inputs or the package changed "
                    "since it began. Stop it, and start all shards again."
                )

    def _save(self) -> None:
        """Say in the shard's own file where the session is; the manifest only learns that there is one."""
        with taking_turns(self.folder):
            if self._run_is_to_begin():
                self.store.write_manifest(self.manifest)
        make_folder(self.folder / SHARDS)
        sessions = [*self._before, self._session]
        write_shard(self.folder, self.shard, plan_sha256=self.manifest["plan_sha256"], sessions=sessions)

    def _run_is_to_begin(self) -> bool:
        """Say whether the manifest does not know of this run, or takes it for ended while this session begins."""
        if not self.store.exists():
            return True
        stated = self.store.read_manifest()
        if stated["plan_sha256"] != self.manifest["plan_sha256"]:
            return True
        return stated["status"] != "running" and self._session["status"] == "running"

    def _prepare(self) -> None:
        self.store.create_inside(len(self.units))
        self.store.clear_leftovers_of({unit.key for unit in self.mine})
        _write_unless_equal(self.store.plan_path, plan_bytes(self.units))
        _write_unless_equal(self.store.study_path, self._study_file())

    def _note_failure(self, record: FailureRecord) -> None:
        self.store.append_failure(record, failures_path(self.folder, self.shard))

    def _finish(self, *, stopped: bool) -> None:
        counts, failures = self.manifest["units"], self._failures(self.mine)
        self.store.replace_failures(failures, failures_path(self.folder, self.shard))
        nothing = bool(failures) and counts["kept"] + counts["done"] == 0
        if failures and stopped:
            self._close("failed", None)
            return
        self._close("failed" if nothing else "partial" if failures else "success", None)
        with taking_turns(self.folder):
            if self.store.read_manifest()["status"] != "success":  # else another shard was the last one
                self._conclude()

    def _conclude(self) -> None:
        """Write the table and close the run, if every unit is done or was tried in vain."""
        finished = self.store.finished_keys() & {unit.key for unit in self.units}
        failures = self._failures(self.units)
        if len(finished) + len(failures) < len(self.units):
            return
        counts = self.manifest["units"]
        counts["failed"], counts["kept"] = len(failures), len(finished) - counts["done"]
        status: Status = "failed" if not finished else "partial" if failures else "success"
        if finished:
            self._write_table(failures)
        else:
            self._warn(failures)
        self._end_manifest(status)
        self.store.write_manifest(with_shards(self.folder, self.manifest))

    def _close(self, status: Status, error: str | None) -> None:
        """End the session. The run ends when all shards did."""
        self._end_session(status, error)
        with suppress(RunError) if status in ("failed", "interrupted") else nullcontext():
            self._save()


def _write_unless_equal(path: Location, data: bytes) -> None:
    """Leave alone what another shard wrote already."""
    with suppress(OSError):
        if path.read_bytes() == data:
            return
    write_atomically(path, data)
