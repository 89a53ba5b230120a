"""What can be asked for as features of a probe, by name (light: no torch, no polars)."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from theodolite.core.errors import ParameterError

Measure = Literal[
    "twonn",
    "mle",
    "mom",
    "mada",
    "adaptive",
    "ess",
    "tle",
    "local_twonn",
    "local_pca",
    "correlation_dimension",
    "fisher_separability",
    "persistence_dimension",
    "participation_ratio",
    "norm",
    "mean_cosine",
    "overlap",
    "angle",
    "all",
]


class Reading(NamedTuple):
    """Where a measure stands in the table, and what it is called."""

    measure: str
    method: str | None
    scale: int | None
    name: str


ADAPTIVE_LEAST = 4
"""Neighbors without which none can be chosen from."""
MLE_K, ESS_K, TLE_K, OVERLAP_K, LOCAL_K, CORRELATION_K = 20, 10, 20, 10, 20, (10, 20)
"""Neighbors of measures that have a scale, MOM and MADA as MLE; the authors' but for MLE, MOM and the local ones."""
MEASURES: dict[str, Reading] = {
    "twonn": Reading("dimension", "twonn", 2, "TwoNN"),
    "mle": Reading("dimension", "mle", MLE_K, f"MLE ({MLE_K})"),
    "mom": Reading("dimension", "mom", MLE_K, f"MOM ({MLE_K})"),
    "mada": Reading("dimension", "mada", MLE_K, f"MADA ({MLE_K})"),
    "adaptive": Reading("dimension", "adaptive", None, "adaptive"),
    "ess": Reading("dimension", "ess", ESS_K, f"ESS ({ESS_K})"),
    "tle": Reading("dimension", "tle", TLE_K, f"TLE ({TLE_K})"),
    "local_twonn": Reading("dimension", "local_twonn", LOCAL_K, f"local TwoNN ({LOCAL_K})"),
    "local_pca": Reading("dimension", "local_pca", LOCAL_K, f"local PCA ({LOCAL_K})"),
    "correlation_dimension": Reading("dimension", "correlation_dimension", CORRELATION_K[1], "CorrInt (10 and 20)"),
    "fisher_separability": Reading("dimension", "fisher_separability", None, "Fisher separability"),
    "persistence_dimension": Reading("dimension", "persistence_dimension", None, "PHdim"),
    "participation_ratio": Reading("participation_ratio", None, None, "participation ratio"),
    "norm": Reading("norm", "mean", None, "norm"),
    "mean_cosine": Reading("mean_cosine", "without_diagonal", None, "mean cosine"),
    "overlap": Reading("overlap", None, OVERLAP_K, f"overlap ({OVERLAP_K})"),
    "angle": Reading("angle", None, None, "angle"),
}
"""One number of every layer each, beside dimension and entropy: dimensions by other estimators (in brackets their
neighbors), participation ratio, mean length, mean cosine between tokens, share of the nearest neighbors kept from the
layer below (from layer 2 on), and mean angle between the directions to the two nearest."""

ALWAYS = ("dimension", "entropy")
EVERYTHING = "all"
"""In place of measures: all of them. In place of features: all that were measured."""
UNIONS = {"combined": ALWAYS, EVERYTHING: (*ALWAYS, *MEASURES)}
"""Several measures read together."""


def parts_of(features: str) -> tuple[str, ...]:
    """Return the measures that a set of features is made of.

    Parameters
    ----------
    features : str
        A name, or several with a plus between them.

    Returns
    -------
    tuple of str
        For `all`, those that may have been measured.

    Raises
    ------
    ParameterError
        If a name is unknown, or occurs twice.

    Examples
    --------
    >>> parts_of("dimension+norm"), parts_of("combined")
    (('dimension', 'norm'), ('dimension', 'entropy'))
    """
    names = features.split("+")
    known = (*ALWAYS, *UNIONS, *MEASURES)
    for name in names:
        if name not in known:
            raise ParameterError(
                f"There are no features {name!r} of layers. Ask for {', '.join(known[:-1])} or {known[-1]}, or for "
                "several with a plus between them, such as dimension+norm."
            )
    found = [part for name in names for part in UNIONS.get(name, (name,))]
    if len(set(found)) < len(found):
        raise ParameterError(f"features={features!r} names a measure twice. Name each once.")
    return tuple(found)


def measured_with(measures: Iterable[str], features: str) -> tuple[str, ...]:
    """Return what to measure beside dimension and entropy: what was asked for, and what the saved probe reads.

    Parameters
    ----------
    measures : iterable of str
        Names of `MEASURES`, or `all`.
    features : str
        What the saved probe reads.

    Returns
    -------
    tuple of str
        In the order of `MEASURES`.

    Raises
    ------
    ParameterError
        If a name is unknown.

    Examples
    --------
    >>> measured_with(("norm",), "dimension+ess")
    ('ess', 'norm')
    """
    wanted = set(measures)
    unknown = sorted(wanted - {EVERYTHING, *MEASURES})
    if unknown:
        raise ParameterError(
            f"measures={unknown[0]!r} is nothing that can be measured of a layer beside dimension and entropy. Take "
            f"some of {', '.join(MEASURES)}, or {EVERYTHING}."
        )
    wanted |= set() if features == EVERYTHING else set(parts_of(features))
    return tuple(name for name in MEASURES if name in wanted or EVERYTHING in wanted)
