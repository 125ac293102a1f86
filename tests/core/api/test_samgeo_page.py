"""The page for users of samgeo names nothing that isn't there."""

from __future__ import annotations

import re

from samgeo_core import SamGeo
from samgeo_core.settings import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs" / "samgeo.md").read_text("utf-8")


def test_calls_that_are_the_same_are_there() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", PAGE, re.MULTILINE)
    same = [left for left, right in rows if right == "the same" and "sam." not in left]
    names = {name for left in same for name in re.findall(r"`(\w+)", left)} - {"SamGeo"}
    assert len(names) >= 12
    assert [name for name in sorted(names) if not callable(getattr(SamGeo, name, None))] == []


def test_what_its_script_calls_is_there() -> None:
    (script,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    called = set(re.findall(r"sam\.(\w+)\(", script))
    assert called and all(callable(getattr(SamGeo, name)) for name in called)
    compile(script, "docs/samgeo.md", "exec")
