"""What a neighbor graph says, in sentences with a verdict; the rules are listed in docs/neighbors.md."""

import polars as pl

from theodolite.core.number_format import format_count, format_percent, format_value
from theodolite.studies.finding import Finding
from theodolite.studies.neighbors.readings import GraphReadings, readings_of
from theodolite.studies.neighbors.summary import top_share
from theodolite.studies.reading import Reading, one_number

_HUBS = 0.1
"""Share of all neighbor places from which on the most popular hundredth of the points are called hubs."""


def find(frame: pl.DataFrame) -> list[Finding]:
    """Return the findings of a neighbors study.

    Parameters
    ----------
    frame : polars.DataFrame
        The study's table.

    Returns
    -------
    list of Finding
        Whether one number describes the dimension at every scale, and whether a few points are neighbors of many; none
        while blocks are missing.
    """
    readings = readings_of(frame)
    return [] if readings is None else [*_one_number(readings), _hubs(readings)]


def _one_number(readings: GraphReadings) -> list[Finding]:
    curve = [one for one in readings.estimates if one.method == "gride"]
    if len(curve) < 2:
        return []
    near, far = curve[0], curve[-1]
    verdict, said = one_number([Reading(one.value, one.stderr) for one in curve])
    return [
        Finding(
            id="one-number",
            claim="One number describes the table at every scale.",
            source="theodolite",
            verdict=verdict,
            evidence=f"GRIDE reads {Reading(near.value, near.stderr)} between neighbors {near.n1} and {near.n2}, and "
            f"{Reading(far.value, far.stderr)} between {far.n1} and {far.n2}. {said}",
            subject=readings.subject,
        )
    ]


def _hubs(readings: GraphReadings) -> Finding:
    hubs, share = readings.hubs, top_share(readings)
    advice = " They may make the readings at wider scales: `theodolite dimension` reads the table without short rows."
    return Finding(
        id="hubs",
        claim="A few points are neighbors of many.",
        source="Radovanović et al. 2010 (JMLR 11)",
        verdict="supported" if share >= _HUBS else "not supported",
        evidence=f"The most popular 1 % of points take {format_percent(share)} of all places among the {hubs.k} "
        f"nearest; the first is the neighbor of {format_count(hubs.maximum)} points "
        f"({format_value(hubs.maximum / hubs.k)} times the mean), and "
        f"{format_percent(hubs.n_antihubs / len(hubs.counts))} of points are nobody's."
        f"{advice if share >= _HUBS else ''}",
        subject=readings.subject,
    )
