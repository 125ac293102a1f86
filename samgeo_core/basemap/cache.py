"""Tiles on the disk, so that none is fetched twice; bounded, least used ones go first."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
import time
from pathlib import Path

logger = logging.getLogger(__name__)

KEEP_S = 30 * 86_400.0
KEEP_MISSING_S = 86_400.0
"""A tile that isn't there may be there tomorrow."""

_TIDY_SHARE = 0.9


class TileCache:
    """Bodies of tiles by their address; an empty one stands for a tile that isn't there.

    Many processes may share a folder: files appear whole, and who finds one gone fetches again.
    What the disk refuses is a tile that isn't kept, never an error.

    Args:
        folder: made where missing.
        max_bytes: the most that all tiles may have together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None

    def get(self, address: str) -> bytes | None:
        """The body of a tile; None where it isn't kept, or for too long."""
        path = self._path(address)
        try:
            came = path.stat().st_mtime
            body = path.read_bytes()
            if time.time() - came > (KEEP_S if body else KEEP_MISSING_S):
                return None
            # Used just now: said here, as many disks don't note it by themselves.
            os.utime(path, (time.time(), came))
        except OSError:
            return None
        return body

    def put(self, address: str, body: bytes) -> None:
        """Keep the body of a tile."""
        path = self._path(address)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(body)
            Path(file.name).replace(path)
        except OSError as error:
            logger.info("A tile can't be kept: %s", error)
            return
        self._grow(len(body))

    def drop(self, address: str) -> None:
        """Forget a tile."""
        self._path(address).unlink(missing_ok=True)

    def _path(self, address: str) -> Path:
        name = hashlib.sha256(address.encode()).hexdigest()
        return self._folder / name[:2] / name

    def _grow(self, more: int) -> None:
        """Count what came, and make room where it is too much."""
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(size for _, size, _ in self._files())
            else:
                self._bytes += more
            if self._bytes <= self._max_bytes:
                return
            files = sorted(self._files())
            left = sum(size for _, size, _ in files)
            for _, size, path in files:
                if left <= _TIDY_SHARE * self._max_bytes:
                    break
                path.unlink(missing_ok=True)
                left -= size
            self._bytes = left

    def _files(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of each tile."""
        found = []
        for path in self._folder.glob("*/*"):
            try:
                status = path.stat()
            except OSError:
                continue  # just dropped
            found.append((status.st_atime, status.st_size, path))
        return found
