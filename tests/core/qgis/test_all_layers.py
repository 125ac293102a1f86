"""A run with everything that can be in an archive, on a map and without a place, in QGIS."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from samgeo_core.candidates import CandidateSet
from samgeo_core.edits.edits import Edit
from samgeo_core.edits.history import EditLog
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.qgis.image import write_image
from samgeo_core.results.export import write_bundle
from samgeo_core.results.geotiff import write_geotiff
from samgeo_core.results.labels import (
    binary_mask,
    label_raster,
    write_label_raster,
    write_mask_raster,
)
from samgeo_core.tile import TileImage
from samgeo_core.vectors.product import Surroundings, objects_layer, partition_layer
from samgeo_core.vectors.sources import labels_in_memory, objects_in_memory
from tests.core.qgis.test_project import opened
from tests.factories import UTM_33N

SHAPE = (300, 400)
PLACES = {
    "map": GeoGrid(SHAPE, UTM_33N, CRS.from_epsg(32633)),
    "none": GeoGrid(SHAPE, Affine.identity(), None),
}
NAMES, COLORS = ["Dächer & Co", "", "ponds"], ["#e4572e", "", "#4cc9f0"]


def squares() -> ObjectSet:
    masks = [np.ones((side, side), np.bool_) for side in (20, 40, 60)]
    scores = [0.9, 0.8, 0.7]
    return ObjectSet.build(SHAPE, masks, [(20, 30), (120, 200), (300, 60)], scores, scores)


def write_all(run: Path, grid: GeoGrid) -> Path:
    """The archive of three squares with classes, prompts and corrections."""
    objects = squares()
    write_label_raster(run / "labels.tif", label_raster(objects), grid)
    write_mask_raster(run / "mask.tif", binary_mask(objects), grid)
    by_id = np.array([0, 1, 0, 2], np.uint8)[label_raster(objects)]
    colors = {0: (0, 0, 0, 0), 1: (228, 87, 46, 255), 2: (76, 201, 240, 255)}
    write_geotiff(run / "classes.tif", by_id, grid, color_table=colors)
    grey = TileImage(np.full((*SHAPE, 3), 90, np.uint8), np.ones(SHAPE, np.bool_))
    write_image(
        run / "image.tif", lambda w: TileImage(grey.rgb[w.slices], grey.valid[w.slices]), grid
    )
    masks = CandidateSet.of_objects(objects)
    EditLog(run / "edits.jsonl").add(Edit("redraw", (masks[0],), (masks[1],)))
    click = grid.to_lonlat([(30, 40)])[0] if grid.crs else np.array([30.0, 40.0])
    point = {"type": "Point", "coordinates": click.tolist()}
    prompt = {"type": "Feature", "properties": {"object_id": 1, "label": 1}, "geometry": point}
    (run / "prompts.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [prompt]})
    )
    classes = [
        {"value": i, "name": NAMES[j], "color": COLORS[j]} for i, j in enumerate((0, 2), start=1)
    ]
    (run / "run.json").write_text(json.dumps({"n_objects": 3, "classes": classes}))
    known = {
        "class_name": pd.array(NAMES, dtype="string"),
        "class_color": pd.array(COLORS, dtype="string"),
    }
    around = Surroundings(grid)
    table = pd.DataFrame({"object_id": [1, 2, 3], **known})
    layer = objects_layer(objects_in_memory(objects, known), around).whole()
    whole = partition_layer(labels_in_memory(objects), around, fill_px=0, known=table).whole()
    write_bundle(run.parent / "all.zip", run, layer, whole)
    return run.parent / "all.zip"


@pytest.mark.parametrize("place", sorted(PLACES))
def test_qgis_shows_all_layers_where_they_belong(tmp_path: Path, place: str) -> None:
    grid, folder, run = PLACES[place], tmp_path / "x", tmp_path / "run"
    run.mkdir()
    with zipfile.ZipFile(write_all(run, grid)) as archive:
        archive.extractall(folder)
    told = opened(folder, tmp_path / "map.png")
    layers = {layer["title"]: layer for layer in told["layers"]}
    assert all(layer["valid"] for layer in layers.values())
    assert told["groups"] == ["Prompts and corrections", "Rasters"]
    expected = ["Prompts: points", "Corrections", "Objects", "Partition", "Classes"]
    expected += ["Labels (object ids)", "Mask", "Image as the model saw it"]
    assert [title for title in layers if "Street" not in title] == expected
    # What QGIS takes for the extent of the raster is where the vectors lie.
    image = np.array(layers["Image as the model saw it"]["extent"])
    assert np.allclose(layers["Partition"]["extent"], image, atol=1e-6)
    px = (image[2] - image[0]) / SHAPE[1]
    left, top = image[0], image[3]
    for title, (x, y) in {"Prompts: points": (30, 40), "Objects": (20, 30)}.items():
        box = layers[title]["extent"]
        assert (box[0] - left) / px == pytest.approx(x, abs=0.1)
        assert (top - box[3]) / px == pytest.approx(y, abs=0.1)
    assert layers["Corrections"]["rows"] == 2
    assert layers["Objects"]["renderer"] == layers["Partition"]["renderer"] == "categorizedSymbol"
    assert layers["Objects"]["parts"][:2] == [["Dächer & Co", "#e4572e"], ["ponds", "#4cc9f0"]]
    assert layers["Partition"]["parts"][-1][0] == "background"
    assert told["fresh"] == {"valid": True, "renderer": "categorizedSymbol"}
    assert told["crs"] == ("EPSG:32633" if grid.crs else "")
    drawn = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    red = (drawn[..., 0] - drawn[..., 2] > 30).sum()
    blue = (drawn[..., 2] - drawn[..., 0] > 30).sum()
    # 20 px and 60 px wide squares, each in the colour of its class.
    assert 4 < blue / red < 14


def test_coordinates_without_a_place_are_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with zipfile.ZipFile(write_all(run, PLACES["none"])) as archive:
        text = archive.read("README.txt").decode()
        package = Path(archive.extract("objects.gpkg", tmp_path))
    assert "y upwards" in text
    assert gpd.read_file(package, layer="objects").total_bounds[3] == pytest.approx(-30, abs=0.1)
