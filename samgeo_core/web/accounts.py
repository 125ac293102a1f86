"""Whose things are those of somebody who has signed in: the account's, from whatever browser.

Streamlit keeps who signed in as a signed cookie (in pieces where it is long). The claims ``iss``
and ``sub`` name a person for good (OpenID Connect Core 1.0, section 2); a keyed hash of them is the
name under which we keep things, so that nobody who knows them can make it up.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer

COOKIE = "_streamlit_user"
"""Streamlit's name for it; also the salt of its signature."""

KEY_FILE = "accounts.key"
"""In the data folder: another key makes strangers of all who have an account."""

_KEPT_S = 31 * 24 * 3600
_PIECES = re.compile(r"chunks-([0-9]{1,2})")


def account_owner(claims: Mapping[str, Any], key: bytes) -> str | None:
    """The name that marks scenes and runs of an account; None where the claims name nobody.

    Args:
        claims: of the ID token, as Streamlit keeps them.
        key: see `KEY_FILE`.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        return None
    issuer = claims.get("iss") or claims.get("provider") or ""
    told = json.dumps([str(issuer), subject]).encode()
    return base64.urlsafe_b64encode(hmac.digest(key, told, hashlib.sha256)[:16]).decode()[:22]


def signed_in(cookies: Mapping[str, str], secret: str) -> dict[str, Any] | None:
    """The claims of whoever has signed in in a browser; None for a stranger.

    Args:
        cookies: of the browser.
        secret: ``cookie_secret`` of the section auth of Streamlit's secrets.
    """
    told = _read(cookies, COOKIE, secret)
    if told is not None and (count := _PIECES.fullmatch(told)) is not None:
        pieces = [_read(cookies, f"{COOKIE}_{i + 1}", secret) for i in range(int(count[1]))]
        told = "".join(piece or "" for piece in pieces)
    try:
        claims = json.loads(told or "null")
    except ValueError:
        return None
    is_known = isinstance(claims, dict) and bool(claims.get("is_logged_in"))
    return claims if is_known else None


def _read(cookies: Mapping[str, str], name: str, secret: str) -> str | None:
    try:
        told = URLSafeTimedSerializer(secret, salt=name).loads(cookies.get(name, ""), _KEPT_S)
    except BadSignature:
        return None
    return told if isinstance(told, str) else None
