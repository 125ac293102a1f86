from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from samgeo_core.objects import ObjectSet
from samgeo_core.results.nesting import parent_ids


def object_set(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (64, 64)) -> ObjectSet:
    masks = [np.ones((y1 - y0, x1 - x0), np.bool_) for x0, y0, x1, y1 in boxes]
    offsets = [(x0, y0) for x0, y0, _, _ in boxes]
    n = len(boxes)
    return ObjectSet.build(shape, masks, offsets, [0.9] * n, [0.9] * n)


def test_the_parent_is_the_smallest_object_that_holds_it() -> None:
    objects = object_set((0, 0, 60, 60), (10, 10, 30, 30), (12, 12, 16, 16), (40, 40, 50, 45))
    assert objects.areas_px.tolist() == [16, 50, 400, 3600]
    assert parent_ids(objects).tolist() == [3, 4, 4, 0]


def test_nine_tenths_are_enough_and_less_is_not() -> None:
    large = (0, 0, 50, 50)
    assert parent_ids(object_set(large, (41, 0, 51, 10))).tolist() == [2, 0]
    assert parent_ids(object_set(large, (42, 0, 52, 10))).tolist() == [0, 0]


def test_a_box_alone_makes_no_parent() -> None:
    frame = np.ones((40, 40), np.bool_)
    frame[5:35, 5:35] = False
    inside = np.ones((10, 10), np.bool_)
    objects = ObjectSet.build((64, 64), [frame, inside], [(0, 0), (15, 15)], [1, 1], [1, 1])
    assert parent_ids(objects).tolist() == [0, 0]


def test_no_objects() -> None:
    assert parent_ids(ObjectSet.empty((5, 5))).shape == (0,)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_equals_the_definition(seed: int) -> None:
    random = np.random.default_rng(seed)
    masks = [random.random(random.integers(1, 24, 2)) < random.uniform(0.3, 1) for _ in range(12)]
    offsets = random.integers(0, 8, (12, 2))
    objects = ObjectSet.build((32, 32), masks, offsets, [1] * 12, [1] * 12)
    full = [objects.full_mask(i) for i in range(len(objects))]
    expected = [
        next(
            (j + 1 for j in range(i + 1, len(full)) if (mask & full[j]).sum() >= 0.9 * mask.sum()),
            0,
        )
        for i, mask in enumerate(full)
    ]
    assert parent_ids(objects).tolist() == expected
