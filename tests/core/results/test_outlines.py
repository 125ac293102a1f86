from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from samgeo_core.results.outlines import trace, trace_parts, trace_wholes

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))
NO_OFFSET = np.zeros((1, 2), np.int64)


def picture(*rows: str) -> np.ndarray:
    return np.array([[character == "#" for character in row] for row in rows])


def covered(geometry: shapely.Geometry, shape_hw: tuple[int, int]) -> np.ndarray:
    """Which pixel centres lie in a geometry."""
    y, x = np.indices(shape_hw) + 0.5
    return shapely.contains_xy(geometry, x, y)


def test_every_mask_of_four_by_four_pixels_is_traced_exactly() -> None:
    cells = np.arange(16).reshape(4, 4)
    masks = [(number >> cells & 1).astype(np.bool_) for number in range(1, 2**16, 7)]
    geometries = trace(masks, np.zeros((len(masks), 2), np.int64))
    assert shapely.is_valid(geometries).all()
    assert shapely.area(geometries).tolist() == [mask.sum() for mask in masks]
    y, x = np.indices((4, 4)) + 0.5
    found = shapely.contains_xy(geometries[:, None, None], x, y)
    np.testing.assert_array_equal(found, masks)


@settings(max_examples=200, deadline=None)
@given(MASKS)
def test_a_polygon_is_valid_and_covers_exactly_its_mask(mask: np.ndarray) -> None:
    (geometry,) = trace([mask], NO_OFFSET)
    assert geometry.is_valid
    assert geometry.area == mask.sum()
    np.testing.assert_array_equal(covered(geometry, mask.shape), mask)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(MASKS, st.integers(0, 10**6), st.integers(0, 10**6)), max_size=6))
def test_tracing_together_equals_tracing_alone(items: list) -> None:
    masks = [mask for mask, _, _ in items]
    offsets = np.array([(x, y) for _, x, y in items], np.int64).reshape(-1, 2)
    together = trace(masks, offsets)
    assert len(together) == len(masks)
    for geometry, mask, (x, y) in zip(together, masks, offsets, strict=True):
        (alone,) = trace([mask], NO_OFFSET)
        moved = shapely.transform(alone, lambda xy, by=(x, y): xy + by)
        assert shapely.equals_exact(geometry, moved)


@pytest.mark.parametrize(
    ("mask", "kind", "holes"),
    [
        (picture("##", "##"), "Polygon", 0),
        (picture("###", "#.#", "###"), "Polygon", 1),
        (picture("####", "#.##", "##.#", "####"), "Polygon", 2),
        (picture("###", "#.#", "##."), "Polygon", 1),
        (picture("#.", ".#"), "MultiPolygon", 0),
        (picture("#.#"), "MultiPolygon", 0),
        (picture("#####", "#...#", "#.#.#", "#...#", "#####"), "MultiPolygon", 1),
        (picture(".."), "Polygon", 0),
    ],
    ids=[
        "square",
        "hole",
        "two holes that touch",
        "a gap that touches the outside",
        "two pixels that touch",
        "two parts",
        "island in a hole",
        "nothing",
    ],
)
def test_kinds_of_outlines(mask: np.ndarray, kind: str, holes: int) -> None:
    (geometry,) = trace([mask], NO_OFFSET)
    assert geometry.geom_type == kind
    assert sum(len(part.interiors) for part in shapely.get_parts(geometry)) == holes
    assert geometry.is_empty == (not mask.any())


def test_vertices_stand_only_where_the_outline_turns() -> None:
    (geometry,) = trace([np.ones((7, 900), np.bool_)], np.array([[3, 4]]))
    assert geometry.equals(shapely.box(3, 4, 903, 11))
    assert shapely.get_num_coordinates(geometry) == 5


def test_parts_name_their_mask() -> None:
    masks = [picture("#.#"), picture("."), picture("##")]
    polygons, owner = trace_parts(masks, np.zeros((3, 2), np.int64))
    assert owner.tolist() == [0, 0, 2]
    assert shapely.area(polygons).tolist() == [1, 1, 2]


def test_no_masks_give_no_polygons() -> None:
    assert len(trace([], np.zeros((0, 2), np.int64))) == 0
    polygons, owner = trace_parts([], np.zeros((0, 2), np.int64))
    assert len(polygons) == len(owner) == 0


@settings(max_examples=150, deadline=None)
@given(MASKS, st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_pieces_of_any_shape_are_joined_as_if_never_cut(
    mask: np.ndarray, seed: int, n_pieces: int
) -> None:
    of_pixel = np.random.default_rng(seed).integers(0, n_pieces, mask.shape)
    pieces = [((3, 5), mask & (of_pixel == piece)) for piece in range(n_pieces)]
    (geometry,) = trace_wholes([pieces])
    (whole,) = trace([mask], np.array([[3, 5]]))
    assert geometry.equals_exact(whole)


def test_one_large_object_of_many_pieces() -> None:
    noise = np.random.default_rng(0).random((1024, 1024)) < 0.65
    (whole,) = trace([noise], NO_OFFSET)
    (geometry,) = trace_wholes([[((0, y), noise[y : y + 32]) for y in range(0, 1024, 32)]])
    assert geometry.equals_exact(whole)
