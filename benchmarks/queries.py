"""Few queries and small tables: exact neighbors beside torch cdist + topk, scikit-learn and the bare product.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/queries.py [--rounds 7]

Every contestant answers once in each round, in turn; processor time, ratios within a round, medians over rounds. Peers
find the same neighbors in float32 with float32 distances; a single product is what nobody can do without.
"""

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from theodolite.neighborhoods import cross_neighbors, cross_search, neighbors

RESULTS = Path(__file__).parent / "results" / "queries.md"
QUERIES = [
    (1, 30_000, 384, 10),
    (1, 30_000, 384, 64),
    (20, 20_000, 768, 64),
    (100, 1_000, 64, 10),
    (100, 50_000, 384, 64),
    (500, 8_000, 768, 64),
    (1_000, 30_000, 384, 64),
    (2_000, 2_000, 256, 64),
]
TABLES = [(1_000, 64, 10), (1_000, 256, 64), (1_000, 768, 64), (2_000, 256, 64), (4_000, 256, 64), (8_000, 256, 64)]
Call = Callable[[], object]


def table(n_points: int, n_dims: int, seed: int) -> np.ndarray:
    """Draw rows with a falling spectrum and a common mean, float32."""
    scales = np.geomspace(2, 0.05, n_dims).astype(np.float32)
    mean = np.random.default_rng(99).standard_normal(n_dims, dtype=np.float32)
    return np.random.default_rng(seed).standard_normal((n_points, n_dims), dtype=np.float32) * scales + mean


def torch_topk(queries: np.ndarray, reference: np.ndarray, k: int) -> object:
    asking, held = torch.from_numpy(queries), torch.from_numpy(reference)
    return [torch.cdist(some, held).topk(k, largest=False) for some in asking.split(1024)]


def product(queries: np.ndarray, reference: np.ndarray) -> object:
    asking, held = torch.from_numpy(queries), torch.from_numpy(reference)
    return [torch.mm(some, held.T) for some in asking.split(1024)]


def race(contestants: dict[str, Call], rounds: int) -> dict[str, float]:
    """Return for each contestant the median over rounds of its processor time relative to the first of all."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, call in contestants.items():
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    base = next(iter(times.values()))
    return {name: statistics.median(b / a for a, b in zip(base, spent, strict=True)) for name, spent in times.items()}


def query_table(rounds: int) -> list[str]:
    head = (
        "| queries | reference rows | columns | k | ours | ours, reference kept | scikit-learn brute | product alone |"
    )
    lines = [head, "|---:" * 8 + "|"]
    for n_queries, n_points, n_dims, k in QUERIES:
        queries, reference = table(n_queries, n_dims, 1), table(n_points, n_dims, 2)
        kept = cross_search(reference, k=k)
        kept.search(queries)
        brute = NearestNeighbors(n_neighbors=k, algorithm="brute")
        found = race(
            {
                "torch": lambda q=queries, r=reference, k=k: torch_topk(q, r, k),
                "ours": lambda q=queries, r=reference, k=k: cross_neighbors(q, r, k=k),
                "kept": lambda q=queries, kept=kept: kept.search(q),
                "sklearn": lambda q=queries, r=reference, brute=brute: brute.fit(r).kneighbors(q),
                "product": lambda q=queries, r=reference: product(q, r),
            },
            rounds,
        )
        cells = " | ".join(f"{found[name]:.2f}" for name in ("ours", "kept", "sklearn", "product"))
        lines.append(f"| {n_queries:,} | {n_points:,} | {n_dims} | {k} | {cells} |")
        print(lines[-1], flush=True)
    return lines


def self_table(rounds: int) -> list[str]:
    lines = ["| rows | columns | k | ours | scikit-learn brute | product alone |", "|---:" * 6 + "|"]
    for n_points, n_dims, k in TABLES:
        points = table(n_points, n_dims, 2)
        brute = NearestNeighbors(n_neighbors=k + 1, algorithm="brute")
        found = race(
            {
                "torch": lambda p=points, k=k: torch_topk(p, p, k + 1),
                "ours": lambda p=points, k=k: neighbors(p, k=k),
                "sklearn": lambda p=points, brute=brute: brute.fit(p).kneighbors(p),
                "product": lambda p=points: product(p, p),
            },
            rounds,
        )
        cells = " | ".join(f"{found[name]:.2f}" for name in ("ours", "sklearn", "product"))
        lines.append(f"| {n_points:,} | {n_dims} | {k} | {cells} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    neighbors(table(5000, 64, 0), k=10)  # the first call looks at the processor
    cpu = next(x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x)
    lines = [
        "# Few queries, small tables",
        "",
        "Written by `benchmarks/queries.py`. Processor time relative to torch cdist + topk, which ranks and reports",
        "float32 values; ours are exact, with k float64 distances for each query measured from differences.",
        "",
        "## Queries in a reference table",
        "",
        *query_table(options.rounds),
        "",
        "## Tables searched in themselves",
        "",
        *self_table(options.rounds),
        "",
        f"{platform.machine()}, {cpu}, {torch.get_num_threads()} thread, load average {os.getloadavg()[0]:.1f} at the "
        f"end; Python {platform.python_version()}, "
        + ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "torch", "scikit-learn"))
        + ".",
        "",
    ]
    options.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
