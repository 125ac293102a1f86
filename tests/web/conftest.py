"""Fixtures of the web layer: a store in the test's folder, and scenes in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from samgeo_core.web.records import Scene
from samgeo_core.web.store import Store
from tests.factories import MakeRaster

MakeScene = Callable[..., Scene]

OWNER = "visitor-one"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", max_pixels=10**8)


@pytest.fixture
def make_scene(store: Store, make_raster: MakeRaster) -> MakeScene:
    """Factory of scenes; options are those of `write_raster`."""

    def make(name: str = "image.tif", **options: object) -> Scene:
        return store.add_scene(make_raster(name, **options), name, OWNER)

    return make
