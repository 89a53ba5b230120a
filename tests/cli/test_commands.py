"""What a person or a program sees: data on stdout, the rest on stderr, exit codes, errors of one paragraph."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from theodolite.cli.output import Output
from theodolite.core.progress import Silent

SMALL = ("--k", "8", "--nulls", "gaussian", "--mle-k", "5")


@pytest.mark.usefixtures("every_figure")
def test_dimension_prints_one_json_object_of_the_documented_shape(theodolite, table_file):
    done = theodolite("dimension", table_file, *SMALL, "--json", "--out", "run")
    assert done.code == 0
    content = done.json
    assert (content["schema_version"], content["command"], content["status"]) == (1, "dimension", "success")
    assert content["run"] == "run"
    by_method = {row["method"]: row for row in content["rows"] if row["measure"] == "dimension"}
    assert {"twonn", "mle", "gride"} <= set(by_method)
    for row in by_method.values():
        assert row["stderr"] > 0
        assert row["n_used"] == 400
        assert 0 < row["redundancy"] < 1
        assert row["null"]["gaussian"] > row["value"]
    assert all({"id", "claim", "source", "verdict", "evidence"} <= set(one) for one in content["findings"])
    for name in ("manifest.json", "study.yaml", "table.parquet", "summary.csv", "report.html", "figures"):
        assert (table_file.parent / "run" / name).exists(), name


def test_the_same_command_again_does_no_unit_again_and_says_the_same(theodolite, table_file):
    first = theodolite("dimension", table_file, *SMALL, "--json", "--out", "run")
    units = sorted((table_file.parent / "run" / "units").iterdir())
    written = [unit.stat().st_mtime_ns for unit in units]
    again = theodolite("dimension", table_file, *SMALL, "--json", "--out", "run")
    assert again.out == first.out
    assert [unit.stat().st_mtime_ns for unit in units] == written
    assert "kept from before" in again.err


def test_human_output_opens_as_the_report_does(theodolite, table_file):
    done = theodolite("dimension", table_file, *SMALL, "--out", "run")
    assert done.code == 0
    assert re.search(r"One table of table\.npy reads a dimension of \d\.\d+ ± 0\.\d+, in 12 columns\.", done.out)
    assert "Report: run/report.html" in done.out
    assert "\x1b" not in done.out + done.err, "no escape codes where nobody sees them"


def test_quiet_says_nothing(theodolite, table_file):
    done = theodolite("dimension", table_file, *SMALL, "--quiet", "--out", "run")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_other_settings_in_the_same_folder_are_refused_with_the_difference(theodolite, table_file):
    theodolite("dimension", table_file, *SMALL, "--quiet", "--out", "run")
    done = theodolite("dimension", table_file, "--k", "9", *SMALL[2:], "--out", "run")
    assert done.code == 1
    assert "k: 8 -> 9" in done.err
    assert "--out" in done.err


def test_one_bad_table_of_two_fails_alone_with_exit_code_3(theodolite, table_file):
    constant = table_file.parent / "constant.npy"
    np.save(constant, np.ones((50, 3), dtype=np.float32))
    done = theodolite("dimension", constant, table_file, *SMALL, "--json", "--out", "run")
    assert done.code == 3
    assert done.json["status"] == "partial"
    assert {row["model"] for row in done.json["rows"]} == {str(table_file)}
    assert "All 50 rows are equal" in done.err
    state = theodolite("status", "run", "--json").json
    assert state["failed"] == len(state["failures"]) > 0


def test_only_a_bad_table_is_an_error_in_one_paragraph(theodolite, tmp_path):
    np.save(tmp_path / "constant.npy", np.ones((50, 3), dtype=np.float32))
    done = theodolite("dimension", "constant.npy", *SMALL, "--out", "run")
    assert done.code == 1
    assert "error: All 50 rows are equal: a constant table has no geometry." in done.err
    assert "Traceback" not in done.err


def pickle_with_code(path):
    torch.save({"weight": os.system}, path)


def truncated(path):
    path.write_bytes((1000).to_bytes(8, "little") + b'{"a":')


def nothing(path):
    return None


def too_small(path):
    np.save(path, np.random.default_rng(0).normal(size=(5, 3)))


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("missing.npy", nothing, "There is no file or folder"),
        ("cut.safetensors", truncated, "cut.safetensors"),
        ("evil.bin", pickle_with_code, "evil.bin"),
        ("small.npy", too_small, "has 5 rows"),
    ],
)
def test_bad_input_is_one_paragraph_and_exit_code_1(theodolite, tmp_path, name, make, message):
    make(tmp_path / name)
    done = theodolite("dimension", f"./{name}", "--out", "run")
    assert done.code == 1
    assert message in done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists(), "nothing is left behind"
    as_json = theodolite("dimension", f"./{name}", "--json", "--out", "run")
    assert as_json.json["status"] == "error"
    assert message in as_json.json["error"]["message"]


def test_an_output_folder_that_cannot_be_is_named(theodolite, table_file):
    (table_file.parent / "taken").write_text("a file")
    done = theodolite("dimension", table_file, *SMALL, "--out", "taken/run")
    assert done.code == 1
    assert "taken" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("dimension",),
        ("dimension", "x", "--kk", "3"),
        ("dimension", "x", "--k", "many"),
        ("dimension", "x", "--k", "1"),
    ],
)
def test_usage_errors_exit_with_2(theodolite, arguments):
    done = theodolite(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err


def test_debug_shows_where(theodolite):
    done = theodolite("dimension", "./missing.npy", "--debug", "--out", "run")
    assert done.code == 1
    assert "Traceback" in done.err


def test_inspect_names_the_tensors_and_the_bytes(theodolite, table_file):
    content = theodolite("inspect", table_file, "--json").json
    assert content["tensors"][0]["shape"] == [400, 12]
    assert content["n_bytes_read"] == 400 * 12 * 4
    assert "400 x 12" in theodolite("inspect", table_file).out


def test_names_from_a_file_cannot_steer_the_terminal(theodolite, tmp_path):
    save_file({"\x1b]0;taken\x07\u202e": np.eye(4, dtype=np.float32)}, tmp_path / "steer.safetensors")
    shown = theodolite("inspect", "steer.safetensors")
    failed = theodolite("dimension", "steer.safetensors#nothing", "--out", "run")
    for text in (shown.out, shown.err, failed.err):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "\\x1b]0;taken" in shown.out


def test_a_study_file_of_another_version_is_said_to_be_so(theodolite, table_file):
    study = table_file.parent / "study.yaml"
    study.write_text(f"study: dimension\nversion: 99\nconfig:\n  references: ['{table_file}']\n  k: 8\n  nulls: []\n")
    done = theodolite("run", study, "--out", "run", "--json")
    assert done.code == 0
    assert "was written by version 99 of the study dimension" in done.err


def test_ls_status_report_and_run_work_on_a_finished_run(theodolite, table_file):
    theodolite("dimension", table_file, *SMALL, "--quiet", "--out", "runs/first")
    listed = theodolite("ls", "--json").json["runs"]
    assert [(one["path"], one["status"]) for one in listed] == [("runs/first", "success")]
    said = theodolite("ls").out
    assert "runs/first" in said
    assert listed[0]["created"][:16].replace("T", " ") in said
    assert "success, 3 of 3 units done" in theodolite("status", "runs/first").out
    (table_file.parent / "runs/first/report.html").unlink()
    assert theodolite("report", "runs/first", "--figures", "pdf").code == 0
    assert (table_file.parent / "runs/first/report.html").exists()
    assert list((table_file.parent / "runs/first/figures").glob("*.pdf"))
    again = theodolite("run", "runs/first/study.yaml", "--out", "runs/second", "--json")
    assert again.code == 0
    first, second = (table_file.parent / "runs" / name / "table.parquet" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_ls_and_status_of_nothing(theodolite, tmp_path):
    assert theodolite("ls", "nowhere").code == 1
    (tmp_path / "runs").mkdir()
    done = theodolite("ls")
    assert done.code == 0
    assert "No run in runs" in done.err
    assert theodolite("status", "nowhere").code == 1


def test_doctor_is_healthy_and_names_no_path(theodolite, tmp_path):
    done = theodolite("doctor", "--json")
    assert done.code == 0, done.out
    assert set(done.json["checks"].values()) == {"ok"}
    assert {"python", "cpu", "versions", "simd", "tf32"} <= set(done.json)
    assert str(tmp_path) not in done.out


INTERRUPTED = """
import os, signal, sys
from theodolite.cli.main import main
from theodolite.studies.dimension import study as dimension

