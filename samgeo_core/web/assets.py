"""Files of map libraries that the browser gets from our own origin.

Which addresses exist is decided by looking through the allowed folders once; a request is then a
look-up of a text among those, so what a client writes never becomes a path.
"""

from __future__ import annotations

import logging
import mimetypes
import threading
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

PACKAGES = {
    "leaflet": ("dist",),
    "leaflet-draw": ("dist",),
    "jquery": ("dist",),
}
"""npm packages and the folders of each that are served."""

SUFFIXES = frozenset({".js", ".css", ".png", ".svg", ".gif", ".woff2", ".map"})


@dataclass(frozen=True)
class Asset:
    """A file that may be served: its path, its MIME type and a tag that changes with it."""

    path: Path
    media_type: str
    etag: str


class Assets:
    """The allowed files below a ``node_modules`` folder.

    Args:
        root: the folder; it may appear later.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._files: dict[str, Asset] | None = None

    def find(self, package: str, path: str) -> Asset | None:
        """The file of an address below /assets/, None where there is none."""
        with self._lock:
            if not self._files:
                self._files = self._scan()
            return self._files.get(f"{package}/{path}")

    def _scan(self) -> dict[str, Asset]:
        found: dict[str, Asset] = {}
        for package, folders in PACKAGES.items():
            for folder in folders:
                for path in sorted((self._root / package / folder).rglob("*")):
                    if path.suffix in SUFFIXES and path.is_file():
                        name = path.relative_to(self._root / package).as_posix()
                        found[f"{package}/{name}"] = _asset(path)
        if not found:
            logger.warning("No map assets in %s; maps stay empty until `make assets`", self._root)
        return found


def _asset(path: Path) -> Asset:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if path.suffix == ".js":
        # NOTE: some systems' tables know .js by another name, and browsers then refuse it.
        media_type = "text/javascript"
    stat = path.stat()
    return Asset(path, media_type, f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"')
