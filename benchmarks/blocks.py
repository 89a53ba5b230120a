"""What it costs to search a table block by block instead of at once.

    PYTHONPATH=src python benchmarks/blocks.py

Processor time of one thread (set OMP_NUM_THREADS=1), as a multiple of one call of `neighbors` in the same run.
"Shared": all blocks in one process, which makes the table ready once. "Alone": each block in a process of its own,
which makes it ready again. Memory is what the process holds of its own (RssAnon) beyond the table, watched from a
second thread.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from neighbors import machine, minilm, synthetic
from scale import Memory

from theodolite.neighborhoods import block_search, merge_graphs, neighbors

RESULTS = Path(__file__).parent / "results" / "blocks.md"


def timed(call):
    """Return processor time and the answer."""
    start = time.process_time()
    answer = call()
    return time.process_time() - start, answer


def memory_of_a_block(points: np.ndarray, k: int, n_blocks: int) -> int:
    """Return the largest memory in MB beyond the table that one block takes in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "points.npy", points)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(_memory, f"{folder}/points.npy", k, n_blocks).result()


def _memory(path: str, k: int, n_blocks: int) -> int:
    points = np.load(path)
    neighbors(points[: 2 * k], k=k)
    with Memory() as memory:
        block_search(points, k=k).search(0, n_blocks)
    return memory.most - memory.before


def race(name: str, points: np.ndarray, k: int, counts: list[int], *, some: int, rounds: int) -> list[str]:
    """Compare the single call with each number of blocks, in turn; of many blocks a few are timed and scaled to all."""
    neighbors(points[:5000], k=k)  # warm up, and let the kernels be compared once
    single, ready, spent = np.inf, np.inf, dict.fromkeys(counts, np.inf)
    for _ in range(rounds):
        took, graph = timed(lambda: neighbors(points, k=k))
        single = min(single, took)
        took, search = timed(lambda: block_search(points, k=k))
        ready = min(ready, took)
        for n_blocks in counts:
            chosen = np.unique(np.linspace(0, n_blocks - 1, min(some, n_blocks)).astype(int)).tolist()
            took, parts = timed(lambda n=n_blocks, some=chosen, search=search: [search.search(b, n) for b in some])
            spent[n_blocks] = min(spent[n_blocks], took * n_blocks / len(chosen))
            merged = merge_graphs(parts)
            rows = slice(None) if merged.queries is None else merged.queries
            assert np.array_equal(merged.indices, graph.indices[rows])
            assert np.array_equal(merged.distances, graph.distances[rows])
            print(n_blocks, round(took * n_blocks / len(chosen), 2), round(single, 2), flush=True)
        del search
    alone = {n_blocks: memory_of_a_block(points, k, n_blocks) for n_blocks in counts}
    lines = [
        f"### {name}: {len(points):,} x {points.shape[1]}, k = {k} ({graph.path}, {graph.n_redone} redone at once)",
        "",
        f"One call: {memory_of_a_block(points, k, 1):,} MB beyond the table. Making the table ready: "
        f"{ready / single:.3f} of one call.",
        "",
        "| blocks | rows in a block | shared: time / one call | alone: time / one call | MB of a block, alone |",
        "|---:|---:|---:|---:|---:|",
    ]
    for n_blocks in counts:
        shared = (ready + spent[n_blocks]) / single
        apart = (n_blocks * ready + spent[n_blocks]) / single
        lines.append(f"| {n_blocks} | {len(points) // n_blocks:,} | {shared:.2f} | {apart:.2f} | {alone[n_blocks]:,} |")
    print("\n".join(lines), flush=True)
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=64)
    parser.add_argument("--blocks", type=int, nargs="+", default=[2, 4, 8, 16, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--some", type=int, default=8, help="of more blocks than these, so many are timed")
    parser.add_argument("--table", choices=["minilm", "synthetic"], nargs="+", default=["minilm", "synthetic"])
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    lines = ["# Blocks of one table", "", "Written by `benchmarks/blocks.py`.", ""]
    settings = {"k": options.k, "counts": options.blocks, "some": options.some, "rounds": options.rounds}
    if "minilm" in options.table:
        lines += race("MiniLM input table", minilm(), **settings)
    if "synthetic" in options.table:
        lines += race("synthetic manifold with a hub", synthetic(), **settings)
    lines += [
        "Every block of every round gave exactly the rows of the single call.",
        "",
        "How to read it: one call computes each product once for both of its points; a block computes those of its own "
        "points, so twice the products are the price of independence (selection and float64 distances are the same). "
        "In one process the table is made ready once; in many, each block (or each worker) pays that again.",
        "",
    ]
    lines += machine()
    options.out.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
