"""Reports under axe: no rule broken whose breach shuts a reader out."""

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

RULES = {"resultTypes": ["violations"]}


def violations(page):
    """Return what axe finds, with the first places."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{one['impact']} {one['id']}: {', '.join(str(node['target']) for node in one['nodes'][:4])}" for one in found
    ]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", ["table", "layers"])
def test_no_rule_is_broken(visit, request, kind, dark):
    with visit(request.getfixturevalue(f"{kind}_page"), dark=dark) as seen:
        seen.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert violations(seen.page) == []


def test_axe_is_really_asked(visit, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text("<!DOCTYPE html><html><title>x</title><main><h1>x</h1><button></button></main></html>")
    with visit(page) as seen:
        assert any(one.startswith("critical button-name") for one in violations(seen.page))
