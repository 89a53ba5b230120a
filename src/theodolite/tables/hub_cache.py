"""What is kept on this machine of models and data sets on the Hub: list it, and give its space back."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from theodolite.core.errors import NotFoundError
from theodolite.tables.hub_disk import read_json
from theodolite.tables.hub_settings import cache_folder

_KINDS = ("models--", "datasets--")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedModel:
    """A commit of a model or data set of which something is kept.

    Attributes
    ----------
    repository : str
        `owner/name`; of a data set `datasets/owner/name`.
    server : str
        The host it is from.
    commit : str
        Full hash.
    revisions : tuple of str
        Branches and tags that stood for it when they were last looked up.
    tensors : tuple of str
        Names of those that are there whole, largest first.
    n_bytes : int
        Space on disk, unfinished parts included.
    n_unfinished : int
        Parts that a broken connection left, to be gone on with.
    folder : pathlib.Path
        Where it is.
    """

    repository: str
    server: str
    commit: str
    revisions: tuple[str, ...]
    tensors: tuple[str, ...]
    n_bytes: int
    n_unfinished: int
    folder: Path


def cached_models() -> tuple[CachedModel, ...]:
    """Return what is kept of each commit, by repository and commit.

    Returns
    -------
    tuple of CachedModel
        Empty where nothing was read from the Hub yet.
    """
    found = []
    for home in sorted(path for kind in _KINDS for path in (cache_folder() / "hub").glob(f"*/{kind}*")):
        noted = {unquote(path.stem): (read_json(path) or {}).get("commit") for path in (home / "refs").glob("*.json")}
        for folder in sorted(path.parent for path in home.glob("*/listing.json")):
            names = tuple(sorted(name for name in noted if noted[name] == folder.name))
            found.append(_model(home, folder, names))
    return tuple(found)


def clear_cache(repository: str | None = None, *, commit: str | None = None) -> int:
    """Remove what is kept, and return the bytes that this frees.

    Parameters
    ----------
    repository : str, optional
        `owner/name`; without it, everything.
    commit : str, optional
        The beginning of a commit's hash; without it, all commits.

    Returns
    -------
    int
        Bytes on disk before minus bytes after.

    Raises
    ------
    NotFoundError
        If nothing of that name is kept.
    """
    models = [
        one for one in cached_models() if repository in (None, one.repository) and one.commit.startswith(commit or "")
    ]
    if (repository or commit) and not models:
        kept = ", ".join(sorted({one.repository for one in cached_models()})) or "nothing"
        raise NotFoundError(f"Nothing of {repository or commit} is in the cache at {cache_folder()}. There is: {kept}.")
    before = cache_size()
    for one in models:
        shutil.rmtree(one.folder)
    for home in {one.folder.parent for one in models}:
        if not any(home.glob("*/listing.json")):
            shutil.rmtree(home)
    return before - cache_size()


def cache_size() -> int:
    """Return the bytes on disk of everything that is kept; files with two names count once."""
    return _bytes(cache_folder())


def _model(home: Path, folder: Path, revisions: tuple[str, ...]) -> CachedModel:
    """Describe one commit."""
    parts = [read_json(path) or {} for path in folder.glob("parts/*/*.json")]
    wholes = [part for part in parts if str(part.get("what", "")).startswith("tensor ")]
    wholes.sort(key=lambda part: part["begin"] - part["end"])
    return CachedModel(
        repository=_repository(home.name),
        server=home.parent.name,
        commit=folder.name,
        revisions=revisions,
        tensors=tuple(str(part["what"]).removeprefix("tensor ") for part in wholes),
        n_bytes=_bytes(folder),
        n_unfinished=len(list(folder.glob("parts/*/*.part"))),
        folder=folder,
    )


def _repository(folder: str) -> str:
    kind, _, name = folder.partition("--")
    return f"{'' if kind == 'models' else f'{kind}/'}{name.replace('--', '/', 1)}"


def _bytes(folder: Path) -> int:
    """Sum the sizes of files below a folder."""
    sizes = {}
    for path in folder.rglob("*"):
        if path.is_file():
            status = path.stat()
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())
