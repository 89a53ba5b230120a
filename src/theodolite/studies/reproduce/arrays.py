"""The arrays that the authors of viswanathan2025 published, for those who have a copy: their numbers, and ours beside.

The folder holds `prompt_id/MODEL.npz` and `token_geometry/MODEL.npz` (keys as the authors' files are named), and
`filtered_indices.npy` and `subset_indices.npy`, the rows of Pile-10k that the prompts are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from theodolite.core.errors import FormatError, NotFoundError
from theodolite.core.number_format import format_value
from theodolite.statistics import correlations
from theodolite.studies.layers.config import STRUCTURED
from theodolite.studies.published import Published, published
from theodolite.studies.reproduce.comparison import Comparison, written

Floats = npt.NDArray[np.float64]

_PAPER = "viswanathan2025"
_FOLDERS = {"v2": "prompt_id", "v1": "token_geometry"}
_NAMES = {"llama-3-8b": "meta-llama-3-8b", "mistral-7b": "mistral-7b-v0.1"}
_ROUNDING, _FINE_ROUNDING = 0.006, 0.0006
"""Dimensions are printed with two decimals, everything else with three or more."""
_ALIKE = 0.999
"""Correlation of the losses above which two runs had the same prompts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorsArrays:
    """Arrays of one model.

    Attributes
    ----------
    model : str
        As the paper calls it, in lower case.
    preset : str
        v1 or v2.
    rows : ndarray of int64
        `(n_prompts,)`, rows of Pile-10k.
    arrays : mapping of str to ndarray
        By their keys; prompts first.
    """

    model: str
    preset: str
    rows: npt.NDArray[np.int64]
    arrays: Mapping[str, Floats]

    def dimension(self, scale: int) -> Floats | None:
        """Return the dimension of each prompt, `(n_prompts, n_layers)` from layer 1 on, or None."""
        if "gride" not in self.arrays:
            return None
        return self.arrays["gride"][:, :, 0, scale.bit_length() - 2]

    def logit_dimension(self, scale: int) -> Floats | None:
        """Return the dimension of each prompt's logits, `(n_prompts, 1)`, or None."""
        if "logits_id" not in self.arrays:
            return None
        return self.arrays["logits_id"][:, :1, scale.bit_length() - 2]


def read_arrays(folder: Path | str, *, preset: str) -> dict[str, AuthorsArrays]:
    """Read a copy of the authors' arrays.

    Parameters
    ----------
    folder : path
        As described at the head of this module.
    preset : str
        v1 or v2: which of the two papers' arrays.

    Returns
    -------
    dict
        Model, as the paper calls it in lower case, to its arrays.

    Raises
    ------
    NotFoundError
        If the folder is not there or holds none.
    FormatError
        If the arrays of a model do not fit the number of prompts.
    """
    folder = Path(folder)
    index, files = folder / "filtered_indices.npy", sorted((folder / _FOLDERS.get(preset, "")).glob("*.npz"))
    if not index.is_file() or not files:
        raise NotFoundError(
            f"{folder} holds no arrays of {_PAPER} {preset}: filtered_indices.npy and {_FOLDERS.get(preset)}/*.npz are "
            "needed. Name the folder that has them."
        )
    rows = np.load(index, allow_pickle=False).astype(np.int64)
    found = {}
    for file in files:
        with np.load(file, allow_pickle=False) as content:
            arrays = {key: content[key].astype(np.float64) for key in content.files}
        for key in ("losses", "gride", "cosine"):
            if key in arrays and len(arrays[key]) != len(rows):
                raise FormatError(
                    f"{file.name}: {key} is of {len(arrays[key])} prompts, but filtered_indices.npy of {len(rows)}."
                )
        name = _NAMES.get(file.stem.lower(), file.stem.lower())
        found[name] = AuthorsArrays(model=name, preset=preset, rows=rows, arrays=arrays)
    return found


def compare_with_print(found: Mapping[str, AuthorsArrays]) -> Iterator[Comparison]:
    """Compute the printed numbers from the arrays, with our statistics.

    Parameters
    ----------
    found : mapping
        What `read_arrays` returns.

    Yields
    ------
    Comparison
        One for each printed number or profile whose array is there.
    """
    for model, arrays in found.items():
        for number in published(_PAPER, preset=arrays.preset):
            if number.model != model or number.mark == "digitised":
                continue
            ours = _from_arrays(number, arrays)
            if ours is None:
                continue
            apart = ours - np.array(number.values)
            printed = np.isfinite(apart)
            largest = float(np.abs(apart[printed]).max())
            allowed = _ROUNDING if "dimension" in number.quantity[:14] else _FINE_ROUNDING
            yield Comparison(
                paper=f"{_PAPER} {arrays.preset}",
                figure=number.figure,
                claim=f"{number.quantity}{'' if number.scale is None else f', neighbor {number.scale}'}",
                subject=f"{model}, the authors' arrays with our statistics",
                published=f"{written(number.values)} ({number.mark})",
                ours=written(ours.tolist()),
                agreement="agrees" if largest <= allowed else "differs",
                note=f"largest difference {format_value(largest)}, {allowed:g} allowed for rounding",
                first_layer=number.first_layer,
                published_values=number.values,
                our_values=tuple(ours.tolist()),
                differences=tuple(apart.tolist()),
            )


