from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pyproj
import pytest
from rasterio.features import rasterize

from samgeo_core.errors import ParameterError
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.reading.raster import Raster


def test_the_same_seed_gives_the_same_scene(tmp_path: Path) -> None:
    first = generated_scene(tmp_path / "a.tif", seed=3)
    again = generated_scene(tmp_path / "b.tif", seed=3)
    other = generated_scene(tmp_path / "c.tif", seed=4)
    assert first.truth == again.truth != other.truth
    pixels = [Raster.open(scene.path).read().rgb for scene in (first, again, other)]
    assert np.array_equal(pixels[0], pixels[1])
    assert not np.array_equal(pixels[0], pixels[2])


@pytest.mark.parametrize("seed", range(5))
def test_objects_are_apart_and_inside(seed: int, tmp_path: Path) -> None:
    scene = generated_scene(tmp_path / "a.tif", seed=seed, size=400)
    assert len(scene.truth) >= 8
    for outline in scene.truth_px:
        assert outline.is_valid
        left, top, right, bottom = outline.bounds
        assert min(left, top) > 1 and max(right, bottom) < 399
    for one, other in combinations(scene.truth_px, 2):
        assert one.distance(other) > 3


def test_the_outlines_lie_on_what_is_drawn(tmp_path: Path) -> None:
    scene = generated_scene(tmp_path / "a.tif")
    raster = Raster.open(scene.path)
    rgb = raster.read().rgb.astype(float)
    for outline in scene.truth:
        inner, outer = outline.buffer(-1.0), outline.buffer(2.0).difference(outline.buffer(1.0))
        inside, around = (
            rgb[rasterize([shape], out_shape=(512, 512), transform=raster.grid.transform) > 0]
            for shape in (inner, outer)
        )
        assert np.abs(inside.mean(0) - around.mean(0)).max() > 20
        assert inside.std(0).max() < 4


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3857", "EPSG:4326", "EPSG:3395"])
def test_ground_resolution_and_areas_hold_in_every_crs(crs: str, tmp_path: Path) -> None:
    scene = generated_scene(tmp_path / "a.tif", crs=crs, gsd=0.3, size=200)
    grid = Raster.open(scene.path).grid
    assert grid.gsd_m == pytest.approx(0.3, rel=1e-4)
    geod = pyproj.Geod(ellps="WGS84")
    for outline, outline_px in zip(scene.truth, scene.truth_px, strict=True):
        lon, lat = grid.to_lonlat(grid.to_px_xy(outline.exterior.coords)).T
        area_m2 = abs(geod.polygon_area_perimeter(lon, lat)[0])
        assert area_m2 == pytest.approx(outline_px.area * 0.09, rel=1e-3)


def test_without_a_crs_outlines_are_in_pixels(tmp_path: Path) -> None:
    scene = generated_scene(tmp_path / "a.tif", crs=None, size=96)
    assert not Raster.open(scene.path).grid.is_georeferenced
    assert scene.truth == scene.truth_px
    assert len(scene.truth) == 1


def test_too_small_for_an_object(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="at least 96 px, got 95"):
        generated_scene(tmp_path / "a.tif", size=95)
