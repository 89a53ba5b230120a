"""States of prompts one by one, where a prompt whose states are not finite does not cost the others theirs."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from theodolite.core.errors import PointsError
from theodolite.models import LanguageModel, PromptStates, hidden_states
from theodolite.models.forward import SpecialTokens
from theodolite.models.states import Wanted


def finite_states(
    model: LanguageModel,
    token_ids: Sequence[npt.NDArray[np.int64]],
    *,
    batch: int,
    last_layer: Wanted,
    special_tokens: SpecialTokens,
) -> Iterator[tuple[int, PromptStates | str]]:
    """Yield the states of each prompt with its number, or why it has none.

    Parameters
    ----------
    model : LanguageModel
        Logits come with the states where it is a causal model.
    token_ids : sequence of numpy.ndarray
        One array for each prompt.
    batch : int
        Prompts in one forward pass.
    last_layer, special_tokens
        As in `hidden_states`.

    Yields
    ------
    tuple of (int, PromptStates or str)
        In the order of the prompts.
    """
    start = 0
    while start < len(token_ids):
        forward = hidden_states(
            model,
            token_ids[start:],
            batch_size=batch,
            include_logits=model.kind == "causal",
            last_layer=last_layer,
            special_tokens=special_tokens,
        )
        first = start
        try:
            for found in forward:
                yield start, found
                start += 1
        except PointsError as error:
            yield start, str(error).replace(f" of prompt {start - first} ", " ")
            start += 1
