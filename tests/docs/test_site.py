"""The docs as a site: it builds without a warning, loads nothing from elsewhere, and its search works from a folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "mkdocs.yml").exists(), reason="needs a checkout")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site as `make docs` does; a warning is an error."""
    pytest.importorskip("material", reason="needs the extra [docs]")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_it_builds_and_holds_every_page(site):
    for page in ("index.html", "tour.html", "api/dimension.html", "reference/columns.html", "notebooks/lee2025.html"):
        assert (site / page).is_file()
    assert "Attributes:" in (site / "api" / "dimension.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_it_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]+src=\"([^\"]+)\"", text)
        loaded += re.findall(r"<link[^>]+rel=\"(?:stylesheet|icon|preconnect|preload)\"[^>]*href=\"([^\"]+)\"", text)
        assert [one for one in loaded if "//" in one] == [], page.name


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_search_works_from_a_folder(site, chromium, browser_patience):
    page = chromium.new_page()
    page.set_default_timeout(browser_patience)
    page.goto((site / "index.html").as_uri())
    page.locator("[data-md-component=search-query]").fill("twonn")
    page.locator(".md-search-result__item").nth(4).wait_for(state="attached")
    page.close()


def test_links_are_moved_to_where_the_site_has_the_page(tool):
    rewrite = tool("site_links").rewrite_links
    assert rewrite("[a](docs/tour.md#x) [b](CHANGELOG.md)", "README.md") == "[a](tour.md#x) [b](changelog.md)"
    assert rewrite("[a](../benchmarks/results/scale.md)", "docs/cost.md") == "[a](benchmarks/scale.md)"
    assert rewrite("[a](neighbors.md)", "benchmarks/results/scale.md") == "[a](neighbors.md)"
    assert rewrite("[a](notebooks/lee2025.ipynb)", "docs/lee2025.md") == "[a](notebooks/lee2025.md)"
    assert rewrite("[a](docs/notebooks)", "README.md") == "[a](notebooks/kataiwa2025.md)"
    kept = "[a](https://arxiv.org) [b](#here) [c](src/nowhere.py)\n```\n[d](docs/tour.md)\n```\n"
    assert rewrite(kept, "README.md") == kept
