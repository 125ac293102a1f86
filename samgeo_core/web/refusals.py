"""What a machine says that has run out of memory or of disk, as sentences."""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Iterator

from samgeo_core.errors import DiskFullError, MemoryFullError, SamGeoError
from samgeo_core.words import N_

NO_MEMORY = N_("The server has too little memory left for this: try it again in a minute.")
NO_ROOM = N_("The server's disk is full: ask who runs the server to make room, and try it again.")

_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_WORDS = re.compile(r"no space left on device|disk quota exceeded|disk is full", re.IGNORECASE)
# NOTE: torch has an error of its own on a GPU and a plain RuntimeError on a CPU; Python can't start
# a thread whose stack finds no room; GDAL and GEOS have words of their own.
_MEMORY_ERRORS = frozenset({"OutOfMemoryError", "CPLE_OutOfMemoryError", "ArrayMemoryError"})
_MEMORY_WORDS = re.compile(
    r"can(no|')t allocate|can't start new thread|out of memory|bad_alloc", re.IGNORECASE
)


def refusal_of(error: BaseException) -> SamGeoError | None:
    """The sentence for an error by which a machine tells that it has no more room.

    Args:
        error: what was raised; what caused it is looked at, too.

    Returns:
        None where it is about something else.
    """
    for one in _chain(error):
        if _is_disk(one):
            return DiskFullError(NO_ROOM)
        if _is_memory(one):
            return MemoryFullError(NO_MEMORY)
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_disk(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in _DISK_ERRORS
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL")
    return _is_told_elsewhere(error) and bool(_DISK_WORDS.search(str(error)))


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__.lstrip("_") in _MEMORY_ERRORS:
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return _is_told_elsewhere(error) and bool(_MEMORY_WORDS.search(str(error)))


def _is_told_elsewhere(error: BaseException) -> bool:
    """Whether an error's words are a library's: ours may name files as visitors call them."""
    return not isinstance(error, SamGeoError)
