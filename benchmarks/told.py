"""A peer in an environment of its own, which is told when to begin and says how long it took."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np


class ToldProcess:
    """Run `program` of this folder by `interpreter`: it reads the states and writes its answers to a file.

    Calling it makes the program do its work once more, and returns the processor seconds that it took.
    """

    def __init__(self, interpreter: str, program: str, states: np.ndarray, answers: str) -> None:
        folder = Path(tempfile.mkdtemp())
        self.answers = folder / answers
        np.save(folder / "states.npy", states)
        place = Path(__file__).with_name(program)
        self.process = subprocess.Popen(
            [interpreter, "-W", "ignore", str(place), str(folder / "states.npy"), str(self.answers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self) -> float:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())
