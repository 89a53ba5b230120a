"""Train the table of input embeddings, whole or through a low-rank adapter, with everything else frozen."""

import contextlib
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from theodolite.core.errors import ParameterError
from theodolite.core.seeds import generator_from, seed_from
from theodolite.models.adapters_table import embedding_layer
from theodolite.models.language_model import LanguageModel
from theodolite.models.quiet import quiet
from theodolite.tables import Reference

Alpha = Literal["sqrt", "r", "2r"]

_WARM_UP = 0.1
_LONGEST_GRADIENT = 1.0
_ADAPTER = "default"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TunedEmbedding:
    """What training made of a table of input embeddings.

    Attributes
    ----------
    update : torch.Tensor
        `(n_tokens, n_dims)` float32 on the CPU: what is added to the table.
    factors : tuple of torch.Tensor or None
        `(n_tokens, rank)` and `(rank, n_dims)`, whose product is the update (the scaling is in the first); None where
        the whole table was trained.
    rank : int or None
        Rank of the adapter; None where the whole table was trained.
    alpha : {"sqrt", "r", "2r"} or None
        The rule for LoRA's alpha; None without an adapter.
    scaling : float
        What the product of the trained factors is multiplied by: alpha / rank.
    n_parameters : int
        Numbers trained.
    losses : tuple of float
        Training loss of each step, nats per token.
    tied : bool
        Whether the model uses the table as its output embedding too. Then an adapter was trained on the input side
        alone, but the whole table on both sides at once.
    """

    update: torch.Tensor = field(repr=False)
    factors: tuple[torch.Tensor, torch.Tensor] | None = field(repr=False)
    rank: int | None
    alpha: Alpha | None
    scaling: float
    n_parameters: int
    losses: tuple[float, ...] = field(repr=False)
    tied: bool


def tune_embedding(
    model: LanguageModel,
    windows: Sequence[Any],
    *,
    rank: int | None,
    n_steps: int = 100,
    batch_size: int = 8,
    learning_rate: float = 1e-2,
    alpha: Alpha = "sqrt",
    seed: int = 0,
) -> TunedEmbedding:
    """Train the input embedding on windows of text, through a LoRA adapter or whole; all other weights stay.

    Parameters
    ----------
    model : LanguageModel
        A causal model in float32; unchanged when the function returns.
    windows : sequence of array-like
        Token ids, all windows of one length.
    rank : int or None
        Rank of the adapter, from 1 to n_dims; None trains the whole table.
    n_steps : int
        Steps of AdamW.
    batch_size : int
        Windows in a step.
    learning_rate : float
        Peak of the schedule: up over the first tenth of the steps, then straight down to 0.
    alpha : {"sqrt", "r", "2r"}
        LoRA's alpha at each rank r. `"r"` and `"2r"` hold alpha / r at 1 and 2, so that a step moves the table the
        further the higher the rank, about as sqrt(r); `"sqrt"` (rank-stabilized LoRA) holds the
        length of a step about equal, so that ranks differ in rank only.
    seed : int
        Order of the windows, the same at every rank, and initial values of the adapter.

    Returns
    -------
    TunedEmbedding
        The update, its factors and the course of the training loss.

    Raises
    ------
    ParameterError
        If a setting is outside its range, the model is not causal or not in float32, the windows are too few or of
        different lengths, or the loss stops being finite.
    FormatError
        If the embedding cannot be trained.

    Notes
    -----
    The adapter is that of peft on the embedding layer: the row of a token is e + (alpha / r) a B with a (its row of A,
    0 at first) and B (standard normal at first) trained. AdamW with betas 0.9 and 0.999 and no weight decay, the
    gradient cut to length 1. The model is in eval mode, so that dropout, which would make ranks see different noise, is
    off.

    References
    ----------
    E. J. Hu et al., LoRA: low-rank adaptation of large language models, ICLR 2022, arXiv:2106.09685; D. Kalajdzievski,
    A rank stabilization scaling factor for fine-tuning with LoRA, arXiv:2312.03732.

    Examples
    --------
    >>> from theodolite.models import load_model
    >>> model = load_model("bundled:pocket-64", device="cpu")
    >>> windows = [[5, 17, 401, 99, 12, 30], [8, 77, 5, 1000, 64, 2]]
    >>> tuned = tune_embedding(model, windows, rank=4, n_steps=3, batch_size=2)
    >>> tuned.update.shape, tuned.n_parameters, tuned.losses[-1] < tuned.losses[0]
    (torch.Size([4096, 64]), 16640, True)
    """
    batches = _batches(model, windows, n_steps=n_steps, batch_size=batch_size, seed=seed)
    _check_training(model, rank, learning_rate, alpha)
    name, embedding = embedding_layer(model)
    before = embedding.weight.detach().clone()
    with _frozen(model):
        if rank is None:
            table = embedding.weight.requires_grad_(True)
            try:
                losses = _train(model, [table], batches, learning_rate)
                update = (table.detach() - before).cpu()
            finally:
                table.data.copy_(before)
            return TunedEmbedding(
                update=update,
                factors=None,
                rank=None,
                alpha=None,
                scaling=1.0,
                n_parameters=update.numel(),
                losses=losses,
                tied=bool(model.tied),
            )
        with _adapter(model, name, rank=rank, alpha=alpha, seed=seed) as layer:
            first, second = layer.lora_embedding_A[_ADAPTER], layer.lora_embedding_B[_ADAPTER]
            losses = _train(model, [first, second], batches, learning_rate)
            scaling = float(layer.scaling[_ADAPTER])
            left = (first.detach().T.cpu() * scaling).contiguous()
            right = second.detach().T.cpu().contiguous()
    return TunedEmbedding(
        update=left @ right,
        factors=(left, right),
        rank=rank,
        alpha=alpha,
        scaling=scaling,
        n_parameters=left.numel() + right.numel(),
        losses=losses,
        tied=bool(model.tied),
    )


