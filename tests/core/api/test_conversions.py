from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from samgeo_core.api.conversions import Conversions, in_pixels
from samgeo_core.errors import ExportError, ParameterError, RasterError, RasterTooLargeError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.raster import Raster
from samgeo_core.results.vectorize import vectorize_labels
from tests.factories import UTM_33N, MakeRaster

CONVERT = Conversions()


@pytest.fixture
def labels() -> np.ndarray:
    """Two objects, the second in two parts and with a hole."""
    labels = np.zeros((40, 60), np.uint16)
    labels[5:15, 5:25] = 1
    labels[20:38, 30:50] = 700
    labels[25:30, 35:40] = 0
    labels[2:5, 50:58] = 700
    return labels


@pytest.mark.parametrize(
    ("call", "name", "expected", "epsg"),
    [
        (CONVERT.raster_to_vector, "a.gpkg", "a.gpkg", 32633),
        (CONVERT.tiff_to_vector, "a.fgb", "a.fgb", 32633),
        (CONVERT.tiff_to_vector, "a.geojson", "a.geojson", 4326),
        (CONVERT.tiff_to_gpkg, "a", "a.gpkg", 32633),
        (CONVERT.tiff_to_gpkg, "a.gpkg", "a.gpkg", 32633),
        (CONVERT.tiff_to_gpkg, "of.2024", "of.2024.gpkg", 32633),
        (CONVERT.tiff_to_shp, "a", "a.shp", 32633),
        (CONVERT.tiff_to_shp, "a.SHP", "a.shp", 32633),
        (CONVERT.tiff_to_geojson, "a", "a.geojson", 4326),
    ],
)
def test_regions_become_polygons(
    labels: np.ndarray, make_raster: MakeRaster, tmp_path: Path, call, name, expected, epsg
):
    source = make_raster(data=labels[None], nodata=0)
    call(str(source), str(tmp_path / name))
    frame = gpd.read_file(tmp_path / expected)
    assert frame.crs.to_epsg() == epsg
    assert sorted(frame["value"]) == [1, 700, 700]
    assert sorted(frame["area_px"]) == [24, 200, 335]
    assert frame["area_m2"].sum() == pytest.approx((labels > 0).sum() * 0.25, rel=2e-3)


@pytest.mark.parametrize(("suffix", "epsg"), [("gpkg", 3857), ("shp", 3857), ("geojson", 4326)])
def test_another_crs_for_the_file(
    labels: np.ndarray, make_raster: MakeRaster, tmp_path: Path, suffix: str, epsg: int
):
    source = make_raster(data=labels[None], nodata=0)
    target = tmp_path / f"a.{suffix}"
    CONVERT.raster_to_vector(source, target, dst_crs="EPSG:3857")
    frame = gpd.read_file(target)
    assert frame.crs.to_epsg() == epsg
    assert frame["area_m2"].sum() == pytest.approx((labels > 0).sum() * 0.25, rel=2e-3)


def test_outlines_are_simplified_by_units_of_the_crs(make_raster: MakeRaster, tmp_path: Path):
    rows, columns = np.mgrid[:100, :100]
    disc = ((rows - 50) ** 2 + (columns - 50) ** 2 < 40**2).astype(np.uint8)
    counts = []
    for tolerance in (None, 0.5, 5):
        CONVERT.tiff_to_gpkg(make_raster(data=disc[None], nodata=0), tmp_path / "a.gpkg", tolerance)
        frame = gpd.read_file(tmp_path / "a.gpkg")
        exact = disc.sum() * 0.25
        assert abs(frame.area.sum() - exact) <= (tolerance or 1e-6) * frame.length.sum()
        counts.append(len(frame.get_coordinates()))
    assert counts[0] > counts[1] > counts[2]


