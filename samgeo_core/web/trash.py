"""Folders that are being deleted: out of reach at once, gone when nobody writes into them."""

from __future__ import annotations

import shutil
from pathlib import Path

from samgeo_core.web.ids import new_id


class Trash:
    """A folder on the same disk as what is deleted.

    Args:
        root: made where missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def take(self, folder: Path) -> bool:
        """Put a folder out of reach in one step, even if work still writes into it.

        Returns:
            False where it is gone already.
        """
        try:
            folder.rename(self._root / new_id())
        except FileNotFoundError:
            return False
        return True

    def empty(self) -> None:
        """Delete what was taken, as far as that can be."""
        for leftover in self._root.iterdir():
            shutil.rmtree(leftover, ignore_errors=True)
