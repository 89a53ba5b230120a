"""`attach`: watch a training run of transformers' Trainer."""

from typing import TYPE_CHECKING, Any

from theodolite.models.watch.pace import Watch

if TYPE_CHECKING:
    from theodolite.models.watch.callback import GeometryCallback


def attach(trainer: Any, watch: Watch | None = None, **settings: Any) -> "GeometryCallback":
    """Have a Trainer measure geometry while it trains, and log it where it logs its loss.

    Parameters
    ----------
    trainer : transformers.Trainer
        Before `train` is called. Readings go through `trainer.log`, so TensorBoard, W&B and whatever else `report_to`
        names receive them, and `trainer.state.log_history` keeps them.
    watch : Watch or None
        When and what to measure; None for a new one.
    **settings : object
        Settings of the new `Watch`, such as `every`, `budget` and `prompts`.

    Returns
    -------
    GeometryCallback
        Already among the trainer's callbacks; its `watch` counts readings and seconds.

    Raises
    ------
    ParameterError
        If a setting is out of range.
    TypeError
        If both a `watch` and settings are given, or a setting is unknown.

    Notes
    -----
    The first reading is taken before the first step. In distributed training the main process measures, and the others
    wait for it at the next step. Weights, optimizer, random numbers and the trainer's own log are left as they are.
    """
    from theodolite.models.watch.callback import GeometryCallback  # noqa: PLC0415 - loads transformers

    if watch is not None and settings:
        raise TypeError("Give a watch or its settings, not both: a watch brings its own.")
    callback = GeometryCallback(trainer, watch or Watch(**settings))
    trainer.add_callback(callback)
    return callback
