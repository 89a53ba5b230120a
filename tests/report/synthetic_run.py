"""A run that never happened: rows as a table study writes them, with the most hostile tokens we can think of."""

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from theodolite.studies.dimension.columns import COLUMNS
from theodolite.studies.dimension.summary import summarize
from theodolite.studies.finding import Finding

HOSTILE_TOKENS = [
    "<script>document.title='pwned'</script>",
    "</style><script>document.title='pwned'</script>",
    "</script><img src=x onerror=\"document.title='pwned'\">",
    "\"'><svg onload=document.title='pwned'>",
    "{{7*7}}{% raw %}",
    "\u202egnp.exe\u202c",
    "\x00\x1b[31m\x07",
    "\\ud83d half a pair",
    "&lt;b&gt;&amp;",
    "]]><!--",
    "javascript:document.title='pwned'",
    '=HYPERLINK("https://evil.example")',
    "e\u0301\u0302\u0303\u0304\u0305\u0306",
    " dog",
    "ĠÃ©",
    "שלום",
    "\u200b\u2060\ufeff",
    "",
    "$x^2$ \\frac{",
    "A" * 10_000,
]
FAMILY = {"bundled:pocket-64": 64, "bundled:pocket-128": 128, "bundled:pocket-128b": 128, "bundled:pocket-256": 256}
STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1892)
CONDITIONS = {"measured": 1.0, "unit_norm": 0.93, "gaussian": None, "permuted": None}
N_ROWS = 3833


