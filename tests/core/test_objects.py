from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samgeo_core.errors import ParameterError
from samgeo_core.objects import ObjectSet

SHAPE = (30, 40)


@st.composite
def object_sets(draw: st.DrawFn) -> tuple[list[np.ndarray], list[tuple[int, int]], ObjectSet]:
    """Masks with their offsets, and the set that is made of them."""
    masks, offsets = [], []
    for _ in range(draw(st.integers(0, 6))):
        mask = draw(hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
        masks.append(mask)
        offsets.append(
            (
                draw(st.integers(0, SHAPE[1] - mask.shape[1])),
                draw(st.integers(0, SHAPE[0] - mask.shape[0])),
            )
        )
    n = len(masks)
    numbers = [i / 10 for i in range(n)]
    points = [(float(i), float(i) + 0.5) for i in range(n)]
    return masks, offsets, ObjectSet.build(SHAPE, masks, offsets, numbers, numbers, points)


def painted(mask: np.ndarray, offset: tuple[int, int]) -> np.ndarray:
    full = np.zeros(SHAPE, bool)
    full[offset[1] : offset[1] + mask.shape[0], offset[0] : offset[0] + mask.shape[1]] = mask
    return full


def same(one: ObjectSet, other: ObjectSet) -> bool:
    arrays = ("offsets_xy", "scores", "stabilities", "points_xy", "areas_px")
    return (
        one.shape_hw == other.shape_hw
        and len(one) == len(other)
        and all(np.array_equal(a, b) for a, b in zip(one.masks, other.masks, strict=True))
        and all(
            np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
            for name in arrays
        )
    )


class TestBuild:
    @given(object_sets())
    def test_keeps_every_pixel_of_every_mask_that_has_any(self, drawn: Any) -> None:
        masks, offsets, objects = drawn
        wanted = {
            painted(mask, offset).tobytes()
            for mask, offset in zip(masks, offsets, strict=True)
            if mask.any()
        }
        assert {objects.full_mask(i).tobytes() for i in range(len(objects))} == wanted
        assert len(objects) == sum(mask.any() for mask in masks)

    @given(object_sets())
    def test_crops_and_sorts_from_small_to_large(self, drawn: Any) -> None:
        _, _, objects = drawn
        assert (np.diff(objects.areas_px) >= 0).all()
        for i, item in enumerate(objects):
            assert item.object_id == i + 1
            assert item.area_px == item.mask.sum()
            for edge in (item.mask[0], item.mask[-1], item.mask[:, 0], item.mask[:, -1]):
                assert edge.any()
            left, top, right, bottom = objects.boxes_xyxy[i]
            assert (right - left, bottom - top) == item.mask.shape[::-1]
            assert item.offset_xy == (left, top)

    @given(object_sets(), st.randoms())
    def test_ids_do_not_depend_on_the_order_of_arrival(self, drawn: Any, random: Any) -> None:
        masks, offsets, objects = drawn
        order = list(range(len(masks)))
        random.shuffle(order)
        zeros = [0.0] * len(masks)
        shuffled = ObjectSet.build(
            SHAPE, [masks[i] for i in order], [offsets[i] for i in order], zeros, zeros
        )
        assert np.array_equal(shuffled.offsets_xy, objects.offsets_xy)
        assert np.array_equal(shuffled.areas_px, objects.areas_px)

    def test_scores_and_points_stay_with_their_masks(self) -> None:
        big, small = np.ones((5, 5), bool), np.ones((2, 2), bool)
        objects = ObjectSet.build(
            SHAPE, [big, small], [(0, 0), (9, 9)], [0.5, 0.75], [0.25, 1.0], [(1, 2), (9.5, 9.5)]
        )
        assert objects.scores.tolist() == [0.75, 0.5]
        assert objects.stabilities.tolist() == [1.0, 0.25]
        assert objects.points_xy.tolist() == [[9.5, 9.5], [1, 2]]
        assert (objects[-1].object_id, objects[-1].score) == (2, 0.5)

    def test_changes_nothing_that_was_given(self) -> None:
        mask = np.zeros((4, 4), bool)
        mask[2:, 2:] = True
        offsets = np.array([[5, 6]], np.int64)
        objects = ObjectSet.build(SHAPE, [mask], offsets, [1.0], [1.0])
        assert objects.offsets_xy.tolist() == [[7, 8]]
        assert offsets.tolist() == [[5, 6]]
        assert mask.sum() == 4

    @pytest.mark.parametrize("offset", [(-1, 0), (0, -1), (39, 0), (0, 29)])
    def test_masks_outside_are_refused(self, offset: tuple[int, int]) -> None:
        with pytest.raises(ParameterError, match="outside the raster of 40 x 30 px"):
            ObjectSet.build(SHAPE, [np.ones((2, 2), bool)], [offset], [1.0], [1.0])

    def test_lists_of_different_length_are_refused(self) -> None:
        with pytest.raises(ParameterError, match="one length"):
            ObjectSet.build(SHAPE, [np.ones((2, 2), bool)], [(0, 0)], [1.0, 1.0], [1.0])

    def test_empty(self) -> None:
        objects = ObjectSet.empty(SHAPE)
        assert len(objects) == 0
        assert list(objects) == []
        assert objects.boxes_xyxy.shape == (0, 4)


class TestSelect:
    @given(object_sets(), st.data())
    def test_by_flags_and_by_numbers_is_the_same(self, drawn: Any, data: st.DataObject) -> None:
        _, _, objects = drawn
        flags = data.draw(hnp.arrays(bool, len(objects)))
        chosen = objects.select(flags)
        assert same(chosen, objects.select(np.flatnonzero(flags)[::-1]))
        assert [item.object_id for item in chosen] == list(range(1, len(chosen) + 1))
        for kept, index in zip(chosen, np.flatnonzero(flags), strict=True):
            assert np.array_equal(kept.mask, objects.masks[index])
            assert kept.score == objects.scores[index]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(object_sets())
def test_survives_a_file(tmp_path: Path, drawn: Any) -> None:
    _, _, objects = drawn
    objects.save(tmp_path / "objects.npz")
    assert same(ObjectSet.load(tmp_path / "objects.npz"), objects)
