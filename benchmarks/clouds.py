"""Many small clouds: all GRIDE scales to 256 of 8 prompts x 13 layers x 1,024 tokens x 768, ours and peers in turn.

    PYTHONPATH=src python benchmarks/clouds.py --dadapy ENV/bin/python --prompts 8

DADApy runs in an environment of its own (`pip install "numpy<2" dadapy`), named by its interpreter. Peers that are not
installed are named and left out. One thread: set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1. Processor time is
measured; every round runs all contestants once, in turn, and the least time of each is compared.
"""

import argparse
import os
import platform
import statistics
import subprocess
import time
import warnings
from collections.abc import Callable
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.linalg import blas
from told import ToldProcess

from theodolite.dimension import cloud_gride
from theodolite.neighborhoods import cloud_neighbors

RESULTS = Path(__file__).parent / "results" / "clouds.md"
RANGE = 256
LISTED, RANKS = 31, (32, 64, 128, 256)
FLOOR = "float32 products alone, `x @ x.T` (the floor)"
OWN = f"**theodolite**, {LISTED} neighbors and GRIDE at all scales"
FULL = f"theodolite, {RANGE} neighbors and GRIDE at all scales"


def clouds(n_prompts: int) -> np.ndarray:
    """Draw 13 curved clouds of dimension about 20 for each prompt, with noise and a mean twice their spread."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(n_prompts):
        latent = rng.normal(size=(1024, 20))
        for _ in range(13):
            points = np.tanh(latent @ rng.normal(size=(20, 768)) / np.sqrt(20)) + 0.1 * rng.normal(size=(1024, 768))
            drawn.append((points + 2 * rng.normal(size=768)).astype(np.float32))
    return np.stack(drawn)


def floor(states: np.ndarray) -> None:
    product = np.empty((states.shape[1],) * 2, dtype=np.float32)
    for cloud in states:
        np.matmul(cloud, cloud.T, out=product)


def triangle(states: np.ndarray) -> None:
    product = np.empty((states.shape[1],) * 2, dtype=np.float32, order="F")
    for cloud in states:
        blas.ssyrk(1.0, cloud.T, trans=1, c=product, overwrite_c=1)


def ours(states: np.ndarray) -> np.ndarray:
    return cloud_gride(cloud_neighbors(states, k=RANGE), errors="fisher").value


def ours_listed(states: np.ndarray) -> np.ndarray:
    return cloud_gride(cloud_neighbors(states, k=LISTED, ranks=RANKS), errors="fisher").value


def ours_listed_as_dadapy(states: np.ndarray) -> np.ndarray:
    return cloud_gride(cloud_neighbors(states, k=LISTED, ranks=RANKS), convention="dadapy").value


def ours_neighbor_errors(states: np.ndarray) -> np.ndarray:
    return cloud_gride(cloud_neighbors(states, k=RANGE)).value


def ours_as_dadapy(states: np.ndarray) -> np.ndarray:
    return cloud_gride(cloud_neighbors(states, k=RANGE), convention="dadapy").value


def ours_float64(states: np.ndarray) -> np.ndarray:
    return cloud_gride(cloud_neighbors(states, k=RANGE, precision="float64"), errors="fisher").value


def search_only(states: np.ndarray) -> None:
    cloud_neighbors(states, k=RANGE)


def bmm_topk(states: np.ndarray) -> None:
    table = torch.from_numpy(states)
    for some in table.split(13):
        squares = some.square().sum(dim=2)
        products = torch.baddbmm(squares[:, None, :], some, some.transpose(1, 2), alpha=-2)
        products.add_(squares[:, :, None]).topk(RANGE + 1, dim=2, largest=False)


def skdim_gride(states: np.ndarray) -> np.ndarray:
    measure = import_module("skdim.id").GRIDE
    return np.array([measure(multiscale=True, range_max=RANGE).fit(cloud).dimension_ for cloud in states])


def tdhook_twonn(states: np.ndarray) -> np.ndarray:
    tensors = import_module("tensordict").TensorDict({"data": torch.from_numpy(states)}, batch_size=[])
    estimator = import_module("tdhook.latent.dimension_estimation.twonn").TwoNnDimensionEstimator()
    return estimator(tensors)["dimension"].numpy()


def version(interpreter: str) -> str:
    program = "from importlib.metadata import version as v; print('DADApy', v('dadapy'), 'with numpy', v('numpy'))"
    return subprocess.run([interpreter, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dadapy", help="interpreter of an environment that has DADApy")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    states = clouds(options.prompts)
    contestants: dict[str, Callable[[np.ndarray], Any]] = {
        FLOOR: floor,
        "float32 products alone, one triangle (scipy's syrk)": triangle,
        OWN: ours_listed,
        'the same, `convention="dadapy"`': ours_listed_as_dadapy,
        FULL: ours,
        f"theodolite, {RANGE} neighbors, no GRIDE": search_only,
        f"theodolite, {RANGE} neighbors, GRIDE with neighbor-aware standard errors": ours_neighbor_errors,
        f'theodolite, {RANGE} neighbors, GRIDE with `convention="dadapy"`': ours_as_dadapy,
        f'theodolite, {RANGE} neighbors, GRIDE, `precision="float64"`': ours_float64,
        "torch bmm + topk, no GRIDE": bmm_topk,
    }
    if find_spec("skdim"):
        contestants["scikit-dimension GRIDE"] = skdim_gride
    if find_spec("tdhook"):
        contestants["tdhook TwoNN, one scale"] = tdhook_twonn
    dadapy = ToldProcess(options.dadapy, "dadapy_gride.py", states, "answers.npy") if options.dadapy else None
    for prepared in (ours, ours_listed):
        prepared(states[:2])
    times: dict[str, list[float]] = {}
    values: dict[str, Any] = {}
    for round_number in range(options.rounds):
        for who, measure in contestants.items():
            start = time.process_time()
            values[who] = measure(states)
            times.setdefault(who, []).append(time.process_time() - start)
        if dadapy:
            times.setdefault("DADApy loop, `n_jobs=1`", []).append(dadapy())
        print(round_number, {who: round(spent[-1], 2) for who, spent in times.items()}, flush=True)
    base, own = min(times[FLOOR]), times[OWN]
    lines = [
        "# Many small clouds, side by side",
        "",
        f"Written by `benchmarks/clouds.py --prompts {options.prompts} --rounds {options.rounds}`: {len(states)} "
        f"clouds of {states.shape[1]:,} x {states.shape[2]}, GRIDE at 2, 4 ... {RANGE}. {LISTED} neighbors are what "
        "the overlap between layers reads; of those beyond GRIDE needs the distances at its scales only.",
        "",
        "| what | least time / floor | least time / ours | median over rounds of time / ours |",
        "|---|---:|---:|---:|",
    ]
    for who, spent in times.items():
        median = statistics.median(b / a for a, b in zip(own, spent, strict=True))
        lines.append(f"| {who} | {min(spent) / base:.2f} | {min(spent) / min(own):.2f} | {median:.2f} |")
    exact = values[f'theodolite, {RANGE} neighbors, GRIDE, `precision="float64"`']
    apart = max(np.abs(values[who] / exact - 1).max() for who in (OWN, FULL))
    lines += [
        "",
        f"Largest relative difference of an estimate between the two precisions: {apart:.1e}.",
    ]
    if dadapy:
        theirs, parity = np.load(dadapy.answers), values['the same, `convention="dadapy"`']
        lines.append(f"From DADApy's, in its convention: {np.abs(parity / theirs - 1).max():.1e}.")
    cpu = next(x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x)
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "torch", "scipy", "scikit-dimension"))
    if options.dadapy:
        packages += ", " + version(options.dadapy)
    lines += [
        "",
        f"{platform.machine()}, {cpu}, {torch.get_num_threads()} thread; load average {os.getloadavg()[0]:.1f} at the "
        f"end. Python {platform.python_version()}, {packages}. Processor time, contestants in turn; a machine that is "
        "busy with other work slows what is bound by memory more than it slows products.",
        "",
    ]
    options.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
