from __future__ import annotations

import json
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS
from scipy import ndimage

from samgeo_core.errors import ExportError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.results.export import FORMATS, format_of, read_vector, write_bundle, write_vector
from samgeo_core.results.formats import _field_names
from samgeo_core.results.labels import label_raster, write_label_raster
from samgeo_core.results.vectorize import vectorize
from tests.factories import UTM_33N

SHAPE = (60, 80)
PLACES = {
    "UTM": (UTM_33N, CRS.from_epsg(32633)),
    "rotated": (Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_000_000), CRS.from_epsg(32633)),
    "degrees": (Affine(1e-5, 0, 10, 0, -1e-5, 50), CRS.from_epsg(4326)),
    "web": (Affine(0.5, 0, 1e6, 0, -0.5, 8_400_000), CRS.from_epsg(3857)),
    "no EPSG": (
        Affine(0.5, 0, 1000, 0, -0.5, 2000),
        CRS.from_proj4("+proj=laea +lat_0=47.3 +lon_0=8.1 +ellps=bessel +towgs84=674,15,405"),
    ),
}
TABLES = sorted(FORMATS.keys() - {"dxf"})
"""Formats that hold polygons with attributes; see test_dxf.py for the other one."""
KEEPING_CRS = [key for key in TABLES if not FORMATS[key].in_lonlat]


def layer(place: str = "UTM", n: int = 6) -> gpd.GeoDataFrame:
    random = np.random.default_rng(2)
    masks = []
    for _ in range(n):
        noise = ndimage.gaussian_filter(random.random((24, 30)), 2)
        masks.append(noise > np.quantile(noise, 0.6))
    offsets = random.integers(0, 30, (n, 2))
    objects = ObjectSet.build(SHAPE, masks, offsets, random.random(n), random.random(n))
    grid = GeoGrid(SHAPE, *(PLACES[place] if place in PLACES else (Affine.identity(), None)))
    return vectorize(objects, grid)


def read(path: Path) -> gpd.GeoDataFrame:
    named = "objects" if path.suffix == ".gpkg" else None
    frame = (
        gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path, layer=named)
    )
    frame = frame.rename(columns={"perim_m": "perimeter_m"})
    return frame.sort_values("object_id", ignore_index=True) if "object_id" in frame else frame


def projection(crs: pyproj.CRS) -> dict[str, object]:
    operation = crs.coordinate_operation
    values = {item.name: item.value for item in operation.params}
    return {"method": operation.method_name, "axis": crs.ellipsoid.semi_major_metre, **values}


def assert_same_attributes(found: gpd.GeoDataFrame, frame: gpd.GeoDataFrame) -> None:
    columns = frame.columns.drop("geometry")
    pd.testing.assert_frame_equal(
        pd.DataFrame(found[columns]), pd.DataFrame(frame[columns]), check_dtype=False, rtol=1e-9
    )


@pytest.mark.parametrize("key", TABLES)
@pytest.mark.parametrize("place", sorted(PLACES))
def test_each_format_reads_back(tmp_path: Path, key: str, place: str) -> None:
    frame = layer(place)
    path = tmp_path / f"objects{FORMATS[key].suffix}"
    write_vector(frame, path)
    found = read(path)
    assert len(found) == len(frame)
    assert_same_attributes(found, frame)
    assert found.is_valid.all()
    if FORMATS[key].in_lonlat:
        assert found.crs.to_epsg() == 4326
        expected, tolerance = frame.to_crs(4326).geometry.values, 1e-7
    elif key == "shp" and place == "no EPSG":
        # A .prj has its own names for things and no place for the shift of the datum.
        assert projection(found.crs) == projection(frame.crs.source_crs)
        expected, tolerance = frame.geometry.values, 1e-6
    else:
        assert found.crs == frame.crs
        expected, tolerance = frame.geometry.values, 1e-6 if place != "degrees" else 1e-12
    assert shapely.hausdorff_distance(found.geometry.values, expected).max() <= tolerance
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("key", sorted(FORMATS))
@pytest.mark.parametrize("place", ["UTM", "no EPSG"])
def test_no_objects_give_a_valid_empty_layer(tmp_path: Path, key: str, place: str) -> None:
    frame = layer(place, n=0)
    path = tmp_path / f"objects{FORMATS[key].suffix}"
    write_vector(frame, path)
    found = read(path)
    assert len(found) == 0
    if key in {"gpkg", "shp", "fgb", "parquet"}:
        assert set(found.columns) == set(frame.columns)
        assert found.dtypes["object_id"] == np.int64
        assert found.dtypes["area_m2"] == np.float64
    if key in {"gpkg", "fgb", "parquet"}:
        assert found.crs == frame.crs


