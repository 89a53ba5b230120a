"""JSON files of a model folder, read with a limit on their size and a clear word when they are damaged."""

import json
from pathlib import Path
from typing import Any

from theodolite.core.errors import FormatError, NotFoundError

_MOST_BYTES = 64_000_000  # the largest real tokenizer.json has about 35 MB


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises
    ------
    NotFoundError
        If the file does not exist.
    FormatError
        If it is too large, no JSON, or JSON but no object.
    """
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise FormatError(
                f"{path} has {size} bytes; a {path.name} has at most {_MOST_BYTES}. Is it another file under this name?"
            )
        value = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"There is no {path.name} in {path.parent}. Give a complete model folder.") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is not readable as JSON: {error}. Copy or download it again.") from error
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not isinstance(value, dict):
        raise FormatError(f"{path} holds a JSON {type(value).__name__}, but an object is needed. Download it again.")
    return value
