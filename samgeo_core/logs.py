"""Where log lines go, and what they look like."""

from __future__ import annotations

import logging
import sys

from samgeo_core.errors import ParameterError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
FORMATS = ("text", "json")
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logging(level: str = "INFO", log_format: str = "text") -> None:
    """Send the lines of the app and of the server that runs it to standard error.

    Args:
        level: the least that is told, one of `LEVELS`.
        log_format: "text" for people, "json" for programs: one object a line.

    Raises:
        ParameterError: another level or format.
    """
    if level not in LEVELS or log_format not in FORMATS:
        raise ParameterError(
            f"Logs have one of the levels {', '.join(LEVELS)} and the format text or json, got "
            f"{level!r} and {log_format!r}."
        )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(log_format))
    logging.getLogger().addHandler(handler)
    logging.getLogger("samgeo_core").setLevel(level)
    if log_format == "json":
        for name in ("streamlit", "uvicorn", "uvicorn.error", "uvicorn.access"):
            _retell(name, handler)


def _formatter(log_format: str) -> logging.Formatter:
    if log_format == "text":
        return logging.Formatter(_TEXT)
    from pythonjsonlogger.json import JsonFormatter

    return JsonFormatter(
        ["asctime", "levelname", "name", "message"],
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )


def _retell(name: str, handler: logging.Handler) -> None:
    """Let a server's logger, and those below it that have handlers of their own, use ours."""
    known = logging.root.manager.loggerDict
    for each in (name, *(other for other in known if other.startswith(f"{name}."))):
        logger = logging.getLogger(each)
        if each == name or logger.handlers:
            logger.handlers[:] = [handler]
            logger.propagate = False
