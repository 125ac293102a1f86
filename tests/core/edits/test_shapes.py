from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samgeo_core.candidates import CandidateSet
from samgeo_core.edits import shapes
from samgeo_core.edits.shapes import (
    as_candidate,
    deepest_point,
    divided,
    merged,
    nearest_pixel,
    smoothed,
)
from samgeo_core.errors import ParameterError
from samgeo_core.objects import ObjectSet
from tests.core.test_candidates import SHAPE, full
from tests.core.test_objects import object_sets

MASKS = hnp.arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)))


def paint(*masks: shapes.MaskCandidate) -> np.ndarray:
    candidates = CandidateSet.collect(SHAPE, masks)
    pictures = [full(candidates, i) for i in range(len(candidates))]
    return np.any(pictures, axis=0)


@given(object_sets())
def test_merged_objects_have_all_their_pixels(drawn: tuple[object, object, ObjectSet]) -> None:
    objects = drawn[2]
    assume(len(objects))
    items = list(objects)
    union = merged(items)
    expected = paint(*map(as_candidate, items))
    assert (paint(union) == expected).all()
    assert union.area_px == expected.sum()
    assert min(objects.scores) - 1e-6 <= union.score <= max(objects.scores) + 1e-6


@given(MASKS, st.data())
def test_two_parts_make_up_the_mask(mask: np.ndarray, data: st.DataObject) -> None:
    rows, columns = np.nonzero(mask)
    assume(len(rows) >= 2)
    index = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=2, max_size=2, unique=True))
    first, second = ((int(columns[i]), int(rows[i])) for i in index)
    found = [
        data.draw(st.none() | hnp.arrays(bool, mask.shape), label=f"found {k}") for k in (0, 1)
    ]
    one, two = divided(mask, first, second, (found[0], found[1]))
    assert ((one | two) == mask).all()
    assert not (one & two).any()
    assert one[first[1], first[0]] and two[second[1], second[0]]


def test_two_bodies_part_at_the_neck_and_a_bar_half_way() -> None:
    rows, columns = np.mgrid[:120, :200]
    left, right = (np.hypot(columns - x, rows - 60) < radius for x, radius in ((50, 40), (130, 50)))
    both = left | right
    for first, second in (((50, 60), (130, 60)), ((40, 45), (150, 80))):
        one, two = divided(both, first, second)
        assert (one & left).sum() / (one | left).sum() > 0.9
        assert (two & right).sum() / (two | right).sum() > 0.9
    bar = np.ones((9, 101), bool)
    one, _ = divided(bar, (0, 4), (100, 4))
    assert abs(int(one.sum()) - bar.sum() / 2) <= 9
    # Large masks are divided at less resolution, with the same outcome.
    fewer = pytest.MonkeyPatch()
    fewer.setattr(shapes, "_MOST_NODES", 1000)
    with fewer.context():
        one, two = divided(both, (50, 60), (130, 60))
        assert ((one | two) == both).all() and not (one & two).any()
        assert (one & left).sum() / (one | left).sum() > 0.85
        one, two = divided(both, (60, 60), (61, 60))
        assert one[60, 60] and two[60, 61] and ((one ^ two) == both).all()


def test_what_a_model_found_decides_where_it_is_sure() -> None:
    square = np.ones((40, 40), bool)
    upper = np.zeros((40, 40), bool)
    upper[:10] = True
    one, two = divided(square, (20, 5), (20, 30), (upper, ~upper))
    assert (one == upper).all() and (two == ~upper).all()
    # Where both claim all of it, or one finds another thing, the points decide.
    for found in ((square, square), (None, None), (~upper, upper)):
        one, two = divided(square, (20, 5), (20, 34), found)
        assert abs(int(one.sum()) - 800) <= 40


@pytest.mark.parametrize(
    ("first", "second"), [((1, 1), (1, 1)), ((0, 0), (9, 0)), ((0, 0), (1, 2))]
)
def test_points_to_split_at_lie_on_the_object(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    mask = np.ones((4, 4), bool)
    mask[2] = False
    with pytest.raises(ParameterError, match="two different points"):
        divided(mask, first, second)


@given(hnp.arrays(bool, (9, 11)), st.integers(1, 3), st.integers(7, 14), st.integers(7, 22))
def test_smoothing_twice_is_smoothing_once(
    mask: np.ndarray, radius: int, row: int, column: int
) -> None:
    objects = ObjectSet.build(SHAPE, [mask], [(column, row)], [0.9], [0.8])
    assume(len(objects))
    try:
        once = smoothed(objects[0], radius, SHAPE)
    except ParameterError:
        return
    again = ObjectSet.build(SHAPE, [once.pixels()], [once.box[:2]], [0.9], [0.8])
    twice = smoothed(again[0], radius, SHAPE)
    assert (paint(once) == paint(twice)).all()


def test_smoothing_takes_spikes_and_fills_notches() -> None:
    mask = np.zeros((25, 30), bool)
    mask[5:20, 5:20] = True
    plain = mask.copy()
    mask[12, 20:28] = True  # a spike
    mask[5:12, 12] = False  # a notch
    objects = ObjectSet.build(SHAPE, [mask], [(3, 2)], [0.9], [0.8])
    made = smoothed(objects[0], 2, SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[2:27, 3:33] = plain
    differs = paint(made) ^ expected
    assert differs.sum() <= 16  # the corners, which a disc rounds
    assert (made.score, made.stability) == (pytest.approx(0.9), pytest.approx(0.8))


def test_at_the_edge_of_the_raster_an_object_goes_on() -> None:
    corner = ObjectSet.build(SHAPE, [np.ones((8, 8), bool)], [(0, 0)], [1], [1])
    assert smoothed(corner[0], 3, SHAPE).area_px == pytest.approx(64, abs=4)
    assert paint(smoothed(corner[0], 3, SHAPE))[0, 0]


@pytest.mark.parametrize(
    ("radius", "message"), [(0, "1 to 100"), (101, "1 to 100"), (5, "Nothing")]
)
def test_a_radius_that_cannot_be(radius: int, message: str) -> None:
    small = ObjectSet.build(SHAPE, [np.ones((4, 4), bool)], [(9, 9)], [1], [1])
    with pytest.raises(ParameterError, match=message):
        smoothed(small[0], radius, SHAPE)


@given(MASKS, st.floats(-3, 17), st.floats(-3, 17))
def test_the_nearest_pixel(mask: np.ndarray, x: float, y: float) -> None:
    assume(mask.any())
    column, row = nearest_pixel(mask, (x, y), 100)
    rows, columns = np.nonzero(mask)
    distances = np.hypot(columns + 0.5 - x, rows + 0.5 - y)
    assert mask[row, column]
    assert np.hypot(column + 0.5 - x, row + 0.5 - y) == pytest.approx(distances.min())
    if distances.min() > 3.1:
        with pytest.raises(ParameterError, match="beside the object"):
            nearest_pixel(mask, (x, y), 2)


def test_the_deepest_point_keeps_away_from_others() -> None:
    mask = np.ones((9, 31), bool)
    x, y = deepest_point(mask, np.zeros((0, 2)))
    assert (4 <= x <= 27) and y == 4.5
    x, _ = deepest_point(mask, np.array([[4.0, 4.0]]))
    assert x > 8
