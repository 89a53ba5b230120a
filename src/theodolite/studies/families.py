"""Model families by name: one word for the models of a suite (light: names only, nothing is looked up)."""

from theodolite.core.errors import ParameterError

_PYTHIA = ("14m", "31m", "70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
_POCKETS = ("64", "128", "128-b", "256")
FAMILIES = {
    "pocket": tuple(f"bundled:pocket-{size}" for size in _POCKETS),
    "pythia": tuple(f"hub:EleutherAI/pythia-{size}" for size in _PYTHIA),
    "pythia-deduped": tuple(f"hub:EleutherAI/pythia-{size}-deduped" for size in _PYTHIA if size not in ("14m", "31m")),
}
"""Name to the references of its models, smallest first."""


def family_references(name: str) -> tuple[str, ...]:
    """Return the references of a family's models, smallest first.

    Parameters
    ----------
    name : str
        A name of `FAMILIES`.

    Returns
    -------
    tuple of str
        References as `load_table` takes them.

    Raises
    ------
    ParameterError
        If no family is called so; the message lists those there are.

    Examples
    --------
    >>> family_references("pythia")[:2]
    ('hub:EleutherAI/pythia-14m', 'hub:EleutherAI/pythia-31m')
    """
    if name not in FAMILIES:
        raise ParameterError(
            f"No family is called {name!r}. Known: {', '.join(FAMILIES)}. Or name the models themselves."
        )
    return FAMILIES[name]
