"""Run by `benchmarks/layers.py` in DADApy's own environment (it needs numpy < 2): the layer profile of viswanathan2025.

As their published scripts go about one prompt: scikit-learn's cosine matrix of each layer; scikit-learn's distances,
rows that repeat left out by comparing whole rows of the distance matrix, DADApy's GRIDE on what remains (maxk 300,
range 256, one job); and the neighborhood overlap of consecutive layers for k = 1 .. 31, token by token.

Reads `(n_layers, n_tokens, n_dims)` from the first file, writes cosines, dimensions and overlaps to the second, and
prints for each line it is sent the processor seconds of one pass.
"""

import contextlib
import io
import sys
import time
from itertools import pairwise as consecutive

import numpy as np
from dadapy import Data
from sklearn.metrics import pairwise

LARGEST = 31


def dimensions(distances: np.ndarray) -> np.ndarray:
    _, kept = np.unique(distances, axis=0, return_index=True)
    kept = np.sort(kept)
    distances = distances[kept][:, kept]
    with contextlib.redirect_stdout(io.StringIO()):
        data = Data(distances=distances, maxk=300, n_jobs=1, verbose=False)
        return np.asarray(data.return_id_scaling_gride(range_max=256)[0])


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    n_points = len(first)
    shares = np.zeros((n_points, LARGEST + 1))
    for point in range(n_points):
        seen, also = (np.zeros(n_points, dtype=bool) for _ in range(2))
        for k in range(1, LARGEST + 1):
            seen[first[point, k]] = True
            also[second[point, k]] = True
            shares[point, k] = np.sum(seen & also) / k
    return shares.mean(axis=0)


def measure(states: np.ndarray) -> dict[str, np.ndarray]:
    cosines = np.array([(one.mean(), one.std()) for one in map(pairwise.cosine_similarity, states)])
    distances = [pairwise.euclidean_distances(state) for state in states]
    read = np.array([dimensions(one) for one in distances])
    orders = [np.argsort(one, axis=1) for one in distances]
    overlaps = np.array([overlap(*pair) for pair in consecutive(orders)])
    return {"cosines": cosines, "dimensions": read, "overlaps": overlaps}


def main() -> None:
    states = np.load(sys.argv[1])
    measure(states[:2])
    for _ in sys.stdin:
        start = time.process_time()
        found = measure(states)
        spent = time.process_time() - start
        np.savez(sys.argv[2], **found)
        print(f"{spent:.4f}", flush=True)


if __name__ == "__main__":
    main()
