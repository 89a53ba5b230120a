"""When to measure: every n steps, unless that would take more than its share of the time."""

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch

from theodolite.core.errors import GeometryWarning, ParameterError, PointsError
from theodolite.models.watch.prompts import measure_prompts
from theodolite.models.watch.tables import measure_tables

_PREFIX = "geometry/"


class Watch:
    """Measures a model every n steps, and less often where that would take more than its share of the time.

    Call it in any training loop; what it returns goes to any logger.

    Parameters
    ----------
    every : int
        Steps between two readings, at least. The first reading is at the first step that is a multiple of it, 0
        included.
    budget : float
        Largest share of the time that readings may take, in (0, 1]. The first reading is taken whatever it costs;
        later ones wait, from one multiple of `every` to the next, until they fit.
    prompts : sequence of array-like
        Token ids of prompts to run; none, and only tables are measured.
    batch_size : int
        Prompts in one forward pass.
    k : int
        Neighbors in which hubs are counted.
    rows : sequence of int or None
        Rows of the tables that count; None for all.
    limit : int
        Most rows measured of each table, the same ones every time.
    seed : int
        Seed of the choice of rows and of the random table.

    Raises
    ------
    ParameterError
        If `every` is below 1 or `budget` outside (0, 1].

    Attributes
    ----------
    n_measured : int
        Readings taken.
    n_postponed : int
        Readings that were due and would have taken too much time.
    seconds : float
        Time that readings took.

    Notes
    -----
    A reading is taken if the time spent so far and the cost of the last reading stay within `budget` of the time since
    the first call. The random table is measured in the first reading only.

    Examples
    --------
    >>> table = torch.nn.Embedding(400, 8)
    >>> watch = Watch(every=10, budget=1.0)
    >>> taken = [step for step in range(30) if watch({"input": table.weight}, step)]
    >>> taken, watch.n_measured
    ([0, 10, 20], 3)
    """

    def __init__(
        self,
        *,
        every: int = 100,
        budget: float = 0.05,
        prompts: Sequence[Any] = (),
        batch_size: int = 8,
        k: int = 10,
        rows: Sequence[int] | None = None,
        limit: int = 8192,
        seed: int = 0,
    ) -> None:
        if every < 1 or not 0 < budget <= 1:
            raise ParameterError(
                f"every={every} and budget={budget} were given. every is a number of steps, at least 1; budget is a "
                "share of the time, above 0 and at most 1."
            )
        self.n_measured = 0
        self.n_postponed = 0
        self.seconds = 0.0
        self._every, self._budget = every, budget
        self._prompts, self._batch_size = prompts, batch_size
        self._tables: dict[str, Any] = {"k": k, "rows": rows, "limit": limit, "seed": seed}
        self._began: float | None = None
        self._cost = 0.0
        self._step: int | None = None
        self._told: set[str] = set()

    def __call__(self, module: Any, step: int) -> dict[str, float]:
        """Measure the model if a reading is due at this step and fits the budget.

        Parameters
        ----------
        module : torch.nn.Module or mapping of str to torch.Tensor
            As for `measure_tables`; with prompts, a model of transformers.
        step : int
            Number of the optimizer step.

        Returns
        -------
        dict of str to float
            Empty where nothing was measured. Else what `measure_tables` and `measure_prompts` return, each name after
            `geometry/`, and `geometry/share_of_time`, the share of the time that readings took so far.

        Raises
        ------
        ParameterError
            If the model, or a setting, cannot be measured: at the first reading, before time is lost.

        Warns
        -----
        GeometryWarning
            Once for each reason why numbers cannot be measured, such as NaN in a table. Training goes on.
        """
        now = time.perf_counter()
        self._began = now if self._began is None else self._began
        if step % self._every or step == self._step:
            return {}
        if self.n_measured and self.seconds + self._cost > self._budget * (now - self._began + self._cost):
            self.n_postponed += 1
            return {}
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.synchronize()
            now = time.perf_counter()
        found = self._take(lambda: measure_tables(module, null=not self.n_measured, **self._tables))
        if len(self._prompts):
            found |= self._take(lambda: measure_prompts(module, self._prompts, batch_size=self._batch_size))
        after = time.perf_counter()
        self._cost = after - now
        self.seconds += self._cost
        self.n_measured += 1
        self._step = step
        share = self.seconds / max(after - self._began, self.seconds)
        return {f"{_PREFIX}{name}": value for name, value in found.items()} | {f"{_PREFIX}share_of_time": share}

    def _take(self, read: Callable[[], dict[str, float]]) -> dict[str, float]:
        try:
            return read()
        except PointsError as error:
            if str(error) not in self._told:
                self._told.add(str(error))
                warnings.warn(f"Not measured while training: {error}", GeometryWarning, stacklevel=3)
            return {}
