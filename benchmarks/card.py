"""The exact neighbor graph of a large table on a graphics card, as a fraction of the card's measured matrix rate.

    PYTHONPATH=src python benchmarks/card.py                                # 131,072 x 4,096 bfloat16, k = 64, on CUDA
    PYTHONPATH=src python benchmarks/card.py --device cpu --points 3000 --dims 64   # the same on a processor, small

The rate is that of square products of the card, measured here in the same minute: in float32 without TF32, which is
what the search multiplies in, and in bfloat16, which is what the table is stored in. The fraction is the floating-point
operations of all products of the table with itself, over the time of the whole search times the rate. Some rows are
searched plainly in float64 as well, and must be the same.
"""

import argparse
import platform
import time
from pathlib import Path

import numpy as np
import torch

from theodolite.neighborhoods import NeighborGraph, neighbors
from theodolite.neighborhoods.products import full_precision

RESULTS = Path(__file__).parent / "results" / "card.md"


def table(n_points: int, n_dims: int, device: torch.device) -> torch.Tensor:
    """Draw rows with a falling spectrum and a common mean, bfloat16."""
    generator = torch.Generator(device).manual_seed(0)
    scales = torch.logspace(0.3, -1.3, n_dims, device=device)
    mean = torch.randn(n_dims, generator=generator, device=device)
    points = torch.empty((n_points, n_dims), dtype=torch.bfloat16, device=device)
    for some in points.split(8192):
        some.copy_(torch.randn(some.shape, generator=generator, device=device) * scales + mean)
    return points


def finished(device: torch.device) -> float:
    """Return the time when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def matrix_rate(size: int, dtype: torch.dtype, device: torch.device, rounds: int) -> float:
    """Return floating-point operations in a second of a square product, the best of several."""
    first, second = (torch.randn((size, size), device=device).to(dtype) for _ in range(2))
    least = np.inf
    with full_precision():
        torch.mm(first, second)
        for _ in range(rounds):
            start = finished(device)
            torch.mm(first, second)
            least = min(least, finished(device) - start)
    return 2.0 * size**3 / float(least)


def wrong_rows(points: torch.Tensor, graph: NeighborGraph, n_checked: int) -> int:
    """Search some rows plainly, by float64 differences, and count those whose neighbors are others."""
    wrong = 0
    for point in np.linspace(0, graph.n_points - 1, n_checked).astype(int).tolist():
        row = int(graph.rows[point])
        squares = torch.cat(
            [(some.double() - points[row].double()).square_().sum(dim=1) for some in points.split(8192)]
        )
        squares[row] = torch.inf
        nearest = set(squares.topk(graph.k, largest=False).indices.tolist())
        wrong += nearest != set(graph.rows[graph.indices[point]].tolist())
    return wrong


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--points", type=int, default=131_072)
    parser.add_argument("--dims", type=int, default=4096)
    parser.add_argument("--k", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-memory", type=int, default=4 << 30, help="bytes for blocks of scores")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "There is no CUDA device here. Pass --device cpu with a small table (--points 3000 --dims 64)."
        )
    points = table(options.points, options.dims, device)
    size = min(8192, max(512, options.points))
    rates = {dtype: matrix_rate(size, dtype, device, options.rounds) for dtype in (torch.float32, torch.bfloat16)}
    neighbors(points[: min(4096, options.points)], k=min(options.k, 16))  # what is compiled or chosen once
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    least = np.inf
    for _ in range(options.rounds):
        start = finished(device)
        graph = neighbors(points, k=options.k, max_memory=options.max_memory)
        least = min(least, finished(device) - start)
    work = 2.0 * graph.n_points**2 * options.dims
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    memory = (
        f"{(torch.cuda.max_memory_allocated(device) - before) / 2**30:.1f} GiB beyond the table"
        if device.type == "cuda"
        else "memory not measured"
    )
    lines = [
        "# A large table on a card",
        "",
        "Written by `benchmarks/card.py`.",
        "",
        f"{graph.n_points:,} x {options.dims} bfloat16, k = {graph.k}, on {name}: {graph.path}, "
        f"{graph.n_redone} redone, {memory}; of 16 rows searched plainly in float64, "
        f"{wrong_rows(points, graph, 16)} wrong.",
        "",
        "| rate of square products in | teraflops measured | fraction of it that the search reaches |",
        "|---|---:|---:|",
        *(
            f"| {str(dtype).removeprefix('torch.')} | {rate / 1e12:.2f} | {work / least / rate:.3f} |"
            for dtype, rate in rates.items()
        ),
        "",
        f"Python {platform.python_version()}, torch {torch.__version__}.",
        "",
    ]
    options.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
