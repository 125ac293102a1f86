from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from samgeo_core.errors import RasterError, RasterTooLargeError, UnsupportedFormatError
from samgeo_core.reading.sources import open_dataset
from tests.factories import MakeRaster, patch_tiff

VRT = (
    '<VRTDataset rasterXSize="60" rasterYSize="40"><VRTRasterBand dataType="Byte" band="1">'
    "<SimpleSource><SourceFilename>{}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
)
WMS = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>'
)


def opened(path: str | Path) -> tuple[int, ...]:
    with open_dataset(path) as dataset:
        return tuple(dataset.read().shape)


@pytest.mark.parametrize(
    ("name", "driver"),
    [("a.tif", "GTiff"), ("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.jp2", "JP2OpenJPEG")],
)
def test_opens_the_four_formats(name: str, driver: str, make_raster: MakeRaster) -> None:
    with open_dataset(make_raster(name)) as dataset:
        assert dataset.driver == driver
        assert dataset.read().shape == (3, 40, 60)


@pytest.mark.parametrize("profile", [{"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}], ids=str)
def test_opens_every_flavour_of_tiff(profile: dict[str, str], make_raster: MakeRaster) -> None:
    assert opened(make_raster(**profile)) == (3, 40, 60)


def test_opens_a_cog(make_raster: MakeRaster, tmp_path: Path) -> None:
    rasterio.shutil.copy(make_raster(shape_hw=(600, 600)), tmp_path / "cog.tif", driver="COG")
    assert opened(tmp_path / "cog.tif") == (3, 600, 600)


def test_the_name_decides_nothing(make_raster: MakeRaster) -> None:
    path = make_raster("a.png").rename
    assert opened(path(make_raster("b.tif").with_name("misnamed.tif"))) == (3, 40, 60)


def test_odd_names_are_names(make_raster: MakeRaster) -> None:
    path = make_raster()
    odd = path.rename(path.with_name("zip+http:we #ird?x=%20!ü.tif"))
    assert opened(odd) == (3, 40, 60)
    assert opened(str(odd)) == (3, 40, 60)


def test_a_relative_path_and_a_link_lead_to_the_file(
    make_raster: MakeRaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_raster()
    monkeypatch.chdir(path.parent)
    Path("link.tif").symlink_to(path)
    assert opened("image.tif") == opened("link.tif") == (3, 40, 60)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/image.tif",
        "https://example.org/image.tif",
        "s3://bucket/image.tif",
        "file:///etc/hostname",
        "zip:///tmp/a.zip!image.tif",
        "/vsicurl/http://127.0.0.1:9/image.tif",
        "/vsimem/image.tif",
        "GTIFF_DIR:1:{folder}/image.tif",
        "vrt://{folder}/image.tif?bands=1",
        "WMS:http://127.0.0.1:9/",
        "/vsizip/{folder}/image.zip/image.tif",
    ],
)
def test_addresses_are_refused(address: str, make_raster: MakeRaster) -> None:
    folder = make_raster().parent
    with zipfile.ZipFile(folder / "image.zip", "w") as archive:
        archive.write(folder / "image.tif", "image.tif")
    with pytest.raises(UnsupportedFormatError, match="Only files on this machine"):
        opened(address.format(folder=folder))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (VRT.format("/etc/passwd").encode(), "virtual raster"),
        (b"\xef\xbb\xbf  \n" + VRT.format("image.tif").encode(), "virtual raster"),
        (b"<?xml version='1.0'?>" + VRT.format("image.tif").encode(), "XML"),
        (WMS.encode(), "web map"),
        (b'{"type": "FeatureCollection", "features": []}', "GeoJSON is vector data"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"SQLite format 3\0" + bytes(100), "GeoPackage"),
        (struct.pack(">i", 9994) + bytes(96), "shapefile"),
        (b"PK\x03\x04" + bytes(60), "unpack it first"),
        (b"%PDF-1.7", "PDF"),
        (b"GIF89a", "GIF"),
        (b"just some text", "no image of a known format"),
        (b"\0" * 2000, "no image of a known format"),
        (b"I", "no image of a known format"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_kinds_of_file_are_named_and_refused(
    content: bytes, said: str, tmp_path: Path, make_raster: MakeRaster
) -> None:
    make_raster()  # what the recipes above point to is there
    path = tmp_path / "disguised.tif"
    path.write_bytes(content)
    with pytest.raises(UnsupportedFormatError, match=said) as caught:
        opened(path)
    assert "GeoTIFF (also COG), PNG, JPEG and JPEG 2000" in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RasterError, match=r"There is no file '.*missing.tif'"):
        opened(tmp_path / "missing.tif")


@pytest.mark.parametrize("path", ["", "a\0b.tif", "x" * 5000])
def test_impossible_paths(path: str) -> None:
    with pytest.raises(RasterError):
        opened(path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.tif").touch()
    with pytest.raises(RasterError, match=r"empty.tif is empty \(0 bytes\)"):
        opened(tmp_path / "empty.tif")


def test_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(UnsupportedFormatError, match="a folder"):
        opened(tmp_path)
    with pytest.raises(UnsupportedFormatError, match="no regular file"):
        opened(tmp_path / "pipe.tif")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(make_raster: MakeRaster) -> None:
    path = make_raster()
    path.chmod(0)
    with pytest.raises(RasterError, match="permission denied"):
        opened(path)


@pytest.mark.parametrize(("code", "name"), [(50002, "JXL"), (12345, "12345")])
def test_an_unknown_compression_is_named(code: int, name: str, make_raster: MakeRaster) -> None:
    path = make_raster(compress="deflate")
    patch_tiff(path, {259: code})
    with pytest.raises(UnsupportedFormatError, match=f"compressed by {name}, which can't be read"):
        opened(path)


def test_a_progressive_jpeg_too_large_for_memory(
    make_raster: MakeRaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_raster("a.jpg", shape_hw=(1500, 1500), progressive=True)
    monkeypatch.setenv("JPEGMEM", "1M")  # libjpeg's own name for its limit
    with pytest.raises(RasterTooLargeError, match="progressive JPEG"):
        opened(path)


def test_a_tiff_can_not_place_itself_by_other_files(make_raster: MakeRaster) -> None:
    path = make_raster()
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="GEOLOCATION", X_DATASET="/vsicurl/http://127.0.0.1:9/x.tif")
    with pytest.raises(UnsupportedFormatError, match="GEOLOCATION"):
        opened(path)


@pytest.mark.parametrize("domain", ["OVERVIEWS", "overviews"])
def test_a_tiff_can_not_name_another_file_as_its_overview(
    domain: str, make_raster: MakeRaster
) -> None:
    """GDAL follows this metadata item; a stranger's file would show another one of the server."""
    secret = make_raster("secret.tif", data=np.full((3, 20, 30), 77, np.uint8))
    path = make_raster()
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns=domain, OVERVIEW_FILE=str(secret))
    with rasterio.open(path) as dataset:  # what GDAL alone would do
        assert (dataset.read(1, out_shape=(20, 30)) == 77).all()
    with pytest.raises(UnsupportedFormatError, match="names another file"):
        opened(path)


def test_not_even_with_letters_that_rasterio_skips(make_raster: MakeRaster) -> None:
    path = make_raster()
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE="/vsicurl/http://127.0.0.1:9/LETTERS")
    path.write_bytes(path.read_bytes().replace(b"LETTERS", b"\xe9t\xe9....."[:7]))
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="OVERVIEWS") == {}
    with pytest.raises(UnsupportedFormatError, match="names another file"):
        opened(path)


