"""Prompts out of files of every kind, in any CRS, grouped into objects."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.picking.prompt_files import SUFFIXES, read_prompts
from samgeo_core.picking.prompt_groups import group_prompts

GRID = GeoGrid((400, 500), Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), CRS.from_epsg(32633))
TURNED = GeoGrid(
    (400, 500),
    Affine.translation(500_000, 5_000_000) @ Affine.rotation(30) @ Affine.scale(0.5, -0.5),
    CRS.from_epsg(32633),
)
BOXES_PX = [(10.0, 20.0, 60.0, 50.0), (100.0, 200.0, 180.0, 320.0)]
POINTS_PX = [(35.0, 40.0), (250.0, 133.5), (499.0, 399.0)]


def on_ground(shapes: list[Any], grid: GeoGrid = GRID) -> list[Any]:
    return [shapely.transform(shape, grid.to_crs_xy) for shape in shapes]


def frame_of(shapes: list[Any], grid: GeoGrid = GRID, **columns: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=on_ground(shapes, grid), crs="EPSG:32633")


def boxes() -> gpd.GeoDataFrame:
    return frame_of([shapely.box(*box) for box in BOXES_PX], name=["a", "b"])


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".shp", ".zip"])
@pytest.mark.parametrize("epsg", [32633, 4326, 3857])
def test_boxes_and_points_come_back_from_every_format_and_crs(
    tmp_path: Path, suffix: str, epsg: int
) -> None:
    for frame, of in ((boxes(), "box"), (frame_of(list(map(shapely.Point, POINTS_PX))), "point")):
        path = tmp_path / f"{of}{suffix}"
        moved = frame.to_crs(epsg)
        if suffix == ".zip":
            (tmp_path / of).mkdir()
            moved.to_file(tmp_path / of / "layer.shp")
            with zipfile.ZipFile(path, "w") as archive:
                for file in (tmp_path / of).iterdir():
                    archive.write(file, file.name)
        elif suffix == ".geojson":
            path.write_text(moved.to_crs(4326).to_json())
        else:
            moved.to_file(path)
        groups = group_prompts(read_prompts(path), GRID)
        assert [group.prompt_id for group in groups] == list(range(1, len(frame) + 1))
        for i, group in enumerate(groups):
            prompts = group.prompts
            assert prompts is not None
            if of == "point":
                np.testing.assert_allclose(prompts.points_xy, [POINTS_PX[i]], atol=0.01)
                assert prompts.labels.tolist() == [1]
            else:
                # Sides bend in another CRS, and bounds with them, by less than half a pixel.
                np.testing.assert_allclose(prompts.box_xyxy, BOXES_PX[i], atol=0.5)
                assert prompts.polygon_xy is None


@pytest.mark.parametrize(
    ("text", "crs"),
    [
        ("x,y\n500017.5,4999980\n", None),
        ("name;X;Y\nroof;500017,5;4999980,0\n", None),
        ("wkt,name\nPOINT (500017.5 4999980),roof\n", None),
        ("geometry\tname\nSRID=32633;POINT (500017.5 4999980)\troof\n", None),
        ("x,y\n15.0002220,45.1532\n", "EPSG:4326"),
        ("lat,lon\n45.1532,15.0002220\n", None),
        ("xmin,ymin,xmax,ymax\n500005,4999975,500030,4999990\n", None),
    ],
)
def test_tables_say_places_in_several_ways(tmp_path: Path, text: str, crs: str | None) -> None:
    path = tmp_path / "prompts.csv"
    path.write_bytes(text.replace("roof", "Dächer").encode("cp1252"))
    (group,) = group_prompts(read_prompts(path, crs=crs), GRID)
    assert group.prompts is not None, group.problem
    if "xmin" in text:
        assert group.prompts.box_xyxy == (10, 20, 60, 50)
    elif "lat" in text or crs:
        assert 0 < group.prompts.points_xy[0, 0] < 100
    else:
        np.testing.assert_allclose(group.prompts.points_xy, [(35, 40)])


def test_rows_of_one_id_are_one_object() -> None:
    shapes = [
        shapely.Point(30, 30),
        shapely.Point(5, 5),
        shapely.box(*BOXES_PX[1]),
        shapely.Point(110, 210),
        shapely.Point(9, 9),
    ]
    ids, labels = ["a", "a", "b", "b", None], ["fg", "background", None, 0, "roof"]
    groups = group_prompts(frame_of(shapes, object_id=ids, label=labels), GRID)
    assert [(g.prompt_id, g.rows) for g in groups] == [("a", (0, 1)), ("b", (2, 3)), (5, (4,))]
    first, second, third = (group.prompts for group in groups)
    assert first and second and third
    assert first.labels.tolist() == [1, 0]
    assert (second.box_xyxy, second.labels.tolist()) == (BOXES_PX[1], [0])
    assert third.labels.tolist() == [1]


def test_what_is_no_rectangle_of_the_raster_is_a_polygon() -> None:
    frame = boxes()
    assert all(g.prompts and g.prompts.polygon_xy is None for g in group_prompts(frame, GRID))
    for group in group_prompts(frame, TURNED):
        assert group.prompts is not None
        assert group.prompts.box_xyxy is None
        assert group.prompts.polygon_xy is not None
    turned = frame_of([shapely.box(*box) for box in BOXES_PX], TURNED)
    np.testing.assert_allclose(
        [g.prompts.box_xyxy for g in group_prompts(turned, TURNED) if g.prompts],
        BOXES_PX,
        atol=1e-6,
    )


def test_pixels_of_a_raster_without_crs(tmp_path: Path) -> None:
    grid = GeoGrid((400, 500), Affine.identity(), None)
    path = tmp_path / "px.geojson"
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.Point(30, 40)}]
    told = {
        "type": "FeatureCollection",
        "features": [{**f, "geometry": json.loads(shapely.to_geojson(f["geometry"]))}
                     for f in features],
    }  # fmt: skip
    path.write_text(json.dumps(told))
    (group,) = group_prompts(read_prompts(path), grid)
    assert group.prompts is not None
    assert group.prompts.points_xy.tolist() == [[30, 40]]
    with pytest.raises(ParameterError, match="the raster has none"):
        group_prompts(boxes(), grid)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (None, "no geometry"),
        (shapely.Point(), "no geometry"),
        (shapely.LineString([(0, 0), (9, 9)]), "got a LineString"),
        (shapely.MultiPolygon([shapely.box(0, 0, 2, 2), shapely.box(5, 5, 9, 9)]), "split"),
        (shapely.Point(float("nan"), 3), "geometry|CRS"),
        (shapely.Polygon([(1, 1), (2, 2), (3, 3)]), "polygon"),
    ],
)
def test_a_row_that_says_nothing_is_told_with_its_number(shape: Any, words: str) -> None:
    good = shapely.Point(30, 30)
    frame = gpd.GeoDataFrame(
        geometry=[*on_ground([good]), *(on_ground([shape]) if shape is not None else [None])],
        crs="EPSG:32633",
    )
    first, second = group_prompts(frame, GRID)
    assert first.prompts is not None
    assert second.prompts is None
    assert second.prompt_id == 2

    assert re.search(words, second.problem)


def test_background_alone_is_no_object() -> None:
    (group,) = group_prompts(frame_of([shapely.Point(3, 3)], label=[0]), GRID)
    assert group.prompts is None
    assert "background points alone" in group.problem


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_that_are_something_else_are_a_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"prompts{suffix}"
    virtual = '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/etc/passwd'
    for content in (b"", b"\0" * 64, virtual.encode(), b'{"type": "STACTA"}', b"PK\x03\x04nothing"):
        path.write_bytes(content)
        with pytest.raises(ParameterError, match=r"prompts\."):
            read_prompts(path)
    with pytest.raises(ParameterError, match="not there"):
        read_prompts(tmp_path / f"nothing{suffix}")
    with pytest.raises(ParameterError, match="read from"):
        read_prompts(tmp_path / "prompts.vrt")


def test_an_archive_names_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.vrt", "<OGRVRTDataSource/>")
        archive.writestr("a.shp", "<OGRVRTDataSource/>")
    with pytest.raises(ParameterError, match="not what its name says"):
        read_prompts(path)


def test_one_bad_feature_leaves_the_others(tmp_path: Path) -> None:
    path = tmp_path / "some.geojson"
    good = {"type": "Point", "coordinates": [15.0002, 45.1532]}
    wrong: list[Any] = [{"type": "Nothing"}, {"type": "Point", "coordinates": ["a"]}, None]
    features = [{"type": "Feature", "geometry": shape} for shape in (good, *wrong)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    groups = group_prompts(read_prompts(path), GRID)
    assert [group.prompts is not None for group in groups] == [True, False, False, False]
