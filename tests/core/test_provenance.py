import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from theodolite.core import provenance
from theodolite.core.provenance import environment, git_commit, versions

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_the_environment_is_fit_for_json_and_names_nobody():
    text = json.dumps(environment(), allow_nan=False)
    assert str(Path.home()) not in text or str(Path.home()) == "/"
    assert platform.node() not in text
    assert environment()["python"] == platform.python_version()
    assert environment()["cores"] >= 1


def test_asking_for_the_environment_loads_nothing_heavy():
    code = (
        "import sys; from theodolite.core.provenance import environment; found = environment();"
        "heavy = {'torch', 'numpy', 'polars', 'subprocess'} & set(sys.modules);"
        "print(heavy or '-', found['threads'], found['device'])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["-", "None", "cpu"]


def test_threads_are_those_of_torch_once_it_is_loaded():
    torch = pytest.importorskip("torch")
    assert environment()["threads"] == torch.get_num_threads()


def test_the_device_is_named_only_where_torch_has_started_it():
    class Cuda:
        def __init__(self, started):
            self.started = started

        def is_available(self):
            return True

        def is_initialized(self):
            return self.started

        def get_device_name(self):
            return "H100"

    class Torch:
        def __init__(self, started):
            self.cuda = Cuda(started)

    assert provenance._device(Torch(True)) == "cuda (H100)"
    assert provenance._device(Torch(False)) == "cpu"


def test_versions_are_those_installed():
    found = versions(("numpy", "no-such-package"))
    assert found["numpy"] == sys.modules["numpy"].__version__ if "numpy" in sys.modules else found["numpy"]
    assert found["no-such-package"] is None


def test_a_machine_without_cpuinfo_still_has_a_name(monkeypatch):
    def refuse(*args, **kwargs):
        raise FileNotFoundError

    provenance.cpu_model.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", refuse)
        patch.setattr(platform, "processor", lambda: "")
        assert provenance.cpu_model() == platform.machine()
    provenance.cpu_model.cache_clear()


def make_git(folder: Path, head: str) -> Path:
    git = folder / ".git"
    git.mkdir(parents=True)
    (git / "HEAD").write_text(head)
    return git


def test_commit_of_a_branch_is_found_from_a_folder_below(tmp_path):
    git = make_git(tmp_path, "ref: refs/heads/main\n")
    (git / "refs/heads").mkdir(parents=True)
    (git / "refs/heads/main").write_text(COMMIT + "\n")
    below = tmp_path / "src/package"
    below.mkdir(parents=True)
    assert git_commit(below) == COMMIT[:12]


def test_commit_of_a_detached_head(tmp_path):
    make_git(tmp_path, COMMIT + "\n")
    assert git_commit(tmp_path) == COMMIT[:12]


def test_commit_of_a_packed_ref(tmp_path):
    git = make_git(tmp_path, "ref: refs/heads/main\n")
    (git / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{'f' * 40} refs/heads/other\n{COMMIT} refs/heads/main\n"
    )
    assert git_commit(tmp_path) == COMMIT[:12]


def test_commit_of_a_worktree(tmp_path):
    git = make_git(tmp_path / "main", "ref: refs/heads/main\n")
    (git / "refs/heads").mkdir(parents=True)
    (git / "refs/heads/side").write_text(COMMIT)
    private = git / "worktrees/side"
    private.mkdir(parents=True)
    (private / "HEAD").write_text("ref: refs/heads/side")
    (private / "commondir").write_text("../..\n")
    tree = tmp_path / "side"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {private}\n")
    assert git_commit(tree) == COMMIT[:12]


@pytest.mark.parametrize("head", ["ref: refs/heads/unborn\n", "nonsense", ""])
def test_no_commit_where_git_has_none(tmp_path, head):
    make_git(tmp_path, head)
    assert git_commit(tmp_path) is None


def test_no_commit_where_the_files_of_git_cannot_be_read(tmp_path):
    (tmp_path / ".git").mkdir()
    assert git_commit(tmp_path) is None
    (tmp_path / ".git/HEAD").write_bytes(b"\xff\xfe")
    assert git_commit(tmp_path) is None


def test_an_installed_package_does_not_take_the_commit_of_the_project_around_it(tmp_path):
    make_git(tmp_path, COMMIT)
    installed = tmp_path / ".venv/lib/python3.11/site-packages/theodolite"
    installed.mkdir(parents=True)
    assert git_commit(installed) is None


def test_the_commit_agrees_with_git_itself():
    here = Path(__file__).parent
    try:
        said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a checkout")
    assert git_commit(here) in (said[:12], None)
