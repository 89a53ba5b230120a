# ruff: noqa: PLC0415 - each measurement imports what it measures
"""What a run costs beside its work: overhead per unit, memory of the driver, resuming, long tables, large graphs.

    PYTHONPATH=src python benchmarks/runs.py                       # everything
    PYTHONPATH=src python benchmarks/runs.py --parts units --sizes 1000,10000

Each measurement is a process of its own (set OMP_NUM_THREADS=1). Memory is the largest resident set of that process
(VmHWM), libraries included. The reference for times is what polars needs to write the rows of one unit as parquet into
memory, measured in the same process.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

RESULTS = Path(__file__).parent / "results" / "runs.md"
RUNNERS = ("serial", "processes", "ray")


def most_memory() -> int:
    """Return the largest resident set of this process so far, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


class Clock:
    """Wall and processor time of a block; processor time of this process only."""

    def __enter__(self) -> "Clock":
        self.began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = (
            now - then for now, then in zip((time.perf_counter(), time.process_time()), self.began, strict=True)
        )


def parquet_seconds() -> float:
    """Return the processor time in which polars writes four rows into memory, the median of many."""
    import io

    import numpy as np
    import studies_tiny

    from theodolite.runs.rows import frame_from_rows

    frame = frame_from_rows(
        studies_tiny.run(studies_tiny.plan(studies_tiny.Config(n_units=1))[0]), studies_tiny.COLUMNS
    )
    times = []
    for _ in range(300):
        start = time.process_time()
        frame.write_parquet(io.BytesIO(), compression="zstd")
        times.append(time.process_time() - start)
    return float(np.median(times))


def units(n_units: int, runner: str, folder: str) -> dict[str, float]:
    """Run units that do nothing, and resume the finished run."""
    import studies_tiny

    from theodolite.runs import execute
    from theodolite.runs.runners import make_runner

    chosen = make_runner(runner, workers=2 if runner != "serial" else None)
    config = studies_tiny.Config(n_units=n_units)
    with Clock() as first:
        execute(studies_tiny, config, out=folder, runner=chosen)
    memory = most_memory()
    with Clock() as again:
        execute(studies_tiny, config, out=folder)
    reference = parquet_seconds()
    return {
        "cpu": first.cpu / n_units / reference,
        "wall": first.wall / n_units / reference,
        "memory": memory,
        "resume": again.cpu / first.cpu,
        "resume_wall": again.wall / first.wall,
        "resume_seconds": again.wall,
        "milliseconds": 1e3 * first.cpu / n_units,
    }


def wide_run(n_prompts: int, folder: str) -> dict[str, float]:
    """Write the table of a layer study with drawn numbers."""
    import studies_wide

    from theodolite.runs import execute
    from theodolite.runs.folder.table import FromScan

    summarize = FromScan(lambda scan: scan.head(1).collect())
    run = execute(studies_wide, studies_wide.Config(n_prompts=n_prompts), out=folder, summarize=summarize)
    return {
        "rows": run.manifest["table"]["rows"],
        "memory": most_memory(),
        "megabytes": run.store.table_path.stat().st_size / 2**20,
    }


def wide_use(what: str, folder: str, resamples: int) -> dict[str, float]:
    """Use that table in one way."""
    import polars as pl

    from theodolite.runs import open_run
    from theodolite.studies import reported
    from theodolite.studies.layers import study as layers
    from theodolite.studies.layers import summary as layer_summary

    layer_summary._N_BOOTSTRAP = resamples
    run, found = open_run(folder), {}
    with Clock() as clock:
        if what == "Run.table()":
            run.table()
        elif what == "Run.scan(), one measure":
            run.scan().filter(pl.col("measure") == "loss").select("value").collect()
        elif what == "rows as the study reads them":
            reported.rows_of(run, layers)
        elif what == "summary.csv":
            layers.summary_frame(reported.rows_of(run, layers))
        elif what == "findings":
            layers.find(reported.rows_of(run, layers))
        else:
            from theodolite.cli.results import write_report

            found["megabytes"] = Path(write_report(run)[2]).stat().st_size / 2**20
    return {"memory": most_memory(), "wall": clock.wall, **found}


def graph_run(n_points: int, folder: str) -> dict[str, float]:
    """Write the table of a neighbors study with drawn neighbors."""
    import studies_graph

    from theodolite.runs import execute
    from theodolite.runs.folder.table import FromScan

    config = studies_graph.Config(n_points=n_points)
    summarize = FromScan(lambda scan: scan.select("value").head(1).collect())
    execute(studies_graph, config, out=folder, summarize=summarize)
    return {"neighbors": n_points * config.k}


def graph_use(what: str, folder: str) -> dict[str, float]:
    """Use that table in one way."""
    from theodolite import load_graph
    from theodolite.cli.results import write_report
    from theodolite.runs import open_run

    if what == "load_graph":
        load_graph(folder)
    else:
        write_report(open_run(folder))
    return {"memory": most_memory()}


def workers(n_workers: int, folder: str, limit: int) -> dict[str, float]:
    """Run a real study of layers in processes."""
    from theodolite import studies

    with Clock() as clock:
        studies.run(
            "layers",
            references=["bundled:pocket-256"],
            limit=limit,
            block=4,
            controlled=limit,
            shuffles=[0, 2, 4],
            full_shuffles=4,
            out=folder,
            runner="processes",
            workers=n_workers,
        )
    return {"wall": clock.wall, "units": len(list(Path(folder, "units").glob("*.parquet")))}


CHILDREN = {
    "units": units,
    "wide_run": wide_run,
    "wide_use": wide_use,
    "graph_run": graph_run,
    "graph_use": graph_use,
    "workers": workers,
}


