"""What it costs to search a table block by block instead of at once.

    PYTHONPATH=src python benchmarks/blocks.py

Processor time of one thread (set OMP_NUM_THREADS=1), as a multiple of one call of `neighbors` in the same run.
"Shared": all blocks in one process, which makes the table ready once. "Alone": each block in a process of its own,
which makes it ready again. Memory is what the process holds of its own (RssAnon) beyond the table, watched from a
second thread.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from neighbors import machine, minilm, synthetic
from scale import Memory

from theodolite.neighborhoods import block_search, merge_graphs, neighbors

RESULTS = Path(__file__).parent / "results" / "blocks.md"


def timed(call):
    """Return processor time, largest memory beyond what was held before, and the answer."""
    with Memory() as memory:
        start = time.process_time()
        answer = call()
        spent = time.process_time() - start
    return spent, memory.most - memory.before, answer


def race(name: str, points: np.ndarray, k: int, counts: list[int], some: int) -> list[str]:
    """Compare the single call with each number of blocks; of many blocks a few are timed and scaled to all."""
    neighbors(points[:5000], k=k)  # warm up, and let the kernels be compared once
    single, held, graph = timed(lambda: neighbors(points, k=k))
    ready, ready_held, search = timed(lambda: block_search(points, k=k))
    lines = [
        f"### {name}: {len(points):,} x {points.shape[1]}, k = {k} ({graph.path}, {graph.n_redone} redone at once)",
        "",
        f"One call: peak {held:,} MB. Making the table ready: {ready / single:.3f} of one call, {ready_held:,} MB.",
        "",
        "| blocks | rows in a block | shared: time / one call | alone: time / one call | peak MB, alone | equal |",
        "|---:|---:|---:|---:|---:|---|",
    ]
    print("\n".join(lines), flush=True)
    for n_blocks in counts:
        chosen = list(range(n_blocks)) if n_blocks <= some else np.linspace(0, n_blocks - 1, some).astype(int).tolist()
        spent, _, parts = timed(lambda n=n_blocks, some=chosen: [search.search(block, n) for block in some])
        spent *= n_blocks / len(chosen)
        merged = merge_graphs(parts)
        rows = slice(None) if merged.queries is None else merged.queries
        equal = np.array_equal(merged.indices, graph.indices[rows]) and np.array_equal(
            merged.distances, graph.distances[rows]
        )
        _, alone, _ = timed(lambda n=n_blocks: block_search(points, k=k).search(0, n))
        line = (
            f"| {n_blocks} | {len(points) // n_blocks:,} | {(ready + spent) / single:.2f} "
            f"| {(n_blocks * ready + spent) / single:.2f} | {alone:,} | {'yes' if equal else 'NO'} |"
        )
        print(line, flush=True)
        lines.append(line)
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=64)
    parser.add_argument("--blocks", type=int, nargs="+", default=[2, 4, 8, 16, 32])
    parser.add_argument("--some", type=int, default=8, help="of more blocks than these, so many are timed")
    parser.add_argument("--table", choices=["minilm", "synthetic"], nargs="+", default=["minilm", "synthetic"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    lines = ["# Blocks of one table", "", "Written by `benchmarks/blocks.py`.", ""]
    if "minilm" in options.table:
        lines += race("MiniLM input table", minilm(), options.k, options.blocks, options.some)
    if "synthetic" in options.table:
        points = synthetic()
        lines += race("synthetic manifold with a hub", points, options.k, options.blocks, options.some)
    lines += machine()
    options.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
