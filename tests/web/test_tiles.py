from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from numpy.typing import NDArray

from samgeo_core.errors import RasterError
from samgeo_core.web.frame import MAX_ZOOM, WORLD_M
from samgeo_core.web.records import Scene
from samgeo_core.web.store import Store
from samgeo_core.web.tiles import OVERVIEW_PX, TileRenderer
from samgeo_core.web.views import empty_png, halve, tile_view
from tests.factories import MakeRaster
from tests.web.conftest import OWNER, MakeScene
from tests.web.tile_checks import RGBAPixels, decode, place_on_tiles

UTM = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
LCC = (
    "+proj=lcc +lat_1=46 +lat_2=49 +lat_0=47.5 +lon_0=13.3 +x_0=400000 +y_0=400000 "
    "+ellps=bessel +towgs84=577.3,90.1,463.9,5.137,1.474,5.297,2.4232 +units=m"
)
PLACES = {
    "utm": ("EPSG:32633", UTM),
    "south-up": ("EPSG:32633", Affine(0.5, 0, 500_000, 0, 0.5, 4_999_000)),
    "rotated": ("EPSG:32633", UTM @ Affine.rotation(30)),
    "half turn": ("EPSG:32633", UTM @ Affine.rotation(180)),
    "mirrored": ("EPSG:32633", Affine(-0.5, 0, 500_000, 0, -0.5, 5_000_000)),
    "long pixels": ("EPSG:32633", Affine(0.5, 0, 500_000, 0, -2, 5_000_000)),
    "web mercator": ("EPSG:3857", Affine(0.3, 0, 3_620_000, 0, -0.3, 30_000)),
    "web mercator, rotated": ("EPSG:3857", Affine(0.3, 0, 3e6, 0, -0.3, 3e4) @ Affine.rotation(75)),
    "web mercator, south-up": ("EPSG:3857", Affine(0.3, 0, 3_620_000, 0, 0.3, 30_000)),
    "degrees": ("EPSG:4326", Affine(1e-5, 0, 24.5, 0, -1e-5, 60.2)),
    "degrees, beside the antimeridian": ("EPSG:4326", Affine(1e-5, 0, 179.99, 0, -1e-5, -17)),
    "across the antimeridian": ("EPSG:32601", Affine(0.5, 0, 180_000, 0, -0.5, 8_000_000)),
    "degrees from 0 to 360": ("EPSG:4326", Affine(1e-5, 0, 210, 0, -1e-5, -17)),
    "dutch grid": ("EPSG:28992", Affine(0.25, 0, 150_000, 0, -0.25, 460_000)),
    "no EPSG code": (LCC, Affine(0.5, 0, 400_000, 0, -0.5, 400_000)),
    "polar": ("EPSG:3413", Affine(20, 0, -700_000, 0, -20, -1_400_000)),
    "no CRS": (None, None),
    "no CRS but a transform": (None, Affine(2, 0, 70, 0, 2, 70)),
}


def blocks(shape_hw: tuple[int, int], side: int) -> NDArray[np.uint8]:
    """Squares of one colour each, [3, H, W], none black."""
    rows, cols = np.mgrid[: shape_hw[0], : shape_hw[1]] // side
    return np.stack([50 + rows * 20, 50 + cols * 20, 100 + (rows + cols) % 2 * 100]).astype(
        np.uint8
    )


def draw(scene: Scene, z: int, x: int, y: int) -> RGBAPixels:
    return decode(TileRenderer().scene_tile(scene, z, x, y))


def color_at(scene: Scene, z: int, x_px: float, y_px: float) -> list[int]:
    """Colour on the map, at a zoom, of a place in the raster."""
    column, row, i, j = place_on_tiles(scene.frame, z, x_px, y_px)
    if scene.frame.is_geographic:
        column %= 2**z
    return draw(scene, z, column, row)[j, i].tolist()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("zoom_out", [0, 1, 2])
