"""A real scene and one store of its embeddings, shared by the tests of this package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from samgeo_core.picking.embeddings import EmbeddingStore
from samgeo_core.reading.raster import Raster


@pytest.fixture(scope="session")
def kampala(scene_dir: Callable[[str], Path]) -> Raster:
    return Raster.open(scene_dir("kampala_dense") / "image.tif")


@pytest.fixture(scope="session")
def kampala_store(tmp_path_factory: pytest.TempPathFactory) -> EmbeddingStore:
    return EmbeddingStore(folder=tmp_path_factory.mktemp("embeddings"))
