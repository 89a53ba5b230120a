"""Where the Hub is, and where what is read from it is kept: looked up when it is needed, not at import."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import constants, is_offline_mode

from theodolite.core.errors import ParameterError

CACHE_VARIABLE = "THEODOLITE_CACHE"
_YES = {"1", "on", "yes", "true"}


def endpoint() -> str:
    """Return the address of the Hub, without a slash at its end: `HF_ENDPOINT` as it is now, or the public Hub.

    Raises
    ------
    ParameterError
        If `HF_ENDPOINT` is no http(s) address.
    """
    address = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    if host(address) == "":
        raise ParameterError(
            "HF_ENDPOINT is set to something that is no address of a Hub. It should begin with https:// and name a "
            "host; unset it for the public Hub."
        )
    return address


def host(address: str) -> str:
    """Return the host (and port) of an address, never its user or password; "" where it has none."""
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.hostname}{port}" if parts.scheme in ("http", "https") and parts.hostname else ""


def page(address: str, repository: str) -> str:
    """Return the address of a repository's page, for people."""
    return f"{urlsplit(address).scheme}://{host(address)}/{repository}"


def is_offline() -> bool:
    """Say whether the network is not to be used (`HF_HUB_OFFLINE`)."""
    return is_offline_mode() or os.environ.get("HF_HUB_OFFLINE", "").lower() in _YES


def cache_folder() -> Path:
    """Return the folder for what was read from elsewhere; it need not exist.

    `THEODOLITE_CACHE`, or `theodolite` in `XDG_CACHE_HOME`, or `~/.cache/theodolite`.

    Examples
    --------
    >>> cache_folder().is_absolute()
    True
    """
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache").expanduser().absolute() / "theodolite"