def test_a_crs_named_in_other_letters(make_raster: MakeRaster) -> None:
    path = make_raster(crs="+proj=tmerc +lat_0=45 +lon_0=15.3 +k=0.9999 +x_0=7 +ellps=bessel")
    content = path.read_bytes()
    assert b"unknown" in content
    path.write_bytes(content.replace(b"unknown", b"Gau\xdf-Kr"))
    with pytest.raises(RasterError, match="assign it again"):
        opened(path)


def test_neighbouring_files_are_not_looked_at(make_raster: MakeRaster) -> None:
    path = make_raster("a.png", crs=None, transform=None)
    path.with_name("a.png.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/etc/x.tif</MDI>'
        "</Metadata><SRS>EPSG:4326</SRS></PAMDataset>"
    )
    path.with_name("a.wld").write_text("1\n0\n0\n-1\n500\n500\n")
    with open_dataset(path) as dataset:
        assert dataset.crs is None
        assert dataset.transform == rasterio.Affine.identity()
        assert dataset.files == [str(path)]


def test_reading_leaves_no_file_behind(make_raster: MakeRaster) -> None:
    path = make_raster("a.png")
    with open_dataset(path) as dataset:
        dataset.stats(indexes=[1])
    assert [each.name for each in path.parent.iterdir()] == ["a.png"]


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.jp2"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_file_cut_short(name: str, share: float, make_raster: MakeRaster) -> None:
    rng = np.random.default_rng(0)
    path = make_raster(name, data=rng.integers(0, 255, (3, 200, 200)).astype(np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RasterError, match="damaged or cut short"):
        opened(path)


def test_a_failing_read_inside_the_block_is_a_sentence_too(make_raster: MakeRaster) -> None:
    path = make_raster(shape_hw=(200, 200))
    data = path.read_bytes()
    path.write_bytes(data[:-20_000])
    with pytest.raises(RasterError, match="damaged or cut short"), open_dataset(path) as dataset:
        assert dataset.width == 200
        dataset.read()


def test_other_errors_inside_the_block_travel_up(make_raster: MakeRaster) -> None:
    with pytest.raises(KeyError), open_dataset(make_raster()):
        raise KeyError("mine")
