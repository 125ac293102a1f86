from __future__ import annotations

import pytest

from samgeo_core.errors import CancelledError
from samgeo_core.progress import SILENT, CancelToken, Monitor, Progress


@pytest.mark.parametrize(
    ("done", "total", "share"), [(0, 4, 0.0), (1, 4, 0.25), (4, 4, 1), (0, 0, 1)]
)
def test_fraction(done: int, total: int, share: float) -> None:
    assert Progress("decode", done, total).fraction == share


def test_steps_are_reported_in_order() -> None:
    seen: list[Progress] = []
    monitor = Monitor(seen.append)
    monitor.step("read", 1, 2)
    monitor.step("read", 2, 2)
    assert seen == [Progress("read", 1, 2), Progress("read", 2, 2)]


def test_a_cancelled_step_is_still_reported_then_stops_the_work() -> None:
    seen: list[Progress] = []
    token = CancelToken()
    monitor = Monitor(seen.append, token)
    monitor.step("read", 1, 2)
    assert not token.cancelled
    token.cancel()
    assert token.cancelled
    with pytest.raises(CancelledError):
        monitor.step("read", 2, 2)
    assert len(seen) == 2


def test_silence_never_stops() -> None:
    SILENT.step("read", 1, 1)
