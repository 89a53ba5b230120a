"""The layers of a prompt: ours beside the authors' published procedure, and beside the model's own forward pass.

    PYTHONPATH=src python benchmarks/layers.py --dadapy ENV/bin/python

The procedure of viswanathan2025 runs in an environment of its own (`pip install "numpy<2" dadapy scikit-learn`), named
by its interpreter; without it only the forward pass is compared. One thread: set OMP_NUM_THREADS=1 and
OPENBLAS_NUM_THREADS=1. Processor time; every round runs all contestants once, in turn.
"""

import argparse
import os
import platform
import statistics
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
import transformers
from told import ToldProcess

from theodolite.dimension import cloud_gride
from theodolite.models import LanguageModel, hidden_states, logit_cloud, logit_root, token_losses
from theodolite.neighborhoods import cloud_neighbors
from theodolite.similarity import cloud_cosines, cloud_overlaps
from theodolite.studies.layers.config import Config
from theodolite.studies.layers.geometry import measure_layers, measure_logits
from theodolite.studies.rows import RowMaker

RESULTS = Path(__file__).parent / "results" / "layers.md"
LARGEST = 31


def model_of_gpt2_size() -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel.of(transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval())


def text_like_ids(n_tokens: int) -> np.ndarray:
    """Draw ids as unevenly as words of a text are: about 45 % of them distinct."""
    return np.minimum(np.random.default_rng(0).zipf(1.25, n_tokens), 50_000)


def ours_as_the_authors(states: np.ndarray) -> dict[str, np.ndarray]:
    found = cloud_neighbors(states, k=LARGEST, ranks=(32, 64, 128, 256), moments=True)
    cosines = np.array([(one.mean, one.std) for one in cloud_cosines(states, found=found)])
    overlaps = cloud_overlaps(found, k_values=range(1, LARGEST + 1))
    return {
        "cosines": cosines,
        "dimensions": cloud_gride(found, convention="dadapy").value,
        "overlaps": np.array([one.values for one in overlaps.values()]),
    }


def beside_the_authors(interpreter: str, states: np.ndarray, rounds: int) -> list[str]:
    authors = ToldProcess(interpreter, "authors_layers.py", states, "answers.npz")
    ours_as_the_authors(states[:2])
    ratios = []
    for _ in range(rounds):
        start = time.process_time()
        found = ours_as_the_authors(states)
        own = time.process_time() - start
        ratios.append(authors() / own)
        print("authors / ours", round(ratios[-1], 1), flush=True)
    theirs = np.load(authors.answers)
    apart = np.abs(found["dimensions"] / theirs["dimensions"] - 1).max()
    cosines = np.abs(found["cosines"] - theirs["cosines"]).max()
    overlaps = np.abs(found["overlaps"] - theirs["overlaps"][:, 1:]).max()
    return [
        "## Beside the authors' procedure",
        "",
        f"Cosine, GRIDE at 2, 4 ... 256 and overlap for k = 1 .. {LARGEST} over {len(states)} layers of one prompt of "
        f"{states.shape[1]:,} tokens, {states.shape[2]} columns, in their conventions: theirs takes "
        f"**{statistics.median(ratios):.0f} times** ours (least {min(ratios):.0f}, over {rounds} rounds). Largest "
        f"differences: dimensions {apart:.1e} of themselves, cosines {cosines:.1e}, overlaps {overlaps:.1e} (their "
        "distances are rounded to float32, where some neighbors tie).",
        "",
    ]


def beside_the_model(model: LanguageModel, ids: np.ndarray, rounds: int) -> list[str]:
    make, config = RowMaker({}), Config(("of gpt2 size",))
    root = logit_root(model)
    assert root is not None
    ratios = []
    for _ in range(rounds):
        start = time.process_time()
        (found,) = hidden_states(model, [ids], include_logits=True)
        forward = time.process_time()
        token_losses(found.logits, found.token_ids)
        losses = time.process_time()
        measure_layers(found.states, make, config)
        measure_logits(logit_cloud(model, found.states[-1], root, last_layer=found.last_layer), make, config)
        end = time.process_time()
        ratios.append(((end - losses) / (forward - start), (losses - forward) / (forward - start)))
        print("geometry / forward", [round(one, 3) for one in ratios[-1]], flush=True)
    geometry, loss = (statistics.median(one[i] for one in ratios) for i in (0, 1))
    return [
        "## Beside the model",
        "",
        f"A model of the size of GPT-2 (124 million parameters, random weights) on one prompt of {len(ids):,} tokens "
        f"({len(np.unique(ids))} distinct), all measures of the default set on all 13 states and the logits: geometry "
        f"takes **{geometry:.0%}** of the forward pass (least {min(one[0] for one in ratios):.0%}), surprisal and "
        f"entropy {loss:.0%}. Median of {rounds} rounds.",
        "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dadapy", help="interpreter of an environment that has DADApy")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    model, ids = model_of_gpt2_size(), text_like_ids(1024)
    lines = [
        "# Layers of a prompt, side by side",
        "",
        f"Written by `benchmarks/layers.py --rounds {options.rounds}`.",
        "",
    ]
    lines += beside_the_model(model, ids, options.rounds)
    if options.dadapy:
        (found,) = hidden_states(model, [ids])
        lines += beside_the_authors(options.dadapy, found.states[1:].numpy(), options.rounds)
    cpu = next(x.split(":")[1].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x)
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "torch", "transformers"))
    lines += [
        f"{platform.machine()}, {cpu}, {torch.get_num_threads()} thread; load average {os.getloadavg()[0]:.1f} at the "
        f"end. Python {platform.python_version()}, {packages}. Processor time, contestants in turn.",
        "",
    ]
    options.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
