from __future__ import annotations

from typing import Any

import pytest

from samgeo_core.candidates import CandidateSet
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.measuring import measure
from tests.core.teaching.scenes import KnownScene, known_scene


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> KnownScene:
    """Roofs, tanks and fields with known outlines."""
    return known_scene(tmp_path_factory.mktemp("teaching") / "town.tif")


@pytest.fixture(scope="session")
def town_features(town: KnownScene, default_model: Any) -> ObjectFeatures:
    return measure(town.raster, default_model, CandidateSet.of_objects(town.objects))
