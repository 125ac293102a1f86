from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling

from samgeo_core.errors import (
    ParameterError,
    RasterError,
    RasterTooLargeError,
    UnsupportedFormatError,
)
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.samples import sample_path
from samgeo_core.reading.stretch import Stretch
from samgeo_core.windows import Window
from tests.factories import UTM_33N, MakeRaster, patch_tiff, ramp, write_raster

DTYPES = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
DTYPES += ["float32", "float64"]
RED, GREEN, BLUE = ColorInterp.red, ColorInterp.green, ColorInterp.blue
GRAY, ALPHA, OTHER = ColorInterp.gray, ColorInterp.alpha, ColorInterp.undefined


def corner(shape_hw: tuple[int, int] = (40, 60)) -> np.ndarray:
    """Bool [H, W]: all but the upper left quarter."""
    mask = np.ones(shape_hw, bool)
    mask[: shape_hw[0] // 2, : shape_hw[1] // 2] = False
    return mask


def as_rgb(bands: np.ndarray) -> np.ndarray:
    return np.moveaxis(bands, 0, -1)


class TestOpen:
    def test_facts(self, make_raster: MakeRaster) -> None:
        path = make_raster(
            bands=4,
            dtype="uint16",
            nodata=7,
            colorinterp=[BLUE, GREEN, RED, OTHER],
            descriptions=["blue", "green", "red"],
            overviews=[2, 4],
        )
        raster = Raster.open(str(path))
        assert raster.path == path
        assert raster.grid.shape_hw == raster.shape_hw == (40, 60)
        assert raster.grid.transform == UTM_33N
        assert raster.grid.crs == CRS.from_epsg(32633)
        assert (raster.band_count, raster.dtype, raster.nodata) == (4, "uint16", 7.0)
        assert raster.driver == "GTiff"
        assert raster.band_names == ("blue", "green", "red", "Band 4")
        assert raster.color_interpretations == ("blue", "green", "red", "undefined")
        assert not raster.has_alpha
        assert raster.overviews == (2, 4)
        assert raster.size_bytes == path.stat().st_size
        assert raster.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    @pytest.mark.parametrize("nodata", [None, -1.0, float("nan")])
    def test_equal_files_give_equal_hashable_values(
        self, nodata: float | None, make_raster: MakeRaster
    ) -> None:
        path = make_raster(dtype="float32", nodata=nodata)
        assert Raster.open(path) == Raster.open(path)
        assert len({Raster.open(path), Raster.open(path)}) == 1

    @pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
    def test_complex_numbers_are_refused(self, dtype: str, tmp_path: Path) -> None:
        path = tmp_path / "complex.tif"
        profile = {"driver": "GTiff", "count": 1, "width": 8, "height": 8, "transform": UTM_33N}
        with rasterio.open(path, "w", dtype=dtype, **profile):
            pass
        with pytest.raises(UnsupportedFormatError, match=rf"complex numbers \({dtype}\)"):
            Raster.open(path)

    def test_more_pixels_than_accepted(self, make_raster: MakeRaster) -> None:
        path = make_raster()
        assert Raster.open(path, max_pixels=2400).shape_hw == (40, 60)
        with pytest.raises(RasterTooLargeError, match="60 x 40 = 2,400 px, more than the 2,399"):
            Raster.open(path, max_pixels=2399)

    def test_a_small_file_that_declares_a_huge_image(self, tmp_path: Path) -> None:
        path = tmp_path / "bomb.tif"
        profile = {"driver": "GTiff", "count": 3, "dtype": "uint8", "transform": UTM_33N}
        profile |= {"tiled": True, "compress": "deflate", "SPARSE_OK": True}
        with rasterio.open(path, "w", width=300_000, height=300_000, **profile):
            pass
        assert path.stat().st_size < 30_000_000
        with pytest.raises(RasterTooLargeError, match="300000 x 300000"):
            Raster.open(path)

    def test_blocks_that_do_not_fit_into_memory(self, tmp_path: Path) -> None:
        path = tmp_path / "one_block.tif"
        profile = {"driver": "GTiff", "count": 3, "dtype": "uint16", "transform": UTM_33N}
        profile |= {"blockysize": 20_000, "compress": "deflate", "SPARSE_OK": True}
        with rasterio.open(path, "w", width=20_000, height=20_000, interleave="pixel", **profile):
            pass
        with pytest.raises(RasterTooLargeError, match=r"blocks of 2\.2 GiB"):
            Raster.open(path)

    @pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.jp2"])
    @pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
    def test_a_file_cut_short(self, name: str, share: float, make_raster: MakeRaster) -> None:
        rng = np.random.default_rng(0)
        path = make_raster(name, data=rng.integers(0, 255, (3, 300, 300)).astype(np.uint8))
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(RasterError, match="damaged or cut short"):
            Raster.open(path)

    def test_overviews_cut_off(self, make_raster: MakeRaster) -> None:
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 255, (3, 512, 512)).astype(np.uint8)
        path = make_raster(data=noise, tiled=True, blockxsize=256, blockysize=256, overviews=[2])
        path.write_bytes(path.read_bytes()[:-100_000])
        with pytest.raises(RasterError, match="damaged or cut short"):
            Raster.open(path)

    def test_band_names_in_other_letters(self, make_raster: MakeRaster) -> None:
        path = make_raster(descriptions=["rouge", "verte"])
        path.write_bytes(path.read_bytes().replace(b"verte", b"vert\xe9"))
        assert Raster.open(path).band_names == ("Band 1", "Band 2", "Band 3")

    def test_a_header_without_bands(self, make_raster: MakeRaster) -> None:
        path = make_raster(bands=1)
        patch_tiff(path, {277: 0})  # SamplesPerPixel
        with pytest.raises(RasterError, match="damaged or cut short"):
            Raster.open(path)

    # rasterio's own log of a damaged text can fail, which it reports but does not raise.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(data=st.data(), name=st.sampled_from(["a.tif", "a.png", "a.jpg", "a.jp2"]))
    def test_damage_never_gives_more_than_a_sentence(
        self, data: st.DataObject, name: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = write_raster(tmp_path_factory.mktemp("damaged") / name, bands=3)
        content = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
        try:
            raster = Raster.open(path, max_pixels=10_000)
            raster.preview(16)
            assert 0 <= raster.valid_share() <= 1
        except RasterError as error:
            assert str(error).endswith(".")


class TestGrid:
    @pytest.mark.parametrize(
        "transform",
        [
            Affine(0.5, 0, 5e5, 0, -0.5, 5e6),
            Affine(0.5, 0, 5e5, 0, 0.5, 5e6),
            Affine(0.3, 0.4, 5e5, 0.4, -0.3, 5e6),
            Affine(-0.5, 0, 5e5, 0, -0.5, 5e6),
        ],
        ids=["north-up", "south-up", "turned", "mirrored"],
    )
    def test_every_orientation_is_kept(self, transform: Affine, make_raster: MakeRaster) -> None:
        grid = Raster.open(make_raster(transform=transform)).grid
        assert grid.transform.almost_equals(transform)
        assert grid.is_georeferenced

    @pytest.mark.parametrize(
        ("crs", "transform"),
        [
            ("EPSG:4326", Affine(1e-5, 0, 15, 0, -1e-5, 45)),
            ("EPSG:3857", Affine(0.5, 0, 1e6, 0, -0.5, 5e6)),
            ("EPSG:3395", Affine(0.5, 0, 1e6, 0, -0.5, 5e6)),
            ("+proj=tmerc +lat_0=45 +lon_0=15.3 +k=0.9999 +x_0=7 +ellps=bessel", UTM_33N),
        ],
    )
    def test_every_crs_is_kept(self, crs: str, transform: Affine, make_raster: MakeRaster) -> None:
        grid = Raster.open(make_raster(crs=crs, transform=transform)).grid
        assert grid.crs == CRS.from_user_input(crs)
        assert grid.is_georeferenced

    @pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.jp2"])
    def test_no_georeference_gives_the_pixel_frame(
        self, name: str, make_raster: MakeRaster
    ) -> None:
        grid = Raster.open(make_raster(name, crs=None, transform=None)).grid
        assert (grid.transform, grid.crs) == (Affine.identity(), None)

    def test_jpeg_2000_keeps_its_place(self, make_raster: MakeRaster) -> None:
        grid = Raster.open(make_raster("a.jp2")).grid
        assert grid.transform.almost_equals(UTM_33N)
        assert grid.crs == CRS.from_epsg(32633)

    def test_a_crs_without_a_transform_is_no_place(self, make_raster: MakeRaster) -> None:
        grid = Raster.open(make_raster(transform=None)).grid
        assert (grid.transform, grid.crs) == (Affine.identity(), None)

    def test_a_transform_without_a_crs_is_kept(self, make_raster: MakeRaster) -> None:
        grid = Raster.open(make_raster(crs=None)).grid
        assert (grid.transform, grid.crs) == (UTM_33N, None)

    def test_pixels_without_size_are_no_place(self, make_raster: MakeRaster) -> None:
        grid = Raster.open(make_raster(transform=Affine(0.5, 0, 5e5, 0, 0, 5e6))).grid
        assert (grid.transform, grid.crs) == (Affine.identity(), None)


def gcps(noise_px: float, count: int = 5) -> list[rasterio.control.GroundControlPoint]:
    """Control points at UTM_33N, the last one ``noise_px`` off."""
    places = [(0, 0), (0, 60), (40, 0), (40, 60), (20, 30)][:count]
    points = []
    for i, (row, col) in enumerate(places):
        shift = noise_px if i == len(places) - 1 else 0.0
        x, y = UTM_33N @ (col + shift, row)
        points.append(rasterio.control.GroundControlPoint(row=row, col=col, x=x, y=y))
    return points


class TestGroundControlPoints:
    def test_points_on_a_plane_become_the_transform(self, make_raster: MakeRaster) -> None:
        grid = Raster.open(make_raster(gcps=gcps(0.0))).grid
        assert grid.transform.almost_equals(UTM_33N, precision=1e-5)
        assert grid.crs == CRS.from_epsg(32633)

    @pytest.mark.parametrize(("noise_px", "count"), [(30.0, 5), (0.0, 2)])
    def test_points_that_do_not_fit_are_no_place(
        self, noise_px: float, count: int, make_raster: MakeRaster
    ) -> None:
        grid = Raster.open(make_raster(gcps=gcps(noise_px, count))).grid
        assert (grid.transform, grid.crs) == (Affine.identity(), None)


class TestDefaultBands:
    @pytest.mark.parametrize(
        ("meaning", "expected"),
        [
            ([RED, GREEN, BLUE], (1, 2, 3)),
            ([BLUE, GREEN, RED, OTHER], (3, 2, 1)),
            ([OTHER, BLUE, GREEN, RED, OTHER, OTHER, OTHER, OTHER], (4, 3, 2)),
            ([GRAY, OTHER, OTHER, OTHER], (1, 2, 3)),
            ([GRAY], (1, 1, 1)),
            ([GRAY, OTHER], (1, 1, 1)),
            ([GRAY, ALPHA], (1, 1, 1)),
            ([RED, GREEN, BLUE, ALPHA], (1, 2, 3)),
            ([ALPHA, RED, GREEN, BLUE], (2, 3, 4)),
            ([ALPHA, GRAY, OTHER, OTHER], (2, 3, 4)),
            ([ALPHA], (1, 1, 1)),
        ],
        ids=lambda value: "-".join(c.name for c in value) if isinstance(value, list) else "",
    )
    def test_colour_interpretation_else_the_first(
        self,
        meaning: list[ColorInterp],
        expected: tuple[int, int, int],
        make_raster: MakeRaster,
    ) -> None:
        path = make_raster(bands=len(meaning), colorinterp=meaning, photometric="MINISBLACK")
        raster = Raster.open(path)
        assert raster.color_interpretations == tuple(c.name for c in meaning)
        assert raster.default_bands() == expected
        assert raster.has_alpha is (ALPHA in meaning)


class TestRead:
    @pytest.mark.parametrize("bands", [1, 2, 3, 4, 8])
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_every_dtype_and_band_count(
        self, dtype: str, bands: int, make_raster: MakeRaster
    ) -> None:
        raster = Raster.open(make_raster(bands=bands, dtype=dtype))
        tile = raster.read()
        values = ramp((40, 60), bands, dtype)[[b - 1 for b in raster.default_bands()]]
        if dtype == "uint8":
            assert np.array_equal(tile.rgb, as_rgb(values))
        else:
            stretch = raster.stretch()
            assert np.array_equal(tile.rgb, as_rgb(stretch.apply(values)))
            assert (tile.rgb.min(), tile.rgb.max()) == (0, 255)
        assert tile.valid.all()

    @pytest.mark.parametrize("name", ["a.png", "a.jp2"])
    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_lossless_formats(self, name: str, dtype: str, make_raster: MakeRaster) -> None:
        options: dict[str, Any] = {"QUALITY": "100", "REVERSIBLE": "YES"} if name == "a.jp2" else {}
        raster = Raster.open(make_raster(name, dtype=dtype, **options))
        tile = raster.read(stretch=raster.stretch(mode="none"))
        assert np.array_equal(tile.rgb, as_rgb(ramp((40, 60), 3, "uint8")))

    def test_jpeg(self, make_raster: MakeRaster) -> None:
        smooth = np.tile(np.linspace(20, 220, 60), (3, 40, 1)).astype(np.uint8)
        tile = Raster.open(make_raster("a.jpg", data=smooth, quality=95)).read()
        assert np.abs(tile.rgb - as_rgb(smooth).astype(int)).max() <= 4

    @pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 2), (1025, 1)])
    @pytest.mark.parametrize("name", ["a.tif", "a.png"])
    def test_extreme_shapes(
        self, shape: tuple[int, int], name: str, make_raster: MakeRaster
    ) -> None:
        raster = Raster.open(make_raster(name, shape_hw=shape))
        assert raster.read().shape_hw == shape
        assert max(raster.preview(512).shape_hw) == min(max(shape), 512)
        assert raster.valid_share() == 1

    def test_chosen_bands(self, make_raster: MakeRaster) -> None:
        raster = Raster.open(make_raster(bands=5))
        values = ramp((40, 60), 5, "uint8")
        assert np.array_equal(raster.read(bands=(5, 2, 2)).rgb, as_rgb(values[[4, 1, 1]]))
        assert np.array_equal(raster.read(bands=[4]).rgb, as_rgb(values[[3, 3, 3]]))

    @pytest.mark.parametrize("bands", [(), (1, 2), (0, 1, 2), (1, 2, 4), (-1,), (1, 2, 3, 1)])
    def test_bands_that_are_not_there(
        self, bands: tuple[int, ...], make_raster: MakeRaster
    ) -> None:
        with pytest.raises(ParameterError, match="one or three numbers from 1 to 3"):
            Raster.open(make_raster()).read(bands=bands)

    def test_a_stretch_brings_its_bands(self, make_raster: MakeRaster) -> None:
        raster = Raster.open(make_raster(bands=4))
        stretch = Stretch.none((4, 3, 2))
        assert np.array_equal(
            raster.read(stretch=stretch).rgb, as_rgb(ramp((40, 60), 4, "uint8")[[3, 2, 1]])
        )
        with pytest.raises(ParameterError, match=r"of bands \(4, 3, 2\), but \(1, 2, 3\)"):
            raster.read(stretch=stretch, bands=(1, 2, 3))
        with pytest.raises(ParameterError, match="from 1 to 4"):
            raster.read(stretch=Stretch.none((1, 2, 5)))

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        x=st.integers(0, 59),
        y=st.integers(0, 39),
        width=st.integers(1, 60),
        height=st.integers(1, 40),
    )
    def test_a_window_is_a_part_of_the_whole(
        self, x: int, y: int, width: int, height: int, plain_raster: Raster
    ) -> None:
        window = Window(x, y, min(width, 60 - x), min(height, 40 - y))
        tile = plain_raster.read(window, stretch=Stretch.none((1, 2, 3)))
        expected = as_rgb(ramp((40, 60), 3, "uint8"))[window.slices]
        assert np.array_equal(tile.rgb, expected)

    @pytest.mark.parametrize(
        "window", [Window(50, 0, 11, 5), Window(-1, 0, 5, 5), Window(60, 0, 1, 1)]
    )
    def test_windows_outside_are_refused(self, window: Window, make_raster: MakeRaster) -> None:
        with pytest.raises(ParameterError, match="inside the raster of 60 x 40 px"):
            Raster.open(make_raster()).read(window)

    @pytest.mark.parametrize("layout", [{"tiled": True, "blockxsize": 256, "blockysize": 256}, {}])
    def test_rows_read_piece_by_piece_fit_together(
        self, layout: dict[str, Any], make_raster: MakeRaster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("samgeo_core.reading.pixels._CHUNK_BYTES", 100_000)
        path = make_raster(shape_hw=(700, 300), mask=corner((700, 300)), **layout)
        tile = Raster.open(path).read(Window(3, 5, 290, 680))
        rows, cols = slice(5, 685), slice(3, 293)
        assert np.array_equal(tile.rgb, as_rgb(ramp((700, 300), 3, "uint8"))[rows, cols])
        assert np.array_equal(tile.valid, corner((700, 300))[rows, cols])

    def test_resampled(self, make_raster: MakeRaster) -> None:
        halves = np.repeat([[[40] * 60] * 20 + [[200] * 60] * 20], 3, axis=0).astype(np.uint8)
        raster = Raster.open(make_raster(data=halves))
        small = raster.read(shape_hw=(2, 3), resampling=Resampling.average)
        assert small.rgb[..., 0].tolist() == [[40] * 3, [200] * 3]
        large = raster.read(Window(0, 18, 4, 4), shape_hw=(8, 8), resampling=Resampling.nearest)
        assert large.rgb[:, 0, 0].tolist() == [40] * 4 + [200] * 4

    def test_preview_keeps_the_aspect_and_never_enlarges(self, make_raster: MakeRaster) -> None:
        raster = Raster.open(make_raster(shape_hw=(200, 300)))
        assert raster.preview(150).shape_hw == (100, 150)
        assert raster.preview().shape_hw == (200, 300)

    def test_one_raster_serves_many_threads(self, make_raster: MakeRaster) -> None:
        raster = Raster.open(make_raster(shape_hw=(300, 300), dtype="float32", tiled=True))
        stretch = raster.stretch()
        windows = [Window(x, y, 50, 50) for x in range(0, 250, 50) for y in range(0, 250, 50)]
        whole = raster.read(stretch=stretch)
        with ThreadPoolExecutor(8) as pool:
            tiles = list(pool.map(lambda window: raster.read(window, stretch=stretch), windows * 4))
        for tile, window in zip(tiles, windows * 4, strict=True):
            assert np.array_equal(tile.rgb, whole.rgb[window.slices])

    def test_a_file_that_vanished(self, make_raster: MakeRaster) -> None:
        raster = Raster.open(make_raster())
        raster.path.unlink()
        with pytest.raises(RasterError, match="There is no file"):
            raster.read()


@pytest.fixture(scope="module")
def plain_raster(tmp_path_factory: pytest.TempPathFactory) -> Raster:
    return Raster.open(write_raster(tmp_path_factory.mktemp("raster") / "image.tif"))


class TestValid:
    """Nodata, alpha and masks, one by one and together."""

    def test_nodata_counts_where_all_bands_have_it(self, make_raster: MakeRaster) -> None:
        data = ramp((40, 60), 3, "uint8")
        data[:, ~corner()] = 0
        data[0, 30, 30] = 0
        tile = Raster.open(make_raster(data=data, nodata=0)).read()
        assert np.array_equal(tile.valid, corner())

    def test_nodata_of_the_chosen_bands_counts(self, make_raster: MakeRaster) -> None:
        data = ramp((40, 60), 4, "int16")
        data[3, ~corner()] = -9999
        raster = Raster.open(make_raster(data=data, nodata=-9999))
        assert raster.read().valid.all()
        assert np.array_equal(raster.read(bands=[4]).valid, corner())

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("nodata", [None, float("nan"), -9999.0])
    @pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
    def test_numbers_that_are_none(
        self, dtype: str, nodata: float | None, hole: float, make_raster: MakeRaster
    ) -> None:
        data = ramp((40, 60), 1, dtype)
        data[0, ~corner()] = hole
        raster = Raster.open(make_raster(data=data, nodata=nodata))
        tile = raster.read()
        assert np.array_equal(tile.valid, corner())
        assert np.isfinite([raster.stretch().lows, raster.stretch().highs]).all()
        assert raster.valid_share() == pytest.approx(0.75)

    def test_nodata_stays_out_of_the_stretch(self, make_raster: MakeRaster) -> None:
        data = ramp((40, 60), 1, "float32")
        plain = Raster.open(make_raster("plain.tif", data=data[:, 20:]))
        data[0, :20] = -9999
        holed = Raster.open(make_raster(data=data, nodata=-9999))
        for mode in ("percentile", "minmax"):
            assert holed.stretch(mode=mode) == plain.stretch(mode=mode)  # type: ignore[arg-type]

    @pytest.mark.parametrize("written", [b"-99\0", b"999\0", b"nan\0"])
    def test_nodata_outside_the_dtype_marks_nothing(
        self, written: bytes, make_raster: MakeRaster
    ) -> None:
        path = make_raster(nodata=111)
        content = path.read_bytes()
        assert content.count(b"111\0") == 1
        path.write_bytes(content.replace(b"111\0", written))
        raster = Raster.open(path)
        assert raster.read().valid.all()

    def test_all_nodata_is_no_error(self, make_raster: MakeRaster) -> None:
        raster = Raster.open(make_raster(data=np.full((3, 40, 60), 5, np.uint16), nodata=5))
        assert not raster.read().valid.any()
        assert raster.valid_share() == 0

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    @pytest.mark.parametrize("bands", [1, 3])
    @pytest.mark.parametrize("name", ["a.tif", "a.png"])
    def test_alpha(self, name: str, bands: int, dtype: str, make_raster: MakeRaster) -> None:
        alpha = corner() * np.iinfo(dtype).max
        alpha[30, 30] = 1
        raster = Raster.open(make_raster(name, bands=bands, dtype=dtype, alpha=alpha))
        assert raster.has_alpha
        assert raster.band_count == bands + 1
        assert np.array_equal(raster.read().valid, corner())
        assert raster.valid_share() == pytest.approx(0.75)

    def test_alpha_and_nodata_both_count(self, make_raster: MakeRaster) -> None:
        data = ramp((40, 60), 3, "uint8")
        data[:, 35:] = 0
        raster = Raster.open(make_raster(data=data, nodata=0, alpha=corner() * 255))
        expected = corner()
        expected[35:] = False
        assert np.array_equal(raster.read().valid, expected)

    def test_alpha_chosen_as_a_colour_hides_nothing(self, make_raster: MakeRaster) -> None:
        """Near infrared is often mislabelled as alpha; who picks it wants to see it."""
        raster = Raster.open(make_raster(alpha=corner() * 100))
        tile = raster.read(bands=(4, 1, 2))
        assert tile.valid.all()
        assert np.array_equal(tile.rgb[..., 0], corner() * 100)

    @pytest.mark.parametrize("bands", [1, 3])
    def test_a_mask_for_the_dataset(self, bands: int, make_raster: MakeRaster) -> None:
        raster = Raster.open(make_raster(bands=bands, mask=corner()))
        assert np.array_equal(raster.read().valid, corner())
        assert raster.read(shape_hw=(4, 6)).valid.sum() == 18

    def test_pixels_without_data_keep_their_colour(self, make_raster: MakeRaster) -> None:
        data = np.full((3, 40, 60), 255, np.uint8)
        tile = Raster.open(make_raster(data=data, nodata=255)).read()
        assert (tile.rgb == 255).all()


class TestPalette:
    COLOURS: ClassVar = {0: (10, 20, 30, 255), 1: (200, 100, 50, 255), 2: (0, 255, 0, 0)}

    @pytest.mark.parametrize("name", ["a.tif", "a.png"])
    def test_is_expanded_to_colours(self, name: str, make_raster: MakeRaster) -> None:
        index = np.zeros((1, 40, 60), np.uint8)
        index[0, 10:, 30:] = 1
        raster = Raster.open(make_raster(name, data=index, colormap=self.COLOURS))
        assert raster.color_interpretations == ("palette",)
        tile = raster.read()
        assert tile.rgb[0, 0].tolist() == [10, 20, 30]
        assert tile.rgb[20, 40].tolist() == [200, 100, 50]
        assert raster.stretch() == Stretch.none((1, 1, 1))
        colours = raster.read(shape_hw=(11, 17)).rgb.reshape(-1, 3)
        assert {tuple(c) for c in colours.tolist()} == {(10, 20, 30), (200, 100, 50)}

    def test_transparent_colours_are_no_data(self, make_raster: MakeRaster) -> None:
        index = np.where(corner(), 1, 2).astype(np.uint8)[None]
        raster = Raster.open(make_raster("a.png", data=index, colormap=self.COLOURS))
        assert np.array_equal(raster.read().valid, corner())

    def test_indices_beyond_the_palette_are_no_data(self, make_raster: MakeRaster) -> None:
        index = np.where(corner(), 1, 300).astype(np.uint16)[None]
        raster = Raster.open(make_raster(data=index, colormap=self.COLOURS))
        tile = raster.read()
        assert tile.rgb[30, 30].tolist() == [200, 100, 50]
        assert tile.rgb[0, 0].tolist() == [0, 0, 0]

    def test_can_be_stretched(self, make_raster: MakeRaster) -> None:
        index = np.zeros((1, 40, 60), np.uint8)
        index[0, 10:] = 1
        raster = Raster.open(make_raster(data=index, colormap=self.COLOURS))
        stretch = raster.stretch(mode="minmax")
        assert (stretch.lows, stretch.highs) == ((10, 20, 30), (200, 100, 50))
        assert raster.read(stretch=stretch).rgb[20, 0].tolist() == [255, 255, 255]


class TestStretch:
    def test_auto_is_none_for_uint8_and_percentile_else(self, make_raster: MakeRaster) -> None:
        assert Raster.open(make_raster()).stretch() == Stretch.none((1, 2, 3))
        raster = Raster.open(make_raster("b.tif", dtype="uint16"))
        assert raster.stretch() == raster.stretch(mode="percentile")

    def test_bilevel_scans_span_black_to_white(self, make_raster: MakeRaster) -> None:
        data = np.where(corner(), 1, 0).astype(np.uint8)[None]
        raster = Raster.open(make_raster(data=data, NBITS=1, photometric="MINISBLACK"))
        assert set(np.unique(raster.read().rgb)) == {0, 255}

    @pytest.mark.parametrize("mode", ["percentile", "minmax"])
    def test_is_measured_per_band(self, mode: Any, make_raster: MakeRaster) -> None:
        data = np.stack([ramp((40, 60), 1, "uint16")[0] * factor for factor in (1, 10, 100)])
        stretch = Raster.open(make_raster(data=data)).stretch(mode=mode)
        low, high = stretch.lows[0], stretch.highs[0]
        assert stretch.lows == pytest.approx((low, low * 10, low * 100))
        assert stretch.highs == pytest.approx((high, high * 10, high * 100))

    def test_an_unknown_mode(self, make_raster: MakeRaster) -> None:
        with pytest.raises(ParameterError, match="auto, percentile, minmax, none"):
            Raster.open(make_raster()).stretch(mode="gamma")  # type: ignore[arg-type]

    @pytest.mark.parametrize("overviews", [(), (2, 4)])
    def test_a_sample_of_a_large_raster_stands_for_the_whole(
        self,
        overviews: tuple[int, ...],
        make_raster: MakeRaster,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("samgeo_core.reading.pixels._DECIMATE_UP_TO_PX", 1000)
        rng = np.random.default_rng(0)
        data = rng.normal(1000, 100, (1, 1500, 2000)).astype(np.float32)
        data[:, :, :500] = np.nan
        raster = Raster.open(make_raster(data=data, tiled=True, overviews=overviews))
        expected = np.nanpercentile(data, (2, 98))
        found = raster.stretch()
        assert (found.lows[0], found.highs[0]) == pytest.approx(expected, rel=0.01)
        assert raster.valid_share() == pytest.approx(0.75, abs=0.01)

    def test_where_the_sample_meets_no_data_the_rest_is_looked_at(
        self, make_raster: MakeRaster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("samgeo_core.reading.pixels._DECIMATE_UP_TO_PX", 1000)
        monkeypatch.setattr("samgeo_core.reading.pixels._SAMPLE_GRID", 2)
        data = np.zeros((1, 2000, 2000), np.uint16)
        data[:, 900:1100, 900:1100] = np.random.default_rng(0).integers(800, 1200, (200, 200))
        raster = Raster.open(make_raster(data=data, nodata=0, tiled=True))
        found = raster.stretch()
        assert (found.lows[0], found.highs[0]) == pytest.approx((808, 1192), abs=5)
        assert raster.valid_share() == pytest.approx(0.01, rel=0.1)

    @pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (129, 129), (127, 1200)])
    def test_samples_of_any_shape(
        self, shape: tuple[int, int], make_raster: MakeRaster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("samgeo_core.reading.pixels._DECIMATE_UP_TO_PX", 10)
        raster = Raster.open(make_raster(shape_hw=shape, dtype="int16"))
        stretch = raster.stretch(mode="minmax")
        assert 1 <= stretch.lows[0] < stretch.highs[0] <= 200


class TestRealScenes:
    @pytest.mark.parametrize(
        ("scene", "shape_hw", "bands", "crs"),
        [
            ("atlanta_pan", (900, 900), (1, 1, 1), 32616),
            ("orthoseg_s2_fields", (806, 1500), (1, 2, 3), 32631),
            ("australia_tree", (708, 751), (1, 2, 3), 32753),
            ("tcd_manila", (2048, 2048), (1, 2, 3), 3395),
            ("kit_cars_1", (430, 1764), (1, 2, 3), None),
            ("nl_river", (1000, 1000), (1, 2, 3), 28992),
        ],
    )
    def test_open_and_read(
        self,
        scene: str,
        shape_hw: tuple[int, int],
        bands: tuple[int, int, int],
        crs: int | None,
        scene_dir: Callable[[str], Path],
    ) -> None:
        path = next(scene_dir(scene).glob("image.*"))
        raster = Raster.open(path)
        assert raster.shape_hw == shape_hw
        assert raster.default_bands() == bands
        assert raster.grid.crs == (None if crs is None else CRS.from_epsg(crs))
        tile = raster.read()
        assert tile.shape_hw == shape_hw
        assert tile.rgb.std() > 20
        part = raster.read(Window(100, 50, 300, 200), stretch=raster.stretch())
        assert np.array_equal(part.rgb, tile.rgb[50:250, 100:400])
        assert np.array_equal(part.valid, tile.valid[50:250, 100:400])

    def test_panchromatic_uint16_uses_the_whole_range(
        self, scene_dir: Callable[[str], Path]
    ) -> None:
        tile = Raster.open(scene_dir("atlanta_pan") / "image.tif").read()
        assert np.array_equal(tile.rgb[..., 0], tile.rgb[..., 2])
        share_clipped = np.isin(tile.rgb, (0, 255)).mean()
        assert 0.03 < share_clipped < 0.06
        assert tile.valid.all()

    def test_dark_pixels_of_a_scene_with_nodata_0_stay_valid(self) -> None:
        raster = Raster.open(sample_path("bahamas"))
        assert raster.nodata == 0
        tile = raster.read()
        assert np.array_equal(tile.valid, tile.rgb.any(axis=2))
        assert (tile.rgb == 0).any(axis=2).sum() > (~tile.valid).sum()
        assert raster.valid_share() == pytest.approx(0.675, abs=0.001)


def test_a_raster_is_a_value(make_raster: MakeRaster) -> None:
    raster = Raster.open(make_raster())
    with pytest.raises(AttributeError):
        raster.path = Path("/elsewhere")  # type: ignore[misc]
    assert replace(raster, nodata=3.0) != raster
