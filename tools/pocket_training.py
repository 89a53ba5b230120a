"""Train one model of the pocket family, deterministically for a given seed, and record what happened."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from pocket_corpus import CONTEXT

log = logging.getLogger("pocket")

BATCH = 8
TOKENS_PER_STEP = BATCH * CONTEXT
WARM_UP = 50
FINAL_SHARE = 0.1
BETAS = (0.9, 0.95)
WEIGHT_DECAY = 0.1
CLIP = 1.0
N_CURVE = 200
SAVE_EVERY = 200
OPTIMIZER_RULE = (
    "AdamW, betas 0.9 and 0.95, weight decay 0.1 on the matrices inside the blocks only (not on the input and output "
    "tables, norms and biases, so that the input row of a token that is never seen keeps its initial value), gradient "
    "norm clipped at 1, 50 warm-up steps, then a cosine down to 10 % of the peak by step count"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What distinguishes one model of the family; the seed governs initial weights and the order of the text."""

    name: str
    seed: int
    n_dims: int
    n_layers: int
    n_heads: int
    learning_rate: float
    keeps_checkpoints: bool = False


RECIPES = (
    Recipe(name="pocket-64", seed=1, n_dims=64, n_layers=4, n_heads=4, learning_rate=3e-3),
    Recipe(name="pocket-128", seed=0, n_dims=128, n_layers=6, n_heads=4, learning_rate=3e-3, keeps_checkpoints=True),
    Recipe(name="pocket-128-b", seed=2, n_dims=128, n_layers=6, n_heads=4, learning_rate=3e-3),
    Recipe(name="pocket-256", seed=3, n_dims=256, n_layers=6, n_heads=8, learning_rate=2e-3),
)


def read_recipes(path: Path | None) -> tuple[Recipe, ...]:
    """Read recipes from a JSON list of objects, or return the four of the family."""
    if path is None:
        return RECIPES
    return tuple(Recipe(**record) for record in json.loads(path.read_text(encoding="utf-8")))


def build(recipe: Recipe, n_vocabulary: int) -> GPTNeoXForCausalLM:
    """Build the model with the initial weights that its seed gives."""
    torch.manual_seed(recipe.seed)
    config = GPTNeoXConfig(
        vocab_size=n_vocabulary,
        hidden_size=recipe.n_dims,
        num_hidden_layers=recipe.n_layers,
        num_attention_heads=recipe.n_heads,
        intermediate_size=4 * recipe.n_dims,
        rotary_pct=0.25,
        max_position_embeddings=CONTEXT,
        use_parallel_residual=True,
        tie_word_embeddings=False,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    config._attn_implementation = "sdpa"
    return GPTNeoXForCausalLM(config)


def learning_rate(step: int, n_steps: int, peak: float) -> float:
    """Learning rate of the update that follows `step` finished updates."""
    if step < WARM_UP:
        return peak * (step + 1) / WARM_UP
    progress = (step - WARM_UP) / max(1, n_steps - WARM_UP)
    return peak * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress)))


def batches(stream: np.ndarray, seed: int, first: int, n_steps: int) -> Iterator[torch.Tensor]:
    """Yield ``(BATCH, CONTEXT + 1)`` token ids for the steps `first` to `n_steps` - 1.

    The stream is cut into windows that overlap in one token only; each pass over the text visits all of them once
    (less the last incomplete batch), in an order drawn from (seed, pass).
    """
    n_windows = (len(stream) - 1) // CONTEXT
    if n_windows < BATCH:
        raise ValueError(
            f"the training text has {n_windows} windows of {CONTEXT} tokens, but a batch needs {BATCH}. Add texts."
        )
    per_pass = n_windows // BATCH
    order, current = np.empty(0, dtype=np.int64), -1
    for step in range(first, n_steps):
        turn, place = divmod(step, per_pass)
        if turn != current:
            order, current = np.random.default_rng([seed, turn]).permutation(n_windows), turn
        starts = order[place * BATCH : (place + 1) * BATCH] * CONTEXT
        rows = np.stack([stream[start : start + CONTEXT + 1] for start in starts])
        yield torch.from_numpy(rows.astype(np.int64))


