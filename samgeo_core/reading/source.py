"""What a raster is read from: a local file, a file at an address, or several joined into one.

Which of them it is, only our own code decides, never the bytes of a file: a file that names others
(VRT and the like) stays refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from affine import Affine
from rasterio.crs import CRS

from samgeo_core.errors import RasterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.remote import RemoteFile
from samgeo_core.reading.remote_blocks import Traffic
from samgeo_core.windows import Window

Stamp = tuple[int, int]
"""Two whole numbers of which one differs when a source has changed."""


@dataclass(frozen=True)
class Part:
    """One of several files that are read as one raster.

    Attributes:
        source: the file.
        window: the pixels of the whole that it can fill.
        fits: whether its pixels are pixels of the whole, so that nothing is resampled.
    """

    source: Path | RemoteFile
    window: Window
    fits: bool


@dataclass(frozen=True)
class Joined:
    """Several files as one raster: beside each other, or each a band. Nothing is copied.

    Attributes:
        name: what people call it.
        kind: "mosaic": all parts have all bands, and earlier ones lie above later ones; "bands":
            each part is one band, of one grid.
        parts: at least one.
        grid: of the whole.
        dtype: numpy name of the values' type.
        nodata: value where no part has data; None where it is only known by the mask.
        colors: GDAL's names of the bands' meanings.
        band_names: what bands are called; None where a band has no name.
        overviews: decimation factors at which all parts can be read quickly.
        attribution: whom the parts want to be named; None where they don't say.
    """

    name: str
    kind: Literal["mosaic", "bands"]
    parts: tuple[Part, ...]
    grid: GeoGrid
    dtype: str
    nodata: float | None
    colors: tuple[str, ...]
    band_names: tuple[str | None, ...]
    overviews: tuple[int, ...] = ()
    attribution: str | None = None


Source = Path | RemoteFile | Joined


def name_of(source: Source) -> str:
    """What people call a source."""
    return source.name


def files_of(source: Source) -> Iterator[Path | RemoteFile]:
    """The single files of a source."""
    if isinstance(source, Joined):
        for part in source.parts:
            yield part.source
    else:
        yield source


def is_remote(source: Source) -> bool:
    """Whether a part of it comes over the network."""
    return any(isinstance(file, RemoteFile) for file in files_of(source))


def stamp_of(source: Source) -> Stamp:
    """Time of change (ns) and size (bytes) of a file; what stands for them of other sources.

    Raises:
        RasterError: a file is not there.
    """
    if isinstance(source, RemoteFile):
        return source.stamp
    if isinstance(source, Joined):
        stamps = [stamp_of(part.source) for part in source.parts]
        told = hashlib.sha256(repr(stamps).encode()).hexdigest()
        return int(told[:15], 16), sum(size for _, size in stamps)
    try:
        status = source.stat()
    except OSError as error:
        raise RasterError(
            f"There is no file {source.name} any more where it was; open it again."
        ) from error
    return status.st_mtime_ns, status.st_size


def sha256_of(source: Source) -> str:
    """SHA-256 of a local file; of what stands for its content for other sources."""
    if isinstance(source, RemoteFile):
        return source.sha256
    if isinstance(source, Joined):
        grid = source.grid
        told = [source.kind, grid.shape_hw, tuple(grid.transform)[:6], _wkt(grid)]
        parts = [(sha256_of(part.source), part.window.box_xyxy) for part in source.parts]
        return hashlib.sha256(repr([told, parts]).encode()).hexdigest()
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def traffic_of(source: Source) -> Traffic | None:
    """What was received of it over the network so far; None for local files."""
    remote = [file.traffic for file in files_of(source) if isinstance(file, RemoteFile)]
    if not remote:
        return None
    return Traffic(sum(t.received_bytes for t in remote), sum(t.requests for t in remote))


def to_json(source: Source, folder: Path | None = None) -> Any:
    """A source as plain JSON values; files in a folder by their names alone."""
    if isinstance(source, Path):
        return source.name if source.parent == folder else str(source)
    if isinstance(source, RemoteFile):
        return {"kind": "address", **source.to_dict()}
    grid = source.grid
    return {
        "kind": source.kind,
        "name": source.name,
        "parts": [
            {
                "source": to_json(part.source, folder),
                "window": [part.window.x, part.window.y, part.window.width, part.window.height],
                "fits": part.fits,
            }
            for part in source.parts
        ],
        "shape_hw": grid.shape_hw,
        "transform": list(grid.transform)[:6],
        "crs": _wkt(grid),
        "dtype": source.dtype,
        # JSON knows no NaN.
        "nodata": None if source.nodata is None else repr(source.nodata),
        "colors": source.colors,
        "band_names": source.band_names,
        "overviews": source.overviews,
        "attribution": source.attribution,
    }


def from_json(values: Any, folder: Path) -> Source:
    """What `to_json` made of it."""
    if isinstance(values, str):
        # NOTE: joining an absolute path gives that path, so this covers files elsewhere too.
        return folder / values
    if values["kind"] == "address":
        return RemoteFile.from_dict({k: v for k, v in values.items() if k != "kind"})
    crs = values["crs"]
    return Joined(
        name=values["name"],
        kind=values["kind"],
        parts=tuple(_part(part, folder) for part in values["parts"]),
        grid=GeoGrid(
            (values["shape_hw"][0], values["shape_hw"][1]),
            Affine(*values["transform"]),
            None if crs is None else CRS.from_wkt(crs),
        ),
        dtype=values["dtype"],
        nodata=None if values["nodata"] is None else float(values["nodata"]),
        colors=tuple(values["colors"]),
        band_names=tuple(values["band_names"]),
        overviews=tuple(values["overviews"]),
        attribution=values["attribution"],
    )


def _part(values: Any, folder: Path) -> Part:
    source = from_json(values["source"], folder)
    if isinstance(source, Joined):
        raise RasterError("A part of a mosaic is a mosaic itself; make it of single images.")
    return Part(source, Window(*values["window"]), values["fits"])


def _wkt(grid: GeoGrid) -> str | None:
    return None if grid.crs is None else str(grid.crs.to_wkt())
