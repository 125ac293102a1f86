"""The only place where GDAL opens a file: existing local files of four formats, GeoTIFF by bytes.

GDAL reads some 200 formats, and several of them (VRT, WMS, …) are recipes that make it read other
files or addresses. Files come from strangers here, so the driver follows from the first bytes of
the file, and everything by which a file could point beyond itself is refused or switched off.
Bytes of a file at an address come from `remote`, and several files as one from `joined_dataset`;
GDAL sees no address and no list of files.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.abc import MultiByteRangeResourceContainer
from rasterio.errors import (
    NodataShadowWarning,
    NotGeoreferencedWarning,
    RasterioError,
    RasterioIOError,
)
from rasterio.session import DummySession

from samgeo_core.errors import (
    AddressError,
    FetchError,
    RasterError,
    RasterTooLargeError,
    UnsupportedFormatError,
)
from samgeo_core.reading.joined_dataset import JoinedDataset
from samgeo_core.reading.remote import RangeOpener, RemoteFile
from samgeo_core.reading.source import Joined, Source
from samgeo_core.words import N_

_log = logging.getLogger(__name__)

_MAGIC_BYTES = 512
_REMOTE_NAME = "address/image.tif"

FORMATS_SENTENCE = N_("GeoTIFF (also COG), PNG, JPEG and JPEG 2000 files can be opened")

_DRIVERS_BY_MAGIC = (
    (b"II*\0", "GTiff"),
    (b"MM\0*", "GTiff"),
    (b"II+\0", "GTiff"),
    (b"MM\0+", "GTiff"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
)
"""First bytes of a file, as the formats' specifications fix them, and the GDAL driver for it."""

_NO_KNOWN_KIND = N_("no image of a known format")
_KINDS_BY_MAGIC = (
    (b"PK\x03\x04", N_("a zip archive (unpack it first)")),
    (b"\x1f\x8b", N_("a gzip archive (unpack it first)")),
    (b"Rar!", N_("a RAR archive (unpack it first)")),
    (b"7z\xbc\xaf", N_("a 7-Zip archive (unpack it first)")),
    (b"<VRTDataset", N_("a GDAL virtual raster (VRT), which only points to other files")),
    (b"<GDAL_WMS", N_("a GDAL web map description, which only points to an address")),
    (b"<WMS_", N_("a GDAL web map description, which only points to an address")),
    (b"<?xml", N_("an XML document")),
    (b"<!DOCTYPE", N_("a web page")),
    (b"<html", N_("a web page")),
    (b"{", N_("a JSON document (GeoJSON is vector data, not an image)")),
    (b"SQLite format 3", N_("an SQLite database (GeoPackage or MBTiles)")),
    (b"\0\0\x27\x0a", N_("a shapefile (vector data, not an image)")),
    (b"fgb", N_("a FlatGeobuf file (vector data, not an image)")),
    (b"PAR1", N_("a Parquet file (vector data, not an image)")),
    (b"%PDF", N_("a PDF document")),
    (b"\x89HDF", N_("an HDF5 or NetCDF-4 file")),
    (b"CDF", N_("a NetCDF file")),
    (b"GIF8", N_("a GIF image")),
    (b"BM", N_("a BMP image")),
    (b"RIFF", N_("a RIFF file (WebP, WAV, …)")),
    (b"GRIB", N_("a GRIB file")),
)

_GDAL_OPTIONS = {
    # No look at neighbouring files: .aux.xml, .ovr, .msk and the like can name further files.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    # GDAL's faster way to read a whole PNG doesn't notice that the file ends early.
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",
    # Decoded blocks kept in memory, bytes; by default a twentieth of the machine.
    "GDAL_CACHEMAX": 64 * 2**20,
    # A JPEG that ends early is an error rather than a grey rest.
    "GDAL_ERROR_ON_LIBJPEG_WARNING": "YES",
}

_DOMAINS_WITH_PATHS = ("OVERVIEWS", "ProxyOverviewRequest", "GEOLOCATION")
"""Metadata domains in which a TIFF can name other files that GDAL then reads."""


@contextmanager
def open_dataset(source: str | Source) -> Iterator[Any]:
    """Open an image for reading; yields a `rasterio.DatasetReader`, or what stands for one.

    A dataset serves one thread; opening is cheap, so open one per read.

    Args:
        source: path of a local file, or a source that our own code made. Text is always a path.

    Raises:
        UnsupportedFormatError: an address or GDAL name instead of a file, or another format.
        RasterTooLargeError: a progressive JPEG that doesn't fit into memory.
        RasterError: the file is missing, empty or damaged, now or while the dataset is read; or
            what lies at an address can't be fetched, or has changed.
    """
    if isinstance(source, Joined):
        yield JoinedDataset(source, open_dataset)
    elif isinstance(source, RemoteFile):
        with _open_remote(source) as dataset:
            yield dataset
    else:
        path = local_file(source)
        with path.open("rb") as file:
            driver = driver_of(file.read(_MAGIC_BYTES), path.name)
        with _open_by_gdal(path, path.name, driver=driver) as dataset:
            yield dataset


