"""Work that a test gives to a run, in place of a segmentation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from samgeo_core.progress import Monitor
from samgeo_core.web import work as work_module
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run

GiveWork = Callable[[AppContext, Run, Callable[[Monitor], object]], None]


@pytest.fixture
def give_work(monkeypatch: pytest.MonkeyPatch) -> GiveWork:
    """Hand in a run whose work is what the test says."""

    def give(context: AppContext, run: Run, work: Callable[[Monitor], object]) -> None:
        kind = f"given to {run.run_id}"
        kinds = {**work_module.KINDS, kind: lambda context, run, raster, monitor: work(monitor)}
        monkeypatch.setattr(work_module, "KINDS", kinds)
        context.jobs.submit(run.run_id, kind, run.owner)

    return give
