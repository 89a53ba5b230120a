"""What exact neighbors cost: curves against n, d and k, and a table of millions of rows on disk.

    PYTHONPATH=src python benchmarks/scale.py                      # the curves
    PYTHONPATH=src python benchmarks/scale.py --millions 3         # 3,000,000 x 300 on disk, 1,000 queries

Processor time of one thread (set OMP_NUM_THREADS=1), the least of several runs. Memory is what the process holds of its
own (RssAnon), watched from a second thread; pages of the table on disk are the system's and can be dropped at any time.
"""

import argparse
import os
import platform
import tempfile
import threading
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import torch

from theodolite.neighborhoods import neighbors

RESULTS = Path(__file__).parent / "results" / "scale.md"


def table(n_points: int, n_dims: int, out: np.ndarray | None = None) -> np.ndarray:
    """Draw rows with a falling spectrum and a common mean, float32."""
    rng = np.random.default_rng(0)
    scales = np.geomspace(2, 0.05, n_dims).astype(np.float32)
    mean = rng.standard_normal(n_dims, dtype=np.float32)
    points = np.empty((n_points, n_dims), dtype=np.float32) if out is None else out
    for start in range(0, n_points, 50_000):
        some = points[start : start + 50_000]
        some[:] = rng.standard_normal(some.shape, dtype=np.float32) * scales + mean
    return points


class Memory:
    """Watches the largest memory of its own that this process holds while it runs."""

    def __init__(self) -> None:
        self.most = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def held(self) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) // 1024

    def watch(self) -> None:
        while not self.done.wait(0.05):
            self.most = max(self.most, self.held())

    def __enter__(self) -> "Memory":
        self.before = self.held()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def seconds(points: np.ndarray, k: int, repeats: int) -> tuple[float, str]:
    """Return the least processor time of several searches, and the path taken."""
    least, path = np.inf, ""
    for _ in range(repeats):
        start = time.process_time()
        graph = neighbors(points, k=k)
        least, path = min(least, time.process_time() - start), f"{graph.path}, {graph.n_redone} redone"
    return least, path


def curves(repeats: int) -> list[str]:
    """Vary n, d and k around 16,000 x 256, k = 32."""
    cells = [(4000, 256, 32), (8000, 256, 32), (16000, 256, 32), (16000, 64, 32), (16000, 1024, 32)]
    cells += [(16000, 256, 4), (16000, 256, 128), (16000, 256, 512)]
    base, _ = seconds(table(16000, 256), 32, repeats)
    lines = ["| n | d | k | time / that of 16,000 x 256, k = 32 | path |", "|---:|---:|---:|---:|---|"]
    for n_points, n_dims, k in cells:
        spent, path = seconds(table(n_points, n_dims), k, repeats)
        lines.append(f"| {n_points:,} | {n_dims} | {k} | {spent / base:.2f} | {path} |")
        print(lines[-1], flush=True)
    return ["## Curves", "", *lines, ""]


def millions(count: int, n_queries: int, folder: Path) -> list[str]:
    """Look up a drawn sample of queries in a table on disk."""
    n_points, n_dims, k = count * 1_000_000, 300, 64
    file = folder / "table.npy"
    table(n_points, n_dims, np.lib.format.open_memmap(file, "w+", np.float32, (n_points, n_dims))).flush()
    points = np.load(file, mmap_mode="r")
    bytes_given = points.nbytes / 2**20
    with Memory() as memory:
        start = time.process_time()
        graph = neighbors(points, k=k, queries=n_queries)
        spent = time.process_time() - start
    some = torch.from_numpy(points[graph.queries[:256]])
    start = time.process_time()
    for left in range(0, n_points, 65536):
        torch.mm(some, torch.from_numpy(np.array(points[left : left + 65536])).T)
    product = (time.process_time() - start) * n_queries / len(some)
    wrong = 0
    for row in range(4):  # four queries by plain differences
        query = points[graph.queries[row]].astype(np.float64)
        apart = np.concatenate(
            [
                np.sqrt(np.square(points[left : left + 50_000].astype(np.float64) - query).sum(axis=1))
                for left in range(0, n_points, 50_000)
            ]
        )
        apart[graph.queries[row]] = np.inf
        wrong += len(np.setdiff1d(graph.indices[row], np.argpartition(apart, k)[:k]))
    file.unlink()
    return [
        "## Millions of rows",
        "",
        f"{n_points:,} x {n_dims} float32 on disk ({bytes_given:,.0f} MB, memory-mapped), {n_queries:,} drawn queries "
        f"against all rows, k = {k}: {graph.path}, {graph.n_redone} redone; memory of its own "
        f"{memory.most - memory.before:,} MB at most; {spent / product:.2f} times as long as the float32 products "
        f"(of 256 queries, reading included, scaled to all); of {4 * k} neighbors checked by plain float64 search, "
        f"{wrong} wrong.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--millions", type=int, default=0)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    lines = ["# What exact neighbors cost", "", "Written by `benchmarks/scale.py`.", ""]
    if options.millions:
        lines += millions(options.millions, options.queries, options.folder)
    if options.repeats:
        lines += curves(options.repeats)
    cpu = next(x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x)
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "torch"))
    lines += [
        f"{platform.machine()}, {cpu}, {torch.get_num_threads()} thread, load average {os.getloadavg()[0]:.1f} at the "
        f"end; Python {platform.python_version()}, {packages}.",
        "",
    ]
    options.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
