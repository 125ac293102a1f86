from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from samgeo_core.cli import FAILED, OK, USAGE, main
from samgeo_core.comparing.compare import compare
from samgeo_core.comparing.found import FoundObjects
from samgeo_core.comparing.ground import Ground
from samgeo_core.comparing.layers import LAYERS
from samgeo_core.comparing.reference import open_reference, place_reference
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, SegmentConfig, write_run
from samgeo_core.reading.raster import Raster
from samgeo_core.results.export import write_vector
from samgeo_core.results.labels import write_label_raster
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.vectors.sources import FinishedRun
from tests.factories import UTM_33N, MakeRaster
from tests.stand_in import BrightPartsFinder, bright_scene

SHARED = Path(__file__).resolve().parents[4] / "shared"
KAMPALA = SHARED / "data" / "scenes" / "kampala_dense"
GRID = GeoGrid((100, 200), UTM_33N, CRS.from_epsg(32633))
GROUND = Ground.of_image(GRID)
BOXES = [(10, 10, 30, 30), (50, 10, 70, 30), (90, 10, 110, 30), (150, 60, 199, 99)]
"""Of the reference, px."""
FOUND = [(10, 10, 30, 29), (50, 10, 70, 19), (120, 70, 130, 80)]
"""One matches the first, one changed the second, one is extra; the third is missing."""


def squares(boxes: list[tuple[int, int, int, int]], **columns: object) -> gpd.GeoDataFrame:
    shapes = shapely.transform(shapely.box(*np.array(boxes, float).T), GRID.to_crs_xy)
    return gpd.GeoDataFrame(dict(columns), geometry=shapes, crs="EPSG:32633")


def write_kml(frame: gpd.GeoDataFrame, path: Path) -> None:
    places = "".join(
        f"<Placemark><name>{i}</name><Polygon><outerBoundaryIs><LinearRing><coordinates>"
        + " ".join(f"{x:.9f},{y:.9f},0" for x, y in shape.exterior.coords)
        + "</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>"
        for i, shape in enumerate(frame.to_crs(4326).geometry)
    )
    path.write_text(
        f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{places}</Document></kml>'
    )


