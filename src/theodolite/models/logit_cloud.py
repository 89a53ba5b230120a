"""The cloud of a prompt's logits at the cost of a layer: the same distances in as many columns as the states have."""

import torch

from theodolite.models.anatomy import LastLayer
from theodolite.models.language_model import LanguageModel

_ROWS = 1 << 14


def logit_root(model: LanguageModel) -> torch.Tensor | None:
    """Return the matrix that maps normed states to points as far from each other as their logits are.

    Parameters
    ----------
    model : LanguageModel
        Whose output head to read.

    Returns
    -------
    torch.Tensor or None
        `(n_dims, n_dims)` float64 on the device of the head; None where the logits are not a linear function of the
        normed states (no head, a softcap), or have no more columns than those.

    Notes
    -----
    With logits W h + b, two tokens are |W (h_i - h_j)| apart, and W'W = R R' for R = Q sqrt(L) of its eigenvectors and
    eigenvalues, so |W (h_i - h_j)| = |R' (h_i - h_j)|: exact, with n_dims columns in place of a vocabulary. The product
    is taken once for each model, in float64.

    Examples
    --------
    >>> from theodolite.models import load_model
    >>> logit_root(load_model("bundled:pocket-64", device="cpu")).shape
    torch.Size([64, 64])
    """
    head = model.module.get_output_embeddings() if model.readout is not None else None
    weight = getattr(head, "weight", None)
    if model.readout is None or model.readout.softcap is not None or weight is None or weight.device.type == "meta":
        return None
    n_rows, n_dims = weight.shape
    if n_rows <= n_dims:
        return None
    metric = torch.zeros((n_dims, n_dims), dtype=torch.float64, device=weight.device)
    with torch.no_grad():
        for start in range(0, n_rows, _ROWS):
            rows = weight[start : start + _ROWS].to(torch.float64)
            metric.addmm_(rows.T, rows)
    values, vectors = _eigh(metric)
    root: torch.Tensor = vectors * (model.readout.scale * values.clamp(min=0.0).sqrt())
    return root


def _eigh(metric: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Decompose with one thread: several would give other last digits, by their number."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        values, vectors = torch.linalg.eigh(metric)
    finally:
        torch.set_num_threads(n_threads)
    return values, vectors


def logit_cloud(
    model: LanguageModel, states: torch.Tensor, root: torch.Tensor, *, last_layer: LastLayer
) -> torch.Tensor:
    """Return points with the distances of the logits.

    Parameters
    ----------
    model : LanguageModel
        The model that the states come from.
    states : torch.Tensor
        `(n_tokens, n_dims)`: the last of `PromptStates.states`.
    root : torch.Tensor
        As `logit_root` returns it.
    last_layer : {"post_norm", "pre_norm", "no_norm"}
        As `PromptStates.last_layer`; a state before the final norm is normed first.

    Returns
    -------
    torch.Tensor
        `(n_tokens, n_dims)` float32. Centered before it is rounded, so offsets that all tokens share cost no digits.

    Examples
    --------
    >>> from theodolite.models import hidden_states, load_model
    >>> model = load_model("bundled:pocket-64", device="cpu")
    >>> (found,) = hidden_states(model, [[11, 12, 13]], include_logits=True)
    >>> points = logit_cloud(model, found.states[-1], logit_root(model), last_layer=found.last_layer)
    >>> torch.allclose(torch.cdist(points, points), torch.cdist(found.logits, found.logits), rtol=1e-3)
    True
    """
    if last_layer == "pre_norm" and model.final_norm is not None:
        norm = model.module.get_submodule(model.final_norm)
        weight = getattr(norm, "weight", None)
        with torch.no_grad():
            states = norm(states if weight is None else states.to(weight.dtype))
    wide = states.to(root.device, torch.float64)
    return ((wide - wide.mean(dim=0)) @ root).to(torch.float32)
