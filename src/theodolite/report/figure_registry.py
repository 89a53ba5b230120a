"""Every figure by name: from a run or a frame to a matplotlib Figure that may be changed before it is saved."""

import difflib
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from theodolite.core.errors import NotFoundError, ParameterError
from theodolite.report.chapters import CHAPTERS, chapter_of
from theodolite.report.figures.canvas import STYLES, Style
from theodolite.report.figures.family import FigureFamily
from theodolite.runs import Run, open_run
from theodolite.studies import resolve
from theodolite.studies.reported import rows_of


def figure_names(study: str | None = None) -> list[str]:
    """List the figures of a study, or of all studies.

    Parameters
    ----------
    study : str, optional
        Such as `layers`; the figures of a survey are those of its parts.

    Returns
    -------
    list of str
        Names for `figure`, in the order of a report.

    Raises
    ------
    ParameterError
        If no study is called so.

    Examples
    --------
    >>> figure_names("rank")
    ['perplexity_against_rank', 'loss_increase_against_rank']
    """
    if study is not None and study not in CHAPTERS:
        raise ParameterError(f"No study is called {study!r}. Known: {', '.join(CHAPTERS)}.")
    return list(_families(study))


def figure(name: str, source: Run | pl.DataFrame | Path | str, *, style: Style = "slides") -> Figure:
    """Draw one figure of a run.

    Parameters
    ----------
    name : str
        One of `figure_names`.
    source : Run, polars.DataFrame, Path or str
        A run, its folder, or rows of a study.
    style : {"slides", "one-column", "two-column"}
        As wide as a slide (as in a report), or as one column (3.35 inches) or two (6.9 inches) of a paper.

    Returns
    -------
    matplotlib.figure.Figure
        Change what you like, then `theodolite.report.save_figure`.

    Raises
    ------
    NotFoundError
        If there is no figure of this name, or the rows hold nothing that it shows.
    ParameterError
        If there is no such style.

    Examples
    --------
    >>> import tempfile
    >>> import theodolite as td
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = td.run("dimension", references=["bundled:pocket-64"], which=["input"], nulls=[], out=folder)
    ...     drawn = figure("dimension_over_scale", run, style="one-column")
    >>> float(drawn.get_figwidth())
    3.35
    """
    if style not in STYLES:
        raise ParameterError(f"style={style!r} is not known. Choose one of {', '.join(STYLES)}.")
    study = None
    if not isinstance(source, pl.DataFrame):
        run = source if isinstance(source, Run) else open_run(source)
        study = str(run.manifest["study"])
        source = rows_of(run, resolve(study))
    elif "study" in source.columns:
        study = "survey"
    known = _families(study)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise NotFoundError(
            f"There is no figure {name!r}{f' of {study}' if study else ''}.{hint} Known: {', '.join(known)}."
        )
    layout, width = STYLES[style]
    drawn = next((found for one in known[name] if (found := one.draw(source, layout=layout)) is not None), None)
    if drawn is None:
        raise NotFoundError(f"There is nothing to draw: the rows hold no number that {name!r} shows.")
    drawn.set_figwidth(width)
    return drawn


def _families(study: str | None) -> dict[str, list[FigureFamily]]:
    """Return the figures of a study by name; of all studies where none is named, the same name once for each."""
    studies = [study] if study is not None else [name for name in CHAPTERS if name != "survey"]
    found: dict[str, list[FigureFamily]] = {}
    for family in (family for one in studies for family in chapter_of(one).families):
        found.setdefault(family.name, []).append(family)
    return found
