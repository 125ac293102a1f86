"""Overviews: the same pictures from smaller copies, made whole or not at all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from samgeo_core.errors import DiskFullError
from samgeo_core.reading.reduce import write_half
from samgeo_core.reading.sources import open_dataset
from samgeo_core.web import overviews
from samgeo_core.web.overviews import (
    OverviewMaker,
    make_overviews,
    open_overview,
    overview_factors,
    read_small,
    wanted_factors,
)
from samgeo_core.web.records import Scene
from samgeo_core.web.store import Store
from samgeo_core.web.tiles import TileRenderer
from samgeo_core.web.views import tile_view
from samgeo_core.windows import Window
from tests.factories import MakeRaster
from tests.web.conftest import OWNER, MakeScene
from tests.web.tile_checks import decode, place_on_tiles

SHAPE_HW = (2305, 2711)
WAIT_S = 60


@pytest.fixture
def maker(store: Store) -> Iterator[OverviewMaker]:
    made = OverviewMaker(store)
    yield made
    made.close()


def _smooth(bands: int, dtype: str, high: float) -> np.ndarray:
    """Values that differ little from pixel to pixel, as resampling needs to agree."""
    y, x = np.mgrid[: SHAPE_HW[0], : SHAPE_HW[1]] / 400
    waves = [np.sin(x + i) + np.cos(y * (1 + i)) for i in range(bands)]
    return ((np.stack(waves) + 2) / 4 * high + 1).astype(dtype)


@pytest.mark.parametrize(
    ("name", "bands", "dtype", "options", "factors"),
    [
        ("a.tif", 3, "uint8", {"tiled": True}, (2, 4, 8, 16)),
        ("a.tif", 4, "uint16", {"nodata": 0}, (2, 4, 8, 16)),
        ("a.png", 3, "uint8", {"crs": None, "transform": None}, (1, 2, 4, 8, 16)),
    ],
)
def test_tiles_show_the_same_with_and_without(
    make_scene: MakeScene,
    name: str,
    bands: int,
    dtype: str,
    options: dict[str, object],
    factors: tuple[int, ...],
) -> None:
    values = _smooth(bands, dtype, 200 if dtype == "uint8" else 9000)
    if options.get("nodata") == 0:
        values[:, :700, :900] = 0
    scene = make_scene(name, data=values, **options)
    tiles = _tiles(scene)
    assert len(tiles) >= 10
    part, small_hw = Window(900, 700, 1811, 1605), (200, 226)
    shown = read_small(scene, part, small_hw)
    before = [TileRenderer().scene_tile(scene, *tile) for tile in tiles]
    assert wanted_factors(scene) == factors and overview_factors(scene) == ()
    assert make_overviews(scene)
    assert overview_factors(scene) == factors
    difference = np.abs(read_small(scene, part, small_hw).rgb.astype(int) - shown.rgb)
    assert np.mean(difference) < 1.5
    after = [TileRenderer().scene_tile(scene, *tile) for tile in tiles]
    for one, other in zip(map(decode, before), map(decode, after), strict=True):
        both = (one[..., 3] > 0) & (other[..., 3] > 0)
        assert np.mean((one[..., 3] > 0) != (other[..., 3] > 0)) < 0.02
        assert both.any()
        difference = np.abs(one[both][:, :3].astype(int) - other[both][:, :3])
        assert np.mean(difference) < 1.5


def _tiles(scene: Scene) -> list[tuple[int, int, int]]:
    """Tiles over the middle and the last pixel at all resolutions that overviews serve."""
    height, width = scene.raster.shape_hw
    found = []
    for z in range(24):
        for x, y in ((width / 2, height / 2), (width - 0.5, height - 0.5)):
            column, row, _, _ = place_on_tiles(scene.frame, z, x, y)
            view = tile_view(scene.frame, z, column, row)
            if view is not None and 1 <= view.factor <= 32 and view.window.width > 100:
                found.append((z, column, row))
    return found


@pytest.mark.parametrize("shape_hw", [(700, 601), (513, 1030)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tiled": True, "blockxsize": 64, "blockysize": 64},
        {"dtype": "float32", "nodata": math.nan},
        {"dtype": "int16", "nodata": -1},
        {"masked": True},
    ],
)
def test_each_pixel_is_the_mean_of_those_that_carry_data(
    make_raster: MakeRaster,
    tmp_path: Path,
    shape_hw: tuple[int, int],
    options: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("samgeo_core.reading.reduce._PIECE_BYTES", 1 << 17)
    rng = np.random.default_rng(1)
    options = dict(options)
    masked, dtype = options.pop("masked", False), str(options.pop("dtype", "uint8"))
    values = rng.integers(0, 200, (2, *shape_hw)).astype(dtype)
    missing = rng.random(shape_hw) < 0.4
    nodata = options.get("nodata")
    if nodata is not None:
        values[:, missing] = nodata
    elif masked:
        options["mask"] = ~missing
    else:
        missing[:] = False
    path = make_raster(data=values, **options)
    target = tmp_path / "half.tif"
    with open_dataset(path) as dataset:
        assert write_half(dataset, target, lambda: True)
    height, width = (-(-side // 2) for side in shape_hw)
    with rasterio.open(target) as half:
        assert half.shape == (height, width)
        found, valid = half.read(), half.dataset_mask() > 0
    for y, x in ((0, 0), (height - 1, width - 1), *rng.integers(0, min(height, width), (300, 2))):
        block = np.s_[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        counts = ~missing[block]
        assert valid[y, x] == counts.any()
        if counts.any():
            expected = values[(slice(None), *block)][:, counts].astype(float).mean(1)
            tolerance = 1e-4 if dtype == "float32" else 0.501
            assert np.abs(found[:, y, x] - expected).max() <= tolerance


def test_palettes_stay_palettes(make_raster: MakeRaster, tmp_path: Path) -> None:
    colours = {0: (0, 0, 0, 255), 7: (250, 10, 10, 255), 9: (10, 250, 10, 255)}
    data = np.random.default_rng(0).choice([0, 7, 9], (1, 301, 300)).astype(np.uint8)
    with open_dataset(make_raster(data=data, colormap=colours)) as dataset:
        write_half(dataset, tmp_path / "half.tif", lambda: True)
    with rasterio.open(tmp_path / "half.tif") as half:
        assert half.colormap(1)[7] == colours[7]
        assert np.array_equal(half.read(), data[:, ::2, ::2])


class TestMaker:
    @pytest.fixture
    def large(self, make_scene: MakeScene) -> Scene:
        return make_scene(shape_hw=(2100, 2100))

    def test_files_of_the_server_are_left_alone(
        self, store: Store, maker: OverviewMaker, make_raster: MakeRaster
    ) -> None:
        path = make_raster(shape_hw=(2100, 2100))
        before = sorted(path.parent.iterdir()), path.stat().st_mtime_ns
        scene = store.add_scene(path, "a.tif", OWNER, kind="server")
        maker.ask(scene)
        assert maker.wait(WAIT_S)
        assert overview_factors(scene) == (2, 4, 8, 16)
        assert (sorted(path.parent.iterdir()), path.stat().st_mtime_ns) == before
        assert open_overview(scene, 2).path.is_relative_to(store.root)
        # Of another version of the file they say nothing.
        make_raster(shape_hw=(2200, 2100))
        assert overview_factors(scene) == ()
        assert make_overviews(scene)
        assert len(list(scene.folder.glob("overviews-*"))) == 1

    def test_what_needs_none_gets_none(self, make_scene: MakeScene, maker: OverviewMaker) -> None:
        small = make_scene("small.tif", shape_hw=(2000, 2000))
        has = make_scene("has.tif", shape_hw=(2100, 2100), overviews=[2, 4])
        for scene in (small, has):
            maker.ask(scene)
        assert maker.wait(WAIT_S)
        assert all(not list(scene.folder.glob("*overviews*")) for scene in (small, has))

    def test_a_deleted_scene_leaves_nothing(
        self, store: Store, maker: OverviewMaker, large: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original, halves = overviews.write_half, []

        def delete_then_write(*arguments: object) -> bool:
            halves.append(arguments)
            maker.cancel(large.scene_id)
            store.delete_scene(large.scene_id)
            return original(*arguments)

        monkeypatch.setattr(overviews, "write_half", delete_then_write)
        maker.ask(large)
        assert maker.wait(WAIT_S)
        assert len(halves) == 1
        assert not large.folder.exists()

    def test_what_a_killed_server_left_is_made_anew(
        self, maker: OverviewMaker, large: Scene
    ) -> None:
        half_done = large.folder / ".overviews-x"
        half_done.mkdir()
        (half_done / "2.tif").write_bytes(b"II*\0")
        assert overview_factors(large) == ()
        maker.ask_for_all()
        assert maker.wait(WAIT_S)
        assert not half_done.exists()
        assert overview_factors(large) == (2, 4, 8, 16)

    def test_a_full_disk_is_left_as_it_is(self, large: Scene) -> None:
        with pytest.raises(DiskFullError, match="no room for"):
            make_overviews(large, free_disk_bytes=10**18)
        assert not list(large.folder.glob("*overviews*"))

    def test_where_it_was_stopped_nothing_stays(self, large: Scene) -> None:
        answers = iter([True, True, False])
        assert not make_overviews(large, lambda: next(answers))
        assert not list(large.folder.glob("*overviews*"))
