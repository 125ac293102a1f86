from __future__ import annotations

import sqlite3
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from rasterio.crs import CRS

from samgeo_core.errors import ExportError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.results import kept_masks, outlines
from samgeo_core.results.export import FORMATS, convert_vector, read_vector, write_vector
from samgeo_core.results.kept_masks import ValidParts
from samgeo_core.results.nesting import parent_ids
from samgeo_core.results.vector_writer import VectorWriter
from samgeo_core.results.vectorize import vectorize, vectorize_wholes
from samgeo_core.vectors.product import Surroundings, objects_layer
from samgeo_core.vectors.sources import objects_in_memory, objects_of_masks
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import Window
from tests.core.results.test_files import files_of_at_most
from tests.core.results.test_vectorize import blobs
from tests.core.results.wholes import in_pieces
from tests.factories import UTM_33N

PIXELS = GeoGrid((48, 64), Affine.identity(), None)
UTM = GeoGrid((48, 64), UTM_33N, CRS.from_epsg(32633))


def wholes_of(objects: ObjectSet, seed: int) -> list[WholeObject]:
    return in_pieces(objects, np.random.default_rng(seed), parent_ids(objects))


def finished(
    objects: ObjectSet, grid: GeoGrid, valid: np.ndarray | None = None
) -> gpd.GeoDataFrame:
    read = None if valid is None else lambda window: valid[window.slices]
    return objects_layer(objects_in_memory(objects), Surroundings(grid, valid=read)).whole()


def assert_same_layer(found: gpd.GeoDataFrame, expected: gpd.GeoDataFrame) -> None:
    """The same rows in any order; polygons may begin at another vertex, but have no other ones."""
    found, expected = (f.sort_values("object_id", ignore_index=True) for f in (found, expected))
    columns = expected.columns.drop("geometry")
    assert list(found.columns.drop("geometry")) == list(columns)
    # Areas are right to a millionth, and may begin at another vertex.
    assert_frame_equal(found[columns], expected[columns], rtol=1e-6)
    a, b = (_multipolygons(frame) for frame in (found, expected))
    assert shapely.equals_exact(a, b, 0.0).all()
    assert found.crs == expected.crs


def _multipolygons(frame: gpd.GeoDataFrame) -> np.ndarray:
    parts, row = shapely.get_parts(frame.geometry.values, return_index=True)
    return shapely.normalize(shapely.multipolygons(parts, indices=row))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 300, 2**22]))
def test_nothing_remains_of_the_borders_of_pieces(seed: int, batch_px: int) -> None:
    objects = blobs(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outlines, "_BATCH_PX", batch_px)
        found = vectorize_wholes(wholes_of(objects, seed), PIXELS)
    assert found.is_valid.all()
    assert found.area.tolist() == found["area_px"].tolist()
    assert_same_layer(found, vectorize(objects, PIXELS))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_noise_in_pieces_is_traced_as_a_whole(seed: int) -> None:
    """Pixels that meet by their corners only, on borders of pieces and off them."""
    random = np.random.default_rng(seed)
    masks = [random.random(random.integers(1, 14, 2)) < 0.6 for _ in range(20)]
    ones = [1.0] * 20
    objects = ObjectSet.build((48, 64), masks, random.integers(0, 20, (20, 2)), ones, ones)
    found = vectorize_wholes(wholes_of(objects, seed), PIXELS)
    assert found.is_valid.all()
    exact = vectorize(objects, PIXELS)
    firsts = [
        [{tuple(part.exterior.coords)[:2], *(tuple(i.coords)[:2] for i in part.interiors)}
         for part in shapely.get_parts(frame.sort_values("object_id").geometry.values)]
        for frame in (found, exact)
    ]  # fmt: skip
    assert sorted(map(sorted, firsts[0])) == sorted(map(sorted, firsts[1]))
    assert_same_layer(found, vectorize(objects, PIXELS))


def test_holes_across_pieces() -> None:
    ring = np.ones((9, 9), np.bool_)
    ring[3:6, 3:6] = False
    halves = [((10, 10), ring[:, :5]), ((15, 10), ring[:, 5:])]
    item = WholeObject(7, 0, halves, 0.9, 0.8, (0, 0), 72, (10, 10, 19, 19))
    (shape,) = vectorize_wholes([item], PIXELS).geometry
    assert shape.equals(shapely.box(10, 10, 19, 19) - shapely.box(13, 13, 16, 16))
    assert [len(r.coords) for r in (shape.exterior, *shape.interiors)] == [5, 5]