def save_adapter(model: LanguageModel, tuned: TunedEmbedding, folder: Path) -> None:
    """Write a trained adapter as a folder that peft loads.

    Parameters
    ----------
    model : LanguageModel
        The model it was trained on.
    tuned : TunedEmbedding
        With factors.
    folder : pathlib.Path
        Where to write `adapter_config.json` and `adapter_model.safetensors`.

    Raises
    ------
    ParameterError
        If the whole table was trained, so that there is no adapter.
    FormatError
        If the embedding is none that an adapter can be put on.
    """
    if tuned.factors is None or tuned.rank is None or tuned.alpha is None:
        raise ParameterError(
            "The whole table was trained, so there is no adapter to save. Pass a rank to tune_embedding."
        )
    name, _ = embedding_layer(model)
    with _frozen(model), _adapter(model, name, rank=tuned.rank, alpha=tuned.alpha, seed=0) as layer:
        layer.lora_embedding_A[_ADAPTER].data.copy_(tuned.factors[0].T / layer.scaling[_ADAPTER])
        layer.lora_embedding_B[_ADAPTER].data.copy_(tuned.factors[1].T)
        parsed = Reference.parse(model.provenance["reference"])
        config = layer.owner.peft_config[_ADAPTER]
        config.base_model_name_or_path = parsed.location if parsed.scheme == "hub" else str(parsed)
        config.revision = parsed.revision
        with quiet():
            layer.owner.save_pretrained(folder, save_embedding_layers=False)
        (Path(folder) / "README.md").unlink(missing_ok=True)  # a form to fill in, with a path of this machine


def _check_training(model: LanguageModel, rank: int | None, learning_rate: float, alpha: str) -> None:
    reference = model.provenance["reference"]
    if model.kind != "causal":
        raise ParameterError(f"{reference} is no causal model ({model.kind}). Pass a causal language model.")
    if model.module.get_input_embeddings().weight.dtype != torch.float32:
        raise ParameterError(
            f'{reference} is in {model.dtype}, in which small updates are rounded away. Load it with dtype="float32".'
        )
    if rank is not None and not 1 <= rank <= model.n_dims:
        raise ParameterError(
            f"rank={rank} is not possible for a table of {model.n_dims} columns. Take a rank from 1 to {model.n_dims}."
        )
    if not 0 < learning_rate < math.inf:
        raise ParameterError(f"learning_rate={learning_rate} does not train. Take a positive number such as 0.01.")
    if alpha not in get_args(Alpha):
        raise ParameterError(f"alpha must be {', '.join(map(repr, get_args(Alpha)))}, not {alpha!r}.")


