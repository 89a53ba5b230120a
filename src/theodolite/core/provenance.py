"""What a result was computed with: versions, machine, commit. Imports nothing heavy and starts no process."""

import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("theodolite", "torch", "numpy", "scipy", "polars", "transformers", "tokenizers", "safetensors")

_SHORT = 12


def environment() -> dict[str, Any]:
    """Return versions, machine, threads and device, fit for JSON.

    torch is asked for its threads and device only where it is already imported.

    Returns
    -------
    dict
        `python`, `platform`, `cpu`, `cores` (usable by this process), `threads` (None where torch is not loaded),
        `device`, `versions`. Nothing in it names the user, the host or a path.

    Examples
    --------
    >>> sorted(environment())
    ['cores', 'cpu', 'device', 'platform', 'python', 'threads', 'versions']
    """
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch is not None else None
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "threads": threads,
        "device": _device(torch),
        "versions": versions(),
    }


def versions(packages: tuple[str, ...] = PACKAGES) -> dict[str, str | None]:
    """Return the installed version of each package without importing it; None where it is not installed.

    Examples
    --------
    >>> versions(("no-such-package",))
    {'no-such-package': None}
    """
    return {name: _version(name) for name in packages}


@cache
def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def cpu_model() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many processor cores this process may use.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _device(torch: Any) -> str:
    """Name the accelerator that torch, if loaded, has set up; starting it only to ask would cost seconds."""
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return f"cuda ({torch.cuda.get_device_name()})"
    return "cpu"


def git_commit(folder: Path) -> str | None:
    """Return the commit that the checkout around `folder` is at, read from the files git keeps.

    Parameters
    ----------
    folder : pathlib.Path
        Any folder. One inside `site-packages` belongs to an installation, whatever checkout lies around it.

    Returns
    -------
    str or None
        First 12 digits; None outside a checkout, before the first commit, or where the files are not understood.
        Changes that are not committed do not show.

    Examples
    --------
    >>> git_commit(Path("/")) is None
    True
    """
    here = folder.resolve()
    if "site-packages" in here.parts:
        return None
    for parent in (here, *here.parents):
        mark = parent / ".git"
        if mark.exists():
            try:
                return _commit_of(mark)
            except (OSError, ValueError):
                return None
    return None


def _commit_of(mark: Path) -> str | None:
    """Return the commit of a `.git` folder, or of the file that a worktree has in its place."""
    git = mark
    if mark.is_file():
        git = mark.parent / _read(mark).removeprefix("gitdir:").strip()
    head = _read(git / "HEAD")
    if not head.startswith("ref:"):
        return _short(head)
    ref = head.removeprefix("ref:").strip()
    common = git / _read(git / "commondir") if (git / "commondir").is_file() else git
    for place in (git, common):
        if (place / ref).is_file():
            return _short(_read(place / ref))
    packed = common / "packed-refs"
    for line in _read(packed).splitlines() if packed.is_file() else ():
        commit, _, name = line.partition(" ")
        if name == ref:
            return _short(commit)
    return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _short(commit: str) -> str | None:
    return commit[:_SHORT] if len(commit) >= _SHORT and set(commit) <= set("0123456789abcdef") else None
