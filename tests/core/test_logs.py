"""Log lines for people and for programs, from a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.logs import set_up_logging

SCRIPT = """
import logging
from samgeo_core.logs import set_up_logging
logging.getLogger("streamlit.web").addHandler(logging.StreamHandler())
set_up_logging("WARNING", "{}")
logging.getLogger("samgeo_core.web").info("not told")
logging.getLogger("samgeo_core.web").warning("Run %s failed", "abc")
logging.getLogger("streamlit.web").error("a page broke")
"""


def _lines(log_format: str) -> list[str]:
    script = SCRIPT.format(log_format)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stderr.splitlines()


def test_programs_get_one_object_a_line_from_all_of_the_server() -> None:
    first, second = map(json.loads, _lines("json"))
    assert (first["level"], first["logger"]) == ("WARNING", "samgeo_core.web")
    assert first["message"] == "Run abc failed"
    assert first["time"][:2] == "20"
    assert (second["logger"], second["message"]) == ("streamlit.web", "a page broke")


def test_people_get_text() -> None:
    first, *_ = _lines("text")
    assert first.endswith("WARNING samgeo_core.web: Run abc failed")


@pytest.mark.parametrize(("level", "log_format"), [("LOUD", "text"), ("INFO", "xml")])
def test_other_levels_and_formats_are_refused(level: str, log_format: str) -> None:
    with pytest.raises(ParameterError, match="DEBUG, INFO"):
        set_up_logging(level, log_format)
