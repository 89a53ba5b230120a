"""Which commit a reference to the Hub means, which files are there, and which revisions a model has."""

import difflib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from huggingface_hub import DatasetInfo, HfApi, ModelInfo
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status  # type: ignore[attr-defined]

from theodolite.core.errors import NotFoundError, ReferenceSyntaxError, RemoteError
from theodolite.tables.hub_disk import read_json, write_json
from theodolite.tables.hub_errors import Asked, Kind, NoRevisionError, offline
from theodolite.tables.hub_patience import TIMEOUT, ask
from theodolite.tables.hub_repository import COMMIT, HubFile, HubRepository, is_path, is_plain
from theodolite.tables.hub_settings import cache_folder, endpoint, host, is_offline
from theodolite.tables.reference import Reference

_REMEMBERED = 300  # seconds for which a process takes a branch to stand still
_NAMES_LISTED = 8

T = TypeVar("T")


def resolve(reference: Reference, *, kind: Kind = "model") -> HubRepository:
    """Return the model or the data set that a reference names, at the commit that its revision stands for now.

    Raises
    ------
    NotFoundError
        If the repository or the revision does not exist, or offline mode is on and it was not read before.
    RemoteError
        If the Hub cannot be reached or refuses.
    """
    asked = Asked(endpoint=endpoint(), repository=reference.location, revision=reference.revision, kind=kind)
    return _resolve(asked, home_of(asked), is_offline(), int(time.monotonic() // _REMEMBERED))


def home_of(asked: Asked) -> Path:
    """Return the folder of the cache for a repository."""
    server = host(asked.endpoint).replace(":", "_")
    return cache_folder() / "hub" / server / f"{asked.kind}s--{asked.repository.replace('/', '--')}"


def _note(asked: Asked, home: Path) -> Path:
    """Return where it is noted which commit a revision stands for."""
    return home / "refs" / f"{quote(asked.revision or 'main', safe='')}.json"


@lru_cache(maxsize=1024)
def _resolve(asked: Asked, home: Path, is_offline_: bool, _: int) -> HubRepository:
    """Ask once in a while; what was read before of a commit is never asked again."""
    revision = asked.revision
    noted = _note(asked, home)
    commit = revision if revision and COMMIT.match(revision) else None
    if commit is None and is_offline_:
        commit = str((read_json(noted) or {}).get("commit", ""))
    if commit is not None:
        files = _noted_files(home, commit)
        if files is not None:
            return _repository(asked, commit, files, home)
        if is_offline_:
            raise offline(asked, "neither its list of files nor its commit was noted before")
    info = _ask_for_info(asked)
    commit = info.sha or ""
    if not COMMIT.match(commit):
        raise RemoteError(_no_hub(asked, "names no commit"))
    is_taken = is_plain if asked.kind == "model" else is_path
    files = {one.rfilename: _listed(one) for one in info.siblings or [] if is_taken(one.rfilename)}
    write_json(
        home / commit / "listing.json",
        {"files": {name: [file.size, file.identity, file.is_large] for name, file in files.items()}},
    )
    write_json(noted, {"commit": commit})
    return _repository(asked, commit, files, home)


def _repository(asked: Asked, commit: str, files: dict[str, HubFile], home: Path) -> HubRepository:
    return HubRepository(
        endpoint=asked.endpoint, repository=asked.repository, commit=commit, files=files, home=home, kind=asked.kind
    )


def noted_commit(reference: Reference) -> str | None:
    """Return the commit that a revision stood for when it was last looked up; None where it never was."""
    asked = Asked(endpoint=endpoint(), repository=reference.location, revision=reference.revision)
    commit = (read_json(_note(asked, home_of(asked))) or {}).get("commit")
    return commit if isinstance(commit, str) and COMMIT.match(commit) else None


def revisions_of(reference: Reference) -> tuple[str, ...]:
    """Return the names of the branches and tags of a model; offline, those that were read before.

    Raises
    ------
    NotFoundError, RemoteError
        As `resolve`.
    """
    return _revisions_of(Asked(endpoint=endpoint(), repository=reference.location))


def _revisions_of(asked: Asked) -> tuple[str, ...]:
    if is_offline():
        noted = (home_of(asked) / "refs").glob("*.json")
        return tuple(sorted(name for path in noted if not COMMIT.match(name := unquote(path.stem))))
    stated = _checked(lambda: ask(lambda: _ask_for_refs(asked), asked), asked)
    return tuple(dict.fromkeys((*stated["branches"], *stated["tags"])))


def _ask_for_info(asked: Asked) -> ModelInfo | DatasetInfo:
    """Ask for the commit and the files; a revision that is missing is answered with those that exist."""
    api = HfApi(endpoint=asked.endpoint, library_name="theodolite")

    def request() -> ModelInfo | DatasetInfo:
        ask_for = api.model_info if asked.kind == "model" else api.dataset_info
        return ask_for(asked.repository, revision=asked.revision, files_metadata=True, timeout=TIMEOUT)

    try:
        return _checked(lambda: ask(request, asked), asked)
    except NoRevisionError as error:
        there = _revisions_of(replace(asked, revision=None))
        close = difflib.get_close_matches(asked.revision or "", there, n=_NAMES_LISTED, cutoff=0.6)
        listed = (close or list(there))[:_NAMES_LISTED]
        more = f" and {len(there) - len(listed)} more" if len(there) > len(listed) else ""
        raise NotFoundError(f"{error} Revisions there: {', '.join(listed) or 'none'}{more}.") from None


def _ask_for_refs(asked: Asked) -> dict[str, list[str]]:
    """Ask for branches and tags, as `HfApi.list_repo_refs` does, but not waiting for ever."""
    address = f"{asked.endpoint}/api/{asked.kind}s/{asked.repository}/refs"
    response = get_session().get(address, headers=build_hf_headers(library_name="theodolite"), timeout=TIMEOUT)
    hf_raise_for_status(response)
    stated = response.json()
    return {kind: [str(one["name"]) for one in stated[kind]] for kind in ("branches", "tags")}


def _checked(action: Callable[[], T], asked: Asked) -> T:
    """Do what asks the Hub something; an answer that no Hub would give is an error of the server."""
    try:
        return action()
    except (NotFoundError, RemoteError):
        raise
    except HFValidationError:
        raise ReferenceSyntaxError(
            f"{asked.repository!r} is not the name of a Hub repository. Write hub:owner/name."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RemoteError(_no_hub(asked, f"sends no list of files ({type(error).__name__})")) from None


def _no_hub(asked: Asked, why: str) -> str:
    return (
        f"The server at {host(asked.endpoint)} {why} for {asked}, as a Hub would. Check HF_ENDPOINT, and whether a "
        "proxy answers in its place."
    )


def _listed(sibling: Any) -> HubFile:
    """Return a file of the Hub's list."""
    large = sibling.lfs is not None
    identity = sibling.lfs.sha256 if large else sibling.blob_id
    return HubFile(size=_size(sibling.size), identity=_hash(identity), is_large=large)


def _noted_files(home: Path, commit: str) -> dict[str, HubFile] | None:
    """Return the files of a commit as they were noted before."""
    stated = (read_json(home / commit / "listing.json") or {}).get("files") if COMMIT.match(commit) else None
    if not isinstance(stated, dict):
        return None
    return {
        name: HubFile(size=_size(size), identity=_hash(identity), is_large=bool(large))
        for name, (size, identity, large) in stated.items()
    }


def _size(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _hash(value: Any) -> str | None:
    """Return a hash that is one, and so is safe as the name of a file."""
    is_hash = isinstance(value, str) and len(value) in (40, 64) and set(value) <= set("0123456789abcdef")
    return value if is_hash else None
