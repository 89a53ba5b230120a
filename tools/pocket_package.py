"""Write the trained pocket models into the folder that ships with the package, and describe them in ``family.json``."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

from pocket_corpus import BIGRAM_RULE, CONTEXT, UNIGRAM_RULE, Corpus
from pocket_training import BATCH, N_CURVE, OPTIMIZER_RULE, TOKENS_PER_STEP, Recipe, evaluate, load_trained

log = logging.getLogger("pocket")

SCHEMA_VERSION = 1
MAIN = "main"


def sha256_of(path: Path) -> str:
    """Return the hexadecimal sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def loss_curve(losses: Sequence[float]) -> dict[str, list[float]]:
    """Average the training loss over at most `N_CURVE` equal bins; `step` is the last step of each bin."""
    width = max(1, math.ceil(len(losses) / N_CURVE))
    ends = [min(start + width, len(losses)) for start in range(0, len(losses), width)]
    means = [float(np.mean(losses[start:end])) for start, end in zip([0, *ends], ends, strict=False)]
    return {"step": ends, "loss": [round(mean, 4) for mean in means]}


def shipped_loss(folder: Path, windows: np.ndarray) -> float:
    """Validation loss (nats/token) of a packaged model, loaded as a user would load it."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    if model.dtype != torch.float32:
        raise ValueError(f"{folder} loads as {model.dtype}, but float32 is needed. Check dtype in its config.json.")
    return evaluate(model.eval(), windows)


def _write_config(folder: Path) -> None:
    """Let the float16 weights load as float32."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def package_model(recipe: Recipe, corpus: Corpus, work: Path, out: Path) -> dict[str, Any]:
    """Write the folders of one model and return its entry of ``family.json``."""
    trained = work / "models" / recipe.name
    record = json.loads((trained / "record.json").read_text(encoding="utf-8"))
    n_steps = record["settings"]["n_steps"]
    target = out / recipe.name
    if target.exists():
        shutil.rmtree(target)
    main = target / MAIN
    model = load_trained(recipe, work, record["settings"]["n_vocabulary"]).half()
    model.save_pretrained(main)
    (main / "generation_config.json").unlink(missing_ok=True)
    _write_config(main)
    for path in sorted((work / "tokenizer").iterdir()):
        shutil.copyfile(path, main / path.name)
    revisions = []
    for step in sorted(map(int, record["validation"])):
        if step == n_steps:
            revision, weights, loss = (
                MAIN,
                main / "model.safetensors",
                shipped_loss(main, np.load(work / "validation.npy")),
            )
        elif recipe.keeps_checkpoints:
            revision, loss = f"step{step}", record["validation"][str(step)]
            folder = target / revision
            folder.mkdir()
            weights = folder / "tables.safetensors"
            shutil.copyfile(trained / f"{revision}.safetensors", weights)
            shutil.copyfile(main / "config.json", folder / "config.json")
        else:
            continue
        entry = {
            "revision": revision,
            "step": step,
            "n_tokens": step * TOKENS_PER_STEP,
            "validation_loss": round(loss, 4),
        }
        revisions.append(entry | {"file": weights.relative_to(out).as_posix(), "sha256": sha256_of(weights)})
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # safetensors are written for their owner alone
    log.info(
        "%s: packaged %d revisions, validation %.4f", recipe.name, len(revisions), revisions[-1]["validation_loss"]
    )
    return {
        **{key: value for key, value in asdict(recipe).items() if key != "keeps_checkpoints"},
        "n_parameters": record["n_parameters"],
        "n_steps": n_steps,
        "n_tokens_trained": record["n_tokens"],
        "n_tokens_unseen": record["n_tokens_unseen"],
        "precision": record["settings"]["precision"],
        "validation_loss": revisions[-1]["validation_loss"],
        "unigram_loss": round(corpus.unigram, 4),
        "bigram_loss": round(corpus.bigram, 4),
        "validation_curve": {
            "step": sorted(map(int, record["validation"])),
            "loss": [round(loss, 4) for _, loss in sorted(record["validation"].items(), key=lambda item: int(item[0]))],
        },
        "training_curve": loss_curve(record["loss"]),
        "revisions": revisions,
    }


def package(
    recipes: Sequence[Recipe], corpus: Corpus, work: Path, out: Path, *, source: str, corpus_license: str, license_: str
) -> dict[str, Any]:
    """Write every finished model, the token counts and ``family.json`` into `out`; other files there are left alone."""
    finished = [r for r in recipes if (work / "models" / r.name / "record.json").exists()]
    if not finished:
        raise FileNotFoundError(
            f"{work / 'models'} holds no finished model of {[r.name for r in recipes]}. Run the step 'train' first."
        )
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(work / "token_counts.npy", out / "token_counts.npy")
    counts = np.load(work / "token_counts.npy")
    models = [package_model(recipe, corpus, work, out) for recipe in finished]
    family = {
        "schema_version": SCHEMA_VERSION,
        "license": license_,
        "architecture": "GPTNeoXForCausalLM",
        "context": CONTEXT,
        "batch": BATCH,
        "optimizer": OPTIMIZER_RULE,
        "stored_as": "float16, loads as float32; every loss is that of the rounded weights",
        "versions": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__},
        "corpus": {
            **{k: v for k, v in asdict(corpus).items() if k not in ("unigram", "bigram")},
            "source": source,
            "license": corpus_license,
        },
        "baselines": {
            "unigram": {"loss": round(corpus.unigram, 4), "rule": UNIGRAM_RULE},
            "bigram": {"loss": round(corpus.bigram, 4), "rule": BIGRAM_RULE},
        },
        "tokenizer": {
            "kind": "byte-level BPE trained on the training books",
            "n_tokens": len(counts),
            "special": {"<|endoftext|>": 0, "<|padding|>": 1},
            "sha256": sha256_of(work / "tokenizer" / "tokenizer.json"),
            "n_tokens_never_in_text": int((counts == 0).sum()),
            "n_tokens_at_least_100": int((counts >= 100).sum()),
        },
        "token_counts": {"file": "token_counts.npy", "sha256": sha256_of(out / "token_counts.npy")},
        "models": models,
    }
    (out / "family.json").write_text(json.dumps(family, indent=1) + "\n", encoding="utf-8")
    return family
