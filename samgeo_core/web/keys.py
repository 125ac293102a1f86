"""Secrets that an installation makes for itself and keeps in its data folder."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

KEY_BYTES = 32


def installation_key(path: Path) -> bytes:
    """The key of a file, made by the first who asks; whole or not there, whoever kills the server.

    Args:
        path: only who runs the server may read it.

    Raises:
        OSError: the disk refuses.
    """
    if path.is_file() and path.stat().st_size < KEY_BYTES:
        path.unlink(missing_ok=True)  # nothing was ever made with a key that isn't whole
    if not path.is_file():
        _make(path)
    return path.read_bytes()


def _make(path: Path) -> None:
    # NOTE: a temporary file of Python's is its owner's alone from the start.
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".key-") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, path)
        except FileExistsError:
            return  # another process was first, and its key holds
