"""What a server that was killed had only begun to write: nobody is ever given it, and it goes."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)

_BEGINS = (".writing-", ".bundle-", ".key-")
_ENDS = (".part",)


def remove_unfinished(root: Path, before: float) -> int:
    """Remove temporary files and folders below a folder; returns how many.

    Args:
        root: of the store.
        before: seconds since 1970; what was changed later belongs to a server that lives.
    """
    removed = 0
    for parent, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = Path(parent, name)
            if not _is_temporary(name) or not _is_older(path, before):
                continue
            if name in folders:
                folders.remove(name)
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
            removed += 1
    if removed:
        logger.info("Removed %d things that a former server had only begun to write", removed)
    return removed


def _is_temporary(name: str) -> bool:
    return name.startswith(_BEGINS) or name.endswith(_ENDS)


def _is_older(path: Path, moment: float) -> bool:
    try:
        return path.stat().st_mtime < moment
    except FileNotFoundError:
        return False