@pytest.mark.parametrize("grid", [UTM, PIXELS], ids=["UTM", "pixels"])
@pytest.mark.parametrize("n_batches", [1, 5])
def test_files_hold_what_vectorizing_at_once_gives(
    tmp_path: Path, grid: GeoGrid, n_batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_masks, "_ROWS", 7)
    objects = blobs(3, n=60)
    wholes = wholes_of(objects, 3)
    valid = np.random.default_rng(0).random(objects.shape_hw) > 0.02
    parts = ValidParts()
    kept = tmp_path / "masks.arrow"
    with VectorWriter(
        tmp_path / "objects.gpkg", grid, layer="roofs", valid=parts, masks_path=kept
    ) as writer:
        for top in (0, 20):
            part = valid[top : top + 20 if top == 0 else None]
            parts.add(part[:, :30], (0, top))
            parts.add(part[:, 30:], (30, top))
        for some in np.array_split(np.arange(len(wholes)), n_batches):
            writer.append([wholes[i] for i in some])
    found = read_vector(tmp_path / "objects.gpkg", "roofs")
    write_vector(finished(objects, grid, valid), tmp_path / "at_once.gpkg", layer="roofs")
    expected = read_vector(tmp_path / "at_once.gpkg", "roofs")
    assert found["object_id"].tolist() == [item.object_id for item in wholes]
    assert_same_layer(found, expected)
    assert 0 < found["touches_edge"].sum() < 60
    names = {"objects.gpkg", "at_once.gpkg", "masks.arrow"}
    assert {path.name for path in tmp_path.iterdir()} == names
    again = np.concatenate([some.exact for some in objects_of_masks(kept)])
    exact = {row.object_id: row.geometry for row in vectorize(objects, PIXELS).itertuples()}
    for item, shape in zip(wholes, again, strict=True):
        assert shapely.equals(shape, exact[item.object_id])
    with sqlite3.connect(tmp_path / "objects.gpkg") as database:
        indexed = database.execute("SELECT count(*) FROM rtree_roofs_geom").fetchone()
    assert indexed == (60,)


def test_no_objects_give_a_layer_with_all_columns(tmp_path: Path) -> None:
    with VectorWriter(tmp_path / "objects.gpkg", UTM):
        pass
    found = read_vector(tmp_path / "objects.gpkg")
    assert len(found) == 0
    some = finished(blobs(0), UTM)
    assert set(found.columns) <= set(some.columns)
    assert {"object_id", "area_m2", "touches_edge", "lon", "geometry"} <= set(found.columns)
    assert found.crs.to_epsg() == 32633


@pytest.mark.parametrize("key", sorted(FORMATS.keys() - {"dxf"}))
@pytest.mark.parametrize("n", [0, 30])
def test_finished_layers_in_other_formats(
    tmp_path: Path, key: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samgeo_core.results.batches._ROWS", 7)
    objects = blobs(1, n=n) if n else ObjectSet.empty((48, 64))
    frame = finished(objects, UTM)
    source = tmp_path / "objects.gpkg"
    with VectorWriter(source, UTM) as writer:
        writer.append(wholes_of(objects, 1))
    suffix = FORMATS[key].suffix
    convert_vector(source, tmp_path / f"converted{suffix}")
    write_vector(frame, tmp_path / f"at_once{suffix}")
    found, expected = (_read(tmp_path / f"{name}{suffix}") for name in ("converted", "at_once"))
    if len(expected) or len(found):
        assert_same_layer(found, expected)
    assert list(found.columns) == list(expected.columns)


def _read(path: Path) -> gpd.GeoDataFrame:
    frame = gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)
    # A placemark's own number, which KML alone has, is its row.
    return frame.drop(columns="id", errors="ignore")


def test_layers_that_cannot_be_converted(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"objects.*can't be read"):
        convert_vector(tmp_path / "objects.gpkg", tmp_path / "a.fgb")
    write_vector(vectorize(blobs(0), PIXELS), tmp_path / "objects.gpkg")
    with pytest.raises(ExportError, match=r"roofs.*can't be read"):
        convert_vector(tmp_path / "objects.gpkg", tmp_path / "a.fgb", layer="roofs")
    with pytest.raises(ExportError, match="no coordinate reference system"):
        convert_vector(tmp_path / "objects.gpkg", tmp_path / "a.geojson")
    with pytest.raises(ExportError, match="must be one of"):
        convert_vector(tmp_path / "objects.gpkg", tmp_path / "a.geojson", "dwg")
    assert [path.name for path in tmp_path.iterdir()] == ["objects.gpkg"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "objects.gpkg"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), VectorWriter(path, UTM) as writer:
        writer.append(wholes_of(blobs(0), 0))
        raise ZeroDivisionError
    with pytest.raises(ExportError, match="create it first"), VectorWriter(tmp_path / "no/a", UTM):
        pytest.fail("the block must not run")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["objects.gpkg"]


def test_a_part_of_a_raster_is_a_result_of_its_own(tmp_path: Path) -> None:
    objects, extent = blobs(2), Window(5, 3, 40, 30)
    window = tuple(objects.offsets_xy[0].tolist())
    item = wholes_of(objects.select(np.array([0])), 0)[0]
    with VectorWriter(
        tmp_path / "a.gpkg", UTM, extent=extent, masks_path=tmp_path / "masks.arrow"
    ) as writer:
        writer.append([item])
    whole = finished(objects.select(np.array([0])), UTM)
    found = read_vector(tmp_path / "a.gpkg")
    assert found.geometry.area[0] == pytest.approx(whole.geometry.area[0])
    assert found["lon"][0] == pytest.approx(whole["lon"][0], abs=1e-9)
    (some,) = objects_of_masks(tmp_path / "masks.arrow")
    assert shapely.bounds(some.exact[0])[:2].tolist() == [window[0] - 5, window[1] - 3]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.85, 0.9, 0.95, 0.999])
def test_a_full_disk_is_noticed(tmp_path: Path, share: float) -> None:
    """While rows are kept, while they are written, and while the index is made."""
    path, wholes = tmp_path / "objects.gpkg", wholes_of(blobs(0, n=200), 0)

    def write() -> None:
        with VectorWriter(path, UTM) as writer:
            writer.append(wholes)

    write()
    before = path.read_bytes()
    limit = files_of_at_most(int(share * len(before)))
    with limit, pytest.raises(ExportError, match="could not be written"):
        write()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["objects.gpkg"]
