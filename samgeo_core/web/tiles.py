"""PNG tiles of scenes and of results, 256 px, drawn on demand.

A tile shows the very pixels that the model sees: `Raster.read` with the scene's bands and stretch,
reprojected by rio-tiler. Readers hold no open file, so any number of threads may ask.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterioWindow

from samgeo_core.config import SelectionRule
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.sources import open_dataset
from samgeo_core.reading.stretch import Stretch
from samgeo_core.results.labels import Labels, label_raster
from samgeo_core.tile import TileImage
from samgeo_core.web.cache import LruCache
from samgeo_core.web.overviews import open_overview, overview_factors, shrunk
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.results import ResultPlace, result_place
from samgeo_core.web.scored import labels_to_hide
from samgeo_core.web.selected import run_source, selected, version_of
from samgeo_core.web.views import (
    RGBA,
    Block,
    View,
    draw_tile,
    empty_png,
    encode_png,
    halve,
    tile_view,
)
from samgeo_core.windows import ShapeHW, Window

TILE_CACHE_BYTES = 64 << 20
OVERVIEW_CACHE_BYTES = 96 << 20
OVERVIEW_PX = 2048


@dataclass(frozen=True, eq=False)
class _Overview:
    """A raster without overviews at less and less resolution, in memory.

    Attributes:
        factor: raster px per px of the first level, about; a power of two.
        shape_hw: height and width of the raster, px.
        levels: uint8 [4, h, w], each half as large as the one before.
    """

    factor: int
    shape_hw: ShapeHW
    levels: tuple[RGBA, ...]

    @property
    def size_bytes(self) -> int:
        return sum(level.nbytes for level in self.levels)

    def block(self, view: View) -> Block:
        """The pixels of a view, of the level that fits its factor."""
        index = min(int(math.log2(view.factor // self.factor)), len(self.levels) - 1)
        level = self.levels[index]
        # NOTE: halving rounds sides up, so the size of a cell follows from the first level.
        height, width = (side / of for side, of in zip(self.shape_hw, self._first_hw, strict=True))
        cell_w, cell_h = width * 2**index, height * 2**index
        x0, y0, x1, y1 = view.window.box_xyxy
        left, right = math.floor(x0 / cell_w), math.ceil(x1 / cell_w)
        top, bottom = math.floor(y0 / cell_h), math.ceil(y1 / cell_h)
        corner = Affine.translation(left * cell_w, top * cell_h)
        return Block(level[:, top:bottom, left:right], corner @ Affine.scale(cell_w, cell_h))

    @property
    def _first_hw(self) -> ShapeHW:
        _, height, width = self.levels[0].shape
        return height, width


class TileRenderer:
    """Draws tiles and keeps those asked for last.

    Args:
        cache_bytes: most bytes of PNGs to keep.
    """

    def __init__(self, cache_bytes: int = TILE_CACHE_BYTES) -> None:
        self._tiles: LruCache[tuple[object, ...], bytes] = LruCache(cache_bytes, len)
        self._overviews: LruCache[tuple[object, ...], _Overview] = LruCache(
            OVERVIEW_CACHE_BYTES, lambda overview: overview.size_bytes
        )

    def scene_tile(self, scene: Scene, z: int, x: int, y: int) -> bytes:
        """PNG of a scene in its bands and stretch; transparent where it holds no data.

        Raises:
            RasterError: the file is gone or damaged.
        """
        key = (scene.scene_id, scene.version, scene.display, z, x, y)
        return self._tiles.get(key, lambda: self._draw_scene(scene, z, x, y))

    def label_tile(
        self,
        run: Run,
        z: int,
        x: int,
        y: int,
        rule: SelectionRule | None = None,
        *,
        least_score: float | None = None,
    ) -> bytes:
        """PNG of a run's objects in their colours; transparent where there is none.

        Args:
            run: a finished run.
            z: zoom, and so on.
            x: column.
            y: row.
            rule: which candidates become objects; None takes the run's own rule.
            least_score: objects of a lower score stay out of sight; None shows all.

        Raises:
            NotFoundError: the run has no result.
        """
        source = run_source(run)
        key = (run.run_id, version_of(run), rule or source.rule, least_score, z, x, y)

        def draw() -> bytes:
            hidden = None if least_score is None else labels_to_hide(run, rule, least_score)
            draw_it = _draw_stored if run.is_streamed else _draw_selected
            return draw_it(run, rule, (z, x, y), hidden)

        return self._tiles.get(key, draw)

    def _draw_scene(self, scene: Scene, z: int, x: int, y: int) -> bytes:
        frame = scene.frame
        view = tile_view(frame, z, x, y)
        if view is None:
            return empty_png()
        block = self._read(scene, view)
        return encode_png(draw_tile(frame, block, z, x, y, smooth=view.factor > 1))

    def _read(self, scene: Scene, view: View) -> Block:
        raster, stretch = scene.raster, scene.stretch
        stored = [f for f in overview_factors(scene) if f <= view.factor]
        if stored:
            return _read_stored(scene, view, stored[-1])
        factor = _overview_factor(raster)
        if factor is not None and view.factor >= factor:
            key = (scene.scene_id, scene.version, scene.display)
            overview = self._overviews.get(key, lambda: _make_overview(raster, stretch, factor))
            return overview.block(view)
        tile = _read_reduced(raster, stretch, view.window, view.shape_hw)
        return Block.of_window(_rgba(tile), view.window)


def label_colors(largest_id: int) -> NDArray[np.uint8]:
    """Colours of label values 0 to ``largest_id`` as uint8 [n, 4]; 0 is transparent."""
    from samgeo_core.results.colors import object_colors

    table = np.zeros((largest_id + 1, 4), np.uint8)
    table[1:, :3] = object_colors(largest_id)
    table[1:, 3] = 255
    return table


@lru_cache(maxsize=2)
def _color_table(bits: int) -> NDArray[np.uint8]:
    """Colours of all labels of so many bits; one table serves all tiles of a result."""
    return label_colors((1 << bits) - 1)


_Hidden = NDArray[np.bool_] | None


def _draw_selected(
    run: Run, rule: SelectionRule | None, tile: tuple[int, int, int], hidden: _Hidden
) -> bytes:
    shown = selected(run, rule)

    def read(window: Window, step: int) -> Labels:
        return label_raster(shown.objects, step=step, window=window)

    return _draw_labels(shown.source.place, read, tile, hidden)


def _draw_stored(
    run: Run, rule: SelectionRule | None, tile: tuple[int, int, int], hidden: _Hidden
) -> bytes:
    """A tile straight from the label raster of a run, whose overviews are of the right size."""

    def read(window: Window, step: int) -> Labels:
        with open_dataset(run.labels_path) as dataset:
            labels: Labels = dataset.read(
                1,
                window=RasterioWindow(window.x, window.y, window.width, window.height),
                out_shape=(-(-window.height // step), -(-window.width // step)),
                resampling=Resampling.nearest,
            )
        return labels

    return _draw_labels(result_place(run), read, tile, hidden)


def _draw_labels(
    place: ResultPlace,
    read: Callable[[Window, int], Labels],
    tile: tuple[int, int, int],
    hidden: _Hidden,
) -> bytes:
    """A tile of labels; ``read`` gives every so many-th px of a window of the result."""
    z, x, y = tile
    view = tile_view(place.frame, z, x, y)
    window = None if view is None else view.window.intersection(place.window)
    if view is None or window is None:
        return empty_png()
    inside = Window(
        window.x - place.window.x, window.y - place.window.y, window.width, window.height
    )
    labels = read(inside, view.factor)
    if hidden is not None:
        labels = np.where(hidden[labels], np.zeros_like(labels), labels)
    rgba = np.moveaxis(_color_table(int(labels.max()).bit_length())[labels], -1, 0)
    block = Block.of_window(np.ascontiguousarray(rgba), window)
    return encode_png(draw_tile(place.frame, block, z, x, y, smooth=False))


def _read_reduced(raster: Raster, stretch: Stretch, window: Window, shape_hw: ShapeHW) -> TileImage:
    return raster.read(window, stretch=stretch, shape_hw=shape_hw, resampling=Resampling.average)


def _read_stored(scene: Scene, view: View, factor: int) -> Block:
    """The pixels of a view out of the scene's own overview of a factor."""
    raster = open_overview(scene, factor)
    inside = shrunk(view.window, factor, raster.shape_hw)
    step = view.factor // factor
    shape_hw = -(-inside.height // step), -(-inside.width // step)
    rgba = _rgba(_read_reduced(raster, scene.stretch, inside, shape_hw))
    # NOTE: the last pixels of an overview may reach beyond the raster.
    size = Affine.scale(factor * inside.width / shape_hw[1], factor * inside.height / shape_hw[0])
    return Block(rgba, Affine.translation(inside.x * factor, inside.y * factor) @ size)


def _rgba(tile: TileImage) -> RGBA:
    alpha = np.where(tile.valid, np.uint8(255), np.uint8(0))
    return np.concatenate([np.moveaxis(tile.rgb, -1, 0), alpha[None]])


def _overview_factor(raster: Raster) -> int | None:
    """From which reduction on an overview in memory serves; None where the file is quick itself."""
    longest = max(raster.shape_hw)
    if raster.overviews or longest <= OVERVIEW_PX:
        return None
    return 1 << math.ceil(math.log2(longest / OVERVIEW_PX))


def _make_overview(raster: Raster, stretch: Stretch, factor: int) -> _Overview:
    height, width = raster.shape_hw
    whole = Window.whole(raster.shape_hw)
    tile = _read_reduced(raster, stretch, whole, (-(-height // factor), -(-width // factor)))
    levels = [_rgba(tile)]
    while max(levels[-1].shape[1:]) > 256:
        levels.append(halve(levels[-1]))
    return _Overview(factor, raster.shape_hw, tuple(levels))