def test_every_color_lies_where_the_map_expects_it(
    make_scene: MakeScene, place: str, zoom_out: int
) -> None:
    crs, transform = PLACES[place]
    data = blocks((640, 960), 160)
    scene = make_scene(data=data, crs=crs, transform=transform)
    assert scene.frame.is_geographic == (crs is not None)
    zoom = scene.frame.native_zoom - zoom_out
    for y_px in (80, 240, 560):
        for x_px in (80, 400, 880):
            found = color_at(scene, zoom, x_px, y_px)
            assert found == [*data[:, y_px, x_px].tolist(), 255], (x_px, y_px)
    beside = [(-30, 320), (990, 320), (480, -30), (480, 670)]
    for x_px, y_px in beside:
        # An address left of or above the pixel map has no tile at all.
        if crs is not None or min(x_px, y_px) > 0:
            assert color_at(scene, zoom, x_px, y_px) == [0, 0, 0, 0], (x_px, y_px)


class TestPixelExact:
    def test_a_raster_on_web_tiles_shows_its_very_pixels(self, make_scene: MakeScene) -> None:
        side = WORLD_M / 2**18
        column, row = 140_000, 88_000
        left, top = column * side - WORLD_M / 2, WORLD_M / 2 - row * side
        transform = Affine(side / 256, 0, left, 0, -side / 256, top)
        data = np.random.default_rng(1).integers(0, 256, (3, 512, 512), np.uint8)
        scene = make_scene(data=data, crs="EPSG:3857", transform=transform)
        assert scene.frame.native_zoom == 18
        for dx, dy in [(0, 0), (1, 0), (0, 1), (1, 1)]:
            tile = draw(scene, 18, column + dx, row + dy)
            part = data[:, dy * 256 : dy * 256 + 256, dx * 256 : dx * 256 + 256]
            assert (tile[..., :3] == np.moveaxis(part, 0, -1)).all()
            assert (tile[..., 3] == 255).all()
        assert TileRenderer().scene_tile(scene, 18, column + 2, row) == empty_png()

    def test_a_raster_without_crs_shows_its_very_pixels(self, make_scene: MakeScene) -> None:
        data = np.random.default_rng(2).integers(0, 256, (3, 300, 700), np.uint8)
        scene = make_scene(data=data, crs=None, transform=None)
        assert scene.frame.native_zoom == 2
        tile = draw(scene, 2, 1, 0)
        assert (tile[..., :3] == np.moveaxis(data[:, :256, 256:512], 0, -1)).all()
        last = draw(scene, 2, 2, 1)
        assert (last[:44, :188, :3] == np.moveaxis(data[:, 256:, 512:], 0, -1)).all()
        assert (last[:44, :188, 3] == 255).all()
        assert not last[44:].any()
        assert not last[:, 188:].any()

    def test_beyond_the_native_zoom_pixels_become_squares(self, make_scene: MakeScene) -> None:
        data = np.random.default_rng(3).integers(0, 256, (3, 256, 256), np.uint8)
        scene = make_scene(data=data, crs=None, transform=None)
        tile = draw(scene, 2, 1, 3)
        part = data[:, 192:256, 64:128].repeat(4, 1).repeat(4, 2)
        assert (tile[..., :3] == np.moveaxis(part, 0, -1)).all()

    def test_zoom_zero_shows_means(self, make_scene: MakeScene) -> None:
        data = np.full((3, 512, 512), 10, np.uint8)
        data[:, ::2] = 30
        scene = make_scene(data=data, crs=None, transform=None)
        assert (draw(scene, 0, 0, 0) == [20, 20, 20, 255]).all()


class TestValidity:
    """Whatever makes a pixel invalid makes it transparent, nothing else does."""

    HALF = np.concatenate([np.ones((128, 256), bool), np.zeros((128, 256), bool)])

    @pytest.mark.parametrize("zoom_out", [0, 1])
    @pytest.mark.parametrize("how", ["nodata", "alpha", "mask", "nan"])
    def test_invalid_is_transparent(self, make_scene: MakeScene, how: str, zoom_out: int) -> None:
        valid = np.tile(self.HALF, (2, 2))
        data = np.where(valid, 90, 7).astype(np.uint8)[None].repeat(3, 0)
        options: dict[str, Any] = {"crs": None, "transform": None, "data": data}
        if how == "nodata":
            options["nodata"] = 7
        elif how == "alpha":
            options["alpha"] = valid * 255
        elif how == "mask":
            options["mask"] = valid
        else:
            options["data"] = np.where(valid, 90.0, np.nan).astype(np.float32)[None].repeat(3, 0)
        scene = make_scene(**options)
        tile = draw(scene, 1 - zoom_out, 0, 0)
        rows = 128 // 2**zoom_out
        assert (tile[: rows - 1, :, 3] == 255).all()
        assert not tile[rows + 1 : 2 * rows - 1].any()

    def test_black_is_no_hole(self, make_scene: MakeScene) -> None:
        scene = make_scene(data=np.zeros((3, 256, 256), np.uint8), crs=None, transform=None)
        assert (draw(scene, 0, 0, 0) == [0, 0, 0, 255]).all()

    def test_a_raster_without_any_data_is_transparent(self, make_scene: MakeScene) -> None:
        data = np.zeros((3, 256, 256), np.uint8)
        scene = make_scene(data=data, crs=None, transform=None, nodata=0)
        assert TileRenderer().scene_tile(scene, 0, 0, 0) == empty_png()


