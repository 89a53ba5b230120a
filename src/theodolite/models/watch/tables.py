"""The embedding tables of a module that is being trained."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from theodolite.core.errors import ParameterError
from theodolite.core.seeds import generator_from
from theodolite.dimension import null_points, participation_ratio, twonn
from theodolite.neighborhoods import hubness, neighbors
from theodolite.similarity import norms

_SHORTEST_SHARE = 0.01


def measure_tables(
    module: Any,
    *,
    k: int = 10,
    rows: Sequence[int] | None = None,
    limit: int = 8192,
    seed: int = 0,
    null: bool = False,
) -> dict[str, float]:
    """Measure the embedding tables of a module in memory and leave the module as it is.

    Parameters
    ----------
    module : torch.nn.Module or mapping of str to torch.Tensor
        A model of transformers, also inside `torch.compile` or a data-parallel wrapper; or tables `(n_tokens, n_dims)`
        by name, for any other kind of model.
    k : int
        Neighbors in which hubs are counted, at least 2.
    rows : sequence of int or None
        Rows that count, such as those that the tokenizer knows; None for all.
    limit : int
        Of more rows than this, a random subset of this size is measured: the same rows at every call.
    seed : int
        Seed of the subset and of the random table.
    null : bool
        Whether to measure a random table as well.

    Returns
    -------
    dict of str to float
        For each table ("input", and "output" where it is another matrix): `input/dimension` and
        `input/dimension_stderr` (TwoNN), `input/participation_ratio`, `input/mean_norm`, `input/hub_share` (share of
        the k-nearest-neighbor places that the shortest 1 % of the rows take), and `input/gaussian_null` and
        `input/gaussian_null_stderr` where asked for (TwoNN of one draw of Gaussian noise of the same rows, columns and
        variance).

    Raises
    ------
    ParameterError
        If the module names no embedding, a table is split over devices, `k` is below 2 or `limit` below `k` + 2, or a
        row does not exist.
    PointsError
        If a table holds NaN or infinities, or too few distinct rows.

    Notes
    -----
    A dimension depends on how many rows it is read from. Compare readings with one `limit` only, and with the random
    table of the same `limit`.

    No gradient is recorded and no random generator of torch, numpy or Python is moved.

    References
    ----------
    Facco et al. 2017, doi:10.1038/s41598-017-11873-y (TwoNN); Kataiwa et al. 2025, arXiv:2503.02142 (along training).

    Examples
    --------
    >>> table = torch.from_numpy(np.random.default_rng(0).normal(size=(300, 5)))
    >>> sorted(measure_tables({"words": table}))[:3]
    ['words/dimension', 'words/dimension_stderr', 'words/hub_share']
    """
    if k < 2 or limit < k + 2:
        raise ParameterError(f"k={k} and limit={limit} do not go together. k is at least 2, and limit at least k + 2.")
    found: dict[str, float] = {}
    for name, table in _tables(module).items():
        chosen = torch.from_numpy(_rows(len(table), rows, limit, seed)).to(table.device)
        values = _measure(table[chosen], k=k, null_seed=seed if null else None)
        found |= {f"{name}/{key}": value for key, value in values.items()}
    return found


def unwrapped(module: Any) -> Any:
    """Return the model inside `torch.compile`, data-parallel and other wrappers that hold it as `module`."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and not hasattr(module, "get_input_embeddings"):
            inner = getattr(module, "module", None)
        if not isinstance(inner, torch.nn.Module):
            return module
        module = inner


def _tables(module: Any) -> dict[str, torch.Tensor]:
    """Return the tables by name, each matrix once."""
    if isinstance(module, Mapping):
        return {str(name): _whole(str(name), table) for name, table in module.items()}
    model = unwrapped(module)
    if not hasattr(model, "get_input_embeddings"):
        raise ParameterError(
            f"A {type(model).__name__} does not say which matrix embeds its tokens. Pass the tables by name, such as "
            '{"input": model.embedding.weight}.'
        )
    table = _whole("input", getattr(model.get_input_embeddings(), "weight", None))
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    other = getattr(head, "weight", None)
    if other is None:
        return {"input": table}
    other = _whole("output", other)
    tied = other.data_ptr() == table.data_ptr() and other.shape == table.shape
    return {"input": table} if tied else {"input": table, "output": other}


def _whole(name: str, table: Any) -> torch.Tensor:
    if not isinstance(table, torch.Tensor) or table.ndim != 2 or not table.numel() or hasattr(table, "full_tensor"):
        given = f"shape {tuple(table.shape)}" if isinstance(table, torch.Tensor) else type(table).__name__
        raise ParameterError(
            f"The {name} table ({type(table).__name__}, {given}) is no whole matrix on this device. Tables that are "
            "split over devices (FSDP, ZeRO-3) are not gathered: pass the gathered table by name."
        )
    return table.detach()


def _measure(points: torch.Tensor, *, k: int, null_seed: int | None) -> dict[str, float]:
    graph = neighbors(points, k=k)
    lengths = norms(points)
    short = points.double().norm(dim=1).cpu().numpy()[graph.rows].argsort(kind="stable")
    dimension = twonn(graph)
    found = {
        "dimension": dimension.value,
        "dimension_stderr": dimension.stderr,
        "participation_ratio": participation_ratio(points).value,
        "mean_norm": lengths.mean,
        "hub_share": hubness(graph).share(short[: max(1, int(_SHORTEST_SHARE * graph.n_points))]),
    }
    if null_seed is not None:
        noise = twonn(neighbors(null_points(points, "gaussian", seed=null_seed), k=2))
        found |= {"gaussian_null": noise.value, "gaussian_null_stderr": noise.stderr}
    return found


def _rows(n_stored: int, rows: Sequence[int] | None, limit: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return which rows are measured, ascending: a function of these four arguments alone."""
    chosen = np.arange(n_stored) if rows is None else np.unique(np.asarray(rows, dtype=np.int64))
    if len(chosen) == 0 or chosen[0] < 0 or chosen[-1] >= n_stored:
        raise ParameterError(
            f"rows names {len(chosen)} rows that are not all in a table of {n_stored}. Give numbers from 0 to "
            f"{n_stored - 1}, at least one."
        )
    if len(chosen) > limit:
        generator = generator_from("measure_tables", n_stored, seed)
        chosen = np.sort(generator.choice(chosen, size=limit, replace=False))
    return chosen
