"""Runners by name (light: no polars, no torch before one is made)."""

from typing import Literal, get_args

from theodolite.core.errors import ParameterError
from theodolite.runs.runner import Runner, SerialRunner

RunnerName = Literal["serial", "processes", "ray"]
OnError = Literal["continue", "stop"]

REPRODUCIBLE = {"MKL_CBWR": "AUTO,STRICT"}
"""Environment in which matrix products have the same digits for any number of threads; read when torch is loaded."""


def make_runner(name: RunnerName | Runner, *, workers: int | None = None, address: str | None = None) -> Runner:
    """Return the runner of a name.

    Parameters
    ----------
    name : {"serial", "processes", "ray"} or Runner
        One unit after the other in this process; in processes of this machine; in actors of Ray, on this machine or a
        cluster. A runner is returned as it is.
    workers : int, optional
        Units at a time; by default one for each GPU.
    address : str, optional
        Of an existing Ray cluster: "auto", "ray://host:10001" or "host:6379".

    Returns
    -------
    Runner
        Ready for `execute`.

    Raises
    ------
    ParameterError
        If there is none of this name, the settings do not fit it, or Ray is not installed.

    Examples
    --------
    >>> make_runner("processes", workers=2).workers
    2
    """
    if not isinstance(name, str):
        return name
    if name not in get_args(RunnerName):
        raise ParameterError(f"runner={name!r} is not known. Choose one of {', '.join(get_args(RunnerName))}.")
    if workers is not None and workers < 1:
        raise ParameterError(f"workers={workers} cannot do anything. Take 1 or more.")
    if address is not None and name != "ray":
        raise ParameterError(f"address={address!r} is that of a Ray cluster, but runner={name!r}. Take runner='ray'.")
    if name == "serial":
        if workers not in (None, 1):
            raise ParameterError(
                f"The serial runner does one unit at a time, so workers={workers} says nothing. "
                "Take runner='processes' or 'ray'."
            )
        return SerialRunner()
    if name == "processes":
        from theodolite.runs.workers.processes import ProcessRunner  # noqa: PLC0415 - loads polars

        return ProcessRunner(workers=workers or 0)
    from theodolite.runs.workers.ray_actors import RayRunner  # noqa: PLC0415 - Ray is an extra

    return RayRunner(workers=workers or 0, address=address)
