"""Disks that refuse, really: quotas, limits of the system, a file system that becomes read-only."""

import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from theodolite.core.errors import RunError
from theodolite.runs import execute, open_run, status

N_UNITS = 60


def limited(n_bytes):
    """Allow files of this size and no larger, as `ulimit -f` does, while a block runs."""

    class Limit:
        def __enter__(self):
            self.before = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, self.before[1]))

        def __exit__(self, *error):
            resource.setrlimit(resource.RLIMIT_FSIZE, self.before)

    return Limit()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.99])
def test_a_limit_on_the_size_of_files_stops_the_run_with_one_error_and_it_goes_on(toy_study, tmp_path, whole, fraction):
    """Every file of a run is larger than some of these limits: the manifest, the plan, a unit, the table."""
    config = toy_study.Config(n_units=N_UNITS)
    sizes = sorted(path.stat().st_size for path in _files(toy_study, tmp_path / "model"))
    limit = sizes[int(fraction * (len(sizes) - 1))] - 1
    with limited(limit), pytest.raises(RunError, match=r"File too large\. Free some space"):
        execute(toy_study, config, out=tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.part"))
    run = execute(toy_study, config, out=tmp_path / "run")
    assert run.status == "success"
    assert run.store.table_path.read_bytes() == whole(N_UNITS)


def _files(toy, folder):
    execute(toy, toy.Config(n_units=N_UNITS), out=folder)
    return [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]


@pytest.fixture
def read_only(tmp_path):
    """Return two functions: one lets a folder be read-only for everyone, the superuser too, the other ends that."""
    place = tmp_path / "disk"
    place.mkdir()

    def change(*arguments):
        return subprocess.run(["mount", *arguments, str(place)], capture_output=True, check=False).returncode

    if shutil.which("mount") is None or change("--bind", str(place)):
        pytest.skip("mounting is not permitted here")
    subprocess.run(["umount", str(place)], check=True)
    mounted = []

    def begin():
        assert change("--bind", str(place)) == change("-o", "remount,bind,ro") == 0
        mounted.append(place)

    def end():
        subprocess.run(["umount", str(mounted.pop())], check=True)

    yield place, begin, end
    while mounted:
        end()


class Switching:
    """Does some units, then lets something happen to the disk, then goes on."""

    name, workers = "switching", 1

    def __init__(self, after, event):
        self.after, self.event = after, event

    def map(self, work, units):
        for place, unit in enumerate(units):
            if place == self.after:
                self.event()
            yield work(unit)


def test_a_disk_that_becomes_read_only_stops_the_run_and_it_goes_on(toy_study, read_only, whole):
    place, begin, end = read_only
    config = toy_study.Config(n_units=N_UNITS)
    with pytest.raises(RunError, match=r"Read-only file system\. Make the folder writable, or choose another one"):
        execute(toy_study, config, out=place / "run", runner=Switching(7, begin))
    run = open_run(place / "run")
    assert (run.status, status(run).done) == ("interrupted", 7), "its manifest could not be closed"
    assert run.table().height == 7 * 4
    for name in ("run", "another"):
        with pytest.raises(RunError, match="Read-only file system"):
            execute(toy_study, config, out=place / name)
    end()
    run = execute(toy_study, config, out=place / "run")
    assert run.manifest["units"] == {"planned": N_UNITS, "kept": 7, "done": N_UNITS - 7, "failed": 0}
    assert run.store.table_path.read_bytes() == whole(N_UNITS)


def test_units_that_vanish_before_the_table_is_written_are_not_passed_over(toy_study, tmp_path, whole):
    config, folder = toy_study.Config(n_units=N_UNITS), tmp_path / "run"

    def lose():
        for path in sorted((folder / "units").glob("*.parquet"))[:3]:
            path.unlink()

    try:
        run = execute(toy_study, config, out=folder, runner=Switching(N_UNITS - 1, lose))
    except RunError:
        run = execute(toy_study, config, out=folder)
    assert run.status == "success"
    assert run.store.table_path.read_bytes() == whole(N_UNITS)


def test_a_folder_of_units_that_vanishes_stops_the_run_with_one_error(toy_study, tmp_path, whole):
    config, folder = toy_study.Config(n_units=N_UNITS), tmp_path / "run"
    with pytest.raises(RunError, match="No such file or directory"):
        execute(toy_study, config, out=folder, runner=Switching(5, lambda: shutil.rmtree(folder / "units")))
    assert open_run(folder).status == "failed"
    assert execute(toy_study, config, out=folder).store.table_path.read_bytes() == whole(N_UNITS)


def test_a_run_folder_that_is_a_link_is_followed_and_stays_a_link(toy_study, tmp_path, whole):
    (tmp_path / "real").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "real")
    run = execute(toy_study, toy_study.Config(n_units=N_UNITS), out=tmp_path / "run")
    assert run.store.table_path.read_bytes() == whole(N_UNITS)
    assert (tmp_path / "run").is_symlink()
    assert Path(tmp_path / "real" / "manifest.json").is_file()
