"""A run that makes a visitor's share of the disk too large ends while it writes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.progress import Monitor, Progress
from samgeo_core.settings import get_settings
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.web import storage_watch
from samgeo_core.web.limits import used_bytes
from samgeo_core.web.records import Scene
from samgeo_core.web.storage_watch import watched
from samgeo_core.web.store import Store
from tests.stand_in import BrightPartsFinder
from tests.web.conftest import OWNER


def test_a_growing_run_is_stopped_at_the_limit_and_keeps_its_regions(
    store: Store, bright: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_watch, "EVERY_S", 0.0)
    monkeypatch.setattr(storage_watch, "_SHARE", 1e9)
    regions, seen = StreamOptions.of_region(128), list[Progress]()
    run = store.new_run(bright, {}, OWNER, regions=regions)
    most = used_bytes(store, OWNER) + 20_000

    def segment(limit: int | None) -> None:
        settings = dataclasses.replace(get_settings(), max_visitor_bytes=limit)
        monitor = watched(Monitor(seen.append), store, settings, OWNER)
        segment_to_folder(
            bright.raster, run.folder, options=regions, finder=BrightPartsFinder(), monitor=monitor
        )

    with pytest.raises(ParameterError, match=r"The run was stopped, as .* MB of the .* delete"):
        segment(most)
    assert used_bytes(store, OWNER) < most + 1_000_000
    assert not (run.folder / "objects.gpkg").exists()
    begun = len(seen)
    segment(None)
    assert Path(run.folder / "objects.gpkg").is_file()
    assert len(seen) > begun


def test_others_do_not_count(store: Store, bright: Scene) -> None:
    settings = dataclasses.replace(get_settings(), max_visitor_bytes=1000)
    watched(Monitor(), store, settings, "somebody else").step("segment", 0, 1)
    with pytest.raises(ParameterError, match=r"of the 0\.0 MB"):
        watched(Monitor(), store, settings, OWNER).step("segment", 0, 1)
