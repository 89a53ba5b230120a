"""What `mkdocs build` adds to docs/: the README as home, results of benchmarks, pages from the code, notebooks."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import site_notebooks
import site_reference
from site_links import PAGES, rewrite_links, site_path

ROOT = Path(__file__).parent.parent


def on_files(files: Files, config: Any) -> Files:
    """Add what the site shows beside docs/; notebooks become pages."""
    for path in (*PAGES, *(str(one.relative_to(ROOT)) for one in sorted((ROOT / "benchmarks/results").glob("*.md")))):
        file = _file(config, site_path(path) or path, (ROOT / path).read_bytes())
        file.repository_path = path
        files.append(file)
    for path, text in site_reference.pages():
        files.append(_file(config, path, text.encode()))
    for file in [one for one in files if one.src_uri.endswith(".ipynb")]:
        files.remove(file)
        name = Path(file.src_uri).stem
        text, pictures = site_notebooks.page(site_notebooks.read(file.content_bytes), name)
        folder = file.src_uri.rpartition("/")[0]
        page = _file(config, f"{folder}/{name}.md", text.encode())
        page.repository_path = f"docs/{file.src_uri}"
        files.append(page)
        for picture, content in pictures.items():
            files.append(_file(config, f"{folder}/{picture}", content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to other files of the repository at where the site has them."""
    home = getattr(page.file, "repository_path", None)
    if home is None:
        home = f"docs/{page.file.src_uri}" if page.file.generated_by is None else ""
    return rewrite_links(markdown, home) if home else markdown


def _file(config: Any, path: str, content: bytes) -> File:
    return File.generated(config, path, content=content)
