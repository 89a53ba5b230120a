"""Command that checks the installation."""

import os
import tempfile
from pathlib import Path
from typing import Any

from theodolite.cli.options import Speech
from theodolite.cli.output import Output, print_json
from theodolite.core.number_format import counted

_LIBRARIES = ("huggingface_hub", "peft", "accelerate", "scikit-learn", "gensim", "gguf", "sacrebleu", "matplotlib")
"""What some commands need besides the packages that every result names."""


def doctor(
    *,
    output: Speech = Output(),  # noqa: B008 - frozen
) -> int:
    """Check versions, threads, device, precision, bundled models and a small known answer.

    The output names no user, host or path, so it can be pasted into an issue as it is.
    """
    import torch  # noqa: PLC0415 - keeps --help fast

    from theodolite.core.provenance import environment, versions  # noqa: PLC0415

    found = environment()
    facts: dict[str, Any] = {
        **found,
        "versions": {**found["versions"], **versions(_LIBRARIES)},
        "blas_threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "simd": torch.backends.cpu.get_cpu_capability(),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
    }
    checks = {
        "bundled models are what was shipped": _bundled_intact(),
        "a known answer comes out": _known_answer(),
        "this folder can hold runs": _can_write(Path.cwd()),
    }
    advice = _thread_advice(found["threads"], found["cores"])
    healthy = all(verdict == "ok" for verdict in checks.values())
    if output.json:
        state = "success" if healthy else "error"
        print_json({"command": "doctor", "status": state, **facts, "checks": checks, "warnings": advice})
    packages = facts.pop("versions")
    output.lines([f"{name}: {value}" for name, value in {**facts, **packages}.items()])
    output.lines(["", *(f"{verdict:>8}  {name}" for name, verdict in checks.items())])
    for text in advice:
        output.say(f"warning: {text}")
    return 0 if healthy else 1


def _thread_advice(threads: int, cores: int) -> list[str]:
    """Say where torch would wait for processors instead of working."""
    if threads > cores:
        return [
            f"torch would use {counted(threads, 'thread')} on {counted(cores, 'usable core')}. Set "
            f"OMP_NUM_THREADS={cores}."
        ]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if "OMP_NUM_THREADS" not in os.environ and threads > 1 and load > cores:
        return [
            f"This machine is busy (load {load:.0f} on {counted(cores, 'usable core')}) and torch would use "
            f"{threads} threads, "
            "which then wait for each other. OMP_NUM_THREADS=1 is often faster here."
        ]
    return []


def _bundled_intact() -> str:
    """Compare the hash of every bundled weights file with the one recorded when it was shipped."""
    from theodolite import bundled  # noqa: PLC0415
    from theodolite.core.errors import NotFoundError  # noqa: PLC0415
    from theodolite.core.hashing import hash_file  # noqa: PLC0415

    try:
        for model in bundled.family().models:
            home = bundled.path(model.name).parent
            for revision in model.revisions:
                if hash_file(home / revision.file) != revision.sha256:
                    return f"{model.name}@{revision.name} differs"
    except NotFoundError as error:
        return str(error)
    return "ok"


def _known_answer() -> str:
    """Measure a flat square of 2000 points in ten columns, far from the origin: its dimension is 2."""
    import numpy as np  # noqa: PLC0415

    from theodolite import dimension, neighbors  # noqa: PLC0415

    generator = np.random.Generator(np.random.PCG64(0))
    points = generator.random((2000, 2)) @ generator.normal(size=(2, 10)) + 2000.0
    estimate = dimension.twonn(neighbors(points, k=2), method="ml")
    sure = abs(estimate.value - 2) < 4 * estimate.stderr
    return "ok" if sure else f"TwoNN reads {estimate} on a square"


def _can_write(folder: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return "ok"
    except OSError as error:
        return error.strerror or "no"
