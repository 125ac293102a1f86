"""Several files as one raster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from samgeo_core.errors import ParameterError, RasterError
from samgeo_core.reading.choosing import rasters_in, source_of
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.source import Joined, from_json, to_json
from samgeo_core.windows import Window
from tests.factories import UTM_33N, MakeRaster, ramp


def _quarters(make: MakeRaster, values: np.ndarray, **options: Any) -> list[Path]:
    height, width = (side // 2 for side in values.shape[1:])
    paths = []
    for n, (y, x) in enumerate([(0, 0), (0, width), (height, 0), (height, width)]):
        data = values[:, y : y + height, x : x + width]
        place = UTM_33N @ Affine.translation(x, y)
        paths.append(make(f"tile_{n + 8}.tif", data=data, transform=place, **options))
    return paths


def test_quarters_are_the_whole(make_raster: MakeRaster, tmp_path: Path) -> None:
    values = ramp((300, 400), 3, "uint8")
    whole = Raster.open(make_raster("all.png", data=values))
    paths = _quarters(make_raster, values)
    mosaic = Raster.open(paths)

    assert mosaic.shape_hw == whole.shape_hw
    assert mosaic.grid.transform == UTM_33N
    for window in (None, Window(130, 90, 150, 120), Window(0, 0, 10, 10)):
        np.testing.assert_array_equal(mosaic.read(window).rgb, whole.read(window).rgb)
    assert mosaic.read().valid.all()
    small = mosaic.preview(100).rgb.astype(int) - whole.preview(100).rgb
    assert np.abs(small).mean() < 25
    assert from_json(to_json(mosaic.source, tmp_path), tmp_path) == mosaic.source


def test_folder_counts_as_people_do_and_gaps_carry_no_data(
    make_raster: MakeRaster, tmp_path: Path
) -> None:
    paths = _quarters(make_raster, ramp((200, 200), 3, "uint8"))
    assert [p.name for p in rasters_in(tmp_path)] == [p.name for p in paths]
    paths[1].unlink()
    valid = Raster.open(tmp_path).read().valid
    assert valid.mean() == 0.75
    assert not valid[:100, 100:].any()


def test_first_lies_on_top_and_nodata_lets_through(make_raster: MakeRaster) -> None:
    top = np.full((3, 50, 50), 9, np.uint8)
    top[:, :, :20] = 0
    paths = [
        make_raster("top.tif", data=top, nodata=0),
        make_raster("below.tif", data=np.full((3, 50, 50), 5, np.uint8), nodata=0),
    ]
    shown = Raster.open(paths).read().rgb
    assert (shown[:, :20] == 5).all()
    assert (shown[:, 20:] == 9).all()


def test_other_crs_lies_where_it_belongs(make_raster: MakeRaster) -> None:
    from rasterio.warp import transform_bounds

    here = make_raster("here.tif", data=np.full((3, 100, 100), 50, np.uint8))
    west, south, east, north = transform_bounds(
        "EPSG:32633", "EPSG:3857", 500_050, 4_999_950, 500_100, 5_000_000
    )
    step = (east - west) / 100
    there = make_raster(
        "there.tif",
        data=np.full((3, 100, 100), 200, np.uint8),
        crs="EPSG:3857",
        transform=Affine(step, 0, west, 0, -(north - south) / 100, north),
    )
    mosaic = Raster.open([here, there])
    assert mosaic.grid.crs == Raster.open(here).grid.crs
    tile = mosaic.read()
    assert (tile.rgb[10:90, 10:90] == 50).all()
    assert (tile.rgb[10:90, 112:190] == 200).mean() > 0.98
    assert tile.valid[10:90, 10:190].mean() > 0.98


def test_a_hundredth_of_the_resolution_costs_the_others_no_pixel(
    make_raster: MakeRaster,
) -> None:
    values = ramp((200, 200), 3, "uint8")
    paths = _quarters(make_raster, values)
    # What was brought over from another CRS has pixels of nearly the same size.
    place = UTM_33N @ Affine.translation(100.4, 100.3) @ Affine.scale(0.99)
    paths[3] = make_raster("d.tif", data=values[:, 100:, 100:], transform=place)
    joined = Raster.open(paths)
    assert isinstance(joined.source, Joined)
    assert [part.fits for part in joined.source.parts] == [True, True, True, False]
    np.testing.assert_array_equal(
        joined.read(Window(0, 0, 200, 100)).rgb, np.moveaxis(values[:, :100], 0, -1)
    )
    assert joined.read(Window(102, 102, 90, 90)).valid.all()


def test_the_finest_resolution_is_that_of_the_whole(make_raster: MakeRaster) -> None:
    fine = np.full((3, 60, 60), 100, np.uint8)
    coarse = np.full((3, 40, 40), 160, np.uint8)
    beside = UTM_33N @ Affine.translation(60, 0) @ Affine.scale(1.5)
    mosaic = Raster.open(
        [make_raster("c.tif", data=coarse, transform=beside), make_raster("f.tif", data=fine)]
    )
    assert mosaic.shape_hw == (60, 120)
    tile = mosaic.read()
    assert tile.valid.all()
    assert (tile.rgb[:, :60] == 100).all() and (tile.rgb[:, 60:] == 160).all()


def test_each_pixel_is_of_the_uppermost_that_has_data(make_raster: MakeRaster) -> None:
    layers = [np.full((3, 30, 60), value, np.uint8) for value in (10, 20, 30)]
    layers[0][:, :, 20:] = 0
    layers[1][:, :, 40:] = 0
    layers[2][:, :10, :] = 0
    paths = [make_raster(f"{i}.tif", data=layer, nodata=0) for i, layer in enumerate(layers)]
    tile = Raster.open(paths).read()
    assert (tile.rgb[:, :20] == 10).all() and (tile.rgb[:, 20:40] == 20).all()
    assert (tile.rgb[10:, 40:] == 30).all()
    assert tile.valid.mean() == 1 - 10 * 20 / (30 * 60)


@pytest.mark.parametrize(
    ("stems", "name", "bands", "roles"),
    [
        (("T31_B08_10m", "T31_B04_10m", "T31_B03_10m"), "T31", ("B08", "B04", "B03"),
         ("nir", "red", "green")),
        (("LC08_195026_B5", "LC08_195026_B4"), "LC08_195026", ("B5", "B4"), ("nir", "red")),
        (("red", "nir"), "red.tif", ("red", "nir"), ("red", "nir")),
    ],
)  # fmt: skip
def test_files_of_one_band_each_with_the_same_pixels_are_bands(
    make_raster: MakeRaster,
    stems: tuple[str, ...],
    name: str,
    bands: tuple[str, ...],
    roles: tuple[str, ...],
) -> None:
    values = ramp((50, 60), len(stems), "uint16") + 1
    paths = [make_raster(f"{s}.tif", data=values[i : i + 1]) for i, s in enumerate(stems)]
    raster = Raster.open(paths)
    assert (raster.name, raster.band_names, raster.roles) == (name, bands, roles)
    nir, red = values[roles.index("nir")] * 1.0, values[roles.index("red")] * 1.0
    ndvi = (nir - red) / (nir + red)
    stretch = raster.stretch(("ndvi",), "minmax")
    assert (stretch.lows[0], stretch.highs[0]) == pytest.approx((ndvi.min(), ndvi.max()))
    assert from_json(to_json(raster.source, paths[0].parent), paths[0].parent) == raster.source


def test_sentences_name_images_as_people_do(make_raster: MakeRaster) -> None:
    paths = [make_raster("source-1.tif"), make_raster("source-2.tif", bands=4)]
    with pytest.raises(ParameterError, match=r"roofs\.tif has 3, fields\.tif has 4"):
        source_of(paths, names=["roofs.tif", "fields.tif"])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"bands": 1}, "same bands"),
        ({"dtype": "uint16"}, "same type"),
        ({"crs": None, "transform": None}, "no coordinate system"),
        ({"transform": Affine(5, 0, 500_000, 0, -5, 5_000_000)}, "differ in resolution"),
    ],
)
def test_what_does_not_fit_is_told(
    make_raster: MakeRaster, options: dict[str, Any], match: str
) -> None:
    paths = [make_raster("a.tif"), make_raster("b.tif", **options)]
    with pytest.raises(ParameterError, match=match):
        source_of(paths)


def test_part_that_is_gone_and_a_recipe_of_strangers(
    make_raster: MakeRaster, tmp_path: Path
) -> None:
    paths = _quarters(make_raster, ramp((100, 100), 3, "uint8"))
    mosaic = Raster.open(paths)
    paths[3].unlink()
    with pytest.raises(RasterError, match=r"tile_11\.tif"):
        mosaic.read()
    recipe = tmp_path / "recipe.tif"
    recipe.write_text(f"<VRTDataset>{paths[0]}</VRTDataset>")
    with pytest.raises(RasterError, match="VRT"):
        source_of([paths[0], recipe])
