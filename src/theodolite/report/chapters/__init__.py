"""The chapter of each study; a new study adds a line here."""

from importlib import import_module
from typing import cast

from theodolite.report.chapter import Chapter

CHAPTERS = {
    "dimension": "theodolite.report.chapters.tables",
    "layers": "theodolite.report.chapters.layers",
    "neighbors": "theodolite.report.chapters.neighbors",
    "probe": "theodolite.report.chapters.probe",
    "rank": "theodolite.report.chapters.rank",
    "similarity": "theodolite.report.chapters.similarity",
    "survey": "theodolite.report.chapters.survey",
    "training": "theodolite.report.chapters.training",
    "transfer": "theodolite.report.chapters.transfer",
}


def chapter_of(study: str) -> Chapter:
    """Return the chapter of a study, imported now if it was not yet.

    Parameters
    ----------
    study : str
        A name of `CHAPTERS`; any other is shown as a study of tables.

    Returns
    -------
    Chapter
        The `CHAPTER` of its module.
    """
    return cast(Chapter, import_module(CHAPTERS.get(study, CHAPTERS["dimension"])).CHAPTER)
