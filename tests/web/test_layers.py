import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from samgeo_core.config import SelectionRule
from samgeo_core.errors import NotFoundError
from samgeo_core.results.colors import object_colors
from samgeo_core.web import layers
from samgeo_core.web.layers import objects_layer
from samgeo_core.web.records import Run
from samgeo_core.web.results import result_place
from samgeo_core.web.selected import selected
from samgeo_core.web.store import Store
from samgeo_core.web.tiles import TileRenderer, label_colors
from samgeo_core.web.views import empty_png
from samgeo_core.windows import Window
from tests.web.conftest import OWNER, MakeRun, MakeScene
from tests.web.test_tiles import PLACES
from tests.web.tile_checks import decode, place_on_tiles

SHAPE = {"shape_hw": (120, 160)}
# Centres of the squares in px of the raster, largest object first.
CENTRES = {3: (65, 75), 2: (30, 60), 1: (15, 25)}


def features(run: Run, rule: SelectionRule | None = None) -> list[dict[str, Any]]:
    collection = json.loads(gzip.decompress(objects_layer(run, rule)))
    assert collection["type"] == "FeatureCollection"
    return list(collection["features"])


def hex_color(object_id: int) -> str:
    r, g, b = object_colors(object_id)[object_id - 1]
    return f"#{r:02x}{g:02x}{b:02x}"


@pytest.mark.parametrize(
    "place",
    [
        "utm",
        "rotated",
        "south-up",
        "degrees from 0 to 360",
        "web mercator",
        "no CRS but a transform",
    ],
)
def test_polygons_and_masks_lie_on_the_image(
    make_scene: MakeScene, make_run: MakeRun, place: str
) -> None:
    crs, transform = PLACES[place]
    run = make_run(make_scene(crs=crs, transform=transform, **SHAPE))
    frame = result_place(run).frame
    found = features(run)
    assert [f["properties"]["object_id"] for f in found] == [3, 2, 1]
    for feature in found:
        centre = CENTRES[feature["properties"]["object_id"]]
        assert shape(feature["geometry"]).contains(
            shapely.Point(*frame.to_lnglat(np.array([centre]))[0])
        )
        in_px = shapely.transform(shape(feature["geometry"]), frame.from_lnglat)
        side = feature["properties"]["object_id"] * 10
        # Smoothing takes the corners off; a square of 10 px loses the most.
        assert in_px.area == pytest.approx(side**2, rel=0.13)
    zoom = frame.native_zoom
    for object_id, (x_px, y_px) in CENTRES.items():
        column, row, i, j = place_on_tiles(frame, zoom, x_px, y_px)
        column = column % 2**zoom if frame.is_geographic else column
        tile = decode(TileRenderer().label_tile(run, zoom, column, row))
        red, green, blue, alpha = tile[j, i]
        assert (f"#{red:02x}{green:02x}{blue:02x}", alpha) == (hex_color(object_id), 255)


def test_a_result_of_an_area_lies_where_the_area_is(
    make_scene: MakeScene, make_run: MakeRun
) -> None:
    scene = make_scene(crs=None, transform=None, shape_hw=(700, 900))
    run = make_run(scene, area=Window(400, 300, 160, 120))
    assert result_place(run).frame == scene.frame
    for feature in features(run):
        x_px, y_px = CENTRES[feature["properties"]["object_id"]]
        expected = scene.frame.to_lnglat(np.array([[x_px + 400, y_px + 300]]))[0]
        middle = shape(feature["geometry"]).centroid
        assert (middle.x, middle.y) == pytest.approx(tuple(expected))
    zoom = scene.frame.native_zoom
    column, row, i, j = place_on_tiles(scene.frame, zoom, 465, 375)
    renderer = TileRenderer()
    assert decode(renderer.label_tile(run, zoom, column, row))[j, i, 3] == 255
    assert renderer.label_tile(run, zoom, 0, 0) == empty_png()


def test_attributes_are_those_of_the_vector_file(make_scene: MakeScene, make_run: MakeRun) -> None:
    run = make_run(make_scene(**SHAPE))
    table = selected(run).frame
    largest = features(run)[0]["properties"]
    row = table[table["object_id"] == 3].iloc[0]
    assert set(largest) == set(table.columns) - {"geometry"} | {"color"}
    assert largest["score"] == pytest.approx(0.99)
    assert largest["area_px"] == 900
    # 900 px of 0.5 m, short of a grid scale of 0.9996.
    assert largest["area_m2"] == pytest.approx(225, rel=2e-3)
    assert largest["area_m2"] == pytest.approx(row["area_m2"], rel=1e-5)
    assert largest["color"] == hex_color(3)


