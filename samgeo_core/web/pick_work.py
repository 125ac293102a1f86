"""What answers clicks: pickers that visitors of a scene share, and a thread that works ahead."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from samgeo_core.errors import CancelledError, SamGeoError
from samgeo_core.picking.embeddings import EmbeddingStore
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.settings import Settings
from samgeo_core.web.cache import LruCache
from samgeo_core.web.records import Scene
from samgeo_core.windows import Window
from samgeo_core.words import N_

if TYPE_CHECKING:
    from samgeo_core.picking.picker import Picker

logger = logging.getLogger(__name__)

_NOT_PREPARED = N_("This view could not be prepared; clicks may still work.")
MOST_PICKERS = 16
MOST_WAITING = 32
"""How many views wait for their turn at most; the oldest is dropped."""

_CLICK_WAIT_S = 10.0

AheadState = Literal["waiting", "working", "ready", "dropped", "failed"]


@dataclass(eq=False)
class Ahead:
    """A view whose windows are being encoded.

    Attributes:
        session_id: whose view it is.
        scene: the scene.
        view: what is seen of it, px.
        state: where it stands.
        note: a sentence for the visitor where it failed.
        token: stops the work.
    """

    session_id: str
    scene: Scene
    view: Window
    state: AheadState = "waiting"
    note: str | None = None
    token: CancelToken = field(default_factory=CancelToken)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("ready", "dropped", "failed")


class Pickers:
    """One picker a scene and display, made by the first who needs it.

    Args:
        settings: names model and device.
        folder: where embeddings are kept beyond the process.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._embeddings = EmbeddingStore(folder=folder)
        self._pickers: LruCache[tuple[object, ...], Picker] = LruCache(MOST_PICKERS)

    def picker(self, scene: Scene) -> Picker:
        """The picker of a scene as it is shown.

        Raises:
            RasterError: its file is gone or damaged.
            WeightsError: the model can't be had.
            ParameterError: the settings name an unknown model or device.
        """
        key = (scene.source, scene.version, scene.display, self._settings.model)
        return self._pickers.get(key, lambda: self._make(scene))

    def _make(self, scene: Scene) -> Picker:
        from samgeo_core.models.loading import cached_model
        from samgeo_core.picking.picker import Picker

        settings, display = self._settings, scene.display
        model = cached_model(settings.model, None, settings.device)
        return Picker(
            scene.raster,
            model,
            bands=display.bands,
            stretch=display.stretch,
            embeddings=self._embeddings,
        )


class AheadWorker:
    """A thread that encodes what visitors look at before they click: the newest view first.

    Each session has one view at a time; another one takes its place, and work on the former one
    stops before its next window. While a click is answered no further window is begun.

    Args:
        picker_of: where pickers come from.
    """

    def __init__(self, picker_of: Callable[[Scene], Picker]) -> None:
        self._picker_of = picker_of
        self._changed = threading.Condition()
        self._waiting: list[Ahead] = []
        self._current: Ahead | None = None
        self._clicks = 0
        self._thread: threading.Thread | None = None
        self._closed = False

    def want(self, session_id: str, scene: Scene, view: Window) -> Ahead:
        """Ask for the windows of a view; returns at once."""
        ahead = Ahead(session_id, scene, view)
        with self._changed:
            for other in self._all():
                if other.session_id == session_id:
                    if (other.scene, other.view) == (scene, view) and not other.token.cancelled:
                        return other
                    self._drop(other)
            self._waiting.append(ahead)
            for other in self._waiting[:-MOST_WAITING]:
                self._drop(other)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pick-ahead", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return ahead

    @contextmanager
    def clicking(self) -> Iterator[None]:
        """While this lasts, no further window is encoded ahead."""
        with self._changed:
            self._clicks += 1
        try:
            yield
        finally:
            with self._changed:
                self._clicks -= 1
                self._changed.notify_all()

    def close(self) -> None:
        """Stop before the next window."""
        with self._changed:
            self._closed = True
            for ahead in self._all():
                self._drop(ahead)
            self._changed.notify_all()

    def _all(self) -> list[Ahead]:
        return [*self._waiting, *([self._current] if self._current else [])]

    def _drop(self, ahead: Ahead) -> None:
        """Stop caring for a view; hold the lock."""
        ahead.token.cancel()
        if ahead in self._waiting:
            self._waiting.remove(ahead)
            ahead.state = "dropped"

    def _work(self) -> None:
        while (ahead := self._next()) is not None:
            state, note = self._prepared(ahead)
            with self._changed:
                ahead.note, ahead.state = note, state
                self._current = None

    def _next(self) -> Ahead | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            self._current = ahead = self._waiting.pop()
            ahead.state = "working"
            return ahead

    def _prepared(self, ahead: Ahead) -> tuple[AheadState, str | None]:
        try:
            monitor = Monitor(self._let_clicks_pass, ahead.token)
            self._picker_of(ahead.scene).prepare(ahead.view, monitor)
        except CancelledError:
            return "dropped", None
        except SamGeoError as error:
            logger.info("Not prepared: %s", error)
            return "failed", str(error)
        except Exception:
            # The thread must go on for others; a click there meets the same and tells it.
            logger.exception("Preparing %s failed", ahead.view)
            return "failed", _NOT_PREPARED
        return "ready", None

    def _let_clicks_pass(self, progress: Progress) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._clicks or self._closed, _CLICK_WAIT_S)