class TestColors:
    def test_bands_and_stretch_are_those_of_the_scene(
        self, store: Store, make_scene: MakeScene
    ) -> None:
        data = np.stack(
            [np.linspace(0, 100 * (i + 1), 256 * 256).reshape(256, 256) for i in range(4)]
        )
        scene = make_scene(data=data.astype(np.uint16), crs=None, transform=None)
        scene = store.set_display(scene.scene_id, (4, 2, 1), "minmax")
        expected = scene.raster.read(stretch=scene.stretch)
        assert (draw(scene, 0, 0, 0)[..., :3] == expected.rgb).all()
        assert expected.rgb.max() == 255

    def test_a_change_of_display_shows_at_once(self, store: Store, make_scene: MakeScene) -> None:
        data = np.stack([np.full((256, 256), v, np.uint8) for v in (10, 20, 30)])
        scene = make_scene(data=data, crs=None, transform=None)
        renderer = TileRenderer()
        first = decode(renderer.scene_tile(scene, 0, 0, 0))
        scene = store.set_display(scene.scene_id, (3, 2, 1), "none")
        second = decode(renderer.scene_tile(scene, 0, 0, 0))
        assert first[0, 0].tolist() == [10, 20, 30, 255]
        assert second[0, 0].tolist() == [30, 20, 10, 255]

    def test_a_palette_becomes_its_colors(self, make_scene: MakeScene) -> None:
        data = np.arange(256 * 256).reshape(1, 256, 256).astype(np.uint8) % 2 + 1
        colormap = {1: (200, 10, 10, 255), 2: (10, 200, 10, 255)}
        scene = make_scene(data=data, colormap=colormap, crs=None, transform=None)
        tile = draw(scene, 0, 0, 0)
        assert tile[0, 0].tolist() == [200, 10, 10, 255]
        assert tile[0, 1].tolist() == [10, 200, 10, 255]

    @pytest.mark.parametrize("name", ["one.tif", "photo.png", "photo.jp2"])
    def test_one_band_is_grey(self, make_scene: MakeScene, name: str) -> None:
        data = np.full((1, 256, 256), 77, np.uint8)
        options = {"QUALITY": 100, "REVERSIBLE": "YES"} if name.endswith("jp2") else {}
        scene = make_scene(name, data=data, crs=None, transform=None, **options)
        assert draw(scene, 0, 0, 0)[100, 100].tolist() == [77, 77, 77, 255]