@contextmanager
def _open_remote(source: RemoteFile) -> Iterator[Any]:
    """A GeoTIFF at an address, whose bytes we fetch for GDAL."""
    opener = RangeOpener(source)
    # By this rasterio knows that several places can be read at once.
    MultiByteRangeResourceContainer.register(RangeOpener)
    try:
        if driver_of(source.read(0, _MAGIC_BYTES), source.name) != "GTiff":
            raise UnsupportedFormatError(
                f"{source.name} is no GeoTIFF, and only GeoTIFF (best as COG) can be read by parts "
                "from an address; download it and upload it here."
            )
        with _open_by_gdal(_REMOTE_NAME, source.name, driver="GTiff", opener=opener) as dataset:
            yield dataset
    except (AddressError, FetchError) as error:
        raise RasterError(str(error)) from error
    except RasterError as error:
        if not opener.problems:
            raise
        # What GDAL took for damage is what kept the bytes from coming.
        raise RasterError(str(opener.problems[0])) from error


@contextmanager
def _open_by_gdal(path: Path | str, name: str, **options: Any) -> Iterator[Any]:
    accept_pixels_without_place()
    with rasterio.Env(session=DummySession(), **_GDAL_OPTIONS):
        try:
            dataset = rasterio.open(path, **options)
        except (RasterioError, CPLE_BaseError, OSError, ValueError) as error:
            raise _unreadable(name, error) from error
        try:
            with dataset:
                _refuse_references(dataset, name)
                yield dataset
        except (RasterioIOError, CPLE_BaseError) as error:
            # NOTE: some of rasterio's calls, such as that for tags, let GDAL's own errors through.
            raise _unreadable(name, error) from error


def driver_of(head: bytes, name: str) -> str:
    """GDAL's driver for a file of an allowed format, by its first bytes.

    Args:
        head: the first bytes.
        name: what the file is called in the answer.

    Raises:
        UnsupportedFormatError: another format.
    """
    for magic, driver in _DRIVERS_BY_MAGIC:
        if head.startswith(magic):
            return driver
    text = head[:_MAGIC_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip()
    kind = next((kind for magic, kind in _KINDS_BY_MAGIC if text.startswith(magic)), None)
    raise UnsupportedFormatError(f"{name} is {kind or _NO_KNOWN_KIND}; {FORMATS_SENTENCE}.")


def local_file(path: str | Path) -> Path:
    """The absolute path of an existing regular file.

    Raises:
        UnsupportedFormatError: the path is an address, a GDAL virtual path, a folder or a device.
        RasterError: there is no such file, it can't be read, or it is empty.
    """
    name = Path(path).name
    try:
        resolved = Path(path).resolve()
        status = resolved.stat()
    except (OSError, ValueError) as error:
        if _is_address(str(path)):
            raise UnsupportedFormatError(
                f"Only files on this machine can be opened, got the address {str(path)!r}; "
                "download it first."
            ) from error
        if isinstance(error, PermissionError):
            raise RasterError(f"{name} can't be read: permission denied.") from error
        raise RasterError(f"There is no file {str(path)!r}; check the path.") from error
    if _is_address(str(resolved)) or not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise UnsupportedFormatError(f"{name} is {kind}; {FORMATS_SENTENCE}.")
    if status.st_size == 0:
        raise RasterError(f"{name} is empty (0 bytes); save or upload it again.")
    if not os.access(resolved, os.R_OK):
        raise RasterError(f"{name} can't be read: permission denied.")
    return resolved


def _is_address(path: str) -> bool:
    """Whether GDAL would take a path for something else than a file: URL, /vsi…, DRIVER:…."""
    return path.startswith("/vsi") or re.match(r"[A-Za-z][\w+.-]+:", path) is not None


def _refuse_references(dataset: Any, name: str) -> None:
    # NOTE: not by tags(), which leaves out what isn't UTF-8 while GDAL still follows it.
    there = {domain.upper() for domain in dataset.tag_namespaces()}
    for domain in _DOMAINS_WITH_PATHS:
        if domain.upper() in there:
            raise UnsupportedFormatError(
                f"{name} names another file in its metadata ({domain}), which is not "
                "followed; rewrite it without (gdal_translate -of COG -nomd)."
            )


def _unreadable(name: str, error: BaseException) -> RasterError:
    """What GDAL's reason for not reading a file means to the person whose file it is."""
    reason = f"{error} {error.__cause__ or ''}".strip()
    _log.info("%s can't be read: %s", name, reason)
    if isinstance(error, UnicodeDecodeError):
        return RasterError(
            f"{name} names its coordinate reference system in letters that aren't UTF-8; "
            "assign it again (gdal_translate -a_srs EPSG:...)."
        )
    if codec := re.search(r"missing codec (?:of code )?(\w+)", reason):
        return UnsupportedFormatError(
            f"{name} is compressed by {codec[1]}, which can't be read here; rewrite it "
            "with another compression (gdal_translate -co COMPRESS=DEFLATE)."
        )
    if "libjpeg" in reason and ("allocate" in reason or "Backing store" in reason):
        return RasterTooLargeError(
            f"{name} is a progressive JPEG too large to read in parts; "
            "save it as a baseline JPEG or a GeoTIFF."
        )
    return RasterError(
        f"{name} is damaged or cut short, its pixels can't be read; "
        "copy, download or upload it again."
    )


def accept_pixels_without_place() -> None:
    """Let images without georeference, or with nodata beside alpha, pass without a warning.

    Both are ordinary input, here and where results without a place are written.

    NOTE: warnings.catch_warnings isn't safe among threads, so the filters stay; a filter that the
    caller has set for these very classes is left alone.
    """
    filtered = {category for _, _, category, _, _ in warnings.filters}
    for category in (NotGeoreferencedWarning, NodataShadowWarning):
        if category not in filtered:
            warnings.simplefilter("ignore", category)
