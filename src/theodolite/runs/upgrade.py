"""A folder that was begun before some settings existed: whether it may go on, and which of its units are the same.

A setting with a default may join a study without raising its `VERSION`: then its default does what was done before.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from theodolite.core.errors import RunError
from theodolite.core.hashing import canonical_json
from theodolite.runs.config import default_settings
from theodolite.runs.folder.manifest import Manifest, config_hash
from theodolite.runs.folder.store import PlannedUnit, Store
from theodolite.runs.study import Resolver, Study, find_study
from theodolite.runs.unit import SETTINGS, Unit


def may_go_on(manifest: Manifest, study: Study, settings: Mapping[str, Any]) -> bool:
    """Say whether a run is one of this study and these settings, but for settings that came later.

    Parameters
    ----------
    manifest : Manifest
        Of the run.
    study : Study
        As it is now.
    settings : Mapping
        As `config_to_mapping` gives them.

    Returns
    -------
    bool
        True where every setting of the manifest has the same value now, and those that it lacks stand at their default.
    """
    stated = manifest["config_sha256"]
    if stated == config_hash(study.NAME, study.VERSION, settings):
        return True
    before = manifest["config"]
    if stated != config_hash(study.NAME, study.VERSION, before):  # another study or version, or edited by hand
        return False
    usual = default_settings(study.Config)
    now = {name: value for name, value in settings.items() if name in before or not _is(usual, name, value)}
    return canonical_json(now) == canonical_json(before)


def begun_before(folder: Path, study: Study, settings: Mapping[str, Any]) -> bool:
    """Say whether a folder holds a run that may go on under these settings."""
    store = Store(folder)
    try:
        return store.exists() and may_go_on(store.read_manifest(), study, settings)
    except RunError:  # what is damaged is nobody's run
        return False


def as_before(
    units: Sequence[Unit], before: Sequence[PlannedUnit], resolve: Resolver | None, own: Study | None
) -> list[Unit]:
    """Give units the keys that they have in the folder, where only settings that came later keep them apart.

    Parameters
    ----------
    units : sequence of Unit
        The plan as it is made now.
    before : sequence of PlannedUnit
        The plan of the folder.
    resolve : mapping or callable, optional
        Where the studies of units are found that are not `own`.
    own : Study, optional
        The study being executed.

    Returns
    -------
    list of Unit
        In the same order. A unit that the folder does not know stays as it is.
    """
    keys = {unit.key for unit in before}
    if all(unit.key in keys for unit in units):
        return list(units)
    known: dict[str, set[str]] = {}
    for planned in before:
        known.setdefault(planned.study, set()).update(_settings(planned.params).keys() - set(planned.later))
    usual = {name: default_settings(find_study(name, resolve, own).Config) for name in known}
    return [
        unit
        if unit.key in keys or unit.study not in known
        else _known(unit, keys, usual[unit.study], known[unit.study])
        for unit in units
    ]


def _known(unit: Unit, keys: set[str], usual: Mapping[str, Any], known: set[str]) -> Unit:
    """Return the unit under the key that the folder has for it, or as it is."""
    params = unit.params
    later = sorted(name for name, value in _settings(params).items() if name not in known and _is(usual, name, value))
    renamed = Unit(
        study=unit.study, version=unit.version, params=params, group=unit.group, label=unit.label, later=later
    )
    return renamed if renamed.key in keys else unit


def _settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what lies among the params and in their entry "settings"."""
    inner = params.get(SETTINGS)
    return {**params, **(inner if isinstance(inner, Mapping) else {})}


def _is(usual: Mapping[str, Any], name: str, value: Any) -> bool:
    return name in usual and canonical_json(usual[name]) == canonical_json(value)