begun, measure = [], dimension.run
signal.signal(signal.SIGINT, signal.default_int_handler)

def run(unit):
    begun.append(unit)
    if len(begun) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return measure(unit)

dimension.run = run
main()
"""


def test_a_ctrl_c_that_a_library_turns_into_its_own_error_is_no_fault_of_ours(theodolite, monkeypatch):
    def interrupted(*_, **__):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("an extension module failed to import") from None

    monkeypatch.setattr("theodolite.runs.list_runs", interrupted)
    done = theodolite("ls")
    assert (done.code, done.out) == (130, "")
    assert done.err.startswith("Interrupted.")


TERMINATED = """
import signal, sys
from contextlib import suppress
import theodolite.runs
from theodolite.cli.main import main

def end(_):
    with suppress(OSError):  # where Python keeps nothing back, this is refused already
        print("half a line", end="")
    signal.raise_signal(signal.SIGHUP)

theodolite.runs.list_runs = end
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.argv = ["theodolite", "ls"]
main()
"""


def test_what_schedulers_and_terminals_send_ends_a_command_in_order(theodolite, monkeypatch):
    monkeypatch.setattr("theodolite.runs.list_runs", lambda _: signal.raise_signal(signal.SIGTERM))
    done = theodolite("ls")
    assert (done.code, done.out) == (143, "")
    assert done.err.startswith("Ended by SIGTERM. Finished units are kept")
    with Path("/dev/full").open("w") as gone:  # what is written there is refused, as by a terminal that was closed
        closed = subprocess.run([sys.executable, "-c", TERMINATED], stdout=gone, stderr=gone, check=False)
    assert closed.returncode == 129


@pytest.mark.parametrize("command", [("--help",), ("doctor", "--json")], ids=["short", "long"])
def test_a_full_disk_under_the_output_is_no_fault_of_ours(command):
    with Path("/dev/full").open("w") as full:
        run = [sys.executable, "-m", "theodolite.cli.main", *command]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: What the command prints cannot be written: No space left on device.\n"


def test_progress_that_nobody_can_see_ends_no_run(monkeypatch):
    class Closed:
        def isatty(self):
            return False

        def write(self, _):
            raise OSError(code, "the terminal is gone")

        def flush(self):
            pass

    code = errno.EIO
    monkeypatch.setattr(sys, "stderr", Closed())
    progress = Output().progress()
    progress.start(3, "units")
    progress.advance(1)
    assert isinstance(progress._told, Silent)
    progress.advance(1)
    progress.stop()
    code, progress = errno.EPIPE, Output().progress()
    progress.start(3, "units")
    with pytest.raises(OSError, match="gone"):
        progress.advance(1)


@pytest.mark.slow
def test_ctrl_c_exits_with_130_says_how_to_resume_and_the_next_call_finishes(theodolite, table_file, tmp_path):
    command = ("dimension", str(table_file), *SMALL, "--json", "--out", "run")
    program = [sys.executable, "-c", INTERRUPTED, *command]
    interrupted = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert interrupted.returncode == 130, interrupted.stderr
    assert "goes on where this one stopped" in interrupted.stderr
    assert interrupted.stdout == ""
    finished = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("run/units/*.parquet")}
    assert len(finished) == 2
    assert theodolite(*command).json["status"] == "success"
    assert all((tmp_path / "run/units" / name).stat().st_mtime_ns == time_ for name, time_ in finished.items())
