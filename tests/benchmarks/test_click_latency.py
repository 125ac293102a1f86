"""What the latency benchmark makes of its measurements."""

from __future__ import annotations

import pytest

from benchmarks.click_latency import Click, Latency, line, percentile


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 0.1), (50, 0.5), (90, 0.9), (91, 1.0), (95, 1.0), (100, 1.0)]
)
def test_a_percentile_is_a_time_that_was_measured(share: float, expected: float) -> None:
    clicks = [Click(tenth / 10, 0) for tenth in (10, 3, 7, 1, 9, 2, 8, 6, 4, 5)]
    assert percentile(clicks, share) == expected


def test_a_line_tells_all_and_misses_nothing() -> None:
    clicks = [Click(0.2, 0.1), Click(0.4, 0.3), Click(0.3, 0.24)]
    row = Latency("river", clicks, 2, 12.34, 3.0)
    assert line(row) == [
        "river", "3", "0.300", "0.400", "0.400", "75 %", "2", "12.3", "3.0",
    ]  # fmt: skip
    assert line(Latency("river", [], 9, 1.0, 2.0))[1:3] == ["0", "–"]
