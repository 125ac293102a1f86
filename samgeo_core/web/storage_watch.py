"""What a visitor has on the disk is looked at while a run writes more of it."""

from __future__ import annotations

import time

from samgeo_core.errors import ParameterError
from samgeo_core.progress import Monitor, Progress
from samgeo_core.settings import Settings
from samgeo_core.web.limits import used_bytes
from samgeo_core.web.store import Store

EVERY_S = 2.0
_SHARE = 0.02
"""The most of a run's time that looking may take."""


def watched(monitor: Monitor, store: Store, settings: Settings, owner: str) -> Monitor:
    """The same monitor, whose steps also fail once the visitor has more than one may have.

    Args:
        monitor: of the run.
        store: scenes and runs.
        settings: with the limit; without one nothing is looked at.
        owner: token of the visitor.
    """
    most = settings.max_visitor_bytes
    if most is None:
        return monitor
    next_look = 0.0

    def report(progress: Progress) -> None:
        nonlocal next_look
        if monitor.on_progress is not None:
            monitor.on_progress(progress)
        begun = time.monotonic()
        if begun < next_look:
            return
        used = used_bytes(store, owner)
        ended = time.monotonic()
        next_look = ended + max(EVERY_S, (ended - begun) / _SHARE)
        if used > most:
            raise ParameterError(
                f"The run was stopped, as your images and results take {used / 1e6:,.1f} MB of the "
                f"{most / 1e6:,.1f} MB that a visitor may have here: delete some that you don't "
                "need any more, or choose a smaller area."
            )

    return Monitor(report, monitor.cancel)
