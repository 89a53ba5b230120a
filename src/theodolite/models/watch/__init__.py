"""Geometry while a model trains: a few numbers about its tables and prompts, within a stated share of the time.

For the Trainer of transformers, `attach(trainer, every=100)`; for any other loop, a `Watch`; for one reading,
`measure_tables` and `measure_prompts`.

>>> from theodolite.models import load_model, watch
>>> model = load_model("bundled:pocket-64", device="cpu").module
>>> look = watch.Watch(every=100, limit=500)
>>> sorted(look(model, 0))[:3]
['geometry/input/dimension', 'geometry/input/dimension_stderr', 'geometry/input/gaussian_null']
>>> look(model, 1)
{}
"""

from theodolite.models.watch.attach import attach
from theodolite.models.watch.pace import Watch
from theodolite.models.watch.prompts import measure_prompts
from theodolite.models.watch.tables import measure_tables

__all__ = ["Watch", "attach", "measure_prompts", "measure_tables"]
