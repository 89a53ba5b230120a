"""What must never happen: code run from data, writing outside, secrets in what is stored or shown."""

import ast
import importlib.util
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import theodolite
from theodolite import bundled
from theodolite.cli import main as cli
from theodolite.core.errors import FormatError, ParameterError, RunError, UnsafeFileError
from theodolite.runs import (
    compare_runs,
    config_from_mapping,
    config_to_mapping,
    execute,
    list_runs,
    open_run,
    read_study_file,
    status,
)
from theodolite.runs.folder.store import Store, failure_record
from theodolite.runs.runner import Failure
from theodolite.studies import resolve

HERE = Path(theodolite.__file__).parent
TOY = Path(__file__).parents[1] / "runs" / "toy.py"
TOKEN = "hf_" + "aB3" * 11
FORBIDDEN = {
    "pickle.load": "a pickle runs code",
    "pickle.loads": "a pickle runs code",
    "pickle.Unpickler": "a pickle runs code",
    "cloudpickle.load": "a pickle runs code",
    "cloudpickle.loads": "a pickle runs code",
    "joblib.load": "joblib files are pickles",
    "dill.load": "a pickle runs code",
    "marshal.loads": "code objects",
    "shelve.open": "a shelf holds pickles",
    "pd.read_pickle": "a pickle runs code",
    "yaml.load": "yaml tags run code; safe_load does not",
    "yaml.unsafe_load": "yaml tags run code",
    "yaml.full_load": "yaml tags make objects",
    "os.system": "a shell",
    "subprocess.getoutput": "a shell",
    "eval": "runs text",
    "exec": "runs text",
    "extractall": "an archive may write anywhere",
    "shutil.unpack_archive": "an archive may write anywhere",
}
NEEDED = {
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
}


def calls(path):
    """Yield the dotted name of each call in a file, and the call."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def complaints(path):
    for name, call in calls(path):
        keywords = {one.arg: getattr(one.value, "value", None) for one in call.keywords}
        last = name.rpartition(".")[2]
        if name in FORBIDDEN or (last == "extractall"):
            yield f"{path.name}:{call.lineno} calls {name}: {FORBIDDEN.get(name, FORBIDDEN['extractall'])}"
        if name in NEEDED and keywords.get(NEEDED[name][0]) is not NEEDED[name][1]:
            yield f"{path.name}:{call.lineno} calls {name} without {NEEDED[name][0]}={NEEDED[name][1]}"
        if keywords.get("trust_remote_code") is True:
            yield f"{path.name}:{call.lineno} trusts remote code by itself"
        if keywords.get("shell") is True:
            yield f"{path.name}:{call.lineno} starts a shell"
        if last == "recv" and not call.args:
            yield f"{path.name}:{call.lineno} unpickles what a connection sends"


def test_nothing_in_the_package_reads_a_pickle_or_trusts_code_by_itself():
    found = [one for path in HERE.rglob("*.py") for one in complaints(path)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "pickle.load(file)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path, weights_only=False)",
        "joblib.load(path)",
        "yaml.load(text)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "subprocess.run(x, shell=True)",
        "archive.extractall(folder)",
        "connection.recv()",
        "eval(text)",
    ],
)
def test_the_search_finds_what_it_looks_for(tmp_path, line):
    (tmp_path / "bad.py").write_text(line)
    assert len(list(complaints(tmp_path / "bad.py"))) == 1


class Hostile:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture(scope="module")
def toy():
    spec = importlib.util.spec_from_file_location("toy_of_security", TOY)
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_of_security"] = module
    spec.loader.exec_module(module)
    return module


def plant(folder, mark):
    """Put hostile pickles under every name a reader could look at, and in the place of every kind of file."""
    data = pickle.dumps(Hostile(mark))
    for name in ("cache.pkl", "table.pkl", "units.joblib", "model.pt", "state.npy", "manifest.pickle", ".lock"):
        (folder / name).write_bytes(data)
    units = sorted((folder / "units").glob("*.parquet"))
    units[0].write_bytes(data)
    np.save(folder / "units" / "array.npy", np.array([Hostile(mark)], dtype=object), allow_pickle=True)
    frame = pl.DataFrame({"number": [data], "value": [data]})
    frame.write_parquet(units[1], metadata={"theodolite": data.hex(), "pandas": data.hex(), "ARROW:schema": data.hex()})
    (folder / "failures.jsonl").write_bytes(data + b"\n")


def test_hostile_pickles_in_a_run_folder_are_never_loaded(toy, tmp_path):
    mark = tmp_path / "owned"
    run = execute(toy, toy.Config(n_units=5), out=tmp_path / "run")
    other = execute(toy, toy.Config(n_units=5), out=tmp_path / "other")
    whole = run.store.table_path.read_bytes()
    plant(run.path, mark)
    status(run), run.units(), run.failures(), run.table(), list_runs(tmp_path), compare_runs(run, other)
    run.store.table_path.write_bytes(pickle.dumps(Hostile(mark)))
    for read in (run.table, lambda: compare_runs(run, other)):
        with pytest.raises((RunError, FormatError)):
            read()
    again = execute(toy, toy.Config(n_units=5), out=run.path)
    assert again.status == "success"
    assert run.store.table_path.read_bytes() == whole
    for name in ("manifest.json", "plan.jsonl", "study.yaml"):
        (run.path / name).write_bytes(pickle.dumps(Hostile(mark)))
    for read in (lambda: open_run(run.path), Store(run.path).read_plan):
        with pytest.raises(RunError, match="damaged"):
            read()
    assert not mark.exists()
    pickle.loads(pickle.dumps(Hostile(mark)))
    assert mark.exists(), "the trap works"


WATCHED = """
import sys
def hook(event, arguments):
    if event == "pickle.find_class" and arguments[0] in ("pathlib", "builtins", "os", "posix"):
        print("UNPICKLED", *arguments, flush=True)