def make_frame(
    models: dict[str, int] = FAMILY,
    *,
    checkpoints_of: str | None = "bundled:pocket-128",
    nulls: bool = True,
    which: tuple[str, ...] = ("input", "output"),
    hub: tuple[str, ...] = ("bundled:pocket-256",),
) -> pl.DataFrame:
    """Return rows of a table study with numbers like those of the pocket family."""
    rows: list[dict[str, Any]] = []
    for model, width in models.items():
        for kind in which:
            rows += _table_rows(model, "main", None, kind, width, nulls=nulls, full=True, hub=model in hub)
            if model == checkpoints_of:
                for step in STEPS:
                    rows += _table_rows(model, f"step{step}", step, kind, width, nulls=nulls, full=False)
    types = {"str": pl.String, "int": pl.Int64, "float": pl.Float64}
    schema = {name: types[column.dtype] for name, column in COLUMNS.items()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _null_dimension(width: int) -> float:
    return 3.0 * width**0.62


def _final_dimension(width: int, kind: str) -> float:
    return (4.2 if kind == "input" else 6.1) * width**0.29


def _table_rows(
    model: str, revision: str, step: int | None, kind: str, width: int, *, nulls: bool, full: bool, hub: bool = False
) -> list[dict[str, Any]]:
    rng = np.random.default_rng([len(model), width, 0 if step is None else step + 1, kind == "input"])
    start, end = _null_dimension(width), _final_dimension(width, kind)
    share = 1.0 if step is None else 1 - 1 / (1 + (step / 110.0) ** 1.2)
    level = (start + (end - start) * share) * (1 + 0.01 * rng.standard_normal())
    level = level * 4.2 if hub and kind == "input" else level
    shared = {
        "model": model,
        "revision": revision,
        "step": step,
        "which": kind,
        "rows": "tokenizer",
        "extrinsic": width,
    }
    rows: list[dict[str, Any]] = []

    def add(condition: str, measure: str, value: float, **columns: Any) -> None:
        blank: dict[str, Any] = dict.fromkeys(COLUMNS)
        rows.append({**blank, **shared, "condition": condition, "measure": measure, "value": float(value), **columns})

    def estimate(condition: str, value: float, method: str, **columns: Any) -> None:
        stderr = value / np.sqrt(N_ROWS)
        columns = {"method": method, "n_used": N_ROWS, "n_dropped": 12, "radius": 1.3, "stderr": stderr, **columns}
        add(condition, "dimension", value, **columns)
        add(condition, "redundancy", 1 - value / width, **(columns | {"stderr": stderr / width}))

    for condition in CONDITIONS:
        if (condition in ("gaussian", "permuted") and not nulls) or (condition == "unit_norm" and not full):
            continue
        base = {"measured": level, "unit_norm": end * 0.93, "gaussian": start, "permuted": start * 0.82}[condition]
        estimate(condition, base, "twonn", n1=1, scale=2, params=json.dumps({"discard": 0.1}))
        estimate(condition, base * 0.97, "twonn_ml", n1=1, scale=2)
        for k in (2, 3, 5, 10, 20, 50):
            estimate(condition, base * (1 - 0.03 * np.log(k / 2)), "mle", scale=k, params=json.dumps({"k": k}))
        for power in range(1, 7):
            estimate(condition, base * (1 - 0.035 * power), "gride", n1=2 ** (power - 1), scale=2**power)
        if condition != "unit_norm":
            add(condition, "participation_ratio", base * 1.4, method="covariance", n_used=N_ROWS)
    if full:
        _describe(add, rng, kind, level, end, width, hub=hub)
    return rows


def _describe(add: Any, rng: Any, kind: str, level: float, end: float, width: int, *, hub: bool) -> None:
    counts = {"given": 4096, "measured": N_ROWS, "duplicates": 12, "zero": 0, "nonfinite": 0, "beyond_tokenizer": 96}
    counts |= {"special": 3, "never_trained": 155}
    for name, count in counts.items():
        add("measured", "count", count, method=name)
    norms = rng.normal(1.3, 0.16, N_ROWS)
    if hub:
        norms[:240] = rng.normal(0.12, 0.02, 240)
    norms = np.abs(norms)
    for measure, values, extra in (
        ("norm_histogram", norms, {}),
        ("lid_histogram", rng.gamma(16, level / 16, N_ROWS), {"scale": 20}),
    ):
        found, edges = np.histogram(values, bins=60)
        params = json.dumps({"width": float(edges[1] - edges[0])})
        for count, left in zip(found, edges[:-1], strict=True):
            add("measured", measure, count, x=float(left), params=params, n_used=N_ROWS, **extra)
    for quantile in (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0):
        add("measured", "norm", np.quantile(norms, quantile), method="quantile", x=quantile, n_used=N_ROWS)
    for index, token in enumerate(HOSTILE_TOKENS):
        add("measured", "norm", 0.1 + 0.01 * index, method="shortest", token_id=index, token=token)
        hub_count = 31.7 / (1 + index)
        add("measured", "hub", hub_count, method="popular", token_id=4000 - index, token=token, scale=64, n_used=N_ROWS)
    add("unit_norm", "token_map", 0.14, method="explained", n_used=N_ROWS)
    add("unit_norm", "token_map", 0.72, method="trust", n_used=1000)
    add("measured", "hubness", 31.7, method="max", scale=64, n_used=N_ROWS)
    add("measured", "hubness", 4.2, method="skewness", scale=64, n_used=N_ROWS)
    add("measured", "hubness", 0.41 if hub else 0.03, method="short_share", x=0.01, scale=64, n_used=N_ROWS)
    add("unit_norm", "low_cosine_share", 0.62 if hub else 0.18, stderr=0.006, scale=1, n_used=N_ROWS)
    for removed in (10, 30, 100, 300, 1000):
        fallen = level + (end - level) * min(1.0, removed / 280)
        add(
            "without_shortest",
            "dimension",
            fallen,
            method="twonn",
            n1=1,
            scale=2,
            x=float(removed),
            stderr=fallen / np.sqrt(N_ROWS - removed),
            n_used=N_ROWS - removed,
            n_dropped=12,
        )
    for removed in (4, 12, 38, 115, 383):
        for method, n1, scale, change in (("mle", None, 20, 0.9), ("gride", 32, 64, 0.79)):
            fallen = level * change * (1 - 0.3 * min(1.0, removed / 280) * (hub or method == "gride"))
            named = {"method": method, "n1": n1, "scale": scale, "x": float(removed)}
            errors = {"stderr": fallen / 60, "n_used": N_ROWS - removed, "n_dropped": 0}
            add("without_shortest", "dimension", fallen, **named, **errors)
    for band in (1, 2, 3, 4):
        named = {"x": float(band), "n_used": 900}
        for method, count in (("lowest", 10**band), ("median", 3 * 10**band), ("highest", 10 ** (band + 1))):
            add("frequency_band", "band_count", count, method=method, **named)
        value = end * (1.3 - 0.15 * band)
        add("frequency_band", "dimension", value, method="twonn", n1=1, scale=2, stderr=value / 30, **named)
    add("random_part", "dimension", end, method="twonn", n1=1, scale=2, stderr=end / 60, n_used=900)
    add("measured", "parameters", 170.0 * width**2)
    for index, token in enumerate(HOSTILE_TOKENS):
        add("measured", "undertrained", 0.9 - 0.01 * index, method="near_unseen", token_id=index, token=token)
        view = {"norm": 0.1 + 0.01 * index, "hubness": 1.5, "map": [np.cos(index), np.sin(index)], "count": 7 * index}
        view |= {"band": index % 5, "marks": ["shorter than half the median"] * (index < 3)}
        view["near"] = [[(index + step) % len(HOSTILE_TOKENS), 1 - 0.1 * step, 0.2 * step] for step in range(1, 6)]
        view["near"].append([9999, 0.1, 2.0, "<b>outside</b>"])
        named = {"token_id": index, "token": token, "x": float(index), "view": json.dumps(view), "scale": 20}
        add("unit_norm", "token", 5.0 + index, method="mle", **named)
        add("measured", "duplicate", 40 - index, method="group", token_id=index, token=token)


def make_findings(models: dict[str, int] = FAMILY) -> list[Finding]:
    """Return findings like those of the table study."""
    quemy, kataiwa = "Quemy 2026 (arXiv 2608.29702)", "kataiwa2025 (arXiv 2503.02142)"
    findings = []

    def add(name: str, claim: str, source: str, verdict: Any, evidence: str, subject: str) -> None:
        findings.append(
            Finding(id=name, claim=claim, source=source, verdict=verdict, evidence=evidence, subject=subject)
        )

    for subject, hub in (
        (f"{model} {kind}", model == "bundled:pocket-256" and kind == "input")
        for model in models
        for kind in ("input", "output")
    ):
        add(
            "hub-of-short-rows",
            "A few short rows near the origin make the headline dimension.",
            quemy,
            "supported" if hub else "not supported",
            "Do not trust the headline: without its 300 shortest rows it is 21.1 ± 0.4. TwoNN reads 88.0 ± 1.4, on "
            "rows of unit length 19.5 ± 0.3; the shortest 1 % of rows take 41.0% of neighbor places, and 62.0% of "
            "tokens have no neighbor with cosine 0.5 or more."
            if hub
            else "Without the 1000 shortest rows it is 17.2 ± 0.3. TwoNN reads 17.1 ± 0.3, on rows of unit length "
            "15.9 ± 0.3; the shortest 1 % of rows take 3.0% of all neighbor places.",
            subject,
        )
        add(
            "low-dimension",
            "The table uses far fewer dimensions than a random table of the same size.",
            kataiwa,
            "not supported" if hub else "supported",
            "TwoNN reads 17.1 ± 0.3 where a Gaussian table with as many rows and 128 columns reads 60.8 ± 1.0: a "
            "redundancy of 87% of the columns.",
            subject,
        )
    for kind in ("input", "output"):
        add(
            "early-drop",
            "The dimension drops fast early in training.",
            kataiwa,
            "supported",
            "TwoNN goes from 60.5 ± 1.0 at step 0 (a Gaussian table of the same size reads 60.8 ± 1.0) to 17.1 ± 0.3 "
            "at step 1892; half of the fall is done by step 128.",
            f"bundled:pocket-128 {kind}",
        )
    for name, verdict in (("dimension", "supported"), ("redundancy", "undecided")):
        add(
            f"{name}-grows",
            f"The {name} of the input embedding grows with the width of the model.",
            kataiwa,
            verdict,
            f"TwoNN {name} by width: 14.0 at 64, 17.1 at 128, 21.0 at 256 columns.",
            "input",
        )
    return findings


@dataclass
class FakeRun:
    """What the report reads of a `theodolite.runs.Run`."""

    path: Path
    frame: pl.DataFrame
    manifest: dict[str, Any]
    problems: list[Any] = field(default_factory=list)
    status: str = "success"

    def table(self) -> pl.DataFrame:
        return self.frame

    def failures(self) -> list[Any]:
        return self.problems

    def workspace(self) -> AbstractContextManager[Path]:
        return nullcontext(self.path)


def make_manifest(**changes: Any) -> dict[str, Any]:
    """Return a manifest as `theodolite.runs` writes it."""
    return {
        "schema_version": 1,
        "status": "success",
        "study": "dimension",
        "study_version": 1,
        "config": {"references": list(FAMILY), "k": 64, "limit": None, "rows": "tokenizer"},
        "config_sha256": "3f" * 32,
        "plan_sha256": "a7" * 32,
        "created": "2026-11-21T00:40:00Z",
        "finished": "2026-11-21T00:43:20Z",
        "units": {"planned": 110, "kept": 0, "done": 110, "failed": 0},
        "unit_seconds": 200.4,
        "table": {"rows": 4000, "sha256": "00" * 32},
        "inputs": [
            {
                "reference": f"{model}@main",
                "model": model,
                "revision": "main",
                "file": "model.safetensors",
                "tensor": f"gpt_neox.embed_in.weight ({kind})",
                "dtype": "F32",
                "shape": [4096, width],
                "sha256": "9c" * 32,
            }
            for model, width in FAMILY.items()
            for kind in ("input", "output")
        ],
        "warnings": ["bundled:pocket-256 input: 240 rows are much shorter than the others."],
        "seeds": "derived from the unit key",
        "environment": {"python": "3.11.7", "theodolite": "0.1.0", "packages": {"torch": "2.13.0", "numpy": "2.4.0"}},
        "git": "0123abc",
        "command": ["theodolite", "survey", "--out", "runs/first light"],
        "sessions": [],
        **changes,
    }


def summary_of(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the study's own summary of a frame."""
    return summarize(frame)


@dataclass
class Failure:
    """What `theodolite.runs` knows of a unit that could not be done."""

    key: str = "ab12"
    label: str = "bundled:pocket-64@step7 input <b>measured</b>"
    exception: str = "PointsError"
    message: str = "k=64 needs at least 65 points but only 40 remain."
    traceback: str = "Traceback (most recent call last):\n  <script>document.title='pwned'</script>"
    attempts: int = 3
    time: str = "2026-11-21T00:43:20Z"


def make_run(folder: Path, frame: pl.DataFrame, **changes: Any) -> FakeRun:
    """Return a run in a folder that exists, with a study file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text("study: dimension\nconfig:\n  references: [bundled:pocket-64]\n  k: 64\n")
    return FakeRun(path=folder, frame=frame, manifest=make_manifest(**changes))
