"""Pictures shown with matplotlib: inline in a notebook, in a window of a desktop script."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError

_SHOWN_PX = 2048
# matplotlib's backends that only write files; showing with them is a warning.
_SILENT_BACKENDS = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}


def show_picture(
    title: str,
    picture: NDArray[Any],
    *,
    figsize: tuple[float, float],
    axis: str,
    cmap: str | None = None,
) -> None:
    """Show an image; where nothing can be shown, leave the figure as pyplot's current one.

    Args:
        title: of the figure, which is drawn anew if it is still open.
        picture: [H, W] or uint8 [H, W, 3].
        figsize: width and height, inches.
        axis: "off" or "on": whether pixel coordinates are drawn.
        cmap: name of a colour map, for [H, W].
    """
    import matplotlib.pyplot as plt

    step = max(1, -(-max(picture.shape[:2]) // _SHOWN_PX))
    height, width = picture.shape[:2]
    figure = plt.figure(title, figsize=figsize, clear=True)
    axes = figure.add_subplot()
    axes.imshow(picture[::step, ::step], cmap=cmap, extent=(0, width, height, 0))
    axes.axis(axis == "on" if axis in ("on", "off") else axis)
    if plt.get_backend().lower() not in _SILENT_BACKENDS:
        plt.show()


def colored(values: NDArray[Any], cmap: str) -> NDArray[np.uint8]:
    """Values [H, W] through a colour map, smallest to largest, as uint8 [H, W, 3].

    Raises:
        ParameterError: matplotlib has no such colour map.
    """
    from matplotlib import colormaps

    if cmap not in colormaps:
        raise ParameterError(f"cmap must be the name of a colour map of matplotlib, got {cmap!r}.")
    low, high = int(values.min()), int(values.max())
    colours = (colormaps[cmap](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)
    shown = np.empty((*values.shape, 3), np.uint8)
    # Row by row: the share of a whole raster in float64 would be eight times its labels.
    for row, target in zip(values, shown, strict=True):
        share = (row.astype(np.float64) - low) / max(high - low, 1)
        target[:] = colours[(share * 255).astype(np.uint8)]
    return shown
