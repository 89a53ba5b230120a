"""How far the null of a table is from what many draws read, and whether its standard error says so.

    PYTHONPATH=src OMP_NUM_THREADS=1 python benchmarks/nulls.py [--saved draws.jsonl]

Random tables of six kinds are drawn 90 to 240 times each and read by every estimator of the study. "Truth" is the mean
over all draws; subsets of them stand for nulls of few draws. Writes benchmarks/results/nulls.md. Draws are kept in
the file `--saved`, so that a benchmark that was stopped goes on.
"""

import argparse
import json
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from theodolite.dimension import null_points, participation_ratio
from theodolite.neighborhoods import neighbors
from theodolite.studies.dimension import study
from theodolite.studies.dimension.nulls import mean_of_draws
from theodolite.studies.dimension.rows import Readings, maker_of, spectrum_row

RESULTS = Path(__file__).parent / "results" / "nulls.md"
CASES = (
    ("pocket-128", "output", 1000, "gaussian", 240),
    ("pocket-128", "output", 1000, "permuted", 240),
    ("pocket-128", "output", 1000, "covariance", 240),
    ("pocket-64", "input", None, "gaussian", 160),
    ("pocket-128", "output", None, "permuted", 120),
    ("pocket-128", "input", None, "covariance", 90),
)
SETTINGS = {"discard": 0.1, "mle_k": (2, 3, 5, 10, 20, 50)}
BLANK = dict.fromkeys(("measure", "params", "n1", "x", "radius"))
Case = tuple[str, str, int | None, str, int]
Draw = list[tuple[str, int | None, float, float]]


def drawn(case: Case, saved: dict[str, Draw], path: Path | None) -> list[Draw]:
    """Return the readings of every draw of one null: method, scale, value, standard error."""
    name, which, limit, kind, n_draws = case
    table = study._subset(study._table(f"bundled:{name}", which, "tokenizer", None), limit, 0)
    found = []
    for number in range(n_draws):
        key = json.dumps([name, which, limit, kind, number])
        if key not in saved:
            points = null_points(table.points, kind, seed=1000 + number)
            readings = Readings(maker_of(table, condition=kind))
            study._read_estimates(readings, neighbors(points, k=64), SETTINGS)
            rows = [*readings.rows, spectrum_row(readings.make, participation_ratio(points))]
            saved[key] = [(row["method"], row["scale"], row["value"], row["stderr"]) for row in rows]
            if path is not None:
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([name, which, limit, kind, number, saved[key]]) + "\n")
        found.append(saved[key])
    return found


def coverage(draws: list[Draw], size: int, *, n_subsets: int = 1000) -> Iterator[tuple[list[float], list[float]]]:
    """Yield for each reading how often the truth is within 1, 2 and 3 errors of a null of `size` draws.

    Once by the error of the study, once by the spread of the draws alone. The truth holds the draws that are tested, so
    distances are widened by what that hides.
    """
    generator = np.random.default_rng(size)
    subsets = np.array([generator.permutation(len(draws))[:size] for _ in range(n_subsets)])
    for place, (method, scale, _, _) in enumerate(draws[0]):
        values = np.array([draw[place][2] for draw in draws])
        rows = [
            [{**BLANK, "method": method, "scale": scale, "value": draw[place][2], "stderr": draw[place][3]}]
            for draw in draws
        ]
        means = [mean_of_draws([rows[one] for one in subset])[0] for subset in subsets]
        off = np.abs([mean["value"] - values.mean() for mean in means]) / np.sqrt(1 - size / len(draws))
        errors = np.array([mean["stderr"] for mean in means])
        spread = values[subsets].std(axis=1, ddof=1) / np.sqrt(size) if size > 1 else np.full(n_subsets, np.nan)
        yield tuple([float((off <= z * error).mean()) for z in (1, 2, 3)] for error in (errors, spread))


def percent(shares: list[list[float]]) -> list[str]:
    """Write the mean over readings, and the lowest."""
    return [f"{100 * np.mean(one):.1f} ({100 * np.min(one):.0f})" for one in zip(*shares, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--saved", type=Path)
    path = parser.parse_args().saved
    saved: dict[str, Draw] = {}
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            *key, rows = json.loads(line)
            saved[json.dumps(key)] = [tuple(row) for row in rows if row[3] is not None]
    draws = {case: drawn(case, saved, path) for case in CASES}
    lines = [
        "# Nulls: their scatter, and how often their error holds",
        "",
        f"Python {platform.python_version()}, numpy {np.__version__}. `nulls.py`.",
        "",
        "Standard deviation of the draws over the standard error that one draw states, by estimator:",
        "",
        "| null | rows x columns | draws | TwoNN | MLE, k = 2 to 50 | GRIDE, n2 = 2 to 64 | participation ratio |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for (name, _, limit, kind, _), found in draws.items():
        ratios: dict[str, list[float]] = {}
        for place, (method, _, _, _) in enumerate(found[0]):
            values, errors = (np.array([draw[place][i] for draw in found]) for i in (2, 3))
            ratios.setdefault(method, []).append(values.std(ddof=1) / np.sqrt(np.mean(errors**2)))
        ends = {method: f"{min(of):.2f} to {max(of):.2f}" for method, of in ratios.items()}
        shown = (ends["twonn"].split()[0], ends["mle"], ends["gride"], ends["covariance"].split()[0])
        size = f"{limit or 4096} x {name.split('-')[1]}"
        lines.append(f"| {kind} | {size} | {len(found)} | {' | '.join(shown)} |")
    lines += [
        "",
        "How often the truth is within so many standard errors of the mean of a few draws, in percent: mean over the "
        "six nulls and all readings, in brackets the lowest of these. A normal error promises 68, 95 and 99.7.",
        "",
        "| draws | within 1 | within 2 | within 3 | spread alone: within 1 | within 2 | within 3 |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for size in (1, 2, 3, 4, 5, 8):
        both = [pair for found in draws.values() for pair in coverage(found, size)]
        own, spread = percent([one for one, _ in both]), percent([one for _, one in both])
        lines.append(f"| {size} | {' | '.join(own)} | {' | '.join(spread) if size > 1 else '– | – | –'} |")
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
