"""Objects cut by windows come back whole, once each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samgeo_core.merge import merge_windows
from samgeo_core.objects import ObjectSet
from samgeo_core.windows import Window, plan_windows

SHAPE = (200, 300)


def seen_through(windows: list[Window], truth: list[NDArray[np.bool_]]) -> ObjectSet:
    """Objects as windows that see perfectly report them, joined."""
    found = []
    for window in windows:
        parts = [mask[window.slices] for mask in truth]
        parts = [part for part in parts if part.any()]
        n = len(parts)
        objects = ObjectSet.build(window.shape_hw, parts, [(0, 0)] * n, [0.9] * n, [0.95] * n)
        found.append((window, objects))
    return merge_windows(SHAPE, found)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def masks_of(objects: ObjectSet) -> set[bytes]:
    return {objects.full_mask(i).tobytes() for i in range(len(objects))}


def test_every_object_comes_back_exactly_once() -> None:
    truth = [
        rectangle(5, 5, 30, 25),
        rectangle(70, 40, 130, 95),
        rectangle(0, 150, 300, 180),
        rectangle(140, 0, 160, 200) & ~rectangle(0, 150, 300, 180),
        rectangle(280, 190, 300, 200),
    ]
    windows = plan_windows(SHAPE, 100, 40)
    assert len(windows) > 6
    objects = seen_through(windows, truth)
    assert masks_of(objects) == {mask.tobytes() for mask in truth}


def test_nested_objects_stay_apart() -> None:
    truth = [rectangle(20, 20, 250, 180), rectangle(80, 60, 120, 100)]
    objects = seen_through(plan_windows(SHAPE, 128, 64), truth)
    assert masks_of(objects) == {mask.tobytes() for mask in truth}


def test_neighbours_that_disagree_are_not_joined() -> None:
    left, right = Window(0, 0, 160, 200), Window(140, 0, 160, 200)
    a, b = np.zeros((200, 160), np.bool_), np.zeros((200, 160), np.bool_)
    a[0:50, 100:160] = True
    b[100:150, 0:50] = True
    found = [
        (window, ObjectSet.build((200, 160), [mask], [(0, 0)], [0.9], [0.9]))
        for window, mask in ((left, a), (right, b))
    ]
    assert len(merge_windows(SHAPE, found)) == 2


def test_nothing_found_is_an_empty_set() -> None:
    windows = plan_windows(SHAPE, 100, 40)
    objects = merge_windows(SHAPE, [(w, ObjectSet.empty(w.shape_hw)) for w in windows])
    assert len(objects) == 0
    assert objects.shape_hw == SHAPE
