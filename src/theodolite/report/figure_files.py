"""Figures as files: the same bytes for the same frame, and the data behind each figure beside it."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

import matplotlib as mpl
import polars as pl
from matplotlib.figure import Figure

from theodolite.core.errors import ParameterError
from theodolite.report.drawings import Drawing, drawings, quiet_about_glyphs
from theodolite.report.figures import FAMILIES
from theodolite.report.figures.canvas import STYLES, Layout, Style, house_style
from theodolite.report.figures.family import FigureFamily

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

Format = Literal["svg", "png", "pdf"]

FOLDER = "figures"
_DPI = 200
_NO_TRACES: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None, "Type": None, "Format": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save_figures(
    run_path: Path | str,
    frame: pl.DataFrame,
    *,
    families: Iterable[FigureFamily] = FAMILIES,
    formats: Sequence[Format] = ("svg", "png"),
    style: Style = "slides",
) -> list[Path]:
    """Draw every figure that the frame has rows for, and write it with its data.

    Parameters
    ----------
    run_path : Path or str
        Folder of the run; files go to its folder `figures`, those for a paper to a folder of the style inside.
    frame : polars.DataFrame
        Rows of a study.
    families : iterable of FigureFamily
        The study's figures; by default those of tables.
    formats : sequence of {"svg", "png", "pdf"}
        Kinds of file.
    style : {"slides", "one-column", "two-column"}
        As wide as a slide (as in a report), or as one column (3.35 inches) or two (6.9 inches) of a paper.

    Returns
    -------
    list of Path
        The files written: `<name>.<format>` and `<name>.csv`.
    """
    layout, width = STYLES[style]
    folder = Path(run_path) / FOLDER
    drawn = drawings(frame, families, layouts=(layout,), width=width)
    return _save(folder if style == "slides" else folder / style, drawn, formats, layout)


def save_drawings(
    run_path: Path | str, drawn: Iterable[Drawing], *, formats: Sequence[Format] = ("svg", "png")
) -> list[Path]:
    """Write figures that are drawn already, as wide as in a report, with their data.

    Parameters
    ----------
    run_path : Path or str
        Folder of the run; files go to its folder `figures`.
    drawn : iterable of Drawing
        The figures.
    formats : sequence of {"svg", "png", "pdf"}
        Kinds of file.

    Returns
    -------
    list of Path
        The files written: `<name>.<format>` and `<name>.csv`.
    """
    return _save(Path(run_path) / FOLDER, drawn, formats, "wide")


def _save(folder: Path, drawn: Iterable[Drawing], formats: Sequence[Format], layout: Layout) -> list[Path]:
    written = []
    for drawing in drawn:
        folder.mkdir(parents=True, exist_ok=True)
        name = drawing.family.name
        for kind in formats:
            written.append(folder / f"{name}.{kind}")
            written[-1].write_bytes(figure_bytes(drawing.figures[layout], kind))
        written.append(folder / f"{name}.csv")
        drawing.data.write_csv(written[-1])
    return written


def figure_bytes(figure: Figure, kind: Format = "svg", *, text_as: Literal["path", "none"] = "path") -> bytes:
    """Return a figure as a file's content, the same for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A figure of this package or any other.
    kind : {"svg", "png", "pdf"}
        Kind of file.
    text_as : {"path", "none"}
        For svg: letters as outlines, which look the same everywhere, or as text.

    Returns
    -------
    bytes
        Content of the file.
    """
    buffer = io.BytesIO()
    settings: dict[RcKeyType, object] = {"svg.fonttype": text_as, "svg.hashsalt": "theodolite", "pdf.fonttype": 42}
    with house_style(), mpl.rc_context(settings), quiet_about_glyphs(), _laid_out(figure):
        background = "white" if kind == "png" else "none"
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata=_NO_TRACES[kind], facecolor=background)
    return buffer.getvalue()


def save_figure(figure: Figure, path: Path | str) -> Path:
    """Write a figure to a file, the same bytes for the same figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Such as `figure` returned it, changed or not.
    path : Path or str
        Ends with .pdf (letters embedded as TrueType), .svg (letters as outlines) or .png (200 dots per inch).

    Returns
    -------
    Path
        The file. It holds no date, no name of a program and no version.

    Raises
    ------
    ParameterError
        If the name ends otherwise.
    """
    path = Path(path)
    kind = path.suffix.removeprefix(".").lower()
    if kind not in get_args(Format):
        raise ParameterError(f"A figure cannot be written as {path.name!r}. End its name with .pdf, .svg or .png.")
    path.write_bytes(figure_bytes(figure, cast(Format, kind)))
    return path


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Lay a figure out once; left to itself, matplotlib draws it twice to do so."""
    engine = figure.get_layout_engine()
    if engine is None:
        yield
        return
    engine.execute(figure)
    figure.set_layout_engine(None)
    try:
        yield
    finally:
        figure.set_layout_engine(engine)
