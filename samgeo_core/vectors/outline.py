"""The outline of each object by itself, as a style wants it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.results.outlines import Geometries, trace
from samgeo_core.vectors.promises import area_kept, deviates
from samgeo_core.vectors.shapes import as_circles, as_regular
from samgeo_core.vectors.style import OutlineStyle
from samgeo_core.vectors.subpixel import shifts_of_field, smoothed
from samgeo_core.vectors.unit_edges import UnitEdges

_STEPS_DOWN = (1.0, 0.5, 0.25, 0.0)


def drawn(exact: Geometries, style: OutlineStyle) -> Geometries:
    """Outlines in a style, each by itself: neighbours don't share edges; see `coverage` for that.

    Each is valid, has the parts and holes of its mask, lies nowhere further from the mask's outline
    than half a pixel (where it is smoothed) and the tolerance, nor that from it, and has the area
    of the mask to a share of `promises.AREA_SHARE` if that is not smaller than
    `promises.promised_area_px`. Regular ones and circles overlap their mask by
    `shapes.LEAST_IOU` instead; what doesn't stays as it was.

    Args:
        exact: [N], Polygon or MultiPolygon along pixel edges, raster px.
        style: what is wanted.
    """
    if style.follows_pixels or not len(exact):
        return exact
    lines = exact
    if style.smoothing:
        lines = _kept(exact, smoothed(exact, style.smoothing), exact, 0.0)
    return _finished(exact, lines, style)


def drawn_by_fields(
    masks: Sequence[NDArray[np.bool_]],
    offsets_xy: NDArray[np.int64],
    fields: Sequence[NDArray[np.float32]],
    field_offsets_xy: NDArray[np.int64],
    style: OutlineStyle,
) -> Geometries:
    """As `drawn`, where the model's logits are at hand: outlines pass where these change sign.

    Args:
        masks: N arrays bool [h, w].
        offsets_xy: int64 [N, 2], where each begins, raster px.
        fields: N arrays float32, signed logits at raster resolution, positive in the object; best a
            pixel larger than the mask on every side.
        field_offsets_xy: int64 [N, 2], where each begins.
        style: what is wanted; it is not smoothed, as there is nothing to smooth.
    """
    exact = trace(masks, offsets_xy)
    lines = exact.copy()
    places = zip(fields, field_offsets_xy.tolist(), strict=True)
    for i, (field, (x, y)) in enumerate(places):
        one = exact[i : i + 1]
        lines[i : i + 1] = smoothed(
            one, 0, shifts=shifts_of_field(UnitEdges.of(one), field, (x, y))
        )
    return _finished(exact, _kept(exact, lines, exact, 0.0), style)


def _finished(exact: Geometries, lines: Geometries, style: OutlineStyle) -> Geometries:
    """Simplified, and made regular or round where that is wanted and fits."""
    result = lines
    if style.tolerance_px:
        result = np.full(len(lines), None, object)
        todo = np.ones(len(lines), np.bool_)
        for step in _STEPS_DOWN:
            tolerance = step * style.tolerance_px
            simple = shapely.simplify(lines[todo], tolerance) if step else lines[todo]
            result[todo] = simple
            fits = _fits(exact[todo], simple, style.tolerance_px)
            todo[todo] = ~fits | deviates(lines[todo], simple, style.tolerance_px)
            if not todo.any():
                break
    if style.regular:
        result = as_regular(result, exact)
    if style.circles:
        result = as_circles(result, exact)
    return result


def _fits(exact: Geometries, lines: Geometries, tolerance_px: float) -> NDArray[np.bool_]:
    return np.asarray(area_kept(exact, lines, tolerance_px) & shapely.is_valid(lines), np.bool_)


def _kept(
    exact: Geometries, wanted: Geometries, otherwise: Geometries, tolerance_px: float
) -> Geometries:
    return np.asarray(np.where(_fits(exact, wanted, tolerance_px), wanted, otherwise), object)