@pytest.mark.parametrize(
    ("transform", "tolerance", "expected"),
    [
        (UTM_33N, None, 0.0),
        (UTM_33N, 1.0, 2.0),
        (UTM_33N @ Affine.rotation(30), 1.0, 2.0),
        (UTM_33N @ Affine.scale(1, -1), 1.0, 2.0),
    ],
)
def test_lengths_in_pixels(transform: Affine, tolerance: float | None, expected: float):
    assert in_pixels(tolerance, GeoGrid((4, 5), transform, None)) == pytest.approx(expected)


def test_what_cant_be_done_is_told(labels: np.ndarray, make_raster: MakeRaster, tmp_path: Path):
    placed = make_raster("placed.tif", data=labels[None], nodata=0)
    plain = make_raster("plain.png", data=labels[None].astype(np.uint8), crs=None, transform=None)
    target = tmp_path / "a.gpkg"
    for arguments, kind, message in (
        ((placed, target, -1.0), ParameterError, "0 or more"),
        ((placed, target, None, "EPSG:no"), ParameterError, "name such as"),
        ((plain, target, None, "EPSG:4326"), ParameterError, "raster with a CRS"),
        ((plain, tmp_path / "a.geojson"), ExportError, "CRS|coordinate"),
        ((placed, tmp_path / "a.docx"), ExportError, "must end in"),
        ((tmp_path / "missing.tif", target), RasterError, "no file"),
    ):
        with pytest.raises(kind, match=message):
            CONVERT.raster_to_vector(*arguments)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["placed.tif", "plain.png"]


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "parquet"])
def test_what_goes_wrong_on_the_way_is_told_and_leaves_nothing(
    suffix: str, labels: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = labels.astype(np.float32)
    data[35, 3] = 0.5
    source = tmp_path / "labels.tif"
    with rasterio.open(
        source, "w", driver="GTiff", height=40, width=60, count=1, dtype="float32", blockysize=4,
        crs="EPSG:32633", transform=UTM_33N,
    ) as dataset:  # fmt: skip
        dataset.write(data, 1)
    monkeypatch.setattr("samgeo_core.results.vectorize._STRIP_PX", 60 * 8)
    with pytest.raises(ParameterError, match="whole numbers"):
        CONVERT.raster_to_vector(source, tmp_path / f"a.{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == ["labels.tif"]


def test_a_file_has_the_polygons_of_the_frame(
    labels: np.ndarray, make_raster: MakeRaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_raster(data=labels[None], nodata=0)
    frame = vectorize_labels(source)
    monkeypatch.setattr("samgeo_core.results.vectorize._STRIP_PX", 60 * 7)
    CONVERT.raster_to_vector(source, tmp_path / "a.gpkg")
    written = gpd.read_file(tmp_path / "a.gpkg")
    assert sorted(zip(written["value"], written["area_px"], strict=True)) == sorted(
        zip(frame["value"], frame["area_px"], strict=True)
    )
    assert written.union_all().equals(frame.union_all())


def test_rasters_beyond_what_may_be_read_whole(tmp_path: Path) -> None:
    """Of two gigapixels and more, nearly all blocks are missing from the file."""
    source, side = tmp_path / "large.tif", 46_336
    with rasterio.open(
        source, "w", driver="GTiff", height=side, width=side, count=1, dtype="uint8", nodata=0,
        tiled=True, blockxsize=512, blockysize=512, SPARSE_OK=True, crs="EPSG:32633",
        transform=UTM_33N,
    ) as dataset:  # fmt: skip
        dataset.write(np.full((300, 20), 7, np.uint8), 1, window=Window(1000, 400, 20, 300))
        dataset.write(np.full((5, 9), 8, np.uint8), 1, window=Window(side - 9, side - 5, 9, 5))
    with pytest.raises(RasterTooLargeError):
        Raster.open(source)
    CONVERT.tiff_to_vector(source, tmp_path / "a.fgb")
    for frame in (gpd.read_file(tmp_path / "a.fgb"), vectorize_labels(source)):
        assert sorted(zip(frame["value"], frame["area_px"], strict=True)) == [(7, 6000), (8, 45)]
        assert frame.area.sum() == pytest.approx(6045 * 0.25)