def _from_arrays(number: Published, found: AuthorsArrays) -> Floats | None:
    """Return the number as the arrays give it; None where they do not hold it."""
    arrays = found.arrays
    scale = None if number.quantity.endswith("largest logits") else number.scale  # there it is a number of logits
    dimension = None if scale is None else found.dimension(scale)
    logits = None if scale is None else found.logit_dimension(scale)
    value: Floats | None = None
    match number.quantity:
        case "dimension" if dimension is not None:
            value = np.nanmean(dimension, axis=0)
        case "correlation with loss" if dimension is not None:
            value = _related(dimension, arrays["losses"][:, None])
        case "correlation with tuned-lens entropy, lag 1" if dimension is not None and "entropy" in arrays:
            value = _related(dimension, arrays["entropy"][:, :-1])
        case "correlation with tuned-lens entropy, lag 0" if dimension is not None and "entropy" in arrays:
            value = _related(dimension, arrays["entropy"][:, 1:])
        case "loss":
            value = np.array([arrays["losses"].mean()])
        case "mean cosine" if "cosine" in arrays:
            value = arrays["cosine"][:, 0].mean(axis=0)
        case "logit dimension" if logits is not None:
            value = logits.mean(axis=0)
        case "correlation of logit dimension with entropy" if logits is not None:
            value = _related(logits, arrays["contextual_entropy"][:, None])
        case "correlation of entropy with loss" if "contextual_entropy" in arrays:
            value = _related(np.exp(arrays["contextual_entropy"])[:, None], arrays["losses"][:, None])
        case "peak dimension at shuffle level" if "gride_shuffled" in arrays:
            value = arrays["gride_shuffled"][:, :, :, 0, 0].mean(axis=0).max(axis=1)
    return value


def _related(dimension: Floats, target: Floats) -> Floats:
    """Return Pearson of the logarithm with the target, layer by layer; a target of one column serves all layers."""
    logs = np.log(dimension)
    columns = np.broadcast_to(target, logs.shape)
    return np.array(
        [correlations(logs[:, [place]], columns[:, place], n_bootstrap=20)[0].value for place in range(logs.shape[1])]
    )


def compare_prompts(
    frame: pl.DataFrame, names: Mapping[str, str], found: Mapping[str, AuthorsArrays]
) -> Iterator[Comparison]:
    """Compare a run with the arrays prompt by prompt.

    Parameters
    ----------
    frame : polars.DataFrame
        Table of a layer study.
    names : mapping
        Reference to what the paper calls the model.
    found : mapping
        What `read_arrays` returns.

    Yields
    ------
    Comparison
        For each model and scale that both have: the mean difference over prompts, layer by layer, in units of its
        standard error. One that says so where the prompts are not the same.
    """
    plain = frame.filter((pl.col("control") == STRUCTURED) & (pl.col("positions").fill_null("all") == "all"))
    for reference, name in names.items():
        if name not in found or reference not in plain["model"]:
            continue
        theirs, own = found[name], plain.filter(pl.col("model") == reference)
        places = {int(row): place for place, row in enumerate(theirs.rows)}
        losses = own.filter(pl.col("measure") == "loss").filter(pl.col("prompt_row").is_in(list(places)))
        ours = losses["value"].to_numpy()
        same = theirs.arrays["losses"][[places[row] for row in losses["prompt_row"].to_list()]]
        alike = float(np.corrcoef(ours, same)[0, 1]) if len(ours) > 2 else float("nan")
        if not alike > _ALIKE:
            yield Comparison(
                paper=f"{_PAPER} {theirs.preset}",
                figure="arrays",
                claim="loss of each prompt",
                subject=reference,
                published=f"{len(theirs.rows)} prompts of Pile-10k",
                ours=f"correlation {format_value(alike)} over {len(ours)} prompts of the same row numbers",
                agreement="not comparable",
                note="The prompts are not the same: the losses of the same prompts would agree.",
                study="layers",
            )
            continue
        yield from _paired(own, reference, theirs, places)


def _paired(
    own: pl.DataFrame, reference: str, theirs: AuthorsArrays, places: Mapping[int, int]
) -> Iterator[Comparison]:
    rows = own.filter(
        (pl.col("measure") == "dimension") & (pl.col("method") == "gride") & pl.col("prompt_row").is_in(list(places))
    )
    for (scale,), each in rows.filter(pl.col("layer") > 0).sort("scale").group_by("scale", maintain_order=True):
        published_values = theirs.dimension(int(str(scale)))
        if published_values is None:
            continue
        units, means, expected = [], [], []
        for (layer,), part in each.sort("layer").group_by("layer", maintain_order=True):
            reference_values = published_values[
                [places[row] for row in part["prompt_row"].to_list()], int(str(layer)) - 1
            ]
            apart = part["value"].to_numpy() - reference_values
            stderr = apart.std(ddof=1) / np.sqrt(len(apart))
            units.append(float(apart.mean() / stderr) if stderr > 0 else 0.0)
            means.append(float(part["value"].to_numpy().mean()))
            expected.append(float(reference_values.mean()))
        largest = max(abs(np.array(means) / np.array(expected) - 1))
        spread = f"{format_value(min(units))} to {format_value(max(units))}"
        n_prompts = each["prompt_row"].n_unique()
        yield Comparison(
            paper=f"{_PAPER} {theirs.preset}",
            figure="arrays",
            claim=f"dimension, neighbor {scale}, prompt by prompt",
            subject=reference,
            published=written(expected),
            ours=written(means),
            agreement="agrees" if largest <= 0.02 else "differs",
            note=f"mean difference {spread} of its standard errors over {n_prompts} prompts; largest "
            f"{format_value(100 * largest)} %, 2 % allowed",
            study="layers",
            first_layer=1,
            published_values=tuple(expected),
            our_values=tuple(means),
            differences=tuple(units),
        )
