"""Smaller copies of large rasters without overviews, made beside the server's other work.

    <scene's folder>/overviews-<version>/<factor>.tif    1/2, 1/4, … of the raster's resolution

Where single windows can't be read out of a file without decoding all before them (PNG, JPEG, very
wide strips), there is 1.tif, too: the raster as it is, in tiles. They lie in the data folder even
where the raster doesn't, go with the scene, and hold for one version of the raster only.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from rasterio.enums import Resampling

from samgeo_core.errors import DiskFullError, NotFoundError, RasterError, SamGeoError
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.reduce import write_copy, write_half
from samgeo_core.reading.source import Source, is_remote
from samgeo_core.reading.sources import open_dataset
from samgeo_core.tile import TileImage
from samgeo_core.web.cache import LruCache
from samgeo_core.web.ids import new_id
from samgeo_core.web.records import Scene
from samgeo_core.web.store import Store
from samgeo_core.windows import ShapeHW, Window

logger = logging.getLogger(__name__)

SMALLEST_PX = 256
QUICK_PX = 2048
"""Rasters up to this side, and what is left of larger ones, are read in an instant."""

_WIDE_PX = 8192
_PREFIX = "overviews-"
_rasters: LruCache[Path, Raster] = LruCache(128)


def open_overview(scene: Scene, factor: int) -> Raster:
    """A scene's overview of a factor, one of `overview_factors`; opened once.

    Raises:
        RasterError: it is gone.
    """
    path = _folder(scene) / f"{factor}.tif"
    return _rasters.get(path, lambda: Raster.open(path, max_pixels=scene.max_pixels))


def read_small(scene: Scene, window: Window, shape_hw: ShapeHW) -> TileImage:
    """Read a window of a scene as it is shown, at less resolution, from the overview that fits.

    Args:
        scene: what to read.
        window: part of its raster; widened to whole pixels of the overview.
        shape_hw: height and width that it becomes.

    Raises:
        RasterError: the file is gone or damaged.
    """
    step = min(window.height // shape_hw[0], window.width // shape_hw[1])
    factor = max((f for f in overview_factors(scene) if f <= step), default=None)
    raster = scene.raster if factor is None else open_overview(scene, factor)
    place = window if factor is None else shrunk(window, factor, raster.shape_hw)
    average = Resampling.average
    return raster.read(place, stretch=scene.stretch, shape_hw=shape_hw, resampling=average)


def shrunk(window: Window, factor: int, shape_hw: ShapeHW) -> Window:
    """A window in the pixels of an overview, widened to whole ones."""
    left, top = window.x // factor, window.y // factor
    right = min(-(-(window.x + window.width) // factor), shape_hw[1])
    bottom = min(-(-(window.y + window.height) // factor), shape_hw[0])
    return Window(left, top, right - left, bottom - top)


def overview_factors(scene: Scene) -> tuple[int, ...]:
    """Factors of a scene's overviews, rising; none as long as they aren't all there."""
    folder = _folder(scene)
    return _factors(folder) if folder.is_dir() else ()


def wanted_factors(scene: Scene) -> tuple[int, ...]:
    """Factors of the overviews that would make a scene's tiles quick, rising.

    Raises:
        RasterError: the file is gone or damaged.
    """
    raster = scene.raster
    longest = max(raster.shape_hw)
    # NOTE: of what lies at an address they would need every byte.
    if longest <= QUICK_PX or is_remote(scene.source):
        return ()
    whole = raster.driver in ("PNG", "JPEG") or _has_wide_strips(raster)
    # Those of a JPEG are decoded anew from its beginning, whatever part is asked for.
    stored = max(raster.overviews, default=1) if raster.driver != "JPEG" else 1
    if longest / stored <= 2 * QUICK_PX and stored > 1 and not whole:
        return ()
    factors = [1] if whole else []
    factor = 2
    while longest / factor > SMALLEST_PX / 2:
        factors.append(factor)
        factor *= 2
    return tuple(factors)


class OverviewMaker:
    """One thread that makes overviews, one scene after the other.

    Args:
        store: the scenes.
        free_disk_bytes: how much of the disk stays free.
    """

    def __init__(self, store: Store, free_disk_bytes: int = 0) -> None:
        self._store = store
        self._free_disk_bytes = free_disk_bytes
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._wanted: set[str] = set()
        self._left = 0
        self._done = threading.Condition(self._lock)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self, scene: Scene) -> None:
        """Have overviews of a scene made, if it needs any; returns at once."""
        with self._lock:
            self._left += 1
            self._wanted.add(scene.scene_id)
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._work, name="overviews", daemon=True)
                self._thread.start()
        self._waiting.put(scene.scene_id)

    def ask_for_all(self) -> None:
        """Look through all scenes, as after a start: what a server's end left undone is made."""
        for scene in self._store.scenes():
            for half in scene.folder.glob(".overviews-*"):
                shutil.rmtree(half, ignore_errors=True)
            self.ask(scene)

    def cancel(self, scene_id: str) -> None:
        """Stop what is made of a scene, as it is deleted."""
        with self._lock:
            self._wanted.discard(scene_id)

    def wait(self, timeout_s: float) -> bool:
        """Wait until all that was asked for is done; tells whether it is."""
        with self._done:
            return self._done.wait_for(lambda: self._left == 0, timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop; what is under way begins anew at the next start."""
        self._closed.set()
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _work(self) -> None:
        _step_back()
        while (scene_id := self._waiting.get()) is not None and not self._closed.is_set():
            try:
                scene = self._store.scene(scene_id)
                make_overviews(scene, partial(self._is_wanted, scene_id), self._free_disk_bytes)
            except NotFoundError:
                pass  # deleted before its turn
            except SamGeoError as error:
                logger.warning("No overviews of %s: %s", scene_id, error)
            except OSError:
                logger.exception("No overviews of %s", scene_id)
            finally:
                with self._done:
                    self._left -= 1
                    self._wanted.discard(scene_id)
                    self._done.notify_all()

    def _is_wanted(self, scene_id: str) -> bool:
        with self._lock:
            return scene_id in self._wanted and not self._closed.is_set()


def make_overviews(
    scene: Scene, still_wanted: Callable[[], bool] = lambda: True, free_disk_bytes: int = 0
) -> bool:
    """Make the overviews of a scene that it needs and hasn't; tells whether they are there.

    They appear all together. Memory doesn't depend on the size of the raster.

    Args:
        scene: whose.
        still_wanted: asked again and again; where it says no, nothing is kept.
        free_disk_bytes: how much of the disk stays free.

    Raises:
        RasterError: the file is gone or damaged.
        DiskFullError: there is no room.
    """
    target = _folder(scene)
    if target.is_dir():
        return True
    wanted = wanted_factors(scene)
    if not wanted or not still_wanted():
        return False
    _check_room(scene, wanted, free_disk_bytes)
    begun, building = time.perf_counter(), scene.folder / f".overviews-{new_id()}"

    def goes_on() -> bool:
        return still_wanted() and building.is_dir()

    try:
        building.mkdir()
        source: Source = scene.source
        for factor in wanted:
            made = building / f"{factor}.tif"
            with open_dataset(source) as dataset:
                write = write_copy if factor == 1 else write_half
                if not write(dataset, made, goes_on):
                    return False
            source = made
        for old in scene.folder.glob(f"{_PREFIX}*"):
            shutil.rmtree(old, ignore_errors=True)
        building.rename(target)
    except FileNotFoundError:
        return False  # deleted meanwhile
    except RasterError:
        if goes_on():
            raise
        return False
    finally:
        shutil.rmtree(building, ignore_errors=True)
    seconds = time.perf_counter() - begun
    logger.info("Overviews of %s made in %.1f s", scene.scene_id, seconds)
    return True


def _folder(scene: Scene) -> Path:
    changed_ns, size = scene.version
    return scene.folder / f"{_PREFIX}{changed_ns:x}-{size:x}"


@lru_cache(maxsize=256)
def _factors(folder: Path) -> tuple[int, ...]:
    # The folder never changes once it has its name.
    return tuple(sorted(int(path.stem) for path in folder.glob("*.tif")))


def _has_wide_strips(raster: Raster) -> bool:
    with open_dataset(raster.source) as dataset:
        block_w = int(dataset.block_shapes[0][1])
    return block_w == raster.shape_hw[1] > _WIDE_PX


def _check_room(scene: Scene, factors: tuple[int, ...], free_disk_bytes: int) -> None:
    """Refuse where the copies might not fit, were they not compressed at all."""
    height, width = scene.raster.shape_hw
    with open_dataset(scene.source) as dataset:
        pixel_bytes = sum(_bytes_of(dtype) for dtype in dataset.dtypes)
    need = sum(height * width * pixel_bytes // factor**2 for factor in factors)
    if shutil.disk_usage(scene.folder).free - free_disk_bytes < need:
        raise DiskFullError(f"The server's disk has no room for {need / 1e6:,.0f} MB of overviews.")


def _bytes_of(dtype: str) -> int:
    return int(np.dtype(dtype).itemsize)


def _step_back() -> None:
    """Let everything else go first, where the system can do that for one thread."""
    if hasattr(os, "setpriority"):
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        except OSError:
            logger.debug("This thread keeps its priority")
