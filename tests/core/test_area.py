"""An area of interest lies where its coordinates say, to the pixel."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from samgeo_core.area import AreaOfInterest
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading import vector_files
from samgeo_core.reading.vector_files import vector_layers
from samgeo_core.windows import Window
from tests.factories import UTM_33N

GRID = GeoGrid((80, 120), UTM_33N, CRS.from_epsg(32633))
BOX_PX = (20, 10, 60, 50)


def in_crs(polygon_px: shapely.Polygon) -> shapely.Polygon:
    return shapely.transform(polygon_px, GRID.to_crs_xy)


def in_lonlat(polygon_px: shapely.Polygon) -> shapely.Polygon:
    return shapely.transform(shapely.segmentize(polygon_px, 1), GRID.to_lonlat)


def test_crs_and_lonlat_are_the_same_place() -> None:
    box = shapely.box(*BOX_PX)
    expected = np.zeros(GRID.shape_hw, bool)
    expected[10:50, 20:60] = True
    for area in (
        AreaOfInterest.of_geometry(in_crs(box), GRID),
        AreaOfInterest.of_geometry(in_lonlat(box), GRID, lonlat=True),
    ):
        np.testing.assert_array_equal(area.mask(Window.whole(GRID.shape_hw)), expected)
        part = Window(50, 40, 30, 20)
        np.testing.assert_array_equal(area.mask(part), expected[part.slices])


def test_a_window_holds_the_area_and_parts_know_what_is_theirs() -> None:
    triangle = shapely.Polygon([(10.5, 20.5), (70.2, 20.5), (10.5, 60.7)])
    area = AreaOfInterest.of_geometry(in_crs(triangle), GRID)
    assert area.window(GRID.shape_hw) == Window(10, 20, 61, 41)
    whole = area.mask(Window.whole(GRID.shape_hw))
    assert not whole[:20].any()
    inside, outside = Window(10, 20, 30, 20), Window(60, 50, 40, 20)
    assert area.within(outside) is None
    part = area.within(inside)
    assert part is not None
    np.testing.assert_array_equal(part.mask(inside), whole[inside.slices])
    assert not part.mask(outside).any()


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg"])
def test_files_bring_their_crs_and_all_their_polygons(suffix: str, tmp_path: Path) -> None:
    boxes = [shapely.box(*BOX_PX), shapely.box(80, 60, 100, 70)]
    frame = gpd.GeoDataFrame(geometry=[in_crs(b) for b in boxes], crs=GRID.crs)
    frame = frame.to_crs(4326) if suffix == ".geojson" else frame.to_crs(32632)
    frame.to_file(tmp_path / f"area{suffix}")
    area = AreaOfInterest.read(tmp_path / f"area{suffix}", GRID)
    mask = area.mask(Window.whole(GRID.shape_hw))
    expected = np.zeros(GRID.shape_hw, bool)
    for x0, y0, x1, y1 in (BOX_PX, (80, 60, 100, 70)):
        expected[y0:y1, x0:x1] = True
    assert (mask != expected).sum() <= 4, "reprojected edges may graze a pixel's centre"
    assert area.window(GRID.shape_hw).intersection(Window(20, 10, 80, 60)) is not None


def test_the_same_area_has_the_same_name_and_another_one_another() -> None:
    ring = [(20, 10), (60, 10), (60, 50), (20, 50)]
    a, b = (AreaOfInterest(shapely.Polygon(r)) for r in (ring, ring[2:] + ring[:2]))
    assert a.digest == b.digest
    assert a.digest != AreaOfInterest(shapely.Polygon(ring[:3])).digest


def test_what_is_no_area_of_this_raster_is_told(tmp_path: Path) -> None:
    far = shapely.transform(shapely.box(*BOX_PX), lambda xy: GRID.to_crs_xy(xy) + 1e5)
    with pytest.raises(ParameterError, match="beside the raster"):
        AreaOfInterest.of_geometry(far, GRID)
    with pytest.raises(ParameterError, match="must be a polygon, got LineString"):
        AreaOfInterest.of_geometry(shapely.LineString([(0, 0), (1, 1)]), GRID)
    with pytest.raises(ParameterError, match=r"place on Earth|coordinate reference system"):
        nowhere = GeoGrid((80, 120), Affine.identity(), None)
        AreaOfInterest.of_geometry(shapely.box(1, 1, 2, 2), nowhere, lonlat=True)
    with pytest.raises(ParameterError, match=r"There is no file .*missing\.geojson"):
        AreaOfInterest.read(tmp_path / "missing.geojson", GRID)
    (tmp_path / "notes.txt").write_text("here")
    with pytest.raises(ParameterError, match=r"must be a file of \.geojson"):
        AreaOfInterest.read(tmp_path / "notes.txt", GRID)
    broken = tmp_path / "broken.geojson"
    broken.write_text("{]")
    with pytest.raises(ParameterError, match=r"broken\.geojson can't be read"):
        AreaOfInterest.read(broken, GRID)
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(ParameterError, match=r"must hold 1 to 100,000 areas of interest, got 0"):
        AreaOfInterest.read(empty, GRID)
    points = tmp_path / "points.gpkg"
    gpd.GeoDataFrame(geometry=gpd.points_from_xy([5], [9]), crs=4326).to_file(points)
    with pytest.raises(ParameterError, match=r"holds no polygon, but Point"):
        AreaOfInterest.read(points, GRID)
    with pytest.raises(ParameterError, match="no place on Earth"):
        AreaOfInterest.read(points, GeoGrid((80, 120), Affine.identity(), None))


_KML = """<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><Polygon>
<outerBoundaryIs><LinearRing><coordinates>{places}</coordinates></LinearRing></outerBoundaryIs>
</Polygon></Placemark></kml>"""


@pytest.mark.parametrize("suffix", [".kml", ".kmz", ".zip", ".fgb", ".json", ".gpkg"])
def test_each_kind_of_file_gives_the_same_area(suffix: str, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame(geometry=[in_lonlat(shapely.box(*BOX_PX))], crs="EPSG:4326")
    path = tmp_path / f"area{suffix}"
    ring = shapely.get_coordinates(frame.geometry[0])
    kml = _KML.format(places=" ".join(f"{x:.9f},{y:.9f},0" for x, y in ring))
    if suffix == ".kml":
        path.write_text(kml)
    elif suffix == ".kmz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("doc.kml", kml)
    elif suffix == ".zip":
        (tmp_path / "shape").mkdir()
        frame.to_file(tmp_path / "shape" / "area.shp")
        with zipfile.ZipFile(path, "w") as archive:
            for part in (tmp_path / "shape").iterdir():
                archive.write(part, part.name)
    elif suffix == ".gpkg":
        elsewhere = gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs="EPSG:4326")
        elsewhere.to_file(path, layer="elsewhere", driver="GPKG")
        frame.to_file(path, layer="here", driver="GPKG")
        assert vector_layers(path) == ["elsewhere", "here"]
        with pytest.raises(ParameterError, match="beside the raster"):
            AreaOfInterest.read(path, GRID)
    else:
        frame.to_file(path, driver="GeoJSON" if suffix == ".json" else "FlatGeobuf")
    area = AreaOfInterest.read(path, GRID, "here" if suffix == ".gpkg" else None)
    mask = area.mask(Window.whole(GRID.shape_hw))
    expected = np.zeros(GRID.shape_hw, bool)
    expected[10:50, 20:60] = True
    np.testing.assert_array_equal(mask, expected)
    again = AreaOfInterest.of_geojson(json.loads(json.dumps(area.to_geojson())))
    assert again.digest == area.digest


def test_kmz_bombs_and_empty_archives_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_files, "_MOST_KML_BYTES", 1000)
    for name, content, told in (
        ("doc.kml", " " * 2000, "more than 256 MB"),
        ("a.txt", "", "no KML"),
    ):
        with zipfile.ZipFile(tmp_path / "a.kmz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)
        with pytest.raises(ParameterError, match=told):
            AreaOfInterest.read(tmp_path / "a.kmz", GRID)


def test_geojson_in_px_is_the_area_of_an_image_without_a_place(tmp_path: Path) -> None:
    path = tmp_path / "area.geojson"
    path.write_text(
        shapely.to_geojson(shapely.box(*BOX_PX)).replace('{"type":"Polygon"', _FEATURE) + "}"
    )
    area = AreaOfInterest.read(path, GeoGrid((80, 120), Affine.identity(), None))
    assert area.polygon.equals(shapely.box(*BOX_PX))


_FEATURE = '{"type":"Feature","properties":{},"geometry":{"type":"Polygon"'


@pytest.mark.parametrize(
    ("shape", "expected_px"),
    [
        (shapely.force_3d(shapely.box(*BOX_PX), 812.5), 40 * 40),
        (shapely.MultiPolygon([shapely.box(*BOX_PX), shapely.box(80, 60, 100, 70)]), 1800),
        (shapely.Polygon([(20, 10), (60, 50), (60, 10), (20, 50)]), 800),  # a bow tie
        (shapely.GeometryCollection([shapely.box(*BOX_PX), shapely.Point(1, 1)]), 1600),
        (shapely.box(-50, -50, 20, 10), 200),  # for the most part beside the raster
    ],
    ids=["3d", "multi", "invalid", "collection", "partly beside"],
)
@pytest.mark.parametrize("suffix", [".geojson", ".gpkg"])
def test_polygons_as_they_come(
    shape: shapely.Geometry, expected_px: int, suffix: str, tmp_path: Path
) -> None:
    moved = shapely.transform(
        shape, lambda xyz: np.column_stack([GRID.to_crs_xy(xyz[:, :2]), xyz[:, 2:]]),
        include_z=shape.has_z,
    )  # fmt: skip
    frame = gpd.GeoDataFrame(geometry=[moved, None, shapely.Polygon()], crs=GRID.crs)
    path = tmp_path / f"area{suffix}"
    (frame.to_crs(4326) if suffix == ".geojson" else frame).to_file(path)
    area = AreaOfInterest.read(path, GRID)
    assert not area.polygon.has_z
    assert area.mask(Window.whole(GRID.shape_hw)).sum() == pytest.approx(expected_px, abs=8)
