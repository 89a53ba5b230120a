"""Similarity measures against plain ways to the same numbers: time as a ratio in one run, values side by side.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/similarity.py [--tokens 10000] [--repeats 3]

Each ratio is the median over repeats of (their processor time / ours), the two measured in turn. Writes
benchmarks/results/similarity.md. networkx comes with torch.
"""

import argparse
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import networkx
import numpy as np
import sklearn
from sklearn.manifold._locally_linear import barycenter_weights
from sklearn.metrics.pairwise import cosine_similarity

import theodolite.similarity as td
from theodolite.neighborhoods import cloud_neighbors, neighbors
from theodolite.similarity.overlap import common_counts

RESULTS = Path(__file__).parent / "results" / "similarity.md"
Row = tuple[str, Callable[[], float], Callable[[], float]]


def blocked_pearson(first: np.ndarray, second: np.ndarray, size: int = 2048) -> float:
    """Correlate all cosines above the diagonal in float32 blocks, with float64 sums."""
    units = [table / np.linalg.norm(table, axis=1, keepdims=True) for table in (first, second)]
    sums = np.zeros(5)
    for start in range(0, len(first), size):
        for other in range(start, len(first), size):
            x, y = (rows[start : start + size] @ rows[other : other + size].T for rows in units)
            if other == start:
                above = np.triu_indices(len(x), 1)
                x, y = x[above], y[above]
            sums += [part.sum(dtype=np.float64) for part in (x, y, x * x, y * y, x * y)]
    n_pairs = len(first) * (len(first) - 1) / 2
    x, y, x2, y2, xy = sums / n_pairs
    return float((xy - x * y) / np.sqrt((x2 - x * x) * (y2 - y * y)))


def authors_overlap(first: np.ndarray, second: np.ndarray, largest: int = 31) -> float:
    """Do as the published code of viswanathan2025 does with two sorted distance matrices; k = `largest`."""
    n_points = len(first)
    shares = np.zeros((n_points, largest + 1))
    for point in range(n_points):
        seen, also = (np.zeros(n_points, dtype=bool) for _ in range(2))
        for k in range(1, largest + 1):
            seen[first[point, k]] = True
            also[second[point, k]] = True
            shares[point, k] = np.sum(seen & also) / k
    return float(shares.mean(axis=0)[largest])


def layer_rows(rng: np.random.Generator) -> list[Row]:
    """Compare measures of 4 layers of 1,024 tokens in 768 columns."""
    state = rng.normal(size=(1024, 30)) @ rng.normal(size=(30, 768)) + 1.0
    layers = np.stack([state + 0.3 * step * rng.normal(size=state.shape) for step in range(1, 5)]).astype(np.float32)
    found = cloud_neighbors(layers, k=31)
    order = [np.argsort(np.linalg.norm(cloud[:, None, :32] - cloud[None, :, :32], axis=2), axis=1) for cloud in layers]
    few = found.graph(0).truncate(10)

    def cosines_in_full() -> float:
        return float(np.mean([cosine_similarity(cloud).std() for cloud in layers]))

    def through_networkx() -> float:
        edges = [(point, int(other)) for point, row in enumerate(few.indices) for other in row]
        graph = networkx.DiGraph(edges)
        return networkx.overall_reciprocity(graph) + networkx.transitivity(graph)

    def ours_from_graph() -> float:
        statistics_ = td.graph_statistics(few, k_values=[10])
        return float(statistics_.reciprocity[0] + statistics_.transitivity[0])

    def ours_from_lists() -> float:
        counts = [common_counts(a[:, 1:32], b[:, 1:32], n_ids=1024) for a, b in pairwise(order)]
        return float(np.mean([each[:, -1].mean() / 31 for each in counts]))

    return [
        (
            "mean and std of cosines, 4 layers, against scikit-learn's matrix",
            lambda: float(np.mean([each.std for each in td.cloud_cosines(layers)])),
            cosines_in_full,
        ),
        (
            "overlap for k = 1 .. 31, 3 pairs of layers, against the authors' loop",
            ours_from_lists,
            lambda: float(np.mean([authors_overlap(a, b) for a, b in pairwise(order)])),
        ),
        ("reciprocity + transitivity, k = 10, one layer, against networkx", ours_from_graph, through_networkx),
    ]


def table_rows(rng: np.random.Generator, n_tokens: int) -> list[Row]:
    """Compare measures of two tables of 512 and 384 columns."""
    shared = rng.normal(size=(n_tokens, 40))
    first, second = (
        (shared @ rng.normal(size=(40, width)) + 3.0 * rng.normal(size=(n_tokens, width)) + 0.5).astype(np.float32)
        for width in (512, 384)
    )
    wide = np.concatenate([first, second[:, :256]], axis=1)[:4000]
    graph = neighbors(wide, k=10)
    chosen = graph.rows[graph.indices]
    return [
        (
            f"correlation of all cosines, {n_tokens} tokens, with error and null, against blocks without",
            lambda: td.rsa(first, second).value,
            lambda: blocked_pearson(first, second),
        ),
        (
            "LLE weights, 4,000 tokens x 768, k = 10, against scikit-learn",
            lambda: float(np.abs(td.lle_weights(wide, graph).weights).sum()),
            lambda: float(np.abs(barycenter_weights(wide.astype(np.float64), wide.astype(np.float64), chosen)).sum()),
        ),
    ]


def timed(call: Callable[[], float]) -> tuple[float, float]:
    start = time.process_time()
    value = call()
    return time.process_time() - start, float(value)


def speed_table(rows: list[Row], repeats: int) -> list[str]:
    lines = ["| measure | theirs / ours | our value | their value |", "|---|---:|---:|---:|"]
    for name, ours, theirs in rows:
        ours()
        measured = [(timed(ours), timed(theirs)) for _ in range(repeats)]
        ratio = statistics.median(their[0] / our[0] for our, their in measured)
        (_, value), (_, expected) = measured[0]
        lines.append(f"| {name} | {ratio:.1f} | {value:.7g} | {expected:.7g} |")
        print(lines[-1], flush=True)
    return lines


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    settings = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    text = [
        "# Similarity measures against plain ways to the same numbers",
        "",
        f"{processor()}, one thread. Python {platform.python_version()}, numpy {np.__version__}, scikit-learn "
        f"{sklearn.__version__}, networkx {networkx.__version__}. "
        f"`{Path(__file__).name} --tokens {settings.tokens} --repeats {settings.repeats}`.",
        "",
        "Processor time, medians of ratios of runs taken in turn; neighbors are given to both sides.",
        "",
        *speed_table([*layer_rows(rng), *table_rows(rng, settings.tokens)], settings.repeats),
        "",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(text))


if __name__ == "__main__":
    main()
