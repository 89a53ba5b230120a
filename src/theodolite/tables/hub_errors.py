"""What the Hub refused, in words that say what to do. Nothing the server sent is repeated, and never a token."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from huggingface_hub import get_token
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from theodolite.core.errors import NotFoundError, RemoteError, TheodoliteError
from theodolite.tables.hub_settings import host, page

Kind = Literal["model", "dataset"]

_OFFLINE = "Offline mode is on (HF_HUB_OFFLINE)"


class NoRevisionError(NotFoundError):
    """The repository is there, the revision is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked of the Hub, for messages.

    Attributes
    ----------
    endpoint : str
        Address of the Hub.
    repository : str
        `owner/name`.
    revision : str or None
        Branch, tag or commit; None for the main one.
    file : str or None
        Name of a file in the repository.
    kind : {"model", "dataset"}
        What the Hub has it under.
    """

    endpoint: str
    repository: str
    revision: str | None = None
    file: str | None = None
    kind: Kind = "model"

    def __str__(self) -> str:
        """Return the reference; a commit is shortened."""
        revision = self.revision
        short = revision[:12] if revision and len(revision) == 40 else revision
        return f"hub:{self.repository}{f'@{short}' if short else ''}{f'/{self.file}' if self.file else ''}"


def explain(error: Exception, asked: Asked) -> TheodoliteError:
    """Return the error to raise for one that huggingface_hub raised.

    Parameters
    ----------
    error : Exception
        From huggingface_hub or its HTTP client.
    asked : Asked
        What was asked for.

    Returns
    -------
    TheodoliteError
        `NotFoundError` where something does not exist or is not visible, `RemoteError` otherwise. Its message holds
        neither addresses with signatures nor what the server wrote.
    """
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return sentence(asked)
    if isinstance(error, HfHubHTTPError):
        return _by_status(error.response.status_code, asked)
    return RemoteError(
        f"The Hub at {host(asked.endpoint)} could not be reached for {asked} ({type(error).__name__}). Check the "
        "connection and HF_ENDPOINT; with HF_HUB_OFFLINE=1, what was read before is read from the cache. If a folder "
        "of this machine was meant: there is none of this name here."
    )


def offline(asked: Asked, missing: str) -> NotFoundError:
    """Say that something cannot be fetched in offline mode, and what is missing."""
    return NotFoundError(
        f"{_OFFLINE}, and {asked} cannot be read from the cache: {missing}. Unset HF_HUB_OFFLINE once to fetch it."
    )


def _gated(asked: Asked) -> TheodoliteError:
    return RemoteError(
        f"{asked} is gated: its owner decides who may read it. Ask for access at {_page(asked)}. {_sign_in()}"
    )


def _disabled(asked: Asked) -> TheodoliteError:
    return RemoteError(f"{asked} was disabled and cannot be read. {_page(asked)} may say why.")


def _no_revision(asked: Asked) -> TheodoliteError:
    return NoRevisionError(f"{asked.repository} has no revision {asked.revision!r} on the Hub.")


def _no_file(asked: Asked) -> TheodoliteError:
    place = str(asked).removesuffix(f"/{asked.file}")
    return NotFoundError(f"There is no file {asked.file} in {place}. Its files are listed at {_page(asked)}.")


def _no_repository(asked: Asked) -> TheodoliteError:
    if asked.kind == "dataset":
        return NotFoundError(
            f"There is no data set {asked.repository} on the Hub at {host(asked.endpoint)}, or it is private. Check "
            f"the spelling. {_sign_in('If it is private: ')} A file of this machine is named without hub:."
        )
    return NotFoundError(
        f"There is no model {asked.repository} on the Hub at {host(asked.endpoint)}, or it is private. Check the "
        f"spelling. {_sign_in('If it is private: ')} A folder of this machine that has this name is written "
        f"./{asked.repository}, a bundled model bundled:NAME."
    )


def _offline(asked: Asked) -> TheodoliteError:
    return offline(asked, "it was not read before")


_SENTENCES: dict[type[Exception], Callable[[Asked], TheodoliteError]] = {
    OfflineModeIsEnabled: _offline,
    GatedRepoError: _gated,
    DisabledRepoError: _disabled,
    RevisionNotFoundError: _no_revision,
    EntryNotFoundError: _no_file,
    RepositoryNotFoundError: _no_repository,  # after those that derive from it
}


def _by_status(status: int, asked: Asked) -> TheodoliteError:
    """Explain an answer that has only its number."""
    server = f"The Hub at {host(asked.endpoint)}"
    if status in (401, 403):
        return RemoteError(
            f"{server} does not let this account read {asked} (status {status}). {_sign_in()} A token may have "
            "expired, or have no right to this repository."
        )
    if status == 416:
        return RemoteError(
            f"{asked} is shorter than the Hub says: the server has nothing at the place that was asked for. "
            "Try again later, or download the file and give its path."
        )
    if status == 429:
        return RemoteError(
            f"{server} asks to wait longer than five minutes: it receives too many requests from here. Try again "
            f"later; what was fetched is kept. {_sign_in()}"
        )
    if status >= 500:
        return RemoteError(
            f"{server} answered {asked} with status {status} again and again. Try again later; "
            "what was fetched is kept."
        )
    return RemoteError(f"{server} answered {asked} with status {status}. Check HF_ENDPOINT and the name.")


def _sign_in(lead: str = "") -> str:
    """Advise to sign in, or to check the token that is there."""
    if get_token():
        return f"{lead}A token is set (HF_TOKEN or `hf auth login`); check that its account has access."
    return f"{lead}Sign in with `hf auth login`, or set HF_TOKEN."


def _page(asked: Asked) -> str:
    return page(asked.endpoint, f"{'datasets/' if asked.kind == 'dataset' else ''}{asked.repository}")