def measured(part: str, **arguments: object) -> dict[str, float]:
    """Measure in a process of its own."""
    call = [sys.executable, __file__, "--child", json.dumps({"part": part, **arguments})]
    ended = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(ended.stdout.splitlines()[-1])
    print(part, arguments, found, file=sys.stderr, flush=True)
    return found


def units_lines(sizes: list[int], folder: Path) -> list[str]:
    head = "| units | runner | processor time per unit | wall time per unit | memory, MB | resume / run | resume, s |"
    lines = ["## Units that do nothing", "", head, "|---:|---|---:|---:|---:|---:|---:|"]
    for n_units in sizes:
        for runner in RUNNERS if n_units == sizes[0] else ("serial",):
            out = folder / f"{runner}-{n_units}"
            try:
                one = measured("units", n_units=n_units, runner=runner, folder=str(out))
            except subprocess.CalledProcessError:
                lines.append(f"| {n_units:,} | {runner} | not installed | | | | |")
                continue
            lines.append(
                f"| {n_units:,} | {runner} | {one['cpu']:.1f} | {one['wall']:.1f} | {one['memory']:,.0f} | "
                f"{one['resume_wall']:.1%} | {one['resume_seconds']:.1f} |"
            )
            shutil.rmtree(out)
    return [
        *lines,
        "",
        "Times per unit: multiples of the processor time in which polars writes the unit's four rows as parquet into "
        "memory. Processor time is that of the driver; two workers in processes and Ray. `resume / run`: wall time of "
        "the same call on the finished run. Nothing else is subtracted: planning, the table and the manifest are in.",
        "",
    ]


def wide_lines(n_prompts: int, resamples: int, folder: Path) -> list[str]:
    out = str(folder / "wide")
    table = measured("wide_run", n_prompts=n_prompts, folder=out)
    lines = [
        f"## A table of {table['rows']:,} rows",
        "",
        f"Columns of `layers`, two models, {n_prompts:,} prompts each, numbers drawn; {table['megabytes']:,.0f} MB on "
        "disk.",
        "",
        "| what | largest resident set, MB |",
        "|---|---:|",
        f"| running all units and writing the table | {table['memory']:,.0f} |",
    ]
    uses = ("Run.scan(), one measure", "Run.table()", "rows as the study reads them", "summary.csv", "findings")
    for what in (*uses, "figures and report"):
        one = measured("wide_use", what=what, folder=out, resamples=resamples)
        page = f" (page of {one['megabytes']:.1f} MB)" if "megabytes" in one else ""
        lines.append(f"| {what}{page} | {one['memory']:,.0f} |")
    shutil.rmtree(out)
    note = f"Intervals from {resamples} resamples instead of 400: more take longer, not more memory."
    return [*lines, "", note, ""]


def graph_lines(sizes: list[int], folder: Path) -> list[str]:
    uses, held, neighbors = ("load_graph", "figures and report"), [], []
    for n_points in sizes:
        out = str(folder / f"graph-{n_points}")
        neighbors.append(measured("graph_run", n_points=n_points, folder=out)["neighbors"])
        held.append([measured("graph_use", what=what, folder=out)["memory"] for what in uses])
        shutil.rmtree(out)
    head = " | ".join(f"{n_points:,} points, MB" for n_points in sizes)
    lines = ["## A graph of 64 neighbors", "", f"| what | {head} | bytes for a neighbor more |", "|---|---:|---:|---:|"]
    for what, small, large in zip(uses, *held, strict=True):
        more = (large - small) * 2**20 / (neighbors[1] - neighbors[0])
        lines.append(f"| {what} | {small:,.0f} | {large:,.0f} | {more:.0f} |")
    return [*lines, "", "Neighbors and distances drawn; largest resident set of each process.", ""]


def workers_lines(limit: int, folder: Path) -> list[str]:
    one, two = (measured("workers", n_workers=n, folder=str(folder / f"workers-{n}"), limit=limit) for n in (1, 2))
    return [
        "## A real study in processes",
        "",
        f"Layers of pocket-256 on {limit} prompts as written and shuffled, {two['units']:.0f} units: two workers take "
        f"{two['wall'] / one['wall']:.2f} of the wall time of one (0.5 is ideal; starting Python, loading the model, "
        "planning in the driver and the table are in).",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child")
    parser.add_argument("--parts", default="units,wide,graph,workers")
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--prompts", type=int, default=5800)
    parser.add_argument("--points", default="250000,750000", help="of the two graphs")
    parser.add_argument("--resamples", type=int, default=20)
    parser.add_argument("--limit", type=int, default=33)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    if options.child:
        call = json.loads(options.child)
        print(json.dumps(CHILDREN[call.pop("part")](**call)))
        return
    parts = options.parts.split(",")
    lines = ["# What a run costs beside its work", "", "Written by `benchmarks/runs.py`.", ""]
    with tempfile.TemporaryDirectory() as folder:
        if "units" in parts:
            lines += units_lines([int(one) for one in options.sizes.split(",")], Path(folder))
        if "wide" in parts:
            lines += wide_lines(options.prompts, options.resamples, Path(folder))
        if "graph" in parts:
            lines += graph_lines([int(one) for one in options.points.split(",")], Path(folder))
        if "workers" in parts:
            lines += workers_lines(options.limit, Path(folder))
    cpu = next(x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x)
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "polars"))
    lines += [
        f"{platform.machine()}, {cpu}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the end; "
        f"Python {platform.python_version()}, {packages}.",
        "",
    ]
    options.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
