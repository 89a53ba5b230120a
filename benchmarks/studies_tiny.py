"""A study of units that do nothing: what is left is what a unit costs beside its work."""

from dataclasses import dataclass

from theodolite.runs import Column, Unit

NAME = "tiny"
VERSION = 1
COLUMNS = {
    "number": Column(dtype="int", meaning="which unit"),
    "place": Column(dtype="int", meaning="which row of the unit"),
    "name": Column(dtype="str", meaning="a text"),
    "value": Column(dtype="float", meaning="a number"),
}


@dataclass(frozen=True, kw_only=True)
class Config:
    n_units: int = 1000


def plan(config):
    groups = max(1, config.n_units // 1000)
    return [
        Unit(
            study=NAME,
            version=VERSION,
            params={"number": number, "reference": "hub:some/model", "revision": "main", "k": 64, "seed": 0},
            group=f"model {number * groups // config.n_units}",
            label=f"hub:some/model prompts {number}",
        )
        for number in range(config.n_units)
    ]


def run(unit):
    number = unit.params["number"]
    return [{"number": number, "place": place, "name": "a token", "value": number / (place + 1)} for place in range(4)]