@pytest.mark.parametrize("key", KEEPING_CRS)
@pytest.mark.parametrize("n", [0, 4])
def test_without_crs_pixel_coordinates_are_kept(tmp_path: Path, key: str, n: int) -> None:
    frame = layer("pixels", n)
    path = tmp_path / f"objects{FORMATS[key].suffix}"
    write_vector(frame, path)
    found = read(path)
    assert found.crs is None
    assert_same_attributes(found, frame)
    assert found.area.tolist() == frame["area_px"].tolist()


@pytest.mark.parametrize("name", ["objects.geojson", "objects.kml"])
def test_without_crs_longitudes_are_unknown(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match=r"no coordinate reference system.*GeoPackage"):
        write_vector(layer("pixels"), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_geojson_follows_rfc_7946(tmp_path: Path) -> None:
    path = tmp_path / "objects.geojson"
    write_vector(layer("no EPSG"), path)
    document = json.loads(path.read_text())
    assert document["type"] == "FeatureCollection"
    assert "crs" not in document
    text = path.read_text()
    numbers = json.loads(
        json.dumps([item["geometry"] for item in document["features"]]), parse_float=str
    )
    for geometry, item in zip(numbers, document["features"], strict=True):
        shape = shapely.geometry.shape(item["geometry"])
        assert all(part.exterior.is_ccw for part in shapely.get_parts(shape))
        assert all(not hole.is_ccw for part in shapely.get_parts(shape) for hole in part.interiors)
        digits = [len(value.split(".")[1]) for value in flat(geometry["coordinates"])]
        assert max(digits) == 7
    assert "NaN" not in text


def flat(nested: list) -> list:
    return [nested] if not isinstance(nested, list) else [v for item in nested for v in flat(item)]


def test_geojson_knows_no_nan(tmp_path: Path) -> None:
    frame = layer(n=2)
    frame["area_m2"] = [np.nan, np.inf]
    frame["note"] = ['say "hi" in Zürich', None]
    write_vector(frame, tmp_path / "objects.geojson")
    properties = [
        item["properties"]
        for item in json.loads((tmp_path / "objects.geojson").read_text("utf-8"))["features"]
    ]
    assert [item["area_m2"] for item in properties] == [None, None]
    assert [item["note"] for item in properties] == ['say "hi" in Zürich', None]
    assert read(tmp_path / "objects.geojson")["note"].tolist()[0] == 'say "hi" in Zürich'


def test_geojson_without_objects(tmp_path: Path) -> None:
    write_vector(layer(n=0), tmp_path / "objects.geojson")
    document = json.loads((tmp_path / "objects.geojson").read_text())
    assert document["features"] == []


def test_the_layer_has_the_name_asked_for(tmp_path: Path) -> None:
    write_vector(layer(), tmp_path / "a.gpkg")
    write_vector(layer(), tmp_path / "b.gpkg", layer="roofs")
    assert pyogrio.list_layers(tmp_path / "a.gpkg")[:, 0].tolist() == ["objects"]
    assert pyogrio.list_layers(tmp_path / "b.gpkg")[:, 0].tolist() == ["roofs"]
    assert len(read_vector(tmp_path / "b.gpkg", "roofs")) == 6


def test_zipped_shapefile_has_its_parts(tmp_path: Path) -> None:
    write_vector(layer(), tmp_path / "found.zip", layer="roofs")
    with zipfile.ZipFile(tmp_path / "found.zip") as archive:
        names = {name: archive.read(name) for name in archive.namelist()}
    assert sorted(names) == [
        f"roofs.{s}" for s in ("cpg", "dbf", "fields.csv", "prj", "shp", "shx")
    ]
    assert names["roofs.cpg"].strip() == b"UTF-8"


def test_plain_shapefile(tmp_path: Path) -> None:
    write_vector(layer(), tmp_path / "found.shp")
    found = {file.suffix for file in tmp_path.iterdir()}
    assert found == {".shp", ".shx", ".dbf", ".prj", ".cpg", ".csv"}
    assert_same_attributes(read(tmp_path / "found.shp"), layer())


def test_field_names_of_shapefiles_are_short_and_differ() -> None:
    columns = ["perimeter_m", "a_long_name_1", "a_long_name_2", "A_LONG_NAME", "short"]
    names = _field_names(columns)
    assert names["perimeter_m"] == "perim_m"
    assert names["short"] == "short"
    assert max(map(len, names.values())) == 10
    assert len({name.lower() for name in names.values()}) == len(columns)


def test_large_values_survive_in_shapefiles(tmp_path: Path) -> None:
    frame = layer()
    frame["area_m2"] = 123_456_789_012.25
    write_vector(frame, tmp_path / "objects.shp.zip")
    assert read(tmp_path / "objects.shp.zip")["area_m2"].tolist() == [123_456_789_012.25] * 6


def test_kml_placemarks_have_a_name(tmp_path: Path) -> None:
    write_vector(layer(), tmp_path / "objects.kml")
    found = gpd.read_file(tmp_path / "objects.kml")
    assert found["Name"].tolist() == ["1", "2", "3", "4", "5", "6"]
    assert found.dtypes["object_id"].kind == "i"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a.GPKG", "gpkg"),
        ("a.shp.zip", "shp"),
        ("a.zip", "shp"),
        ("a.shp", "shp"),
        ("a.json", "geojson"),
        ("a.b.geojson", "geojson"),
        ("a.fgb", "fgb"),
        ("a.parquet", "parquet"),
        ("a.geoparquet", "parquet"),
        ("a.kml", "kml"),
        ("a.dxf", "dxf"),
    ],
)
def test_the_name_decides_on_the_format(name: str, key: str) -> None:
    assert format_of(name).key == key


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("a.dwg", None, r"must end in one of \.gpkg.*a\.dwg"),
        ("a.gpkg", "dwg", "must be one of gpkg.*'dwg'"),
        ("missing/a.gpkg", None, "create it first"),
    ],
)
def test_what_cannot_be_written_is_said(
    tmp_path: Path, name: str, kind: str | None, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        write_vector(layer(), tmp_path / name, kind)


def test_only_polygons_are_written(tmp_path: Path) -> None:
    points = gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=4326)
    with pytest.raises(ExportError, match="polygons only, got Point"):
        write_vector(points, tmp_path / "a.gpkg")