sys.addaudithook(hook)
from theodolite.cli.main import main
for command in ("status run --units --failed", "compare-runs run other", "plan run"):
    sys.argv = ["theodolite", *command.split()]
    try:
        main()
    except SystemExit as end:
        print("CODE", end.code)
"""


def test_no_command_that_reads_a_run_follows_a_pickle(tmp_path):
    mark = tmp_path / "owned"
    np.save(tmp_path / "t.npy", np.random.Generator(np.random.PCG64(0)).normal(size=(50, 4)).astype(np.float32))
    theodolite.run("dimension", references=[f"{tmp_path}/t.npy"], k=6, mle_k=[5], nulls=[], out=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    plant(tmp_path / "run", mark)
    done = subprocess.run([sys.executable, "-c", WATCHED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "UNPICKLED" not in done.stdout
    assert done.stdout.count("CODE 0") == 3, done.stderr
    assert not mark.exists()


@pytest.mark.parametrize("key", ["../../../etc/passwd", "0" * 19, "0" * 20 + "/..", "/" + "0" * 19, "0" * 19 + "\x00"])
def test_keys_of_units_from_a_strange_plan_lead_nowhere(toy, tmp_path, key):
    run = execute(toy, toy.Config(), out=tmp_path / "run")
    lines = run.store.plan_path.read_text().splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"key": key})
    run.store.plan_path.write_text("\n".join(lines) + "\n")
    for read in (run.store.read_plan, run.units, lambda: status(run)):
        with pytest.raises(RunError, match=r"is damaged: .* is not the key of a unit"):
            read()


def test_a_study_file_can_name_no_code(tmp_path):
    mark = tmp_path / "owned"
    for text in (
        f"study: dimension\nconfig: !!python/object/apply:pathlib.Path.touch [{mark}]\n",
        f"!!python/object/new:os.system [touch {mark}]\n",
        f"study: !!python/name:os.system\nconfig: {{k: {mark}}}\n",
    ):
        (tmp_path / "study.yaml").write_text(text)
        with pytest.raises(FormatError, match="is not valid YAML"):
            read_study_file(tmp_path / "study.yaml")
    (tmp_path / "study.yaml").write_text(f"study: {tmp_path}/evil.py\nconfig: {{}}\n")
    (tmp_path / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    name, _, _ = read_study_file(tmp_path / "study.yaml")
    with pytest.raises(ParameterError, match="No study is called"):
        resolve(name)
    assert not mark.exists()


def test_secrets_are_in_nothing_that_a_run_keeps_or_shows(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_PASSWORD", "correct horse battery")
    secrets = (TOKEN, "hunter2secret", "correct horse battery")
    told = f"401 at https://me:hunter2secret@hub/x?Signature=hunter2secret with {TOKEN}, correct horse battery"
    run_unit = toy.run

    def leaky(unit):
        number = unit.params["number"]
        if number == 1:
            try:
                raise OSError(told)
            except OSError as error:
                raise ValueError("while " + told) from error
        result = run_unit(unit)
        return type(result)(rows=result.rows, warnings=[told]) if number == 2 else result

    monkeypatch.setattr(toy, "run", leaky)
    command = ["theodolite", "run", "study.yaml", "--out", "s3://me:hunter2secret@bucket/run", f"--token={TOKEN}"]
    run = execute(toy, toy.Config(), out=tmp_path / "run", command=command)
    assert run.status == "partial"
    assert "***" in run.failures()[0].message
    assert "***" in run.failures()[0].traceback
    kept = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert len(kept) > 6
    for path, data in kept.items():
        for secret in secrets:
            assert secret.encode() not in data, path
    assert any("***" in one for one in run.warnings)


def test_the_last_words_of_a_dead_worker_are_kept_without_secrets(toy):
    words = Failure(
        exception="WorkerDied", message=f"died with {TOKEN}", traceback=f"https://me:hunter2secret@h {TOKEN}"
    )
    record = failure_record(toy.plan(toy.Config())[0], words, 1, "now")
    assert (record.message, record.traceback) == ("died with ***", "https://***@h ***")


def test_secrets_are_not_in_the_error_of_a_session(toy, tmp_path, monkeypatch):
    class Broken:
        name, workers = "broken", 1

        def map(self, work, units):
            yield work(units[0])
            raise RuntimeError(f"no answer from https://me:hunter2secret@host with {TOKEN}")

    with pytest.raises(RuntimeError):
        execute(toy, toy.Config(), out=tmp_path / "run", runner=Broken())
    error = open_run(tmp_path / "run").manifest["sessions"][0]["error"]
    assert error == "RuntimeError: no answer from https://***@host with ***"


@pytest.mark.parametrize("extra", [(), ("--json",), ("--debug",)])
def test_secrets_are_not_on_the_screen(tmp_path, monkeypatch, capsys, extra):
    monkeypatch.setattr(sys, "argv", ["theodolite", "status", str(tmp_path), *extra])

    def leak(path):
        raise RuntimeError(f"no answer from https://me:hunter2secret@host with {TOKEN}")

    monkeypatch.setattr("theodolite.runs.open_run", leak)
    with pytest.raises(SystemExit):
        cli.main()
    said = "".join(capsys.readouterr())
    assert "***" in said
    assert TOKEN not in said
    assert "hunter2secret" not in said


def test_code_of_a_model_runs_only_on_the_explicit_flag_which_is_recorded(tmp_path):
    """A model folder that brings its own code: refused without the flag, and the manifest says that it was given."""
    mark = tmp_path / "owned"
    folder = tmp_path / "model"
    shutil.copytree(bundled.path("pocket-64"), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own_kind", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (tmp_path / "p.txt").write_text("The old man and the sea, the old man and the boat, and the fish.\n" * 3)
    with pytest.raises(UnsafeFileError, match="trust_remote_code"):
        theodolite.run("layers", references=[str(folder)], prompts=str(tmp_path / "p.txt"), out=tmp_path / "run")
    assert not mark.exists()
    for name in ("layers", "probe"):
        assert resolve(name).Config.__dataclass_fields__["trust_remote_code"].default is False
    told = config_from_mapping(resolve("layers").Config, {"references": [str(folder)], "trust_remote_code": True})
    assert config_to_mapping(told)["trust_remote_code"] is True, "the config is part of every manifest"
