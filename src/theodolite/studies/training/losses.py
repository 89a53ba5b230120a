"""Validation losses of a model's checkpoints, from wherever they are written down."""

import csv
import math
from pathlib import Path

from theodolite import bundled
from theodolite.core.errors import FormatError, NotFoundError
from theodolite.tables import Reference
from theodolite.tables.json_file import read_json

_TRAINER_STATE = "trainer_state.json"


def known_losses(reference: Reference, losses: str | None) -> dict[int, float]:
    """Return the validation loss at each training step, in nats per token, where something says so.

    Parameters
    ----------
    reference : Reference
        A model. Bundled models know their losses; in a local folder, the `trainer_state.json` of transformers' Trainer
        does.
    losses : str or None
        A CSV file with the columns `step` and `loss`, which wins over both.

    Returns
    -------
    dict of int to float
        Empty where nothing says so.

    Raises
    ------
    NotFoundError
        If the CSV file cannot be read.
    FormatError
        If it lacks a column or holds something that is no number.
    """
    if losses is not None:
        return _from_csv(Path(losses))
    if reference.scheme == "bundled":
        model = next((one for one in bundled.family().models if one.name == reference.location), None)
        return {one.step: one.validation_loss for one in model.revisions} if model else {}
    return _from_trainer(Path(reference.location)) if reference.scheme == "path" else {}


def _from_csv(path: Path) -> dict[int, float]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"Cannot read the losses in {path}: {error}. It must be a CSV file in UTF-8.") from error
    found = {}
    for number, line in enumerate(lines, start=2):
        try:
            step, loss = int(line["step"]), float(line["loss"])
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"Line {number} of {path} does not say a step and a loss. The file needs the columns step and loss, "
                "a whole number and a number."
            ) from error
        if not math.isfinite(loss):
            raise FormatError(f"Line {number} of {path} gives the loss {loss}. Leave the line out.")
        found[step] = loss
    return found


def _from_trainer(folder: Path) -> dict[int, float]:
    """Read the evaluations of the newest checkpoint: its history holds those of all before."""
    states = [folder / _TRAINER_STATE, *folder.glob(f"checkpoint-*/{_TRAINER_STATE}")]
    histories = [read_json(path).get("log_history") for path in states if path.is_file()]
    found: dict[int, float] = {}
    for history in histories:
        for entry in history if isinstance(history, list) else ():
            if (
                isinstance(entry, dict)
                and isinstance(entry.get("eval_loss"), float)
                and isinstance(entry.get("step"), int)
            ):
                found[entry["step"]] = entry["eval_loss"]
    return found