def precision(device: torch.device, wanted: str) -> torch.dtype:
    """Return bfloat16 where the device computes in it natively (or it was asked for), float32 otherwise."""
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[wanted]
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        native = bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return torch.bfloat16 if native else torch.float32


def loss_of(model: torch.nn.Module, rows: torch.Tensor) -> torch.Tensor:
    """Mean next-token loss (nats) over all targets of ``(n_rows, CONTEXT + 1)`` ids."""
    logits = model(input_ids=rows[:, :-1]).logits.float()
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), rows[:, 1:].reshape(-1))


@torch.inference_mode()
def evaluate(model: GPTNeoXForCausalLM, windows: np.ndarray) -> float:
    """Mean validation loss (nats/token) in float32 over windows of shape ``(n_windows, CONTEXT + 1)``."""
    device = next(model.parameters()).device
    rows = torch.from_numpy(windows.astype(np.int64)).to(device)
    total = sum(float(loss_of(model, part)) * len(part) for part in rows.split(BATCH))
    return total / len(rows)


def rounded(model: GPTNeoXForCausalLM) -> GPTNeoXForCausalLM:
    """Copy the model in float32 with every weight rounded to float16, as it is shipped."""
    copy = GPTNeoXForCausalLM(model.config).to(next(model.parameters()).device)
    copy.load_state_dict({name: tensor.half().float() for name, tensor in model.state_dict().items()})
    return copy.eval()


def table_weights(model: GPTNeoXForCausalLM) -> dict[str, torch.Tensor]:
    """Return the input and the output table in float16 under the names that a GPT-NeoX checkpoint has on disk."""
    return {
        "gpt_neox.embed_in.weight": model.get_input_embeddings().weight.detach().half().cpu().contiguous(),
        "embed_out.weight": model.get_output_embeddings().weight.detach().half().cpu().contiguous(),
    }


def optimizer_for(model: GPTNeoXForCausalLM) -> torch.optim.AdamW:
    """Build the optimizer of `OPTIMIZER_RULE`."""
    tables = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    decayed = [p for p in model.parameters() if p.dim() == 2 and id(p) not in tables]
    others = [p for p in model.parameters() if p.dim() != 2 or id(p) in tables]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, fused=True)


def is_checkpoint(step: int) -> bool:
    """Tell whether `step` is 0 or a power of two."""
    return step & (step - 1) == 0


