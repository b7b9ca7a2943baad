"""The documentation of the kit, as a test module of a user: its blocks run, and its tests pass."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_tests_on_the_page_pass(users_pytest, tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "test_it.py").write_text("\n".join(blocks))
    updated = users_pytest("--fastdag-update")
    assert "2 passed" in updated.stdout, updated.stdout
    assert "| product | refused | 502 |" in (tmp_path / "snapshots" / "product_page.md").read_text()
    again = users_pytest("-s")
    assert "2 passed" in again.stdout
    (printed,) = re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert printed in again.stdout
