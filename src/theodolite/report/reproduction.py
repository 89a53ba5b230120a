"""The page of a reproduction: figure by figure, what the paper says beside what we find."""

from pathlib import Path

from markupsafe import Markup

from theodolite.report.citations import cited
from theodolite.report.html import FILE_NAME, asset, environment, policy, write_page
from theodolite.studies.reproduce.comparison import Comparison
from theodolite.studies.reproduce.reproduction import Reproduction

_NO_SCRIPT = ""
_ANSWERED = {"kataiwa2025": ("quemy2026",)}


def write_reproduction(found: Reproduction) -> Path:
    """Write `report.html` into the folder of a reproduction.

    Parameters
    ----------
    found : Reproduction
        Its studies' own reports are linked where they are there.

    Returns
    -------
    Path
        The page. It replaces an older one only once it is complete.
    """
    return write_page(found.path, render_reproduction(found))


def render_reproduction(found: Reproduction) -> str:
    """Return the page of a reproduction as text.

    Parameters
    ----------
    found : Reproduction
        With its comparisons.

    Returns
    -------
    str
        A page that loads nothing, runs no script, and escapes every string it was given.
    """
    figures: dict[str, list[Comparison]] = {}
    for one in found.comparisons:
        figures.setdefault(one.figure, []).append(one)
    studies = [one.part.study for one in found.outcomes]
    paper = found.title.split()[0]
    partial = [one.part.study for one in found.outcomes if one.run is not None and one.run.status == "partial"]
    banners = ["Made with few rows, prompts and steps: to see that everything runs, not for a result."]
    banners = (banners if found.quick else []) + [
        f"Some units of the {study} study failed: its numbers leave them out." for study in partial
    ]
    return (
        environment()
        .get_template("reproduction.html.j2")
        .render(
            style=Markup(asset("report.css")),
            policy=policy(_NO_SCRIPT),
            title=f"Reproduction of {found.title}",
            name=found.path.name,
            tally=found.tally,
            banners=banners,
            figures=figures,
            reports={study: f"{study}/{FILE_NAME}" for study in studies if (found.path / study / FILE_NAME).is_file()},
            outcomes=found.outcomes,
            citations=cited([paper, *_ANSWERED.get(paper, ())]),
        )
    )