def test_without_crs_areas_are_null(make_scene: MakeScene, make_run: MakeRun) -> None:
    run = make_run(make_scene(crs=None, transform=None, **SHAPE))
    assert features(run)[0]["properties"]["area_m2"] is None


def test_no_objects_make_an_empty_layer(make_scene: MakeScene, make_run: MakeRun) -> None:
    run = make_run(make_scene(**SHAPE), masks=[])
    assert features(run) == []
    place = result_place(run)
    column, row, _, _ = place_on_tiles(place.frame, place.frame.native_zoom, 80, 60)
    tile = TileRenderer().label_tile(run, place.frame.native_zoom, column, row)
    assert not decode(tile).any()


def test_many_objects_are_drawn_coarser(
    make_scene: MakeScene, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, cols = np.mgrid[:60, :60]
    disc = (rows - 29.5) ** 2 + (cols - 29.5) ** 2 < 900
    scene = make_scene(**SHAPE)
    few = make_run(scene, masks=[(disc, (10, 10), 0.9)])
    fine = features(few)[0]["geometry"]
    monkeypatch.setattr(layers, "TOLERANCES_PX", ((0, 0.5), (None, 4.0)))
    many = make_run(scene, masks=[(disc, (10, 10), 0.9)])
    coarse = features(many)[0]["geometry"]
    assert len(coarse["coordinates"][0]) < len(fine["coordinates"][0]) / 2
    grid = result_place(few).frame
    true = shapely.transform(selected(few).frame.geometry[0], result_place(few).grid.to_px_xy)
    for geometry, tolerance in [(fine, 0.5), (coarse, 4.0)]:
        drawn = shapely.transform(shape(geometry), grid.from_lnglat)
        # Half a pixel of smoothing comes to that of simplification.
        assert shapely.hausdorff_distance(drawn, true) <= tolerance + 0.51


def test_the_layer_is_made_once(make_scene: MakeScene, make_run: MakeRun) -> None:
    run = make_run(make_scene(**SHAPE))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: objects_layer(run), range(8)))
    assert all(body is made[0] for body in made)
    assert objects_layer(run, SelectionRule.keep_all()) is made[0]


def test_polygons_and_masks_follow_a_rule(make_scene: MakeScene, make_run: MakeRun) -> None:
    run = make_run(make_scene(crs=None, transform=None, **SHAPE))
    rule = replace(SelectionRule.keep_all(), least_score=0.92)
    found = features(run, rule)
    assert [f["properties"]["area_px"] for f in found] == [900, 400]
    assert [f["properties"]["object_id"] for f in found] == [2, 1]
    assert [f["geometry"] for f in found] == [f["geometry"] for f in features(run)[:2]]
    frame, renderer = result_place(run).frame, TileRenderer()
    for object_id, (x_px, y_px) in CENTRES.items():
        column, row, i, j = place_on_tiles(frame, frame.native_zoom, x_px, y_px)
        tile = decode(renderer.label_tile(run, frame.native_zoom, column, row, rule))
        shown = "#{:02x}{:02x}{:02x}".format(*tile[j, i, :3]) if tile[j, i, 3] else None
        # The smallest is gone, and the others move up.
        assert shown == (hex_color(object_id - 1) if object_id > 1 else None)


def test_label_colors_do_not_depend_on_the_number_of_objects() -> None:
    few, many = label_colors(3), label_colors(300)
    assert (few == many[:4]).all()
    assert few[0].tolist() == [0, 0, 0, 0]
    assert (few[1:, 3] == 255).all()


def test_zoomed_out_masks_keep_their_pure_colors(make_scene: MakeScene, make_run: MakeRun) -> None:
    run = make_run(make_scene(crs=None, transform=None, shape_hw=(1000, 1000)))
    tile = decode(TileRenderer().label_tile(run, 0, 0, 0))
    colors = {tuple(c) for c in tile.reshape(-1, 4).tolist()}
    assert colors <= {tuple(c) for c in label_colors(3).tolist()}
    assert len(colors) == 4


def test_a_run_without_result_has_no_layers(store: Store, make_scene: MakeScene) -> None:
    run = store.new_run(make_scene(), {}, OWNER)
    for ask in (objects_layer, result_place):
        with pytest.raises(NotFoundError, match="no result"):
            ask(run)
    lost = store.set_run_state(run.run_id, "done")
    with pytest.raises(NotFoundError, match="gone"):
        objects_layer(lost)
