"""What the server does beside answering: get the model ready, and tidy up."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable

from samgeo_core.errors import SamGeoError
from samgeo_core.web.context import AppContext
from samgeo_core.web.shares import Shares

logger = logging.getLogger(__name__)

SECONDS_PER_DAY = 86_400
TILE_LIBRARIES = ("rio_tiler.reader", "rio_tiler.utils", "geopandas")


class Background:
    """Threads that start with the server and end with it.

    Importing torch holds Python's global lock for seconds, so the model waits until the first page
    should be there; a run that starts earlier loads the model itself.

    Args:
        context: the process's context.
        libraries_after_s: when what the first tile needs is imported.
        model_after_s: when the model is loaded, if its weights lie in the cache.
        tidy_every_s: how often old uploads are looked for, and old scenes if the settings limit
            their age.
    """

    def __init__(
        self,
        context: AppContext,
        *,
        libraries_after_s: float = 0.5,
        model_after_s: float = 6.0,
        tidy_every_s: float = 3600.0,
    ) -> None:
        self._context = context
        self._libraries_after_s = libraries_after_s
        self._model_after_s = model_after_s
        self._tidy_every_s = tidy_every_s
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; returns at once."""
        tasks: list[Callable[[], None]] = [self._warm, self._tidy]
        for task in tasks:
            thread = threading.Thread(target=task, name=f"samgeo{task.__name__}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End; waits a moment for a load that is under way."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def _warm(self) -> None:
        if self._stopping.wait(self._libraries_after_s):
            return
        for library in TILE_LIBRARIES:
            importlib.import_module(library)
        if self._stopping.wait(self._model_after_s - self._libraries_after_s):
            return
        try:
            warm_model(self._context)
        except SamGeoError as error:
            logger.warning("The model is not loaded ahead: %s", error)

    def _tidy(self) -> None:
        keep_days = self._context.settings.keep_days
        while True:
            try:
                self._context.uploads.clean_up()
                if keep_days is not None:
                    self._context.store.clean_up(keep_days * SECONDS_PER_DAY)
                Shares(self._context.store).forget_lost()
            except OSError:
                logger.exception("Tidying up failed; next try in %.0f s", self._tidy_every_s)
            if self._stopping.wait(self._tidy_every_s):
                return


def warm_model(context: AppContext) -> bool:
    """Load the model of the settings if its weights are on this machine; tells whether they are.

    Raises:
        ParameterError: the settings name an unknown model or a device that isn't there.
        WeightsError: the weights can't be read.
    """
    from samgeo_core.models.download import find_weights

    settings = context.settings
    if find_weights(settings.model, cache_dir=settings.cache_dir) is None:
        logger.info("No weights of %s yet; the first run fetches them.", settings.model)
        return False
    from samgeo_core.models.loading import cached_model

    cached_model(settings.model, None, settings.device)
    return True
