"""Fixtures for all tests: rasters made to measure, real scenes, the default model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from samgeo_core.errors import WeightsError
from tests.factories import MakeRaster, write_raster

# How long an example takes says nothing about it on a machine that is busy with other work.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

_SCENES_DIR = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "scenes"


@pytest.fixture
def make_raster(tmp_path: Path) -> MakeRaster:
    """Factory of rasters in the test's own folder; its options are those of `write_raster`."""

    def make(name: str = "image.tif", **options: Any) -> Path:
        return write_raster(tmp_path / name, **options)

    return make


@pytest.fixture(scope="session")
def scene_dir() -> Callable[[str], Path]:
    """Folder of a real scene beside the repository; the test is skipped where there is none."""

    def find(name: str) -> Path:
        folder = _SCENES_DIR / name
        if not folder.is_dir():
            pytest.skip(f"the real scene {name} is not at ../shared/data/scenes")
        return folder

    return find


@pytest.fixture(scope="session")
def default_model() -> Any:
    """MobileSAM with its real weights, loaded once (`samgeo_core.models.loading.LoadedModel`)."""
    from samgeo_core.models.loading import load_model

    try:
        return load_model("vit_t", device="cpu")
    except WeightsError as error:
        pytest.fail(f"The default model is missing, run `make model` first. {error}")
