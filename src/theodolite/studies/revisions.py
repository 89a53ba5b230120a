"""A model and its revision, as rows hold them and as people read them."""

from dataclasses import replace

import polars as pl

from theodolite.tables import Reference

MAIN = "main"
"""The revision of what has only one."""


def model_and_revision(reference: Reference | str) -> tuple[str, str]:
    """Return a reference without revision and tensor, and its revision.

    Parameters
    ----------
    reference : Reference or str
        Of a model or table.

    Returns
    -------
    tuple of (str, str)
        The columns `model` and `revision` of a row.

    Examples
    --------
    >>> model_and_revision("bundled:pocket-128@step0#wte.weight"), model_and_revision("./model")
    (('bundled:pocket-128', 'step0'), ('./model', 'main'))
    """
    parsed = Reference.parse(reference) if isinstance(reference, str) else reference
    return str(replace(parsed, revision=None, selector=None)), parsed.revision or MAIN


def model_name(model: object, revision: object) -> str:
    """Return what a sentence calls a model: with its revision, unless that is the main one.

    Examples
    --------
    >>> model_name("bundled:pocket-128", "main"), model_name("bundled:pocket-128", "step0")
    ('bundled:pocket-128', 'bundled:pocket-128@step0')
    """
    return str(model) if revision in (None, MAIN) else f"{model}@{revision}"


def named_model() -> pl.Expr:
    """Return the expression of `model_name` over the columns `model` and `revision`.

    Examples
    --------
    >>> rows = pl.DataFrame({"model": ["one", "one", "two"], "revision": ["main", "step0", None]})
    >>> rows.select(named_model())["model"].to_list()
    ['one', 'one@step0', 'two']
    """
    is_main = pl.col("revision").fill_null(MAIN) == MAIN
    return pl.when(is_main).then("model").otherwise(pl.format("{}@{}", "model", "revision")).alias("model")
