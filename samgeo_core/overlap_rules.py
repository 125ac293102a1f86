"""What becomes of objects that overlap: kept nested, laid flat, outermost only, or a partition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.results.labels import Labels, label_raster, nearest_labels
from samgeo_core.results.nesting import parent_ids


def nested(objects: ObjectSet, valid: BoolMask) -> ObjectSet:
    """Every object as it is, one within the other."""
    return objects


def largest(objects: ObjectSet, valid: BoolMask) -> ObjectSet:
    """Objects that lie within no other (see `parent_ids`)."""
    return objects.select(parent_ids(objects) == 0)


def flatten(objects: ObjectSet, valid: BoolMask) -> ObjectSet:
    """Each pixel belongs to the smallest object on it; what is wholly covered is gone."""
    return _from_labels(objects, label_raster(objects))


def partition(objects: ObjectSet, valid: BoolMask) -> ObjectSet:
    """As `flatten`, and pixels with data that nothing covered go to the nearest object.

    Where there is an object at all, every pixel with data belongs to exactly one.
    """
    if not len(objects):
        return objects
    labels = label_raster(objects)
    labels[~valid] = 0
    if not labels.any():
        return ObjectSet.empty(objects.shape_hw)
    return _from_labels(objects, np.where(valid, nearest_labels(labels), 0))


OverlapRule = Callable[[ObjectSet, BoolMask], ObjectSet]

_RULES: dict[str, OverlapRule] = {
    "nested": nested,
    "flatten": flatten,
    "largest": largest,
    "partition": partition,
}


def apply_overlap_rule(objects: ObjectSet, rule: str, valid: BoolMask) -> ObjectSet:
    """Objects as an overlap rule leaves them, numbered anew by size.

    Args:
        objects: N objects of a raster [H, W].
        rule: one of `config.OVERLAPS`.
        valid: bool [H, W], where the raster carries data.

    Raises:
        ParameterError: ``valid`` has another shape.
    """
    if valid.shape != objects.shape_hw:
        raise ParameterError(
            f"valid must have the shape of the raster, {list(objects.shape_hw)}, "
            f"got {list(valid.shape)}."
        )
    return _RULES[rule](objects, valid)


def sources_of(before: ObjectSet, after: ObjectSet, rule: str) -> NDArray[np.int64]:
    """Which of the objects before an overlap rule each object after it was, as indices [M].

    Args:
        before: N objects.
        after: what `apply_overlap_rule` made of them.
        rule: that rule.
    """
    if rule == "nested":
        return np.arange(len(before))
    if rule == "largest":
        return np.flatnonzero(parent_ids(before) == 0)
    labels = label_raster(before)
    # Pixels that a partition gave away had no label, and all others bear their object's.
    owners = [int(labels[item.slices][item.mask].max()) for item in after]
    return np.array(owners, np.int64).reshape(-1) - 1


def _from_labels(objects: ObjectSet, labels: Labels) -> ObjectSet:
    """What labels [H, W] leave of each object: its pixels are those with its id."""
    from scipy import ndimage  # heavy, and most pages do without

    places: list[tuple[slice, slice] | None] = ndimage.find_objects(labels, len(objects))
    index = np.array([i for i, place in enumerate(places) if place is not None], np.int64)
    masks, offsets = [], []
    for i in index.tolist():
        rows, columns = places[i] or (slice(0), slice(0))
        masks.append(labels[rows, columns] == i + 1)
        offsets.append((columns.start, rows.start))
    return ObjectSet.of_trimmed(
        objects.shape_hw,
        masks,
        np.array(offsets, np.int64).reshape(-1, 2),
        objects.scores[index],
        objects.stabilities[index],
        objects.points_xy[index],
        np.bincount(labels.ravel(), minlength=len(objects) + 1)[index + 1],
    )
