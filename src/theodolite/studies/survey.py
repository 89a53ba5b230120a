"""The main job: everything theodolite can say about the models given, planned as units of the studies.

So far that is the dimension of their embedding tables, and of the tables of their training checkpoints.
"""

from dataclasses import asdict

from theodolite import bundled
from theodolite.runs import Unit
from theodolite.studies import dimension, table_config
from theodolite.studies.families import family_references
from theodolite.studies.survey_config import Config
from theodolite.studies.table_columns import COLUMNS
from theodolite.studies.table_findings import find
from theodolite.studies.table_summary import summarize, summary_frame

__all__ = ["COLUMNS", "NAME", "VERSION", "Config", "find", "plan", "run", "summarize", "summary_frame"]

NAME = "survey"
VERSION = 1

run = dimension.run


def plan(config: Config) -> list[Unit]:
    """List the units of every study that the survey holds.

    Parameters
    ----------
    config : Config
        What to survey; without references, the bundled family.

    Returns
    -------
    list of Unit
        Units of the study `dimension`.
    """
    settings = asdict(config)
    if settings.pop("family") is not None:
        settings["references"] = (*config.references, *family_references(config.family or ""))
    elif not config.references and not config.checkpoints:
        family = bundled.family()
        settings["references"] = tuple(f"bundled:{model.name}" for model in family.models)
        settings["checkpoints"] = tuple(
            f"bundled:{model.name}@*" for model in family.models if len(model.revisions) > 1
        )
    return dimension.plan(table_config.Config(**settings))
