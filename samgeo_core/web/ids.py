"""Ids that can't be guessed, and the only shape of id that may become a folder name."""

from __future__ import annotations

import re
import secrets

from samgeo_core.errors import NotFoundError

ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}")


def new_id() -> str:
    """A random id of 128 bits: 22 characters that are safe in addresses and folder names."""
    return secrets.token_urlsafe(16)


def checked_id(value: str) -> str:
    """The id as it came, if it has the shape of one.

    Raises:
        NotFoundError: it could not have come from `new_id`.
    """
    if not ID_PATTERN.fullmatch(value):
        raise NotFoundError("This address holds no valid id; open the scene or run from the list.")
    return value
