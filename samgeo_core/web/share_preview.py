"""The picture by which messengers show a shared result: the image, with outlines of its objects."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling

from samgeo_core.config import SelectionRule
from samgeo_core.reading.sources import open_dataset
from samgeo_core.results.colors import object_colors
from samgeo_core.results.labels import label_raster
from samgeo_core.web.cache import LruCache
from samgeo_core.web.overviews import read_small
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.results import ResultPlace, result_place
from samgeo_core.web.selected import selected, version_of
from samgeo_core.windows import ShapeHW, Window

PREVIEW_HW: ShapeHW = (630, 1200)
"""Height and width, px: the 1.91 to 1 that Open Graph pictures are shown in."""

_FILL = 0.2
_PALETTE = 4096
_CACHE_BYTES = 16 << 20

_pictures: LruCache[tuple[object, ...], bytes] = LruCache(_CACHE_BYTES, len)


def preview_png(run: Run, scene: Scene, rule: SelectionRule | None = None) -> bytes:
    """PNG of `PREVIEW_HW`: the middle of the result, as wide or high as it fits.

    Args:
        run: a finished run.
        scene: its image.
        rule: which candidates become objects; None takes the run's own rule.

    Raises:
        NotFoundError: the run has no result.
        RasterError: the image is gone.
    """
    key = (run.run_id, version_of(run), scene.version, scene.display, rule)
    return _pictures.get(key, lambda: _draw(run, scene, rule))


def _draw(run: Run, scene: Scene, rule: SelectionRule | None) -> bytes:
    from PIL import Image

    place = result_place(run)
    part = _middle(place.grid.shape_hw)
    shape_hw = _at_most(part.shape_hw)
    over_scene = Window(part.x + place.window.x, part.y + place.window.y, part.width, part.height)
    tile = read_small(scene, over_scene, shape_hw)
    labels = _labels(run, rule, place, part)
    rows = np.linspace(0, labels.shape[0] - 1, PREVIEW_HW[0]).round().astype(int)
    columns = np.linspace(0, labels.shape[1] - 1, PREVIEW_HW[1]).round().astype(int)
    size = PREVIEW_HW[1], PREVIEW_HW[0]
    image = Image.fromarray(tile.rgb).resize(size, Image.Resampling.BICUBIC)
    drawn = _outlined(np.asarray(image), labels[np.ix_(rows, columns)])
    file = io.BytesIO()
    # Messengers leave out pictures that take too long: 256 colours need a third of the bytes.
    Image.fromarray(drawn).quantize(256).save(file, "PNG", optimize=True)
    return file.getvalue()


def _middle(shape_hw: ShapeHW) -> Window:
    """The largest part about the middle that has the sides' ratio of the picture."""
    height, width = shape_hw
    ratio = PREVIEW_HW[1] / PREVIEW_HW[0]
    part_w = max(1, min(width, round(height * ratio)))
    part_h = max(1, min(height, round(width / ratio)))
    return Window((width - part_w) // 2, (height - part_h) // 2, part_w, part_h)


def _at_most(shape_hw: ShapeHW) -> ShapeHW:
    """No more px than the picture has."""
    height, width = shape_hw
    return min(height, PREVIEW_HW[0]), min(width, PREVIEW_HW[1])


def _labels(
    run: Run, rule: SelectionRule | None, place: ResultPlace, part: Window
) -> NDArray[np.integer]:
    """Labels of a part of the result at about the picture's resolution."""
    step = max(1, min(part.height // PREVIEW_HW[0], part.width // PREVIEW_HW[1]))
    if not run.is_streamed:
        return label_raster(selected(run, rule).objects, step=step, window=part)
    with open_dataset(run.labels_path) as dataset:
        labels: NDArray[np.integer] = dataset.read(
            1,
            window=((part.y, part.y + part.height), (part.x, part.x + part.width)),
            out_shape=(-(-part.height // step), -(-part.width // step)),
            resampling=Resampling.nearest,
        )
    return labels


def _outlined(rgb: NDArray[np.uint8], labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Objects filled lightly in their colours, with full colour where they end.

    Args:
        rgb: uint8 [H, W, 3].
        labels: ids of objects [H, W], 0 where there is none.
    """
    # A result in parts may count to many millions: colours begin again from the first.
    colors = object_colors(_PALETTE)[(labels.astype(np.int64) - 1) % _PALETTE].astype(np.float32)
    edge = np.zeros(labels.shape, np.bool_)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    # Such pictures are often shown at a third of their size.
    edge[1:-1, 1:-1] |= edge[:-2, 1:-1] | edge[2:, 1:-1] | edge[1:-1, :-2] | edge[1:-1, 2:]
    share = np.where(labels > 0, np.where(edge, 1.0, _FILL), 0.0)[..., None]
    mixed = rgb * (1 - share) + colors * share
    return np.asarray(mixed.round(), np.uint8)
