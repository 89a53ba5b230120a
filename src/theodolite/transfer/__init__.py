"""Linear maps between the embeddings of two models (Emb2Emb), and what they are worth.

>>> import numpy as np
>>> rows = np.random.default_rng(0).normal(size=(200, 3))
>>> carry = fit(rows, rows @ np.diag([1.0, 2.0, 3.0]))
>>> carry(np.array([1.0, 1.0, 1.0])).round(6).tolist()
[1.0, 2.0, 3.0]
"""

from theodolite.transfer.controls import identity_map, random_map
from theodolite.transfer.fit import KINDS, Kind, fit
from theodolite.transfer.linear_map import LinearMap, MapDiagnostics, cosine
from theodolite.transfer.stored import load_map, save_map

__all__ = [
    "KINDS",
    "Kind",
    "LinearMap",
    "MapDiagnostics",
    "cosine",
    "fit",
    "identity_map",
    "load_map",
    "random_map",
    "save_map",
]
