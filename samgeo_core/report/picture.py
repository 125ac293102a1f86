"""The picture of a report's map: the image, with objects tinted and outlined in their colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.report.subject import ReportSubject
from samgeo_core.results.labels import Labels

_FILL = 0.3
_PAPER = np.array([240, 242, 241], np.uint8)
_LEAST_PX = 900


@dataclass(frozen=True, eq=False)
class MapPicture:
    """A picture of a whole grid.

    Attributes:
        rgb: uint8 [h, w, 3].
        extent: left, right, bottom, top of it in px of the grid, as matplotlib takes them; the last
            pixels may reach a little beyond the grid.
    """

    rgb: NDArray[np.uint8]
    extent: tuple[float, float, float, float]


def map_picture(subject: ReportSubject, most_px: int) -> MapPicture:
    """Draw the map of a report; memory follows from the picture, not from the raster.

    Args:
        subject: what is drawn.
        most_px: longest side.
    """
    height, width = subject.grid.shape_hw
    step = max(1, -(-max(height, width) // most_px))
    labels = subject.read_labels(step)
    tile = subject.read_image(labels.shape[:2])
    rgb = np.broadcast_to(_PAPER, (*labels.shape, 3)) if tile is None else tile.rgb
    if tile is not None:
        rgb = np.where(tile.valid[..., None], rgb, _PAPER)
    # Of few pixels lines would be as thick as roofs: each becomes several.
    times = max(1, min(most_px, _LEAST_PX) // max(labels.shape)) if max(labels.shape) else 1
    if times > 1:
        rgb = rgb.repeat(times, axis=0).repeat(times, axis=1)
        labels = labels.repeat(times, axis=0).repeat(times, axis=1)
    right, bottom = labels.shape[1] * step / times, labels.shape[0] * step / times
    return MapPicture(tinted(rgb, labels, subject.colors), (0.0, right, bottom, 0.0))


def tinted(rgb: NDArray[np.uint8], labels: Labels, colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Objects filled lightly in their colours, with full colour where they end.

    Args:
        rgb: uint8 [H, W, 3].
        labels: ids of objects [H, W], 0 where there is none.
        colors: uint8 [K, 3], see `ReportSubject`.
    """
    if not len(colors):
        return np.array(rgb)
    drawn = np.array(rgb)
    inside = labels > 0
    edge = borders(labels) & inside
    own = colors[(labels[inside].astype(np.int64) - 1) % len(colors)].astype(np.float32)
    share = np.where(edge[inside], 1.0, _FILL).astype(np.float32)[:, None]
    drawn[inside] = (drawn[inside] * (1 - share) + own * share).round().astype(np.uint8)
    return drawn


def borders(labels: Labels) -> NDArray[np.bool_]:
    """Pixels beside one of another label, bool [H, W]."""
    edge = np.zeros(labels.shape, np.bool_)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    return edge
