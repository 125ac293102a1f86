from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.errors import ParameterError
from samgeo_core.windows import Window, plan_windows

boxes = st.builds(
    Window, st.integers(-20, 20), st.integers(-20, 20), st.integers(1, 30), st.integers(1, 30)
)


def pixels(window: Window) -> set[tuple[int, int]]:
    left, top, right, bottom = window.box_xyxy
    return {(x, y) for x in range(left, right) for y in range(top, bottom)}


class TestWindow:
    def test_the_frames_agree(self) -> None:
        window = Window(3, 5, 7, 9)
        assert window.shape_hw == (9, 7)
        assert window.box_xyxy == (3, 5, 10, 14)
        assert np.zeros((20, 20))[window.slices].shape == window.shape_hw
        assert Window.whole((9, 7)) == Window(0, 0, 7, 9)

    @pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (-1, 5)])
    def test_an_empty_one_is_refused(self, width: int, height: int) -> None:
        with pytest.raises(ParameterError, match="at least one pixel"):
            Window(0, 0, width, height)

    @given(boxes, boxes)
    def test_the_intersection_holds_the_common_pixels(self, one: Window, other: Window) -> None:
        common = one.intersection(other)
        assert pixels(one) & pixels(other) == (pixels(common) if common else set())
        assert common == other.intersection(one)


class TestPlan:
    @given(
        height=st.integers(1, 90),
        width=st.integers(1, 90),
        window_px=st.integers(1, 100),
        share=st.floats(0, 0.9),
    )
    def test_covers_every_pixel_with_equal_windows_that_overlap(
        self, height: int, width: int, window_px: int, share: float
    ) -> None:
        overlap_px = int(window_px * share)
        windows = plan_windows((height, width), window_px, overlap_px)
        seen = np.zeros((height, width), int)
        whole = Window.whole((height, width))
        for window in windows:
            assert window.intersection(whole) == window
            assert window.shape_hw == (min(window_px, height), min(window_px, width))
            seen[window.slices] += 1
        assert seen.min() >= 1
        assert len(set(windows)) == len(windows)
        for starts, length in (
            ({window.x for window in windows}, width),
            ({window.y for window in windows}, height),
        ):
            steps = np.diff(sorted(starts))
            assert (steps <= window_px - overlap_px).all()
            if length > window_px:
                assert len(starts) <= -(-(length - overlap_px) // (window_px - overlap_px))

    def test_none_takes_all_at_once(self) -> None:
        assert plan_windows((30, 50), None) == [Window(0, 0, 50, 30)]

    def test_goes_row_by_row(self) -> None:
        corners = [(window.x, window.y) for window in plan_windows((10, 15), 5)]
        assert corners == [(0, 0), (5, 0), (10, 0), (0, 5), (5, 5), (10, 5)]

    @pytest.mark.parametrize("overlap_px", [-1, 10, 11])
    def test_an_overlap_that_leaves_no_stride(self, overlap_px: int) -> None:
        with pytest.raises(ParameterError, match="smaller than the window"):
            plan_windows((30, 30), 10, overlap_px)
