"""Rows as a layer study writes them, with hostile prompts: planted curves, no model."""

import importlib.util
from pathlib import Path

import numpy as np

from theodolite.runs.rows import frame_from_rows
from theodolite.studies.layers.columns import COLUMNS

MODELS = ("bundled:pocket-64", "bundled:pocket-128")
N_LAYERS = 6
N_PROMPTS = 6
HOSTILE_PROMPT = "</summary><img src=x onerror=document.title='pwned'>"


def _hostile_tokens():
    place = Path(__file__).with_name("synthetic_run.py")
    spec = importlib.util.spec_from_file_location("theodolite_hostile_tokens", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HOSTILE_TOKENS


def make_frame():
    """Return rows of two models over six layers: dimension rises to layer 3 and falls, loss goes with it."""
    rng = np.random.default_rng(5)
    rows = []

    def add(**columns):
        blank = dict.fromkeys(COLUMNS)
        rows.append({**blank, "revision": "main", "prompts": "examples", "control": "structured", **columns})

    for model in MODELS:
        for prompt in range(N_PROMPTS):
            easy = 1.0 + 0.1 * prompt
            name = HOSTILE_PROMPT if prompt == 1 else f"prompt-{prompt}"
            own = {"model": model, "prompt": name, "prompt_row": prompt, "last_layer": "post_norm"}
            facts = {"loss": 2.0 * easy, "entropy": 1.8 * easy, "n_tokens": 64.0, "n_types": 40.0 + prompt}
            for measure, value in facts.items():
                add(**own, measure=measure, method="model" if measure == "entropy" else None, value=value)
            add(**own, measure="repetition", value=0.375 - prompt / 64)
            add(**own, measure="box_length", value=2.0 - 0.2 * prompt)
            for k, mass in ((1, 0.2), (32, 0.6), (None, 0.4)):
                add(**own, measure="logit_mass", method="probability", scale=k, value=mass)
                add(**own, measure="logit_mass", method="entropy", scale=k, value=mass / 2)
            for layer in range(N_LAYERS + 1):
                entropy = 5.0 - 0.3 * layer + easy
                add(**own, measure="entropy", method="logit_lens", layer=layer, value=entropy, n_used=64)
                for positions, reached in (("all", 40.0), ("first", 20.0)) if layer else ():
                    check = {**own, "positions": positions, "layer": layer, "n_used": 60, "scale": 63}
                    add(**check, measure="constant_density", method="mean", value=reached + prompt)
                    add(**check, measure="constant_density", method="at_limit", value=0.25)
            for control, level in (("structured", None), ("block_shuffle", 2.0), ("full_shuffle", None)):
                if control != "structured":
                    left = {"block_shuffle": 0.8, "full_shuffle": 0.1}[control]
                    add(**{**own, "control": control, "level": level}, measure="bleu", value=left + 0.01 * prompt)
                here = {**own, "control": control, "level": level, "positions": "all", "n_used": 60}
                lift = {"structured": 1.0, "block_shuffle": 1.2, "full_shuffle": 1.5}[control]
                for layer in range(N_LAYERS + 1):
                    hump = 4 + 6 * easy * lift * np.sin(np.pi * layer / 8) + 0.2 * rng.standard_normal()
                    for n1 in (1, 2, 4):
                        columns = {"method": "gride", "n1": n1, "scale": 2 * n1, "radius": 1.0, "stderr": 0.3}
                        add(**here, layer=layer, measure="dimension", value=hump * (1 - 0.1 * n1), **columns)
                    add(**here, layer=layer, measure="mean_cosine", method="with_diagonal", value=0.1 * layer)
                    add(**here, layer=layer, measure="angle", value=58.0 + 0.1 * layer + prompt, n1=1, scale=2)
                    add(**here, layer=layer, measure="reciprocity", scale=10, value=0.5)
                    add(**here, layer=layer, measure="transitivity", scale=10, value=0.4)
                    add(**here, layer=layer, measure="participation_ratio", value=3.0 + layer)
                    add(**here, layer=layer, measure="norm", method="mean", value=0.5 * 2.0**layer)
                    for other in range(layer + 2, N_LAYERS + 1) if layer else ():
                        shared = 0.8 ** (other - layer)
                        add(**here, layer=layer, layer_to=other, measure="overlap", scale=10, value=shared)
                    for k in (1, 2, 5, 10) if layer < N_LAYERS else ():
                        add(**here, layer=layer, layer_to=layer + 1, measure="overlap", scale=k, value=0.5 + 0.02 * k)
            for position, token in enumerate([*_hostile_tokens(), *[f" word{place}" for place in range(20)]]):
                value = float("nan") if position == 0 else 0.3 * position % 9
                add(**own, measure="surprisal", position=position, token=token, value=value)
    return frame_from_rows(rows, COLUMNS)
