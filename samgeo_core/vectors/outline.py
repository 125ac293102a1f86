"""The outline of each object by itself, as a style wants it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.crossings import CrossingBook, places_of_edges, shifts_of
from samgeo_core.objects import ObjectSet
from samgeo_core.results.outlines import Geometries
from samgeo_core.vectors.promises import area_kept, deviates
from samgeo_core.vectors.shapes import as_circles, as_regular
from samgeo_core.vectors.style import OutlineStyle
from samgeo_core.vectors.subpixel import smoothed
from samgeo_core.vectors.unit_edges import Keys, UnitEdges, place_keys

_STEPS_DOWN = (1.0, 0.5, 0.25, 0.0)


_PASSES_OF_FIELDS = 1
"""How often outlines that follow logits are smoothed, which takes the rounding of these out."""


def drawn(
    exact: Geometries, style: OutlineStyle, shifts: NDArray[np.float64] | None = None
) -> Geometries:
    """Outlines in a style, each by itself: neighbours don't share edges; see `coverage` for that.

    Each is valid, has the parts and holes of its mask, lies nowhere further from the mask's outline
    than half a pixel (where it is smoothed) and the tolerance, nor that from it, and has the area
    of the mask to a share of `promises.AREA_SHARE`, or `SMALL_AREA_SHARE` if that is smaller than
    `promises.promised_area_px`. Regular ones and circles overlap their mask by
    `shapes.LEAST_IOU` instead; what doesn't stays as it was.

    Args:
        exact: [N], Polygon or MultiPolygon along pixel edges, raster px.
        style: what is wanted.
        shifts: float64 [M] px for the M `UnitEdges`: where the model's logits pass each, NaN where
            that isn't known. Outlines of which some is known are smoothed the less.
    """
    if style.follows_pixels or not len(exact):
        return exact
    lines = exact
    if style.smoothing:
        lines = _kept(exact, _smooth(exact, style.smoothing, shifts), exact, 0.0)
    return _finished(exact, lines, style)


def _smooth(exact: Geometries, passes: int, shifts: NDArray[np.float64] | None) -> Geometries:
    if shifts is None:
        return smoothed(exact, passes)
    edges = UnitEdges.of(exact)
    owners = edges.owners
    follows = np.bincount(owners, np.isfinite(shifts), len(exact)) > 0
    result = exact.copy()
    result[~follows] = smoothed(exact[~follows], passes)
    begin = np.nan_to_num(shifts[follows[owners]])
    result[follows] = smoothed(exact[follows], min(passes, _PASSES_OF_FIELDS), shifts=begin)
    return result


def shifts_of_book(
    exact: Geometries,
    masks: Sequence[NDArray[np.bool_]],
    offsets_xy: NDArray[np.int64],
    book: CrossingBook,
) -> NDArray[np.float64] | None:
    """Where logits pass the outlines of masks: float64 [M] for their `UnitEdges`, NaN: not known.

    Args:
        exact: [N], the masks' own outlines.
        masks: N arrays bool [h, w], trimmed.
        offsets_xy: int64 [N, 2], where each begins, raster px.
        book: what is known of masks; None comes back where it knows none of these.
    """
    if not len(book):
        return None
    edges = UnitEdges.of(exact)
    keys = edges.edge_keys
    ends = np.cumsum(np.bincount(edges.owners, minlength=len(exact)))
    shifts = np.full(len(keys), np.nan)
    for i, (mask, (x, y)) in enumerate(zip(masks, offsets_xy.tolist(), strict=True)):
        known = book.get(mask, (x, y))
        if known is None:
            continue
        here = slice(ends[i - 1] if i else 0, ends[i])
        places = place_keys(places_of_edges(mask) + 2 * np.array((x, y)))
        # The same edges in another order.
        shifts[here][np.argsort(keys[here])] = shifts_of(known)[np.argsort(places)]
    return shifts if np.isfinite(shifts).any() else None


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


def shifts_by_edge(
    objects: ObjectSet, book: CrossingBook
) -> tuple[Keys, NDArray[np.float64]] | None:
    """Where logits pass the edges of a raster's objects; None where that isn't known of any.

    Returns:
        Keys of edges, ascending, and for each the shift, px, the mean where objects share it.
    """
    keys, shifts = [], []
    for item in objects:
        known = book.get(item.mask, item.offset_xy)
        if known is not None:
            found = shifts_of(known)
            some = np.isfinite(found)
            places = places_of_edges(item.mask)[some] + 2 * np.array(item.offset_xy)
            keys.append(place_keys(places))
            shifts.append(found[some])
    if not keys:
        return None
    edges, index = np.unique(np.concatenate(keys), return_inverse=True)
    sums = np.bincount(index, np.concatenate(shifts), len(edges))
    return edges, sums / np.bincount(index, minlength=len(edges))
