from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from samgeo_core.basemap.cache import TileCache
from samgeo_core.net.addresses import Allowance
from samgeo_core.net.client import GuardedClient
from tests.tile_server import TileServer, tile_server


@pytest.fixture
def tiles() -> Iterator[TileServer]:
    with tile_server() as server:
        yield server


@pytest.fixture
def client() -> Iterator[GuardedClient]:
    made = GuardedClient(Allowance.parse(("127.0.0.1",)))
    yield made
    made.close()


@pytest.fixture
def cache(tmp_path: Path) -> TileCache:
    return TileCache(tmp_path / "tiles", 100_000_000)
