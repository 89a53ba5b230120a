"""Run by `benchmarks/clouds.py` in DADApy's own environment (it needs numpy < 2): GRIDE for each cloud, one job.

Reads `(n_clouds, n_points, n_dims)` from the first file, writes `(n_clouds, n_scales)` dimensions to the second, and
prints for each line it is sent the processor seconds of one pass over all clouds.
"""

import contextlib
import io
import sys
import time

import numpy as np
from dadapy import Data


def measure(cloud: np.ndarray) -> np.ndarray:
    with contextlib.redirect_stdout(io.StringIO()):
        data = Data(cloud, maxk=len(cloud) - 1, n_jobs=1, verbose=False)
        return np.asarray(data.return_id_scaling_gride(range_max=256)[0])


def main() -> None:
    clouds = np.load(sys.argv[1])
    measure(clouds[0])
    for _ in sys.stdin:
        start = time.process_time()
        found = [measure(cloud) for cloud in clouds]
        spent = time.process_time() - start
        np.save(sys.argv[2], np.array(found))
        print(f"{spent:.4f}", flush=True)


if __name__ == "__main__":
    main()
