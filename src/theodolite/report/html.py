"""What every page is made with: templates, assets, a policy that lets nothing in, a file that is whole or absent."""

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import jinja2

from theodolite.core.visible import visible

FILE_NAME = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"
_SCRIPTS = ("report.js", "figures.js", "explorer.js", "prompts.js")
_STYLES = ("report.css", "live.css")


def write_page(folder: Path, page: str) -> Path:
    """Write a page into a folder; it replaces an older one only once it is complete."""
    path = folder / FILE_NAME
    unfinished = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(path)
    return path


def environment() -> jinja2.Environment:
    """Return the templates; every string is made visible and escaped."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    return made


def _finalize(value: Any) -> Any:
    """Make every string visible and savable before it is escaped; keep an error on the line of its value."""
    return visible(value).replace(" ± ", "\u00a0±\u00a0") if type(value) is str else value


def asset(name: str) -> str:
    """Return the text of a file beside the templates."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def page_style() -> str:
    """Return the style of a page: the still parts, then those that a script makes."""
    return "".join(asset(name) for name in _STYLES)


def page_script() -> str:
    """Return the script of a page: its files in one scope of their own."""
    return '(function () {\n"use strict";\n' + "\n".join(asset(name) for name in _SCRIPTS) + "})();\n"


def policy(script: str) -> str:
    """Return the content security policy: nothing from anywhere, no script but the one with this hash."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'; base-uri 'none'; "
        "form-action 'none'"
    )
