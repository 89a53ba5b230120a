"""A whole model as a folder of this machine, for those who run it: local, bundled, or brought from the Hub."""

from pathlib import Path

from theodolite.core.errors import FormatError
from theodolite.tables.reference import Reference
from theodolite.tables.source import locate


def model_folder(reference: str | Path | Reference) -> Path:
    """Return the folder of a model that transformers can load.

    Parameters
    ----------
    reference : str, pathlib.Path or Reference
        `bundled:pocket-128`, a model folder, `./model@checkpoint-500`, `hub:owner/name@revision`. A selector is
        ignored: the whole model is meant.

    Returns
    -------
    pathlib.Path
        A folder with config.json and weights. The checkpoints of a bundled model hold its tables only. A model on the
        Hub is downloaded whole into huggingface_hub's cache, in one format of weights.

    Raises
    ------
    NotFoundError
        If the model or its revision does not exist.
    RemoteError
        If the Hub cannot be reached, or refuses.
    FormatError
        If the reference names one file.

    Examples
    --------
    >>> sorted(path.suffix for path in model_folder("bundled:pocket-64").glob("model*"))
    ['.safetensors']
    """
    parsed = Reference.parse(reference)
    if parsed.scheme == "hub":
        from theodolite.tables.hub_snapshot import bring_model  # noqa: PLC0415 (local models need no HTTP client)

        return bring_model(parsed)
    place = locate(parsed.select(None)).place
    if not place.is_dir():
        raise FormatError(f"{parsed} is one file, but a model to run is a folder. Give the folder that holds it.")
    return place
