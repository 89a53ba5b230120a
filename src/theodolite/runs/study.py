"""What a study must offer to be run, and the file that says which one to run."""

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeAlias, cast

import yaml

from theodolite.core.errors import FormatError, NotFoundError, ParameterError
from theodolite.runs.columns import Column
from theodolite.runs.folder.location import Location
from theodolite.runs.unit import Unit, UnitResult


class Study(Protocol):
    """One experiment: a module or an object with these names and nothing else.

    `NAME` is what the command line and the units call it. `VERSION` is raised when its numbers change. `COLUMNS` says
    what each column of a row means. `Config` is a frozen dataclass of JSON-able fields.
    """

    @property
    def NAME(self) -> str:  # noqa: N802
        """Name of the study."""

    @property
    def VERSION(self) -> int:  # noqa: N802
        """Raised when the numbers change."""

    @property
    def COLUMNS(self) -> Mapping[str, Column]:  # noqa: N802
        """The data dictionary of its rows."""

    @property
    def Config(self) -> type[Any]:  # noqa: N802
        """The frozen dataclass of its settings."""

    def plan(self, config: Any, /) -> Sequence[Unit]:
        """List the units of work, in the order of the table."""

    def run(self, unit: Unit, /) -> Sequence[Mapping[str, Any]] | UnitResult:
        """Do one unit; depends on nothing but `unit.params`."""


Resolver: TypeAlias = Mapping[str, "Study | str"] | Callable[[str], Study]
"""Study name to study; a mapping may name where it is, as `load_study` takes it."""


def find_study(name: str, resolve: Resolver | None, own: Study | None = None) -> Study:
    """Return the study called `name`.

    Parameters
    ----------
    name : str
        The `study` of a unit.
    resolve : mapping or callable, optional
        Where to look.
    own : Study, optional
        The study being executed, which needs no looking up.

    Returns
    -------
    Study
        The study, imported if the mapping only named it.

    Raises
    ------
    ParameterError
        If there is none of this name.

    Examples
    --------
    >>> find_study("dimensoin", {"dimension": "theodolite.studies.dimension.study"})
    Traceback (most recent call last):
    ...
    theodolite.core.errors.ParameterError: No study is called 'dimensoin'. Did you mean 'dimension'? Known: dimension.
    """
    if own is not None and name == own.NAME:
        return own
    if callable(resolve):
        return resolve(name)
    known = dict(resolve or {})
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        names = ", ".join(sorted({*known, *([own.NAME] if own is not None else [])})) or "none"
        raise ParameterError(f"No study is called {name!r}.{hint} Known: {names}.")
    found = known[name]
    return load_study(found) if isinstance(found, str) else found


def load_study(address: str) -> Study:
    """Import a study from where it is.

    Parameters
    ----------
    address : str
        "package.module", "package.module:name", or the path of a `.py` file.

    Returns
    -------
    Study
        The module, or the attribute of it.

    Examples
    --------
    >>> load_study("theodolite.studies.dimension.study").NAME
    'dimension'
    """
    if address.endswith(".py"):
        return cast(Study, _module_of(Path(address)))
    module, _, attribute = address.partition(":")
    loaded = import_module(module)
    return cast(Study, getattr(loaded, attribute) if attribute else loaded)


def _module_of(file: Path) -> ModuleType:
    """Import a file that is in no package, once."""
    name = f"theodolite_study_{file.stem}"
    if name not in sys.modules:
        spec = spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)  # where its dataclasses look for their module
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def study_file(name: str, version: int, config: Mapping[str, Any]) -> str:
    """Return the text of a `study.yaml` that runs exactly this again.

    Examples
    --------
    >>> print(study_file("dimension", 1, {"k": 64, "which": ["input"]}), end="")
    # Runs exactly this again: theodolite run study.yaml
    study: dimension
    version: 1
    config:
      k: 64
      which:
      - input
    """
    content = {"study": name, "version": version, "config": dict(config)}
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    if yaml.safe_load(body) != content:  # PyYAML writes U+0085 bare and reads it as a line break
        body = yaml.safe_dump(content, sort_keys=False, allow_unicode=False, width=120)
    return f"# Runs exactly this again: theodolite run study.yaml\n{body}"


def read_study_file(path: Location) -> tuple[str, int | None, dict[str, Any]]:
    """Read a `study.yaml`: name, version (None where it is not said) and settings.

    Parameters
    ----------
    path : pathlib.Path or UrlPath
        A YAML file with `study`, optionally `version`, and `config`. No YAML tags are followed.

    Returns
    -------
    tuple
        Study name, the version of the study that wrote the file or None, and the settings as a mapping for
        `config_from_mapping`.

    Raises
    ------
    NotFoundError
        If there is no such file.
    FormatError
        If it is not YAML, or not of this shape.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFoundError(
            f"Cannot read the study file {path}: {error.strerror}. Give a YAML file with `study` and `config`, "
            "such as the study.yaml in the folder of a run."
        ) from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not a text file in UTF-8. Give a YAML file with `study` and `config`.") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FormatError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("study"), str):
        raise FormatError(f"{path} does not say which study to run. It needs a line such as `study: dimension`.")
    unknown = [str(name) for name in content if name not in ("study", "version", "config")]
    if unknown:
        raise FormatError(f"{path} has the unknown entry {unknown[0]!r}. It may have study, version and config.")
    version, config = content.get("version"), content.get("config") or {}
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise FormatError(f"The version in {path} must be a whole number, not {version!r}.")
    if not isinstance(config, dict):
        raise FormatError(f"The config in {path} must be field names and values, not {config!r}.")
    return content["study"], version, config