def _batches(
    model: LanguageModel, windows: Sequence[Any], *, n_steps: int, batch_size: int, seed: int
) -> list[torch.Tensor]:
    """Return the token ids of each step; every window is seen once before any is seen twice."""
    if n_steps < 1 or batch_size < 1:
        raise ParameterError(f"n_steps={n_steps} and batch_size={batch_size} must both be at least 1.")
    if len(windows) < batch_size:
        raise ParameterError(
            f"{len(windows)} windows do not fill a batch of {batch_size}. Give a longer text, shorter windows or a "
            "smaller batch."
        )
    if len({len(window) for window in windows}) > 1 or len(windows[0]) < 2:
        raise ParameterError(
            "Training windows must be of one length, at least 2 tokens. Cut the text into equal windows."
        )
    ids = torch.as_tensor(np.asarray(windows, dtype=np.int64))
    if not 0 <= int(ids.min()) <= int(ids.max()) < model.n_vocabulary:
        raise ParameterError(
            f"The windows hold token {int(ids.max())}, but the model has {model.n_vocabulary} tokens. Use its "
            "tokenizer."
        )
    generator = generator_from("order of the windows", seed)
    per_pass = len(ids) // batch_size
    order = [generator.permutation(len(ids))[: per_pass * batch_size] for _ in range(-(-n_steps // per_pass))]
    chosen = torch.from_numpy(np.concatenate(order)).reshape(-1, batch_size)
    return [ids[rows].to(model.device) for rows in chosen[:n_steps]]


def _train(
    model: LanguageModel, parameters: Sequence[torch.Tensor], batches: Sequence[torch.Tensor], peak: float
) -> tuple[float, ...]:
    """Minimize the next-token loss over the batches, in their order; return the loss of each."""
    optimizer = torch.optim.AdamW(parameters, lr=peak, weight_decay=0.0, foreach=False)
    n_up = max(1, round(_WARM_UP * len(batches)))
    losses = []
    with torch.enable_grad():
        for step, ids in enumerate(batches):
            part = (step + 1) / n_up if step < n_up else (len(batches) - step) / (len(batches) - n_up + 1)
            optimizer.param_groups[0]["lr"] = peak * part
            logits = model.module(input_ids=ids, use_cache=False).logits[:, :-1]
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise ParameterError(
                    f"The training loss is {losses[-1]} at step {step + 1} of {len(batches)} with "
                    f"learning_rate={peak}. Lower the learning rate."
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(parameters, _LONGEST_GRADIENT)
            optimizer.step()
    return tuple(losses)


@contextlib.contextmanager
def _frozen(model: LanguageModel) -> Iterator[None]:
    """Let no weight ask for a gradient inside the block, and put back what each asked for before."""
    asked = [(parameter, parameter.requires_grad) for parameter in model.module.parameters()]
    training = model.module.training
    model.module.requires_grad_(False)
    model.module.eval()
    try:
        yield
    finally:
        model.module.train(training)
        for parameter, wanted in asked:
            parameter.requires_grad_(wanted)
            parameter.grad = None


@contextlib.contextmanager
def _adapter(model: LanguageModel, name: str, *, rank: int, alpha: Alpha, seed: int) -> Iterator[Any]:
    """Put peft's adapter on the embedding layer inside the block; yield the adapted layer, which knows its owner."""
    import peft  # noqa: PLC0415 (seconds)

    config = peft.LoraConfig(
        r=rank,
        lora_alpha={"sqrt": 1, "r": rank, "2r": 2 * rank}[alpha],
        use_rslora=alpha == "sqrt",
        target_modules=re.escape(name),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft's advice on tied tables, which are handled here
        torch.manual_seed(seed_from("adapter", rank, seed))
        owner = peft.get_peft_model(model.module, config)
    layer = model.module.get_submodule(name)
    object.__setattr__(layer, "owner", owner)
    try:
        yield layer
    finally:
        owner.unload()
