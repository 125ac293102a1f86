"""What happened to scenes, runs and shares, and when: one JSON object a line, about nobody.

Visitors are told apart by a keyed hash of their random name, whose key never leaves this
installation; there are no addresses, file names or places. Old lines go as new ones come.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
import time
from contextlib import closing
from logging.handlers import RotatingFileHandler
from pathlib import Path

from samgeo_core.web.keys import installation_key

logger = logging.getLogger(__name__)

_FILE_BYTES, _OLD_FILES = 4 << 20, 4


class AuditLog:
    """Lines in ``audit.jsonl`` of a folder; a disk that refuses them stops nothing.

    Args:
        folder: where they and the key lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._key = b""

    def record(self, event: str, owner: str = "", **facts: str | float) -> None:
        """Keep that something happened.

        Args:
            event: what, such as "run made".
            owner: name of the visitor it belongs to; empty where the app did it by itself.
            facts: ids, states and sizes; nothing that a visitor wrote.
        """
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line: dict[str, str | float] = {"time": moment, "event": event, **facts}
        try:
            with self._lock:
                if owner:
                    line["visitor"] = self._hashed(owner)
                self._write(json.dumps(line))
        except OSError:
            logger.exception("An event could not be kept in the audit log")

    def _write(self, line: str) -> None:
        path = self._folder / "audit.jsonl"
        rotation = RotatingFileHandler(
            path, maxBytes=_FILE_BYTES, backupCount=_OLD_FILES, encoding="utf-8", delay=True
        )
        with closing(rotation):
            if path.is_file() and path.stat().st_size > _FILE_BYTES:
                rotation.doRollover()
        # NOTE: the handler would tell of a full disk by a traceback on the terminal.
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def _hashed(self, owner: str) -> str:
        self._key = self._key or installation_key(self._folder / "audit.key")
        return hmac.new(self._key, owner.encode(), hashlib.sha256).hexdigest()[:16]
