"""Getting tiles as a polite guest: few at a time, patient where asked, each only once."""

from __future__ import annotations

import email.utils
import io
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from samgeo_core.basemap.cache import TileCache
from samgeo_core.basemap.lattice import RADIUS_M, TILE_SIDES_PX, Tile
from samgeo_core.basemap.services import no_image
from samgeo_core.basemap.source import TileSource, to_degrees
from samgeo_core.errors import CancelledError, FetchError
from samgeo_core.net.client import Answer, GuardedClient

logger = logging.getLogger(__name__)

MAX_TILE_BYTES = 8_000_000
TILE_S = 30.0
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_MISSING = frozenset({204, 404, 410})
_LATER = frozenset({429, 500, 502, 503, 504})
_SLOW_DOWN = frozenset({429, 503})
_STEP_S = 0.1

Pixels = NDArray[np.uint8]
"""uint8 [H, W, 4]: red, green, blue, opacity."""


@dataclass(frozen=True)
class Patience:
    """How often, and for how long, a tile is asked for again.

    Attributes:
        attempts: how often at most.
        first_s: wait before the second attempt; it doubles with each.
        most_s: the longest wait, also where the server asks for a longer one.
    """

    attempts: int = 5
    first_s: float = 1.0
    most_s: float = 60.0


class TileFetcher:
    """Gets tiles of one source; can be used from several threads.

    Args:
        source: whose tiles.
        client: fetches them.
        cache: keeps them.
        patience: how often they are asked for.
        cancelled: asked while waiting; where it says yes, `CancelledError` is raised.
    """

    def __init__(
        self,
        source: TileSource,
        client: GuardedClient,
        cache: TileCache,
        patience: Patience | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.source = source
        self._client = client
        self._cache = cache
        self._patience = patience or Patience()
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._not_before = 0.0
        self.received = 0
        """Bytes that came over the network."""

    def body(self, tile: Tile) -> bytes | None:
        """The image of a tile as it was sent; None where the source has none.

        Raises:
            AddressError: its address may not be fetched from.
            FetchError: it can't be had, though it was asked for several times.
            CancelledError: nobody wants it any more.
        """
        address = self.source.address(tile)
        kept = self._cache.get(address)
        if kept is not None:
            return kept or None
        found = self._ask(address)
        self._cache.put(address, found or b"")
        return found

    def pixels(self, tile: Tile) -> Pixels | None:
        """The pixels of a tile, in the rows of the web map; None where the source has none.

        Raises:
            As `body`; `FetchError` also for an image that is damaged or of another size.
        """
        body = self.body(tile)
        if body is None:
            return None
        try:
            pixels = decode(body, self.source.tile_px)
        except FetchError:
            self._cache.drop(self.source.address(tile))
            raise
        if self.source.wms is not None and self.source.wms.is_geographic:
            return pixels[_rows_of_degrees(tile, len(pixels))]
        return pixels

    def _ask(self, address: str) -> bytes | None:
        """Fetch a tile, again after a while if need be."""
        trouble = FetchError("")
        for attempt in range(self._patience.attempts):
            self._wait_until(self._not_before)
            try:
                answer = self._client.get(address, max_bytes=MAX_TILE_BYTES, total_s=TILE_S)
            except FetchError as error:
                trouble = error
            else:
                with self._lock:
                    self.received += answer.received
                if answer.status in _MISSING:
                    return None
                if answer.ok:
                    return _checked(answer, self.source.tile_px)
                trouble = _refusal(answer)
                if answer.status not in _LATER:
                    raise trouble
                self._note(answer)
            if attempt + 1 < self._patience.attempts:
                pause = self._patience.first_s * 2**attempt * random.uniform(0.8, 1.2)
                self._wait_until(time.monotonic() + min(pause, self._patience.most_s))
        raise trouble

    def _note(self, answer: Answer) -> None:
        """Where a server asks for time, all of us give it that."""
        asked_s = retry_after_s(answer.headers.get("retry-after"))
        if asked_s is None:
            asked_s = self._patience.first_s if answer.status in _SLOW_DOWN else 0.0
        if asked_s > self._patience.most_s:
            host = urlsplit(answer.url).hostname
            raise FetchError(
                f"“{host}” asks to wait for {asked_s:,.0f} seconds. Start again then; what has "
                "come is kept."
            )
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + asked_s)

    def _wait_until(self, moment: float) -> None:
        while not self._cancelled():
            left = max(moment, self._not_before) - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _STEP_S))
        raise CancelledError("Cancelled.")


def decode(body: bytes, side_px: int | None) -> Pixels:
    """The pixels of an image.

    Args:
        body: PNG, JPEG, WebP or GIF.
        side_px: height and width that it must have; None takes those that tiles have.

    Raises:
        FetchError: it isn't such an image.
    """
    try:
        with Image.open(io.BytesIO(body), formats=_FORMATS) as image:
            _check_size(image.size, side_px)
            return np.asarray(image.convert("RGBA"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise FetchError(f"A tile is damaged or no image ({error}).") from error


def side_of(body: bytes) -> int:
    """The side of a tile, px.

    Raises:
        FetchError: it isn't an image of the size of a tile.
    """
    return len(decode(body, None))


def retry_after_s(text: str | None) -> float | None:
    """The seconds that a header Retry-After asks for, given as such or as a date."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _checked(answer: Answer, side_px: int | None) -> bytes | None:
    """The body of an answer, if its header is that of a tile; an empty one is none."""
    if not answer.body:
        return None
    try:
        with Image.open(io.BytesIO(answer.body), formats=_FORMATS) as image:
            _check_size(image.size, side_px)
    except (UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise no_image(answer.body, urlsplit(answer.url).hostname or "") from error
    return answer.body


def _check_size(size: tuple[int, int], side_px: int | None) -> None:
    """Look at the declared size before anything of that size is made."""
    width, height = size
    if width != height or width not in ((side_px,) if side_px else TILE_SIDES_PX):
        raise FetchError(
            f"Expected tiles of {side_px or '256, 512 or 1024'} px, got {width} x {height} px."
        )


def _refusal(answer: Answer) -> FetchError:
    """What an answer's status means."""
    host = urlsplit(answer.url).hostname
    if answer.status in (401, 402, 403):
        return FetchError(
            f"“{host}” refuses its tiles (status {answer.status}): it may want a key in the "
            "address, or not allow this use."
        )
    if answer.status == 429:
        return FetchError(f"“{host}” says that these are too many tiles for now. Start later.")
    return FetchError(f"“{host}” answers with an error (status {answer.status}). Try again later.")


def _rows_of_degrees(tile: Tile, side_px: int) -> NDArray[np.intp]:
    """For each row of a tile of the web map the nearest one of equal steps of latitude."""
    _, bottom, _, top = tile.bounds_m
    _, south, _, north = to_degrees(tile.bounds_m)
    y = top - (np.arange(side_px) + 0.5) * (top - bottom) / side_px
    latitude = np.degrees(np.arctan(np.sinh(y / RADIUS_M)))
    rows = np.floor((north - latitude) / (north - south) * side_px).astype(np.intp)
    return np.clip(rows, 0, side_px - 1)
