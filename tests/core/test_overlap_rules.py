from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from samgeo_core.config import OVERLAPS
from samgeo_core.errors import ParameterError
from samgeo_core.objects import ObjectSet
from samgeo_core.overlap_rules import apply_overlap_rule
from samgeo_core.results.labels import label_raster
from samgeo_core.results.nesting import parent_ids
from tests.core.test_objects import SHAPE, object_sets, same

ALL = np.ones(SHAPE, np.bool_)


def counts(objects: ObjectSet) -> np.ndarray:
    """How many objects lie on each pixel, [H, W]."""
    total = np.zeros(objects.shape_hw, np.int64)
    for item in objects:
        total[item.slices] += item.mask
    return total


@given(object_sets())
def test_nested_keeps_all(drawn: Any) -> None:
    objects = drawn[2]
    assert same(apply_overlap_rule(objects, "nested", ALL), objects)


@given(object_sets())
def test_flat_objects_are_what_the_label_raster_shows(drawn: Any) -> None:
    objects = drawn[2]
    before, flat = label_raster(objects), apply_overlap_rule(objects, "flatten", ALL)
    assert (counts(flat) == (before > 0)).all()
    assert len(flat) == len(np.unique(before[before > 0]))
    for i, item in enumerate(flat):
        owners = np.unique(before[item.slices][item.mask])
        assert len(owners) == 1
        assert (before == owners[0]).sum() == item.area_px
        assert flat.points_xy[i].tolist() == objects.points_xy[owners[0] - 1].tolist()
    assert not parent_ids(flat).any()


@given(object_sets())
def test_the_largest_lie_in_no_other(drawn: Any) -> None:
    objects = drawn[2]
    kept = apply_overlap_rule(objects, "largest", ALL)
    assert same(kept, objects.select(parent_ids(objects) == 0))
    if len(objects):
        assert kept.areas_px.max() == objects.areas_px.max()


@given(object_sets(), hnp.arrays(bool, SHAPE))
def test_a_partition_has_no_gap_and_no_overlap_and_spares_nodata(
    drawn: Any, valid: np.ndarray
) -> None:
    objects = drawn[2]
    whole = apply_overlap_rule(objects, "partition", valid)
    before = label_raster(objects) * valid
    if not before.any():
        assert len(whole) == 0
        return
    assert (counts(whole) == valid).all()
    after = label_raster(whole)
    for owner in np.unique(before[before > 0]):
        assert len(np.unique(after[before == owner])) == 1, "an object was torn apart"
    assert len(whole) == len(np.unique(before[before > 0]))


def test_a_gap_goes_to_its_nearest_object() -> None:
    masks = [np.ones((10, 5), bool), np.ones((10, 5), bool)]
    objects = ObjectSet.build((10, 40), masks, [(0, 0), (30, 0)], [0.9, 0.8], [1, 1])
    whole = apply_overlap_rule(objects, "partition", np.ones((10, 40), bool))
    # The gap of columns 5 to 29 is shared at its middle; both touch it with the same right.
    assert sorted(whole.areas_px.tolist()) in ([170, 230], [180, 220], [175, 225])
    assert sorted(whole.boxes_xyxy[:, 0].tolist())[0] == 0
    assert sorted(whole.boxes_xyxy[:, 2].tolist())[-1] == 40


@pytest.mark.parametrize("rule", OVERLAPS)
def test_no_objects_stay_none(rule: str) -> None:
    assert len(apply_overlap_rule(ObjectSet.empty(SHAPE), rule, ALL)) == 0


def test_valid_pixels_of_another_raster_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"\[30, 40\], got \[3, 4\]"):
        apply_overlap_rule(ObjectSet.empty(SHAPE), "nested", np.ones((3, 4), bool))
