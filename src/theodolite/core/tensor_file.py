"""Files of our own that hold arrays: safetensors, whose metadata say what they are; nothing is ever unpickled."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from theodolite.core.errors import FormatError, NotFoundError, ParameterError


def new_file(path: Path | str) -> Path:
    """Return a path that may be written: its folder is there, the file is not.

    Parameters
    ----------
    path : path
        A new file.

    Returns
    -------
    pathlib.Path
        The same.

    Raises
    ------
    ParameterError
        If the file exists.
    NotFoundError
        If its folder does not.
    """
    place = Path(path)
    if place.exists():
        raise ParameterError(f"{place} is there already. Remove it, or choose another name.")
    if not place.parent.is_dir():
        raise NotFoundError(f"The folder {place.parent} does not exist. Make it first.")
    return place


def read_tensors(place: Path, *, missing: str, advice: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the arrays of a safetensors file, and its metadata.

    Parameters
    ----------
    place : pathlib.Path
        The file.
    missing : str
        What to say where there is none.
    advice : str
        What to do where it cannot be read.

    Returns
    -------
    tuple of dict
        Name to numpy array, and the metadata.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If it is no safetensors file.
    """
    if not place.is_file():
        raise NotFoundError(missing)
    try:
        with safe_open(place, framework="np") as file:
            names = list(file.keys())
            return {name: file.get_tensor(name) for name in names}, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise FormatError(f"{place} cannot be read as safetensors: {error}. {advice}") from error
