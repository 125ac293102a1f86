from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask
from samgeo_core.settings import get_settings
from samgeo_core.web.context import AppContext
from samgeo_core.web.downloads import ReadyFile, make_download
from samgeo_core.web.layers import objects_layer
from samgeo_core.web.pick_objects import KeptMask, joined
from samgeo_core.web.pick_results import PROMPTS, save_picks
from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Scene
from samgeo_core.web.selected import selected
from samgeo_core.web.store import Store
from samgeo_core.wholes import PackedMask
from samgeo_core.windows import Window
from tests.web.conftest import OWNER, MakeScene

SHAPE = (300, 400)
BOXES = [(120, 100, 40, 30), (130, 105, 10, 8), (300, 200, 40, 30)]
"""Left, top, width, height; the second lies in the first, the third is as large as the first."""


@pytest.fixture
def context(store: Store) -> Iterator[AppContext]:
    context = AppContext.create(dataclasses.replace(get_settings(), data_dir=store.root))
    yield context
    context.picks.close()
    context.jobs.close()


def mask_of(width: int, height: int) -> BoolMask:
    """An L: a rectangle without its upper right quarter."""
    mask = np.ones((height, width), np.bool_)
    mask[: height // 2, width // 2 :] = False
    return mask


def pick(context: AppContext, scene: Scene, *, accept_last: bool = True) -> PickSession:
    """A session as it is after three objects were picked, the last one with a poor score."""
    session = context.picks.sessions.begin(scene, OWNER)
    for i, (x, y, width, height) in enumerate(BOXES):
        mask = mask_of(width, height)
        kept = KeptMask(PackedMask.of(mask, (x, y)), 0.9 - 0.4 * i, 0.95, int(mask.sum()))
        prompts = {"points": [[x + 1.5, y + height - 1, 1], [x + width, y, 0]]}
        if i == 2:
            prompts = {"box": [x, y, x + width, y + height]}
        session.step(session.picks.with_prompts(joined(None, prompts), [kept], 0))
        if i < 2 or accept_last:
            session.step(session.picks.accept())
    return session


def test_nothing_makes_no_result(context: AppContext, make_scene: MakeScene) -> None:
    scene = make_scene(shape_hw=SHAPE)
    with pytest.raises(ParameterError, match="Nothing is picked yet"):
        save_picks(context, scene, context.picks.sessions.begin(scene, OWNER), OWNER)
    assert context.store.runs() == []


def test_a_result_is_what_was_picked(context: AppContext, make_scene: MakeScene) -> None:
    scene = make_scene(shape_hw=SHAPE)
    session = pick(context, scene, accept_last=False)
    run = save_picks(context, scene, session, "visitor-two")
    assert (run.state, run.owner, run.area) == ("done", "visitor-two", None)
    assert run.record["picked"] == {"objects": 3, "prompts": PROMPTS}
    assert run.record["n_objects"] == 3
    assert run.record["raster"] == scene.name
    # What was at hand is in it, and in the list.
    assert session.picks.at_hand is None
    assert len(session.picks.accepted) == 3

    # Poor scores and equal sizes change nothing: what was accepted stays.
    found = selected(run)
    assert found.objects.areas_px.tolist() == [60, 900, 900]
    for item in found.objects:
        x, y, width, height = BOXES[[1, 0, 2][item.object_id - 1]]
        assert item.offset_xy == (x, y)
        assert np.array_equal(item.mask, mask_of(width, height))
    layer = gpd.read_file(run.objects_path)
    assert layer["parent_id"].tolist() == [2, 0, 0]
    assert layer.crs == scene.raster.grid.crs
    with rasterio.open(run.labels_path) as dataset:
        labels = dataset.read(1)
    assert labels[220, 305] == 3
    assert labels[112, 131] == 1
    assert objects_layer(run)
    for name in ("objects.geojson", "bundle.zip", "annotations.png"):
        made = make_download(run, name)
        assert isinstance(made, ReadyFile)
        assert made.path.stat().st_size > 0


def test_prompts_lie_beside_the_result(context: AppContext, make_scene: MakeScene) -> None:
    scene = make_scene(shape_hw=SHAPE)
    run = save_picks(context, scene, pick(context, scene), OWNER)
    prompts = gpd.read_file(run.folder / PROMPTS)
    assert prompts.crs == "EPSG:4326"
    assert prompts["object_id"].tolist() == [1, 1, 2, 2, 3]
    assert prompts["label"].tolist() == [1, 0, 1, 0, 1]
    assert prompts["prompt"].tolist() == ["point"] * 4 + ["box"]
    grid = scene.raster.grid
    first = grid.from_lonlat(np.array([prompts.geometry[2].coords[0]]))
    assert first[0] == pytest.approx((121.5, 129), abs=1e-3)
    corners = grid.from_lonlat(np.array(prompts.geometry[4].exterior.coords))
    assert [*corners.min(0), *corners.max(0)] == pytest.approx((300, 200, 340, 230), abs=1e-3)


def test_without_a_place_prompts_are_in_pixels(context: AppContext, make_scene: MakeScene) -> None:
    scene = make_scene(shape_hw=SHAPE, crs=None, transform=None)
    run = save_picks(context, scene, pick(context, scene), OWNER)
    told = json.loads((run.folder / PROMPTS).read_text())
    assert told["features"][2]["geometry"]["coordinates"] == [121.5, 129]


@pytest.mark.parametrize(("region_px", "streamed"), [(300, False), (128, True)])
def test_of_a_large_image_a_result_shows_what_holds_the_objects(
    context: AppContext, make_scene: MakeScene, region_px: int, streamed: bool
) -> None:
    context = dataclasses.replace(
        context, settings=dataclasses.replace(context.settings, region_px=region_px)
    )
    scene = make_scene(shape_hw=SHAPE)
    run = save_picks(context, scene, pick(context, scene), OWNER)
    assert run.is_streamed == streamed
    assert run.area == Window(88, 68, 284, 194)
    layer = gpd.read_file(run.objects_path)
    assert layer["area_px"].tolist() == [60, 900, 900]
    assert layer["parent_id"].tolist() == [2, 0, 0]
    west, north = scene.raster.grid.to_crs_xy([(120, 100)])[0]
    assert layer.geometry[1].bounds[0] == pytest.approx(west)
    assert layer.geometry[1].bounds[3] == pytest.approx(north)
    with rasterio.open(run.labels_path) as dataset:
        assert dataset.read(1).max() == 3
        assert dataset.index(west + 0.1, north - 0.1) == (100 - run.area.y, 120 - run.area.x)


def test_what_fails_leaves_no_run(
    context: AppContext, make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(shape_hw=SHAPE)

    def full(*args: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("samgeo_core.web.pick_results._write_prompts", full)
    with pytest.raises(OSError, match="No space"):
        save_picks(context, scene, pick(context, scene), OWNER)
    assert context.store.runs() == []