def in_px(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    shapes = shapely.transform(np.asarray(frame.geometry.values, object), GRID.to_px_xy)
    return gpd.GeoDataFrame(frame.drop(columns="geometry"), geometry=shapes)


WRITERS = {
    "lonlat.geojson": lambda f, p: f.to_crs(4326).to_file(p, driver="GeoJSON"),
    "named.geojson": lambda f, p: p.write_text(f.to_json(to_wgs84=False)),
    "px.geojson": lambda f, p: p.write_text(in_px(f).to_json()),
    "other.gpkg": lambda f, p: f.to_crs(3857).to_file(p),
    "zipped.shp.zip": lambda f, p: f.to_crs(32632).to_file(p, driver="ESRI Shapefile"),
    "flat.fgb": lambda f, p: f.to_file(p, driver="FlatGeobuf"),
    "earth.kml": write_kml,
}


@pytest.mark.filterwarnings("ignore:.*crs.*was not provided:UserWarning")
@pytest.mark.parametrize("name", WRITERS)
def test_a_reference_lies_where_it_belongs_whatever_holds_it(name: str, tmp_path: Path) -> None:
    WRITERS[name](squares(BOXES, id=[7, 8, 9, 10]), tmp_path / name)
    reference = open_reference(tmp_path / name, GROUND)
    bounds = shapely.bounds(shapely.transform(reference.polygons, GRID.to_px_xy))
    order = np.argsort(bounds[:, 0])  # a FlatGeobuf has an order of its own
    bounds = bounds[order]
    assert np.abs(bounds - np.array(BOXES)).max() < 0.1
    assert reference.counted.tolist() == [True] * 4
    if not name.endswith(".kml"):
        assert [reference.ids[i] for i in order] == ["7", "8", "9", "10"]


def test_what_the_edge_of_image_or_data_cuts_is_left_out_and_counted() -> None:
    boxes = [
        (10, 10, 30, 30),
        (-5, 10, 10, 30),
        (180, 50, 200, 70),
        (300, 0, 310, 9),
        (60, 60, 90, 90),
    ]
    frame = squares(boxes)
    frame.loc[5] = [shapely.Point(500_010, 4_999_990)]
    valid = np.ones(GRID.shape_hw, np.bool_)
    valid[60:90, 60:80] = False
    ground = Ground.of_image(GRID, lambda window: valid[window.slices])
    reference = place_reference(frame, ground)
    assert reference.counted.tolist() == [True, False, False, False]
    assert reference.left_out == {"no area": 1, "outside": 1, "edge": 3}
    kept = place_reference(frame, ground, keep_cut=True)
    assert kept.n_counted == 4
    assert shapely.area(kept.compared[1]) == pytest.approx(10 * 20 * 0.25)


def test_invalid_areas_are_mended_and_classes_are_found() -> None:
    bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    bow = shapely.transform(shapely.transform(bow, lambda xy: xy + 20), GRID.to_crs_xy)
    frame = gpd.GeoDataFrame({"Category": ["bow"]}, geometry=[bow], crs="EPSG:32633")
    reference = place_reference(frame, GROUND)
    assert shapely.is_valid(reference.polygons).all()
    assert shapely.area(reference.polygons[0]) == pytest.approx(50 * 0.25)
    assert reference.classes == ["bow"]
    with pytest.raises(ParameterError, match="no column 'kind'"):
        place_reference(frame, GROUND, class_column="kind")


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (squares([(1000, 10, 1010, 20)]), "lies on the image"),
        (squares([(0, 10, 10, 20)]), "wholly on the image"),
        (squares(BOXES[:1]).set_geometry(squares(BOXES[:1]).centroid), "no polygons"),
    ],
)
def test_a_reference_that_says_nothing_of_the_image(frame: gpd.GeoDataFrame, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        place_reference(frame, GROUND)


def test_a_reference_with_a_crs_has_no_place_in_an_image_without_one() -> None:
    bare = GeoGrid((100, 200), Affine.identity(), None)
    with pytest.raises(ParameterError, match="in px of the image"):
        place_reference(squares(BOXES), Ground.of_image(bare))
    placed = place_reference(in_px(squares(BOXES)), Ground.of_image(bare))
    assert placed.n_counted == 4


def test_layers_tell_who_is_whom(tmp_path: Path) -> None:
    found = squares(FOUND, object_id=[1, 2, 3], score=[0.9, 0.8, 0.7], class_name=["a", "", "b"])
    halves = FoundObjects(GROUND, lambda: iter([found[:2], found[2:].reset_index(drop=True)]))
    reference = place_reference(squares(BOXES, osm_id=["w1", "w2", "w3", "w4"]), GROUND)
    compare(halves, reference).write(tmp_path / "out.gpkg")
    assert pyogrio.list_layers(tmp_path / "out.gpkg")[:, 0].tolist() == list(LAYERS)
    matches, changed, missing, extra = (
        gpd.read_file(tmp_path / "out.gpkg", layer=name) for name in LAYERS
    )
    assert matches[["object_id", "reference_id", "class_name"]].to_numpy().tolist() == [
        [1, "w1", "a"]
    ]
    assert matches["iou"].tolist() == [0.95]
    assert changed["outline"].tolist() == ["found", "reference"]
    assert changed["object_id"].tolist() == [2, 2]
    assert changed["reference_id"].tolist() == ["w2", "w2"]
    assert changed.geometry.area.tolist() == pytest.approx([20 * 9 / 4, 20 * 20 / 4])
    assert missing["reference_id"].tolist() == ["w3", "w4"]
    assert extra[["object_id", "score", "best_iou"]].to_numpy().tolist() == [[3, 0.7, 0]]
    told = json.loads((tmp_path / "out.json").read_text())
    assert told["all"]["matched"] == 1 and told["all"]["missing"] == 2
    assert (tmp_path / "out.csv").read_text().splitlines()[1].startswith(",4,3,1,1,2,1,")


def test_a_layer_without_rows_is_written(tmp_path: Path) -> None:
    found = squares(BOXES, object_id=[1, 2, 3, 4])
    comparison = compare(FoundObjects.of_frame(found, GROUND), place_reference(found, GROUND))
    comparison.write(tmp_path / "out.gpkg")
    counts = [len(gpd.read_file(tmp_path / "out.gpkg", layer=name)) for name in LAYERS]
    assert counts == [4, 0, 0, 0]


def run_of(masks: list[tuple[int, int, int, int]], folder: Path, image: Path) -> Path:
    raster = Raster.open(image)
    objects = ObjectSet.build(
        raster.shape_hw,
        [np.ones((y1 - y0, x1 - x0), np.bool_) for x0, y0, x1, y1 in masks],
        [(x0, y0) for x0, y0, _, _ in masks],
        [0.9 - 0.01 * i for i in range(len(masks))],
        [0.95] * len(masks),
    )
    folder.mkdir()
    record = {"n_objects": len(objects), "seconds": {}}
    write_run(Segmentation(objects, raster.grid, raster.read(), SegmentConfig(), record), folder)
    return folder


def test_the_command(
    tmp_path: Path, make_raster: MakeRaster, capsys: pytest.CaptureFixture[str]
) -> None:
    image = make_raster(shape_hw=GRID.shape_hw)
    # Parts of what the reference shows, which a limit of size keeps away.
    parts = [(x + 4, y + 4, x + 8, y + 8) for x, y, _, _ in BOXES]
    run = run_of([*BOXES, *parts], tmp_path / "run", image)
    squares(BOXES).to_file(tmp_path / "reference.gpkg")
    out = tmp_path / "out.gpkg"
    asked = ["compare", str(run), str(tmp_path / "reference.gpkg"), str(out)]
    assert main([*asked, "--propose"]) == OK
    told = capsys.readouterr().out
    assert "all            4        4        0        0      4      0.500   1.000  0.667" in told
    assert "proposed from 4 objects" in told
    assert "python -m samgeo_core select" in told
    proposed = next(line for line in told.splitlines() if line.startswith("proposed  "))
    assert proposed.split()[-2] == "1.000"  # F1
    vectors = ["compare", str(run / "objects.gpkg"), *asked[2:], "--image", str(image), "--iou"]
    assert main([*vectors, "0.9", "--scope", "reference"]) == OK
    assert main([*vectors, "0.9", "--propose"]) == FAILED
    assert "candidates of a run" in capsys.readouterr().err
    assert main([*vectors, "2"]) == USAGE
    assert main([*asked[:3], str(tmp_path / "out.shp")]) == USAGE


@pytest.mark.skipif(not KAMPALA.is_dir(), reason=f"needs the labelled scene {KAMPALA}")
def test_recall_is_that_of_the_score_of_labelled_scenes(tmp_path: Path) -> None:
    raster = Raster.open(KAMPALA / "image.tif")
    labels = json.loads((KAMPALA / "labels.geojson").read_text())
    labels["features"] = [f for f in labels["features"] if f["properties"]["frac_inside"] > 0.9]
    (tmp_path / "labels.geojson").write_text(json.dumps(labels))
    truth = gpd.read_file(tmp_path / "labels.geojson")
    random = np.random.default_rng(4)
    moves = random.normal(0, 1.2, (len(truth), 2))  # metres: some still match, some don't
    moved = [
        shapely.transform(shape, lambda xy, by=by: xy + by)
        for shape, by in zip(truth.geometry, moves, strict=True)
    ]
    found = gpd.GeoDataFrame({"object_id": range(1, len(moved) + 1)}, geometry=moved, crs=truth.crs)
    write_vector(found, tmp_path / "objects.gpkg")
    labels_of_nothing = np.zeros(raster.shape_hw, np.uint8)
    write_label_raster(tmp_path / "labels.tif", labels_of_nothing, raster.grid)
    command = [
        sys.executable,
        str(SHARED / "tools" / "score.py"),
        str(KAMPALA),
        str(tmp_path),
        "--json",
    ]
    score = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    ground = Ground.of_image(raster.grid)
    reference = open_reference(tmp_path / "labels.geojson", ground, keep_cut=True)
    objects = FoundObjects.of_file(tmp_path / "objects.gpkg", ground)
    half, strict = (compare(objects, reference, iou=iou).figures[0] for iou in (0.5, 0.75))
    assert half.reference == score["labelled"]
    assert 0.3 < score["recall50"] < 1
    assert round(half.recall or 0, 3) == score["recall50"]
    assert round(strict.recall or 0, 3) == score["recall75"]
    assert half.mean_best_iou == pytest.approx(score["mean_best_iou"], abs=0.001)


def test_objects_of_a_run_in_regions_are_gone_through_in_parts(tmp_path: Path) -> None:
    raster = Raster.open(bright_scene(tmp_path / "bright.tif"))
    folder = tmp_path / "run"
    segment_to_folder(
        raster, folder, options=StreamOptions.of_region(128), finder=BrightPartsFinder()
    )
    run = FinishedRun.open(folder)
    found = FoundObjects.of_run(run)
    reference = open_reference(folder / "objects.gpkg", found.ground, keep_cut=True)
    whole = compare(found, reference, iou=0.99).figures[0]
    assert whole.reference > 100
    assert (whole.precision, whole.recall) == (1, 1)
    asked = ["compare", str(folder), str(folder / "objects.gpkg"), str(tmp_path / "out.gpkg")]
    assert main([*asked, "--propose"]) == FAILED