class TestAddresses:
    @pytest.mark.parametrize(
        ("z", "x", "y"),
        [
            (0, 1, 0),
            (0, 0, 1),
            (3, 8, 0),
            (MAX_ZOOM + 1, 0, 0),
            (10**9, 0, 0),
            (5, 31, 31),
            (2, -1, 0),
        ],
    )
    def test_tiles_beside_the_raster_are_empty(
        self, make_scene: MakeScene, z: int, x: int, y: int
    ) -> None:
        for crs in ("EPSG:32633", None):
            scene = make_scene(crs=crs, transform=UTM if crs else None)
            assert TileRenderer().scene_tile(scene, z, x, y) == empty_png()

    def test_zoom_zero_of_the_world_holds_the_raster(self, make_scene: MakeScene) -> None:
        transform = Affine(0.25, 0, -180, 0, -0.25, 90)
        data = np.full((3, 720, 1440), 99, np.uint8)
        scene = make_scene(data=data, crs="EPSG:4326", transform=transform)
        tile = draw(scene, 0, 0, 0)
        assert (tile[2:-2, 2:-2] == [99, 99, 99, 255]).all()

    @pytest.mark.parametrize("west", [160, -200])
    def test_both_sides_of_the_antimeridian_are_shown(
        self, make_scene: MakeScene, west: float
    ) -> None:
        data = np.full((3, 100, 400), 99, np.uint8)
        transform = Affine(0.1, 0, west, 0, -0.1, 5)
        scene = make_scene(data=data, crs="EPSG:4326", transform=transform)
        assert scene.frame.bounds_latlng[1][1] > 180
        last = 2**4 - 1
        assert draw(scene, 4, last, 7)[..., 3].any()
        assert draw(scene, 4, 0, 7)[..., 3].any()
        assert not draw(scene, 4, 7, 7)[..., 3].any()

    def test_a_view_never_reads_much_more_than_a_tile(self, make_scene: MakeScene) -> None:
        scene = make_scene(shape_hw=(3000, 3000), transform=UTM @ Affine.rotation(45), bands=1)
        frame = scene.frame
        for z in range(frame.native_zoom + 3):
            column, row, _, _ = place_on_tiles(frame, z, 1500, 1500)
            view = tile_view(frame, z, column, row)
            assert view is not None
            assert max(view.shape_hw) < 1000


class TestOverviews:
    def test_a_large_raster_is_reduced_once_and_looks_the_same(self, make_scene: MakeScene) -> None:
        side = 2 * OVERVIEW_PX + 100
        data = blocks((600, side), 300)[:, :, :]
        scene = make_scene(data=data, crs=None, transform=None)
        assert scene.frame.native_zoom == 5
        for zoom in range(3):
            for x_px in (150, 450, 1950, 4050):
                found = color_at(scene, zoom, x_px, 150)
                assert found == [*data[:, 150, x_px].tolist(), 255], (zoom, x_px)
        tile = draw(scene, 0, 0, 0)
        shown = np.flatnonzero(tile[:, 0, 3])
        assert shown[-1] + 1 == pytest.approx(600 / 2**5, abs=1)

    def test_halving_takes_means_of_what_is_visible(self) -> None:
        rgba = np.zeros((4, 3, 3), np.uint8)
        rgba[:3, :2, :2] = [[10, 20], [30, 40]]
        rgba[3] = 255
        rgba[3, 0, 1] = 0
        rgba[:, 2, 2] = (8, 8, 8, 255)
        half = halve(rgba)
        assert half.shape == (4, 2, 2)
        assert half[:, 0, 0].tolist() == [(10 + 30 + 40) // 3] * 3 + [255]
        assert half[:, 1, 1].tolist() == [8, 8, 8, 255]
        assert halve(np.zeros((4, 2, 2), np.uint8)).tolist() == [[[0]], [[0]], [[0]], [[0]]]


def test_twenty_threads_get_what_one_gets(make_scene: MakeScene) -> None:
    data = np.random.default_rng(4).integers(0, 256, (3, 700, 700), np.uint8)
    scenes = [make_scene("a.tif", data=data), make_scene("b.tif", data=data[::-1])]
    jobs = []
    for scene in scenes:
        zoom = scene.frame.native_zoom
        column, row, _, _ = place_on_tiles(scene.frame, zoom, 0, 0)
        jobs += [(scene, zoom, column + i, row + j) for i in range(4) for j in range(4)]
    alone = [TileRenderer().scene_tile(*job) for job in jobs]
    together = TileRenderer(cache_bytes=300_000)
    with ThreadPoolExecutor(20) as pool:
        tiles = list(pool.map(lambda job: together.scene_tile(*job), jobs * 3))
    assert tiles == alone * 3
    assert len(set(alone)) > 20


def test_a_file_that_vanished_is_an_error(store: Store, make_raster: MakeRaster) -> None:
    path: Path = make_raster("server.tif")
    scene = store.add_scene(path, "server.tif", OWNER, kind="server")
    renderer = TileRenderer()
    column, row, _, _ = place_on_tiles(scene.frame, 18, 30, 20)
    assert renderer.scene_tile(scene, 18, column, row) != empty_png()
    path.unlink()
    with pytest.raises(RasterError):
        renderer.scene_tile(scene, 18, column, row)
