"""A model on the Hub at one commit: which of its files hold the weights, and what belongs to them."""

from pathlib import Path

from theodolite.tables.checkpoint import choose_weights
from theodolite.tables.hub_repository import HubRepository

_COMPANIONS = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("tokenizer.model",),
    ("spiece.model",),
)
_COUNTS = "token_counts.npy"


def weights_of(model: HubRepository) -> str:
    """Return the file that holds the weights of a model, or the index of those that do.

    Raises
    ------
    NotFoundError
        If there is none, or nothing says which.
    """
    advice = f"Download the one that is meant with `hf download {model.repository} FILE`, and give its path."
    return choose_weights(model.files, model.place, advice=advice)


def bring_companions(model: HubRepository) -> Path:
    """Bring config.json, the tokenizer and token counts of a model, and return their folder.

    Raises
    ------
    FormatError
        If one of them is far too large.
    NotFoundError, RemoteError
        If one of them cannot be fetched.
    """
    tokenizer: tuple[str, ...] = next((names for names in _TOKENIZERS if names[0] in model.files), ())
    for name in (*_COMPANIONS, *tokenizer, _COUNTS):
        if name in model.files:
            model.bring(name)
    model.folder.mkdir(parents=True, exist_ok=True)
    return model.folder
