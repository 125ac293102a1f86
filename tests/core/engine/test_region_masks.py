"""What regions keep of masks: nothing that depends on where a region ends, if windows are fixed."""

from __future__ import annotations

import numpy as np

from samgeo_core.candidates import MaskCandidate
from samgeo_core.engine.ladder import FixedWindows, FullConfig, Look, Place
from samgeo_core.engine.region_masks import as_placed, clipped
from samgeo_core.windows import Window

CONFIG = FullConfig(finest_px=64, coarsest_px=512, steps_px=(8,))
EXTENT = Window(0, 0, 500, 300)
PLACE = Place(Window(60, 0, 340, 300), Window(124, 0, 212, 300), EXTENT, 64)
FIXED = FixedWindows.of(EXTENT, 64, CONFIG)


def rectangle(x0: int, y0: int, x1: int, y1: int, at: tuple[float, float]) -> MaskCandidate:
    mask = MaskCandidate.of(np.ones((y1 - y0, x1 - x0), bool), (x0, y0), 0.9, 0.9, at)
    assert mask is not None
    return mask


def look(window: Window, *, is_fixed: bool) -> Look:
    least = 0 if is_fixed else 65
    return Look(window, window, (8,), False, True, False, is_fixed, least)


def test_fixed_windows_answer_for_every_point_and_see_what_lies_around_it() -> None:
    assert FIXED is not None
    assert FIXED.side == 128
    for x in range(0, 500, 7):
        for y in range(0, 300, 7):
            left, top, right, bottom = FIXED.answering(x, y).box_xyxy
            assert left <= max(x - 10, 0)
            assert top <= max(y - 10, 0)
            assert right >= min(x + 10, 500)
            assert bottom >= min(y + 10, 300)
            assert FIXED.answering(x, y) in FIXED.meeting(Window(x, y, 1, 1))


def test_there_are_none_where_margins_are_too_small() -> None:
    assert FixedWindows.of(EXTENT, 31, CONFIG) is None


def test_fixed_windows_overlap_where_those_of_a_single_image_do_not() -> None:
    fixed = FixedWindows.of(EXTENT, 64, FullConfig(finest_px=64, coarsest_px=512, overlap=0.0))
    assert fixed == FIXED


def test_of_windows_that_lie_where_the_region_lies_only_what_fixed_ones_cannot_see_is_kept() -> (
    None
):
    assert FIXED is not None
    seen = PLACE.local(FIXED.answering(200, 150))
    x, y, right, bottom = seen.box_xyxy
    at = (140.0, 150.0)
    fits, beyond, small = (
        rectangle(x, y, right, bottom, at),
        rectangle(x + 10, y, right + 10, bottom, at),
        rectangle(right - 30, y, right + 10, y + 20, at),
    )
    whole = look(Window(0, 0, 340, 300), is_fixed=False)
    assert as_placed([fits, beyond, small], whole, PLACE, FIXED) == [beyond]


def test_what_a_small_fixed_window_cuts_is_left_out_also_where_the_region_ends() -> None:
    assert FIXED is not None
    small = look(Window(0, 20, 64, 64), is_fixed=True)
    cut, inner = rectangle(0, 30, 20, 50, (10, 40)), rectangle(5, 30, 20, 50, (10, 40))
    assert [mask.box for mask in as_placed([cut, inner], small, PLACE, FIXED)] == [inner.box]


def test_what_ends_by_chance_at_the_edge_of_a_larger_fixed_window_cannot_be_taken_for_cut() -> None:
    assert FIXED is not None
    seen = PLACE.local(FIXED.answering(200, 150))
    right = seen.x + seen.width
    small = look(Window(right - 40, 130, 64, 64), is_fixed=True)
    mask = rectangle(right - 30, 140, right, 160, (140, 150))
    (kept,) = as_placed([mask], small, PLACE, FIXED)
    assert kept.box == (right - 30, 140, right - 1, 160)


def test_clipping_keeps_the_pixels_within_a_window_and_moves_them() -> None:
    mask = rectangle(10, 10, 30, 30, (20, 20))
    kept = clipped(mask, Window(0, 0, 20, 40), (100, 0))
    assert kept is not None
    assert kept.box == (110, 10, 120, 30)
    assert kept.point_xy == (120, 20)
    assert clipped(mask, Window(40, 40, 5, 5), (0, 0)) is None