def n_steps_for(n_tokens: int) -> int:
    """Fewest steps that see at least `n_tokens` tokens."""
    return -(-n_tokens // TOKENS_PER_STEP)


def _update(model: torch.nn.Module, optimizer: torch.optim.AdamW, rows: torch.Tensor, dtype: torch.dtype) -> float:
    with torch.autocast(rows.device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        loss = loss_of(model, rows)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(loss.detach())


def train(
    recipe: Recipe,
    work: Path,
    *,
    n_vocabulary: int,
    n_tokens: int,
    device: torch.device,
    wanted_precision: str = "auto",
) -> dict[str, Any]:
    """Train one model into ``work/models/<name>``.

    A finished model is kept, an interrupted one is taken up where it was last saved.

    Returns
    -------
    dict
        The record: recipe, steps, tokens, training losses by step, validation losses by step (float16-rounded weights).
    """
    folder = work / "models" / recipe.name
    folder.mkdir(parents=True, exist_ok=True)
    stream, windows = np.load(work / "training.npy", mmap_mode="r"), np.load(work / "validation.npy")
    n_steps, dtype = n_steps_for(n_tokens), precision(device, wanted_precision)
    settings = {"recipe": asdict(recipe), "n_steps": n_steps, "n_vocabulary": n_vocabulary, "precision": str(dtype)[6:]}
    done = folder / "record.json"
    if done.exists():
        record: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        if record["settings"] != settings:
            raise ValueError(
                f"{folder} holds a model trained with {record['settings']}, not {settings}. Remove it or change --work."
            )
        log.info("%s: already trained, kept", recipe.name)
        return record
    model = build(recipe, n_vocabulary).to(device)
    optimizer = optimizer_for(model)
    losses: list[float] = []
    validation: dict[str, float] = {}
    seconds = 0.0
    saved = folder / "state.pt"
    if saved.exists():
        state = torch.load(saved, map_location=device, weights_only=True)
        if state["settings"] != settings:
            raise ValueError(f"{saved} belongs to {state['settings']}, not {settings}. Remove it or change --work.")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        losses, validation, seconds = state["losses"], state["validation"], state["seconds"]
        log.info("%s: taken up at step %d of %d", recipe.name, len(losses), n_steps)
    began, first = time.monotonic() - seconds, len(losses)

    def measure(step: int) -> None:
        validation[str(step)] = evaluate(rounded(model), windows)
        log.info(
            "%s step %d validation %.4f (%.0f s)", recipe.name, step, validation[str(step)], time.monotonic() - began
        )
        if recipe.keeps_checkpoints:
            save_file(table_weights(model), folder / f"step{step}.safetensors", metadata={"format": "pt"})

    if first == 0:
        measure(0)
    for step, rows in enumerate(batches(stream, recipe.seed, first, n_steps), start=first):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, n_steps, recipe.learning_rate)
        losses.append(_update(model, optimizer, rows.to(device), dtype))
        finished = step + 1
        if is_checkpoint(finished) and finished < n_steps:
            measure(finished)
        if finished % 50 == 0:
            log.info(
                "%s step %d loss %.4f (%.0f s)", recipe.name, finished, np.mean(losses[-50:]), time.monotonic() - began
            )
        if finished % SAVE_EVERY == 0:
            state = {
                "settings": settings,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "losses": losses,
            }
            state |= {"validation": validation, "seconds": time.monotonic() - began}
            torch.save(state, folder / "state.new")
            (folder / "state.new").replace(saved)
    validation[str(n_steps)] = evaluate(rounded(model), windows)
    record = {
        "settings": settings,
        "n_tokens": n_steps * TOKENS_PER_STEP,
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "n_tokens_unseen": n_unseen(stream, recipe.seed, n_steps, n_vocabulary),
        "seconds": round(time.monotonic() - began),
        "loss": losses,
        "validation": validation,
    }
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "final.safetensors")
    done.write_text(json.dumps(record) + "\n", encoding="utf-8")
    log.info("%s: finished, validation %.4f", recipe.name, validation[str(n_steps)])
    return record


def n_unseen(stream: np.ndarray, seed: int, n_steps: int, n_vocabulary: int) -> int:
    """Count the ids that never occur in the batches of a run, so whose input rows keep their initial values."""
    seen = np.zeros(n_vocabulary, dtype=bool)
    for rows in batches(stream, seed, 0, n_steps):
        seen[rows[:, :-1].numpy().ravel()] = True
    return int((~seen).sum())


def load_trained(recipe: Recipe, work: Path, n_vocabulary: int) -> GPTNeoXForCausalLM:
    """Load the finished model of a recipe in float32."""
    path = work / "models" / recipe.name / "final.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing. Run the step 'train' for {recipe.name} first.")
    model = build(recipe, n_vocabulary)
    model.load_state_dict(load_file(path))
    return model.eval()


def seconds_per_step(
    recipe: Recipe, work: Path, *, n_vocabulary: int, device: torch.device, wanted_precision: str
) -> float:
    """Median wall time of ten updates after two to warm up."""
    model = build(recipe, n_vocabulary).to(device)
    optimizer, dtype, times = optimizer_for(model), precision(device, wanted_precision), []
    for rows in batches(np.load(work / "training.npy", mmap_mode="r"), recipe.seed, 0, 12):
        began = time.monotonic()
        _update(model, optimizer, rows.to(device), dtype)
        times.append(time.monotonic() - began)
    return float(np.median(times[2:]))
