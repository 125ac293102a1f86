from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from samgeo_core.comparing.figures import by_class, overall
from samgeo_core.comparing.matching import judge
from samgeo_core.comparing.pairs import Pairs, mask_pairs, polygon_pairs
from samgeo_core.errors import ParameterError

BOXES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 12), st.integers(1, 12)),
    min_size=1,
    max_size=7,
)


def polygons(boxes: list[tuple[int, int, int, int]]) -> np.ndarray:
    return np.array([shapely.box(x, y, x + w, y + h) for x, y, w, h in boxes], object)


def pairs_of(reference: np.ndarray, found: np.ndarray) -> Pairs:
    return polygon_pairs(reference, shapely.STRtree(reference), found)


def best_by_trying(iou: np.ndarray, limit: float) -> tuple[int, float]:
    """The most matches there can be, and the highest sum of their IoU, by trying all."""

    def tried(row: int, taken: frozenset[int]) -> tuple[int, float]:
        if row == len(iou):
            return 0, 0.0
        best = tried(row + 1, taken)
        for column in range(iou.shape[1]):
            if iou[row, column] >= limit and column not in taken:
                count, total = tried(row + 1, taken | {column})
                best = max(best, (count + 1, total + iou[row, column]))
        return best

    return tried(0, frozenset())


@settings(max_examples=60, deadline=None)
@given(BOXES, BOXES, st.sampled_from([0.2, 0.5, 0.75]))
def test_matches_are_one_to_one_and_the_best_there_can_be(
    left: list[tuple[int, int, int, int]], right: list[tuple[int, int, int, int]], limit: float
) -> None:
    a, b = polygons(left), polygons(right)
    verdict = judge(pairs_of(a, b), np.ones(len(a), np.bool_), len(b), iou=limit)
    iou = shapely.area(shapely.intersection(a[:, None], b)) / shapely.area(
        shapely.union(a[:, None], b)
    )
    count, total = best_by_trying(iou, limit)
    assert len(verdict.matched) == count
    assert verdict.matched.iou.sum() == pytest.approx(total)
    both = [*verdict.matched.reference, *verdict.changed.reference, *verdict.missing]
    assert sorted(both) == list(range(len(a)))
    others = [*verdict.matched.found, *verdict.changed.found, *verdict.extra]
    assert sorted(others) == list(range(len(b)))
    assert verdict.best_iou == pytest.approx(iou.max(axis=1))


@settings(max_examples=30, deadline=None)
@given(BOXES, BOXES)
def test_masks_and_polygons_overlap_alike(
    left: list[tuple[int, int, int, int]], right: list[tuple[int, int, int, int]]
) -> None:
    sides = [[np.ones((h, w), np.bool_) for _, _, w, h in boxes] for boxes in (left, right)]
    boxes = [np.array([(x, y, x + w, y + h) for x, y, w, h in b], np.int64) for b in (left, right)]
    masks = mask_pairs(sides[0], boxes[0], sides[1], boxes[1])
    shapes = pairs_of(polygons(left), polygons(right))
    ours = {(r, f): c for r, f, c in zip(masks.reference, masks.found, masks.iou, strict=True)}
    for r, f, iou in zip(shapes.reference, shapes.found, shapes.iou, strict=True):
        assert ours.pop((r, f)) == pytest.approx(iou)
    assert not ours


def test_a_huge_ragged_object_is_cut_before_it_is_measured() -> None:
    teeth = [(x / 10, 100 + (x % 2)) for x in range(4001)]
    huge = shapely.Polygon([(0, 0), *teeth, (400, 0)])
    small = shapely.box(10, 10, 20, 20)
    (pair,) = pairs_of(np.array([small]), np.array([huge])).common
    assert pair == pytest.approx(100)


def test_what_is_cut_by_the_edge_takes_what_lies_on_it_along() -> None:
    reference = polygons([(0, 0, 10, 10), (50, 0, 10, 10)])
    found = polygons([(0, 0, 9, 10), (50, 0, 10, 9), (100, 0, 5, 5)])
    verdict = judge(pairs_of(reference, found), np.array([False, True]), 3)
    assert verdict.matched.found.tolist() == [1]
    assert verdict.extra.tolist() == [2]
    assert verdict.ignored == 1


def test_a_reference_in_part_judges_only_what_is_about_it() -> None:
    reference = polygons([(0, 0, 10, 10)])
    # The whole, a part of it, all and much more, and a neighbour that touches it.
    found = polygons([(0, 0, 10, 9), (2, 2, 3, 3), (0, 0, 40, 40), (9, 0, 10, 10), (90, 90, 5, 5)])
    pairs, counted = pairs_of(reference, found), np.array([True])
    near = judge(pairs, counted, 5, scope="reference")
    assert near.extra.tolist() == [1, 2]
    assert overall(near).precision == pytest.approx(1 / 3)
    assert judge(pairs, counted, 5).extra.tolist() == [1, 2, 3, 4]


def test_figures_of_all_and_of_classes() -> None:
    reference = polygons([(0, 0, 10, 10), (20, 0, 10, 10), (40, 0, 10, 10), (60, 0, 10, 10)])
    found = polygons([(0, 0, 10, 8), (20, 0, 10, 10), (40, 0, 10, 4), (200, 0, 5, 5)])
    verdict = judge(pairs_of(reference, found), np.ones(4, np.bool_), 4)
    whole = overall(verdict)
    assert (whole.matched, whole.changed, whole.missing, whole.extra) == (2, 1, 1, 1)
    assert (whole.precision, whole.recall, whole.f1) == (0.5, 0.5, 0.5)
    assert whole.mean_iou == pytest.approx(0.9)
    assert whole.mean_best_iou == pytest.approx((0.8 + 1 + 0.4) / 4)
    classes = by_class(verdict, ["roof", "roof", "tank", "tank"], ["roof", "tank", "tank", "roof"])
    roof, tank = classes
    assert (roof.name, roof.recall, roof.agree, roof.precision) == ("roof", 1.0, 1, 0.5)
    assert (tank.name, tank.recall, tank.agree, tank.precision) == ("tank", 0.0, 0, 0.0)
    (alone, _) = by_class(verdict, ["roof", "roof", "tank", "tank"])
    assert (alone.recall, alone.precision, alone.extra) == (1.0, None, None)


@pytest.mark.parametrize(("iou", "scope"), [(0.0, "image"), (1.1, "image"), (0.5, "street")])
def test_what_cannot_be_asked(iou: float, scope: str) -> None:
    with pytest.raises(ParameterError, match="must"):
        judge(Pairs.none(), np.zeros(0, np.bool_), 0, iou=iou, scope=scope)


def test_nothing_beside_nothing() -> None:
    figures = overall(judge(Pairs.none(), np.zeros(0, np.bool_), 0))
    assert (figures.matched, figures.precision, figures.recall, figures.f1) == (0, None, None, None)
