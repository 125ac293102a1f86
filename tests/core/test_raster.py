from __future__ import annotations

from samgeo_core.raster import Raster
from tests.factories import MakeRaster


def test_smoke(make_raster: MakeRaster) -> None:
    raster = Raster.open(make_raster())
    tile = raster.read()
    assert tile.rgb.shape == (40, 60, 3)
    assert tile.valid.all()