@pytest.mark.parametrize("key", sorted(FORMATS))
def test_an_old_file_is_replaced_only_by_a_whole_one(tmp_path: Path, key: str) -> None:
    path = tmp_path / f"objects{FORMATS[key].suffix}"
    write_vector(layer(), path)
    before = path.read_bytes()
    broken = layer()
    broken["odd"] = 1j
    with pytest.raises((ExportError, NotImplementedError, TypeError)):
        write_vector(broken, path)
    assert path.read_bytes() == before
    write_vector(layer(n=2), path)
    n_rows = 2 if key in TABLES else len(shapely.get_rings(layer(n=2).geometry.explode().values))
    assert len(read(path)) == n_rows
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A folder with what a run leaves."""
    folder = tmp_path / "run"
    folder.mkdir()
    labels = label_raster(ObjectSet.empty(SHAPE))
    write_label_raster(folder / "labels.tif", labels, GeoGrid(SHAPE, *PLACES["UTM"]))
    write_vector(layer(), folder / "objects.gpkg")
    (folder / "run.json").write_text("{}")
    return folder


def test_bundle_holds_everything(tmp_path: Path, run_dir: Path) -> None:
    write_bundle(tmp_path / "all.zip", run_dir)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "out")
    out = tmp_path / "out"
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert names == [
        "README.txt",
        "labels.qml",
        "labels.tif",
        "objects.dxf",
        "objects.fgb",
        "objects.geojson",
        "objects.gpkg",
        "objects.kml",
        "objects.parquet",
        "project.qgz",
        "run.json",
        *(f"shapefile/objects.{s}" for s in ("cpg", "dbf", "fields.csv", "prj", "shp", "shx")),
    ]
    for name in names:
        if name.endswith((".fgb", ".geojson", ".gpkg", ".kml", ".parquet", ".shp")):
            assert_same_attributes(read(out / name), layer())
    readme = (out / "README.txt").read_text()
    assert "Objects: 6" in readme
    assert "EPSG:32633" in readme
    for name in names[1:]:
        assert name.startswith("shapefile/") or name.endswith(".qml") or name in readme
    assert all(column in readme for column in layer().columns.drop("geometry"))


def test_bundle_of_chosen_objects_without_crs(tmp_path: Path, run_dir: Path) -> None:
    frame = layer("pixels").iloc[:2]
    write_bundle(tmp_path / "all.zip", run_dir, frame)
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = archive.namelist()
        readme = archive.read("README.txt").decode()
        archive.extract("objects.gpkg", tmp_path)
    assert "objects.geojson" not in names
    assert "shapefile/objects.shp" in names
    assert "Objects: 2" in readme
    assert "Coordinate reference system: none" in readme
    drawn = read(tmp_path / "objects.gpkg")
    assert len(drawn) == 2
    # The raster has a place, so the polygons of the same pixels lie where they lay.
    assert drawn.total_bounds.tolist() == frame.total_bounds.tolist()


def test_bundle_of_no_run(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"objects\.gpkg"):
        write_bundle(tmp_path / "all.zip", tmp_path)
    assert list(tmp_path.iterdir()) == []
