"""Areas of basemaps that visitors want as images: fetched one after the other, beside all else.

    <root>/basemaps/<id>/basemap.json, source     until it is whole; then a scene of the same id

Whatever ends the server, the next start goes on: what is wanted lies in the folder, and the tiles
that had come lie in the cache.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from samgeo_core.basemap.area import BasemapArea, BasemapFile, fetch_basemap
from samgeo_core.errors import (
    CancelledError,
    DiskFullError,
    NotFoundError,
    ParameterError,
    SamGeoError,
)
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.settings import Settings
from samgeo_core.web.basemap_orders import RECORD, AreaOrder, read_order, write_order
from samgeo_core.web.ids import checked_id, new_id
from samgeo_core.web.limits import check_storage
from samgeo_core.web.records import Scene
from samgeo_core.web.store import Store
from samgeo_core.words import N_

logger = logging.getLogger(__name__)

MOST_UNFINISHED = 4
"""Areas of one visitor that wait or are under way."""

WORKERS = 2
"""Areas that are fetched at a time, all visitors together."""

_KEPT_DONE = 200

Fetch = Callable[[Path, BasemapArea, Monitor], BasemapFile]


class BasemapDesk:
    """All areas of an installation that are wanted.

    Each method that takes ``owner`` treats what belongs to somebody else as unknown.

    Args:
        store: where they become scenes.
        settings: with the limits.
        on_scene: hears of each scene.
        fetch: how an area is fetched.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        on_scene: Callable[[Scene], None],
        fetch: Fetch = lambda path, area, monitor: fetch_basemap(path, area, monitor=monitor),
    ) -> None:
        self._store = store
        self._settings = settings
        self._on_scene = on_scene
        self._fetch = fetch
        self._folder = store.root / "basemaps"
        self._changed = threading.Condition()
        self._orders: dict[str, AreaOrder] = {}
        self._tokens: dict[str, CancelToken] = {}
        self._line: deque[str] = deque()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def order(self, owner: str, area: BasemapArea, name: str) -> AreaOrder:
        """Have an area fetched; returns at once.

        Raises:
            ParameterError: it is too large, or the visitor has too much.
            DiskFullError: the disk has no room for it.
        """
        settings = self._settings
        area.check(settings.max_basemap_tiles, settings.max_pixels)
        under_way = [order for order in self.orders(owner) if order.is_active]
        coming = sum(order.area.expected_file_bytes for order in under_way)
        check_storage(self._store, settings, owner, coming + area.expected_file_bytes)
        room = shutil.disk_usage(self._store.root).free - settings.free_disk_bytes
        # The file is written twice: part by part, then as it stays.
        if 3 * area.expected_file_bytes > room:
            raise DiskFullError(
                f"The server's disk has no room for an image of "
                f"{area.expected_file_bytes / 1e6:,.0f} MB: draw a smaller box."
            )
        order = AreaOrder(new_id(), owner, name, area, time.time())
        with self._changed:
            active = sum(o.is_active for o in self._orders.values() if o.owner == owner)
            if active >= MOST_UNFINISHED:
                raise ParameterError(
                    f"{active} of your areas are being fetched, more aren't possible at a time: "
                    "wait for one, or cancel it."
                )
            write_order(order, self._folder / order.order_id)
            self._enter(order)
        return order

    def orders(self, owner: str) -> list[AreaOrder]:
        """What a visitor wants and hasn't put away, newest first."""
        with self._changed:
            mine = [order for order in self._orders.values() if order.owner == owner]
        return sorted(mine, key=lambda order: -order.created)

    def find(self, order_id: str, owner: str) -> AreaOrder:
        """An order by its id.

        Raises:
            NotFoundError: unknown, or not the owner's.
        """
        with self._changed:
            order = self._orders.get(checked_id(order_id))
        if order is None or order.owner != owner:
            raise NotFoundError("This area is not there any more; draw it again.")
        return order

    def cancel(self, order_id: str, owner: str) -> None:
        """Stop an order; the tiles that have come are kept for another attempt.

        Raises:
            NotFoundError: unknown, or not the owner's.
        """
        order = self.find(order_id, owner)
        with self._changed:
            self._tokens[order.order_id].cancel()
            if order.order_id in self._line:
                self._line.remove(order.order_id)
                self._note(order.order_id, state="cancelled")
                self._clear(order)

    def again(self, order_id: str, owner: str) -> None:
        """Take up an order that failed or was cancelled.

        Raises:
            NotFoundError: unknown, or not the owner's.
        """
        order = self.find(order_id, owner)
        with self._changed:
            if order.state in ("failed", "cancelled"):
                order = replace(order, state="waiting", error=None, done=0, total=0)
                write_order(order, self._folder / order.order_id)
                self._enter(order)

    def put_away(self, order_id: str, owner: str) -> None:
        """Forget an order; a scene that came of it stays.

        Raises:
            NotFoundError: unknown, or not the owner's.
        """
        order = self.find(order_id, owner)
        self.cancel(order.order_id, owner)
        with self._changed:
            self._orders.pop(order.order_id, None)

    def cancel_all_of(self, owner: str) -> int:
        """Stop and forget all that a visitor wants; returns how many."""
        orders = self.orders(owner)
        for order in orders:
            self.put_away(order.order_id, owner)
        return len(orders)

    def resume(self) -> None:
        """Take up what a former server had not finished, unless that was long ago."""
        limit = time.time() - self._settings.upload_keep_hours * 3600
        folders = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        for folder in folders:
            order = read_order(folder)
            if order is None or order.created < limit:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            with self._changed:
                if order.order_id not in self._orders:
                    self._enter(order)

    def wait(self, order_id: str, timeout_s: float) -> AreaOrder:
        """Block until an order is no longer active, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._orders[order_id].is_active, timeout_s)
            return self._orders[order_id]

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop; the next start goes on with what isn't whole."""
        with self._changed:
            self._closed = True
            for token in self._tokens.values():
                token.cancel()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout_s)

    def _enter(self, order: AreaOrder) -> None:
        """Put an order in line. The lock is held."""
        self._orders[order.order_id] = order
        self._tokens[order.order_id] = CancelToken()
        self._line.append(order.order_id)
        if len(self._threads) < WORKERS and not self._closed:
            thread = threading.Thread(target=self._work, name="basemaps", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._line or self._closed)
                if self._closed:
                    return
                order_id = self._next()
                self._note(order_id, state="running")
                order, token = self._orders[order_id], self._tokens[order_id]
            try:
                self._do(order, token)
            except Exception:
                # NOTE: the thread must outlive whatever happens, or the line stands still.
                logger.exception("The area %s could not be fetched", order_id)
                self._end(order_id, state="failed", error=N_("Something went wrong. Try it again."))

    def _next(self) -> str:
        """Whose turn it is: of whom least is under way, the one who waits for longest."""
        running = [o.owner for o in self._orders.values() if o.state == "running"]
        first = min(self._line, key=lambda order_id: running.count(self._orders[order_id].owner))
        self._line.remove(first)
        return first

    def _do(self, order: AreaOrder, token: CancelToken) -> None:
        folder = self._folder / order.order_id

        def report(progress: Progress) -> None:
            self._end(
                order.order_id, stage=progress.stage, done=progress.done, total=progress.total
            )

        try:
            made = self._fetch(folder / "source", order.area, Monitor(report, token))
            token.raise_if_cancelled()
            scene = self._store.adopt_scene(folder, order.name, order.owner)
        except CancelledError:
            if not self._closed:
                self._clear(order)
                self._end(order.order_id, state="cancelled")
        except SamGeoError as error:
            logger.info("The area %s could not be fetched: %s", order.order_id, error)
            self._clear(order)
            self._end(order.order_id, state="failed", error=str(error))
        else:
            (scene.folder / RECORD).unlink(missing_ok=True)
            self._on_scene(scene)
            self._end(order.order_id, state="done", note=made.sentence)

    def _end(self, order_id: str, **changes: Any) -> None:
        with self._changed:
            self._note(order_id, **changes)

    def _note(self, order_id: str, **changes: Any) -> None:
        """Change what is known of an order, if it is still wanted. The lock is held."""
        if order_id in self._orders:
            self._orders[order_id] = replace(self._orders[order_id], **changes)
            ended = [o.order_id for o in self._orders.values() if not o.is_active]
            for old in ended[: max(0, len(ended) - _KEPT_DONE)]:
                del self._orders[old]
        self._changed.notify_all()

    def _clear(self, order: AreaOrder) -> None:
        """Leave nothing that a new start would take up."""
        shutil.rmtree(self._folder / order.order_id, ignore_errors=True)
