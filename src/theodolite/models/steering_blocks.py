"""Where the residual stream can be reached: the list of blocks of a decoder, found by its structure."""

from collections.abc import Iterator
from typing import Any

import torch

from theodolite.core.errors import NotFoundError, ParameterError

_NAMED = 8


def find_blocks(
    module: Any, *, path: str | None = None, n_layers: int | None = None
) -> tuple[str, torch.nn.ModuleList]:
    """Return the list of blocks of a model, and its name.

    Parameters
    ----------
    module : torch.nn.Module
        A model of transformers, or any module that holds its blocks in a `ModuleList`.
    path : str, optional
        Name of that list, such as "model.layers"; found where it is not given.
    n_layers : int, optional
        How many blocks there must be, where that is known.

    Returns
    -------
    tuple
        Dotted name and the list.

    Raises
    ------
    NotFoundError
        If there is no such list, or none of this length; the lists that are there are named.
    ParameterError
        If two lists of blocks are equally long.

    Notes
    -----
    A list of blocks is a `ModuleList` of modules that is not itself inside a block (experts and heads are). Of several
    the longest is taken; of an encoder-decoder, the decoder's.

    Examples
    --------
    >>> model = torch.nn.Module()
    >>> model.layers = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(3))
    >>> find_blocks(model)[0]
    'layers'
    """
    if path is not None:
        return path, _named(module, path)
    found = dict(_outermost(module))
    if getattr(getattr(module, "config", None), "is_encoder_decoder", False):
        found = {name: one for name, one in found.items() if "decoder" in name} or found
    fitting = {name: one for name, one in found.items() if n_layers is None or len(one) == n_layers}
    if not fitting:
        wanted = "a list of blocks" if n_layers is None else f"a list of {n_layers} blocks"
        raise NotFoundError(
            f"No {wanted.removeprefix('a ')} was found in {type(module).__name__}. {_listing(found)} Name the right "
            "one with path, as in path='model.layers'."
        )
    longest = max(len(one) for one in fitting.values())
    best = [name for name, one in fitting.items() if len(one) == longest]
    if len(best) > 1:
        raise ParameterError(
            f"{type(module).__name__} has several lists of {longest} blocks: {', '.join(best)}. Name the right one "
            "with path."
        )
    return best[0], fitting[best[0]]


def _named(module: Any, path: str) -> torch.nn.ModuleList:
    """Return the list of this name."""
    try:
        found = module.get_submodule(path)
    except AttributeError:
        found = None
    if not isinstance(found, torch.nn.ModuleList) or not len(found):
        what = "no module" if found is None else f"a {type(found).__name__}, no list of blocks"
        raise NotFoundError(f"{path!r} is {what} of {type(module).__name__}. {_listing(dict(_outermost(module)))}")
    return found


def _outermost(module: Any) -> Iterator[tuple[str, torch.nn.ModuleList]]:
    """Yield every non-empty `ModuleList` that is not inside another one."""
    inside: tuple[str, ...] = ()
    for name, part in module.named_modules():
        if isinstance(part, torch.nn.ModuleList) and len(part) and not name.startswith(inside or ("\0",)):
            inside = (*inside, f"{name}.")
            yield name, part


def _listing(found: dict[str, torch.nn.ModuleList]) -> str:
    if not found:
        return "It holds no ModuleList at all."
    named = [f"{name} ({len(one)} x {type(one[0]).__name__})" for name, one in list(found.items())[:_NAMED]]
    return f"Its lists of modules: {', '.join(named)}."
