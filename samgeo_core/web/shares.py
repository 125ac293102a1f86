"""Links under which a result can be looked at by whoever has them.

A link ends with a token of 256 bits, of which only the SHA-256 is kept, so that nobody who reads
the disk can follow it:

    <root>/runs/<run_id>/shares/<sha256>.json   what is shared; goes with the run
    <root>/shares/<sha256>                      the id of that run

Title, limits and files are fixed when the link is made. Corrections and classes follow the result,
so that what was mended is mended for all who look. Every request reads the record anew: a link that
was taken back shows nothing from then on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import tempfile
import time
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from samgeo_core.errors import ExportError, GoneError, NotFoundError, ParameterError
from samgeo_core.web.downloads import offered_downloads
from samgeo_core.web.records import Run
from samgeo_core.web.rules import rule_from_query, rule_query
from samgeo_core.web.selected import run_source
from samgeo_core.web.store import Store
from samgeo_core.words import N_

logger = logging.getLogger(__name__)

TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}")
TITLE_LENGTH, TEXT_LENGTH, CREDITS_LENGTH = 120, 2000, 200
DAY_S = 24 * 3600.0
EXPIRIES_S: dict[str, float | None] = {
    N_("1 day"): DAY_S,
    N_("1 week"): 7 * DAY_S,
    N_("1 month"): 30 * DAY_S,
    N_("Never"): None,
}
"""How long a link may live, s."""

MOST_LINKS = 50
"""Links of one run that work at the same time."""

_TOKEN_BYTES = 32
_KEY_PATTERN = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ShareText:
    """What the owner says to those who look; plain text, never markup.

    Attributes:
        title: one line.
        description: some lines.
        credits: where the image comes from, one line.
    """

    title: str = ""
    description: str = ""
    credits: str = ""

    def cleaned(self) -> ShareText:
        """The same without control characters.

        Raises:
            ParameterError: one of the texts is too long.
        """
        limits = (
            (N_("title"), TITLE_LENGTH),
            (N_("description"), TEXT_LENGTH),
            (N_("credits"), CREDITS_LENGTH),
        )
        made = {}
        for name, most in limits:
            made[name] = _clean(str(getattr(self, name)), lines=name == "description")
            if len(made[name]) > most:
                raise ParameterError(
                    f"The {name} may have {most:,} characters, got {len(made[name]):,}; shorten it."
                )
        return ShareText(**made)


@dataclass(frozen=True)
class Share:
    """A link, without the token that opens it.

    Attributes:
        key: SHA-256 of the token, hexadecimal.
        run_id: the run whose result it shows.
        text: what the owner says.
        rule: what differs from the run's own rule, see `rules.rule_query`.
        downloads: names of the files that it offers, see `downloads.offered_downloads`.
        created: seconds since 1970.
        expires: when it ends, seconds since 1970; None for never.
        revoked: when its owner took it back, seconds since 1970; None as long as it holds.
    """

    key: str
    run_id: str
    text: ShareText
    rule: Mapping[str, str] = field(default_factory=dict)
    downloads: tuple[str, ...] = ()
    created: float = 0.0
    expires: float | None = None
    revoked: float | None = None

    def is_good(self, now: float | None = None) -> bool:
        """Whether it opens."""
        moment = time.time() if now is None else now
        return self.revoked is None and (self.expires is None or moment < self.expires)


class Shares:
    """The links of an installation.

    Args:
        store: where the runs are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index = store.root / "shares"

    def create(
        self,
        run: Run,
        text: ShareText,
        *,
        rule: Mapping[str, str] | None = None,
        downloads: Iterable[str] = (),
        lifetime_s: float | None = None,
    ) -> tuple[str, Share]:
        """Make a link to a finished run.

        Args:
            run: the run.
            text: what is said on the page.
            rule: what differs from the run's own rule, see `rules.rule_query`.
            downloads: names of the files that it offers.
            lifetime_s: how long it opens; None for as long as the run is kept.

        Returns:
            The token, which is kept nowhere, and the link.

        Raises:
            NotFoundError: the run has no result.
            ParameterError: a text is too long, a file isn't offered, the rule or the time isn't
                one, or the run has `MOST_LINKS` already.
            ExportError: the disk refuses it.
        """
        own = run_source(run).rule
        checked = rule_query(own, rule_from_query(own, rule or {}))
        if checked and run.is_streamed:
            raise ParameterError("A result in parts is shared as it is; share it without limits.")
        offered = offered_downloads(run)
        chosen = tuple(dict.fromkeys(downloads))
        if unknown := [name for name in chosen if name not in offered]:
            raise ParameterError(f"{unknown[0][:40]!r} can't be had of this result; leave it out.")
        if lifetime_s is not None and not 0 < lifetime_s < 1e10:
            raise ParameterError(f"A link must last some seconds or longer, got {lifetime_s}.")
        if len(self.of_run(run)) >= MOST_LINKS:
            raise ParameterError(
                f"A result may have {MOST_LINKS} links at a time; revoke one that isn't needed."
            )
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), time.time()
        expires = None if lifetime_s is None else now + lifetime_s
        share = Share(key_of(token), run.run_id, text.cleaned(), checked, chosen, now, expires)
        try:
            self._write(run, share)
            self._index.mkdir(exist_ok=True)
            _write_whole(self._index / share.key, run.run_id)
        except OSError as error:
            raise ExportError(
                f"The link can't be kept ({error.strerror}): ask who runs the server to check its "
                "disk."
            ) from error
        return token, share

    def find(self, token: str, now: float | None = None) -> tuple[Share, Run]:
        """What a token opens.

        Raises:
            GoneError: it has expired, or was taken back.
            NotFoundError: there is no such link, or its result is gone.
        """
        unknown = NotFoundError("This link doesn't lead anywhere; ask for it once more.")
        if not TOKEN_PATTERN.fullmatch(token):
            raise unknown
        pointer = self._index / key_of(token)
        try:
            run = self._store.run(pointer.read_text(encoding="ascii"))
        except FileNotFoundError as error:
            raise unknown from error
        except NotFoundError as error:
            pointer.unlink(missing_ok=True)
            raise unknown from error
        share = _read(_path(run, pointer.name))
        if share is None:
            raise unknown
        if not share.is_good(now):
            raise GoneError(
                "This link has been taken back; ask who sent it for a new one."
                if share.revoked is not None
                else "This link has expired; ask who sent it for a new one."
            )
        return share, run

    def of_run(self, run: Run, now: float | None = None) -> list[Share]:
        """Links of a run that open, newest first."""
        found = map(_read, (run.folder / "shares").glob("*.json"))
        good = [share for share in found if share is not None and share.is_good(now)]
        return sorted(good, key=lambda share: share.created, reverse=True)

    def revoke(self, run: Run, key: str) -> None:
        """Take a link of a run back; it opens nothing from now on.

        Raises:
            NotFoundError: the run has no such link.
        """
        share = _read(_path(run, key)) if _KEY_PATTERN.fullmatch(key) else None
        if share is None:
            raise NotFoundError("There is no such link to this result.")
        self._write(run, replace(share, revoked=time.time()))

    def forget_lost(self) -> int:
        """Remove what led to runs that are gone; returns how many there were."""
        lost = 0
        for pointer in self._index.glob("[0-9a-f]*"):
            try:
                self._store.run(pointer.read_text(encoding="ascii"))
            except NotFoundError:
                pointer.unlink(missing_ok=True)
                lost += 1
        return lost

    @staticmethod
    def _write(run: Run, share: Share) -> None:
        path = _path(run, share.key)
        path.parent.mkdir(exist_ok=True)
        values = {name: value for name, value in asdict(share).items() if name != "key"}
        _write_whole(path, json.dumps(values, ensure_ascii=False, indent=1))


def key_of(token: str) -> str:
    """What is kept of a token; guessing what it was made of is out of reach for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def _path(run: Run, key: str) -> Path:
    return run.folder / "shares" / f"{key}.json"


def _read(path: Path) -> Share | None:
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        values["text"] = ShareText(**values["text"])
        values["downloads"] = tuple(values["downloads"])
        return Share(key=path.stem, **values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError):
        logger.warning("The record of a shared link can't be read: %s", path.name)
        return None


def _write_whole(path: Path, text: str) -> None:
    """Write a file that is always whole, whoever reads it meanwhile."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=".", suffix=".part", delete=False
    ) as file:
        file.write(text)
    Path(file.name).replace(path)


def _clean(text: str, *, lines: bool) -> str:
    """Text of a visitor without what can't be seen; new lines stay where there may be some."""
    kept = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    kept = "".join(c for c in kept if c.isprintable() or (lines and c == "\n"))
    return kept.strip()
