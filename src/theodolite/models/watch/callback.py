"""The callback that watches a Trainer; importing it loads transformers."""

from typing import Any

from transformers import TrainerCallback

from theodolite.models.watch.pace import Watch


class GeometryCallback(TrainerCallback):
    """Measures a model while it trains, and logs through the trainer that it belongs to.

    Parameters
    ----------
    trainer : transformers.Trainer
        Whose `log` to use. A callback is not told its trainer, and values added to another callback's log would come
        after the loggers have read it.
    watch : Watch
        When and what to measure.
    """

    def __init__(self, trainer: Any, watch: Watch) -> None:
        self.trainer = trainer
        self.watch = watch

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002 - as called
        """Take the first reading, before any step."""
        self._look(state, control, given["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002 - as called
        """Take a reading where one is due."""
        self._look(state, control, given["model"])

    def _look(self, state: Any, control: Any, model: Any) -> None:
        values = self.watch(model, state.global_step) if state.is_world_process_zero else {}
        if values:
            loss_is_due = control.should_log
            self.trainer.log(values)
            control.should_log = loss_is_due  # logging takes the mark away, and the loss is yet to come
