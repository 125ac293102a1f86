import gzip
import json
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.results.colors import object_colors
from samgeo_core.web import stored
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.results import result_place
from samgeo_core.web.store import Store
from samgeo_core.web.stored import ViewBox, extent_of, largest_objects, view_layer
from samgeo_core.web.tiles import TileRenderer
from samgeo_core.windows import Window
from tests.stand_in import bright_scene
from tests.web.conftest import OWNER, MakeRun
from tests.web.tile_checks import decode, place_on_tiles


def whole(run: Run, zoom: float | None = None) -> ViewBox:
    frame = result_place(run).frame
    (south, west), (north, east) = frame.bounds_latlng
    return ViewBox(west, south, east, north, frame.native_zoom if zoom is None else zoom)


def collection(run: Run, view: ViewBox) -> dict[str, Any]:
    return dict(json.loads(gzip.decompress(view_layer(run, view))))


def vertices(layer: dict[str, Any]) -> int:
    return sum(len(shapely.get_coordinates(shape(f["geometry"]))) for f in layer["features"])


def around(run: Run, x_px: float, y_px: float, reach_px: float) -> ViewBox:
    frame = result_place(run).frame
    corners = np.array([(x_px - reach_px, y_px - reach_px), (x_px + reach_px, y_px + reach_px)])
    (west, north), (east, south) = frame.to_lnglat(corners).tolist()
    return ViewBox(west, south, east, north, frame.native_zoom)


@pytest.mark.parametrize("crs", ["EPSG:32633", None])
@pytest.mark.parametrize("area", [None, Window(100, 150, 300, 280)])
def test_a_view_holds_the_objects_that_lie_there(
    store: Store, tmp_path: Any, make_streamed_run: MakeRun, crs: str | None, area: Window | None
) -> None:
    path = bright_scene(tmp_path / "b.tif", crs=crs, **({} if crs else {"transform": None}))
    run = make_streamed_run(store.add_scene(path, "b.tif", OWNER), area=area)
    layer = gpd.read_file(run.objects_path, layer="objects")
    everything = collection(run, whole(run))
    assert everything["total"] == len(everything["features"]) == len(layer) > 20
    sizes = [f["properties"]["area_px"] for f in everything["features"]]
    assert sizes == sorted(sizes, reverse=True)

    frame, reach = result_place(run).frame, 60
    some = collection(run, around(run, 260, 300, reach))
    got = {f["properties"]["object_id"] for f in some["features"]}
    box = shapely.box(260 - reach, 300 - reach, 260 + reach, 300 + reach)
    meeting = set()
    for feature in everything["features"]:
        in_px = shapely.transform(shape(feature["geometry"]), frame.from_lnglat)
        if in_px.intersects(box):
            meeting.add(feature["properties"]["object_id"])
    assert 0 < len(meeting) < len(layer)
    # Extents may reach into the view where outlines don't, by a pixel or round a corner.
    assert meeting <= got
    assert len(got - meeting) <= 8


def test_polygons_lie_on_the_masks_in_their_colours(
    bright: Scene, make_streamed_run: MakeRun
) -> None:
    run = make_streamed_run(bright)
    frame, tiles = result_place(run).frame, TileRenderer()
    for feature in collection(run, whole(run))["features"][1:20]:
        inside = shape(feature["geometry"]).representative_point()
        ((x, y),) = frame.from_lnglat(np.array([[inside.x, inside.y]])).tolist()
        column, row, i, j = place_on_tiles(frame, frame.native_zoom, x, y)
        red, green, blue, alpha = decode(tiles.label_tile(run, frame.native_zoom, column, row))[
            j, i
        ]
        object_id = feature["properties"]["object_id"]
        assert (red, green, blue, alpha) == (*object_colors(object_id)[object_id - 1], 255)


def test_overviews_of_the_masks_are_drawn_far_out(
    bright: Scene, make_streamed_run: MakeRun
) -> None:
    run = make_streamed_run(bright)
    frame = result_place(run).frame
    zoom = frame.native_zoom - 1
    column, row, _, _ = place_on_tiles(frame, zoom, 256, 256)
    assert decode(TileRenderer().label_tile(run, zoom, column, row))[..., 3].any()


def test_only_the_largest_are_drawn_of_many(
    bright: Scene, make_streamed_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MOST_OUTLINES", 5)
    run = make_streamed_run(bright)
    layer = collection(run, whole(run))
    assert len(layer["features"]) == 5
    assert layer["total"] == run.record["n_objects"] > 5
    # The river crosses everything.
    assert layer["features"][0]["properties"]["object_id"] == largest_objects(run)["object_id"][0]


def test_outlines_are_simpler_further_out(bright: Scene, make_streamed_run: MakeRun) -> None:
    run = make_streamed_run(bright)
    zoom = result_place(run).frame.native_zoom
    near, far = (collection(run, whole(run, zoom=z)) for z in (zoom, zoom - 4))
    assert len(near["features"]) == len(far["features"])
    assert vertices(far) < 0.7 * vertices(near)


def test_beside_the_image_is_nothing(bright: Scene, make_streamed_run: MakeRun) -> None:
    run = make_streamed_run(bright)
    for box in (ViewBox(-60, -60, -50, -50, 5), ViewBox(50, 10, 40, 0, 5)):
        assert collection(run, box) == {"type": "FeatureCollection", "total": 0, "features": []}


def test_the_table_has_the_largest_objects(
    bright: Scene, make_streamed_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "TABLE_ROWS", 7)
    run = make_streamed_run(bright)
    table = largest_objects(run)
    layer = gpd.read_file(run.objects_path, layer="objects")
    assert table["area_px"].tolist() == sorted(layer["area_px"], reverse=True)[:7]
    assert set(table) == set(layer) - {"geometry"}


def test_an_object_is_found_again_on_the_map(bright: Scene, make_streamed_run: MakeRun) -> None:
    run = make_streamed_run(bright)
    feature = collection(run, whole(run))["features"][3]
    corners = extent_of(run, feature["properties"]["object_id"])
    assert corners is not None
    (south, west), (north, east) = corners
    expected = shape(feature["geometry"]).bounds
    assert (west, south, east, north) == pytest.approx(expected, abs=1e-5)
    assert extent_of(run, 10**6) is None


@pytest.mark.parametrize(
    ("bbox", "zoom"),
    [(None, "3"), ("1,2,3", "3"), ("1,2,3,4", None), ("1,2,3,x", "3"), ("1,2,3,nan", "3")],
)
def test_a_view_needs_numbers(bbox: str | None, zoom: str | None) -> None:
    with pytest.raises(ParameterError):
        ViewBox.parse(bbox, zoom)


def test_files_that_are_gone_are_a_sentence(bright: Scene, make_streamed_run: MakeRun) -> None:
    run = make_streamed_run(bright)
    run.objects_path.unlink()
    for ask in (lambda: view_layer(run, whole(run)), lambda: largest_objects(run)):
        with pytest.raises(NotFoundError, match="run it again"):
            ask()
