from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from samgeo_core.crossings import CrossingBook
from samgeo_core.errors import ParameterError
from samgeo_core.results.outlines import trace
from samgeo_core.vectors.outline import drawn, shifts_of_book
from samgeo_core.vectors.promises import AREA_SHARE, SMALL_AREA_SHARE, promised_area_px
from samgeo_core.vectors.style import PIXELS, OutlineStyle
from tests.core.vectors.scenes import masks

HERE = np.zeros((1, 2), np.int64)
STEP = 0.25


def apart(a: shapely.Geometry, b: shapely.Geometry) -> float:
    """Symmetric distance of two outlines, to `STEP` / 2."""
    return max(_furthest(a, b), _furthest(b, a))


def _furthest(a: shapely.Geometry, b: shapely.Geometry) -> float:
    """How far the outline of ``a`` gets from that of ``b``. NOTE: GEOS compares all with all."""
    points = shapely.points(shapely.get_coordinates(shapely.segmentize(shapely.boundary(a), STEP)))
    xy, ring = shapely.get_coordinates(shapely.get_parts(shapely.boundary(b)), return_index=True)
    same = ring[1:] == ring[:-1]
    sides = shapely.linestrings(np.stack([xy[:-1], xy[1:]], axis=1)[same])
    found = shapely.STRtree(sides).query_nearest(points, all_matches=False, return_distance=True)
    return float(found[1].max())


def holes(shape: shapely.Geometry) -> list[int]:
    return sorted(shapely.get_num_interior_rings(shapely.get_parts(shape)).tolist())


@settings(max_examples=120, deadline=None)
@given(masks(), st.sampled_from([0.0, 0.3, 0.5, 2.0]), st.sampled_from([0, 2, 5]))
def test_an_outline_keeps_what_was_promised(
    mask: np.ndarray, tolerance: float, smoothing: int
) -> None:
    exact = trace([mask], HERE)
    (line,) = drawn(exact, OutlineStyle(smoothing, tolerance))
    assert line.is_valid
    assert line.geom_type == exact[0].geom_type
    assert holes(line) == holes(exact[0])
    reach = (0.5 if smoothing else 0.0) + tolerance
    assert apart(line, exact[0]) <= reach + STEP / 2
    share = AREA_SHARE if mask.sum() >= promised_area_px(tolerance) else SMALL_AREA_SHARE
    assert abs(line.area - mask.sum()) <= share * mask.sum() + 1e-9


def disc(radius: float, side: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """A disc's mask, and the field of which it is the positive part."""
    y, x = np.indices((side, side)) + 0.5
    field = (radius - np.hypot(x - 40.2, y - 39.9)).astype(np.float32)
    return field > 0, field


def off_circle(line: shapely.Geometry, radius: float) -> float:
    """Mean distance of an outline from a circle."""
    xy = shapely.get_coordinates(shapely.segmentize(line, 0.2))
    return float(np.abs(np.hypot(xy[:, 0] - 40.2, xy[:, 1] - 39.9) - radius).mean())


def followed(mask: np.ndarray, field: np.ndarray, style: OutlineStyle) -> shapely.Geometry:
    """The outline of a mask that is known with its logits."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    corner = int(columns[0]), int(rows[0])
    book, offsets = CrossingBook(), np.array([corner], np.int64)
    book.note(mask, corner, field, (0, 0))
    exact = trace([mask], offsets)
    return drawn(exact, style, shifts_of_book(exact, [mask], offsets, book))[0]


def test_smoothing_brings_outlines_nearer_to_the_truth_and_logits_more_so() -> None:
    mask, field = disc(24.3)
    exact = trace([mask], HERE)
    smooth = drawn(exact, OutlineStyle(tolerance_px=0.0))[0]
    sharp = followed(mask, field, OutlineStyle(tolerance_px=0.0))
    errors = [off_circle(line, 24.3) for line in (exact[0], smooth, sharp)]
    assert errors[1] < 0.7 * errors[0]
    assert errors[2] < 0.25 * errors[0]


def test_logits_that_contradict_the_mask_are_not_followed() -> None:
    mask, field = disc(24.3)
    style = OutlineStyle(tolerance_px=0.0)
    (smooth,) = drawn(trace([mask], HERE), style)
    assert followed(mask, -field, style).equals(smooth)


@settings(max_examples=60, deadline=None)
@given(masks(), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5]))
def test_outlines_that_follow_logits_keep_what_was_promised(
    mask: np.ndarray, seed: int, tolerance: float
) -> None:
    random = np.random.default_rng(seed)
    field = (np.where(mask, 1.0, -1.0) * random.random(mask.shape)).astype(np.float32)
    line, (exact,) = followed(mask, field, OutlineStyle(5, tolerance)), trace([mask], HERE)
    assert line.is_valid
    assert line.geom_type == exact.geom_type
    assert holes(line) == holes(exact)
    assert apart(line, exact) <= 0.5 + tolerance + STEP / 2
    share = AREA_SHARE if mask.sum() >= promised_area_px(tolerance) else SMALL_AREA_SHARE
    assert abs(line.area - mask.sum()) <= share * mask.sum() + 1e-9


def test_pixel_outlines_stay_as_they_are() -> None:
    exact = trace([disc(10)[0]], HERE)
    assert drawn(exact, PIXELS) is exact
    assert not len(drawn(exact[:0], OutlineStyle()))


@pytest.mark.parametrize(
    "values", [{"smoothing": -1}, {"tolerance_px": -0.1}, {"tolerance_px": float("nan")}]
)
def test_styles_out_of_range_are_refused(values: dict) -> None:
    with pytest.raises(ParameterError, match="must be"):
        OutlineStyle(**values)
