"""Text from a steered model, and how much it repeats itself."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from theodolite.core.errors import ParameterError
from theodolite.models.language_model import LanguageModel
from theodolite.models.quiet import quiet
from theodolite.models.steering_hooks import Steering, steer

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Generated:
    """What a model wrote after one prompt.

    Attributes
    ----------
    prompt, text : str
        What was given, and what the model added.
    token_ids : numpy.ndarray
        `(n_new,)` int64: the tokens it added.
    """

    prompt: str
    text: str
    token_ids: Ids

    def distinct(self, n: int = 2) -> float:
        """Return the share of runs of n tokens that differ from all earlier ones; 1 means no repetition.

        NaN for a text shorter than n tokens.

        Examples
        --------
        >>> Generated(prompt="", text="", token_ids=np.array([1, 2, 1, 2, 3])).distinct(2)
        0.75
        """
        runs = [tuple(self.token_ids[start : start + n].tolist()) for start in range(len(self.token_ids) - n + 1)]
        return len(set(runs)) / len(runs) if runs else float("nan")


def generate(
    model: LanguageModel,
    prompts: Sequence[str],
    *,
    n_tokens: int = 40,
    steering: Steering | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Generated]:
    """Let a model go on after each prompt, steered or as it is.

    Parameters
    ----------
    model : LanguageModel
        A causal model with a tokenizer.
    prompts : sequence of str
        Texts, each at least one token long.
    n_tokens : int
        Tokens to add at most.
    steering : Steering, optional
        From `plan_steering`; positions "after" begin at the last token of the prompt.
    temperature : float
        0 takes the likeliest token each time; above 0 samples.
    seed : int
        Decides the samples, and nothing else in the process: torch's own generator is put back.

    Returns
    -------
    list of Generated
        One for each prompt, generated alone: no padding touches the numbers.

    Raises
    ------
    ParameterError
        If there is no tokenizer, a prompt is empty, or prompt and new tokens exceed the context.
    """
    if model.tokenizer is None:
        raise ParameterError(f"{model.provenance['reference']} has no tokenizer, so it takes no prompts as text.")
    if n_tokens < 1 or temperature < 0:
        raise ParameterError(f"n_tokens={n_tokens} must be at least 1 and temperature={temperature} not negative.")
    encoded = [np.asarray(getattr(one, "ids", one), dtype=np.int64) for one in map(model.tokenizer.encode, prompts)]
    longest = max((len(ids) for ids in encoded), default=0)
    if not all(len(ids) for ids in encoded):
        raise ParameterError("A prompt without tokens cannot be continued. Give each at least one word.")
    if model.n_positions is not None and longest + n_tokens > model.n_positions:
        raise ParameterError(
            f"A prompt of {longest} tokens and {n_tokens} new ones exceed the context of {model.n_positions} tokens."
        )
    settings: dict[str, Any] = {"max_new_tokens": n_tokens, "do_sample": temperature > 0, "pad_token_id": 0}
    if temperature > 0:
        settings["temperature"] = temperature
    written = []
    devices = [model.device] if model.device.type == "cuda" else []
    with (
        steer(model, steering) if steering is not None else nullcontext(),
        torch.random.fork_rng(devices=devices),
        torch.no_grad(),
        quiet(),
    ):
        torch.manual_seed(seed)
        for prompt, ids in zip(prompts, encoded, strict=True):
            given = torch.from_numpy(ids)[None].to(model.device)
            output = model.module.generate(input_ids=given, attention_mask=torch.ones_like(given), **settings)
            new = output[0, len(ids) :].cpu().numpy()
            written.append(Generated(prompt=prompt, text=model.tokenizer.decode(new.tolist()), token_ids=new))
    return written
