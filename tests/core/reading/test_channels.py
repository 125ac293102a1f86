"""Tests of bands by name, indices and expressions as channels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from samgeo_core.config import SegmentConfig
from samgeo_core.errors import ParameterError
from samgeo_core.reading.band_roles import ROLES, role_of_wavelength
from samgeo_core.reading.channels import (
    COMPOSITES,
    INDICES,
    BandBook,
    Channel,
    bands_in,
    channels_of_text,
)
from samgeo_core.reading.expressions import Expression
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import Stretch
from samgeo_core.windows import Window

S2 = ("B02", "B03", "B04", "B08")
RGBN = BandBook(("Band 1", "Band 2", "Band 3", "Band 4"), ("red", "green", "blue", "nir"))
NDVI = "(b4 - b1) / (b4 + b1)"


def _write(
    path: Path,
    values: np.ndarray,
    names: tuple[str, ...] = (),
    *,
    nodata: float | None = None,
    tags: tuple[dict[str, str], ...] = (),
    colours: tuple[ColorInterp, ...] = (),
) -> Raster:
    count, height, width = values.shape
    options = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    moved = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
    with rasterio.open(
        path, "w", driver="GTiff", nodata=nodata, crs="EPSG:32631", transform=moved,
        photometric="MINISBLACK", ALPHA="NO", **options,
    ) as file:  # fmt: skip
        file.write(values)
        for band, name in enumerate(names, start=1):
            file.set_band_description(band, name)
        for band, tag in enumerate(tags, start=1):
            file.update_tags(band, **tag)
        if colours:
            file.colorinterp = colours
    return Raster.open(path)


def _values(dtype: str = "uint16", bands: int = 4) -> np.ndarray:
    return np.random.default_rng(3).integers(1, 250, (bands, 40, 60)).astype(dtype)


@pytest.mark.parametrize(
    ("name", "bands", "roles"),
    [
        ("a.tif", S2, ("blue", "green", "red", "nir")),
        ("a.tif", ("B4", "B8A", "B11", "B12"), ("red", "nir08", "swir1", "swir2")),
        ("S2B_MSIL2A_20240101.tif", ("B5", "B2"), ("rededge", "blue")),
        ("LC08_L2SP_197026.tif", ("SR_B4", "SR_B5", "SR_B6"), ("red", "nir", "swir1")),
        ("LT05_L2SP_197026.tif", ("SR_B3", "SR_B4", "SR_B5"), ("red", "nir", "swir1")),
        ("a.tif", ("B3", "B5"), (None, None)),
        ("a.tif", ("B4, central wavelength 665 nm", "842 nm"), ("red", "nir")),
        ("ps.tif", ("blue", "green_i", "red", "Near Infrared"), ("blue", None, "red", "nir")),
        ("20240101_3B_AnalyticMS.tif", ("",) * 4, ("blue", "green", "red", "nir")),
        ("m_3411954_ne_11_060_20220511.tif", ("",) * 4, ("red", "green", "blue", "nir")),
        ("a.tif", ("", ""), (None, None)),
        ("a.tif", ("Red (B4)", "SWIR 2", "Reduced"), ("red", "swir2", None)),
    ],
)
def test_what_bands_show(
    tmp_path: Path, name: str, bands: tuple[str, ...], roles: tuple[str | None, ...]
):
    raster = _write(tmp_path / name, _values(bands=len(bands)), bands)
    assert raster.roles == roles


def test_roles_of_tags_and_colours(tmp_path: Path):
    tags = (
        {"WAVELENGTH": "0.665"},
        {"wavelength": "842 Nanometers"},
        {"common_name": "swir16"},
        {"wavelength": "none of these"},
    )
    assert _write(tmp_path / "a.tif", _values(), tags=tags).roles == ("red", "nir", "swir1", None)
    rgb = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    aerial = _write(tmp_path / "b.tif", _values(), colours=(*rgb, ColorInterp.undefined))
    assert aerial.roles == ("red", "green", "blue", "nir")
    seen = _write(tmp_path / "c.tif", _values(), colours=(*rgb, ColorInterp.alpha))
    assert seen.roles == ("red", "green", "blue", None)


@pytest.mark.parametrize(
    ("nm", "role"), [(490, "blue"), (560, "green"), (665, "red"), (705, "rededge"), (842, "nir"),
                     (1610, "swir1"), (2190, "swir2"), (10_900, "thermal"), (1200, None)]
)  # fmt: skip
def test_wavelengths(nm: float, role: str | None):
    assert role_of_wavelength(nm) == role


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (2, 2),
        (np.int64(2), 2),
        ("2", 2),
        ("b2", 2),
        (" B2 ", 2),
        ("nir", 4),
        ("NIR", 4),
        ("Near-Infrared", 4),
        ("Band 3", 3),
        ("ndvi", NDVI),
        ("NDVI", NDVI),
        ("(nir-red)/(nir+red)", NDVI),
        (NDVI, NDVI),
        ("(b3)", 3),
        ("b4/b3", "b4 / b3"),
        ("-ndvi", "-((b4 - b1) / (b4 + b1))"),
        ("max(nir, 2 * ndwi)", "max(b4, 2 * ((b2 - b4) / (b2 + b4)))"),
    ],
)
def test_channels_have_one_form(given: Channel, expected: Channel):
    assert RGBN.channel(given) == expected
    assert RGBN.channel(expected) == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (5, "from 1 to 4"),
        (0, "from 1 to 4"),
        ("b5", "from 1 to 4"),
        ("b5 + 1", "from 1 to 4"),
        ("99999999999", "from 1 to 4"),
        ("swir1", "No band is called 'swir1'"),
        ("nbr", "nbr is .*No band is called 'swir2'"),
        ("1 + 2", "names no band"),
        ("max", "is a function"),
        ("import os", "is no expression"),
    ],
)
def test_channels_that_are_not_there(given: Channel, told: str):
    with pytest.raises(ParameterError, match=told):
        RGBN.channel(given)
    assert not RGBN.has(given)


def test_names_in_the_file_come_first():
    book = BandBook(("B8", "B4", "nir"), (None, "red", None))
    assert [book.channel(name) for name in ("B8", "B4", "b1", "nir", "red")] == [1, 2, 1, 3, 2]
    # Only the case differs, and small letters always count bands.
    with pytest.raises(ParameterError, match="from 1 to 3"):
        book.channel("b8")


def test_every_index_is_documented_and_made_of_known_bands():
    text = (Path(__file__).parents[3] / "docs" / "channels.md").read_text("utf-8")
    for name, formula in INDICES.items():
        assert set(Expression(formula).names) <= set(ROLES)
        assert re.search(rf"\| `{name}` \| `{re.escape(formula)}` \| .*https?://", text), name
    for channels in COMPOSITES.values():
        assert RGBN.triple(channels)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5,3,2", (5, 3, 2)),
        ("nir, red,green", ("nir", "red", "green")),
        ("ndvi", ("ndvi",)),
        ("max(b1, b2),nir,2", ("max(b1, b2)", "nir", 2)),
    ],
)
def test_channels_of_a_text(text: str, expected: tuple[Channel, ...]):
    assert channels_of_text(text) == expected


@pytest.mark.parametrize("text", ["", "1,2", "1,,2", "a,b,c,d", "max(b1", ","])
def test_texts_that_are_not_channels(text: str):
    with pytest.raises(ParameterError):
        RGBN.triple(channels_of_text(text))


class TestReading:
    def test_an_expression_is_read_as_numpy_computes_it(self, tmp_path: Path):
        values = _values()
        values[:, 5, 7] = 0
        raster = _write(tmp_path / "a.tif", values, S2)
        blue, _green, red, nir = values.astype(np.float32)
        with np.errstate(invalid="ignore"):
            ndvi = (nir - red) / (nir + red)
        stretch = raster.stretch(("ndvi", "nir", "b1"), "minmax")
        assert stretch.bands == ("(b4 - b3) / (b4 + b3)", 4, 1)
        assert stretch.lows[0] == pytest.approx(np.nanmin(ndvi))
        assert (stretch.lows[1], stretch.highs[2]) == (nir.min(), blue.max())
        window = Window(3, 2, 30, 20)
        seen = raster.read(window, stretch=stretch)
        expected = stretch.apply(np.stack([ndvi, nir, blue]))
        np.testing.assert_array_equal(seen.rgb, np.moveaxis(expected, 0, -1)[window.slices])
        assert seen.valid.all()
        # In an image of nothing else, a division by zero is no data.
        alone = raster.read(bands=("ndvi",))
        np.testing.assert_array_equal(alone.valid, ~np.isnan(ndvi))
        assert not alone.valid[5, 7] and not alone.rgb[5, 7].any()

    def test_nodata_of_any_band_leaves_no_value(self, tmp_path: Path):
        values = _values()
        values[2, 1, 1] = 9999
        raster = _write(tmp_path / "a.tif", values, S2, nodata=9999)
        assert raster.read(bands=("ndvi",)).valid[1, 1] == np.False_
        assert raster.read(bands=("nir",)).valid[1, 1] == np.True_
        assert raster.read(bands=("ndvi", "nir", "nir")).valid[1, 1] == np.True_

    def test_ranges(self, tmp_path: Path):
        raster = _write(tmp_path / "a.tif", _values("uint8"), S2)
        mixed = raster.stretch(("ndvi", "nir", "red"))
        assert mixed.lows[1:] == (0, 0) and mixed.highs[1:] == (255, 255)
        assert -1 < mixed.lows[0] < mixed.highs[0] < 1
        signed = raster.stretch(("ndvi", "nir", "red"), "signed")
        assert (signed.lows[0], signed.highs[0]) == (-1, 1)
        assert signed.highs[1:] == (255, 255)
        np.testing.assert_array_equal(
            raster.read(bands=("nir",) * 3, stretch=raster.stretch(("nir",), "signed")).rgb,
            raster.read(bands=(4, 4, 4)).rgb,
        )

    def test_a_mix_leaves_plain_bands_as_they_are(self, tmp_path: Path):
        raster = _write(tmp_path / "a.tif", _values("uint8"), S2)
        mixed, plain = raster.read(bands=("ndvi", 4, 3)), raster.read(bands=(4, 4, 3))
        np.testing.assert_array_equal(mixed.rgb[..., 1:], plain.rgb[..., 1:])

    def test_natural_colours_are_found_by_name(self, tmp_path: Path):
        assert _write(tmp_path / "a.tif", _values(), S2).default_bands() == (3, 2, 1)
        assert _write(tmp_path / "b.tif", _values()).default_bands() == (1, 2, 3)

    def test_a_stretch_and_a_configuration_survive_json(self, tmp_path: Path):
        raster = _write(tmp_path / "a.tif", _values(), S2)
        stretch = raster.stretch(("ndvi", 4, 3))
        assert Stretch.from_dict(stretch.to_dict()) == stretch
        config = SegmentConfig(bands=("ndvi", "nir", 3))
        assert SegmentConfig.from_dict(config.to_dict()) == config

    def test_a_stretch_of_other_channels_is_refused(self, tmp_path: Path):
        raster = _write(tmp_path / "a.tif", _values(), S2)
        with pytest.raises(ParameterError, match="The stretch is of bands"):
            raster.read(bands=("ndwi",), stretch=raster.stretch(("ndvi",)))


def test_bands_that_are_read():
    assert bands_in((2, NDVI, "b3 / b2")) == [1, 2, 3, 4]
