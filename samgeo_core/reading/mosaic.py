"""Plans by which several files are read as one: as a mosaic, or each as a band."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio.warp
from affine import Affine
from rasterio.errors import RasterioError

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.remote import RemoteFile
from samgeo_core.reading.source import Joined, Part
from samgeo_core.windows import Window

MOST_FILES = 1000
MOST_RESOLUTIONS = 2.0
"""How many times coarser than the finest a file may be."""

_FITS_PX = 0.01
_ALIKE = 1.05
_EDGE_POINTS = 33
_SMALL_PX = 1024

File = Path | RemoteFile


@dataclass(frozen=True)
class _Placed:
    """A file, its raster, and the grid that it gets in the CRS of the whole."""

    raster: Raster
    grid: GeoGrid

    @property
    def is_own(self) -> bool:
        """Whether these are the pixels of the file."""
        return self.grid is self.raster.grid

    @property
    def res(self) -> float:
        """Size of a pixel, units of the CRS."""
        return math.sqrt(abs(self.grid.transform.determinant))


def join_mosaic(rasters: Sequence[Raster], name: str | None = None) -> Joined:
    """One raster of several that lie beside each other or overlap; the first lies on top.

    It has the CRS of most of them and the finest of their resolutions (give or take 5 %, if that
    lets files keep their pixels); what is of another CRS or resolution is resampled while it is
    read.

    Args:
        rasters: at least one, each of a single file, in their order.
        name: what it is called; None makes one of the first file's name.

    Raises:
        ParameterError: they differ in bands or type, one of them has no place on Earth or a
            palette, or their resolutions are too far apart.
    """
    _check_alike(rasters)
    crs = Counter(raster.grid.crs.to_wkt() for raster in rasters if raster.grid.crs).most_common()
    main = next(r.grid.crs for r in rasters if r.grid.crs and r.grid.crs.to_wkt() == crs[0][0])
    placed = [_Placed(raster, _in_crs(raster, main)) for raster in rasters]
    finest = min(placed, key=lambda p: p.res)
    coarsest = max(placed, key=lambda p: p.res)
    if coarsest.res > finest.res * MOST_RESOLUTIONS * 1.01:
        raise ParameterError(
            f"Images of one mosaic may differ in resolution by a factor of {MOST_RESOLUTIONS:g}, "
            f"but a pixel of {coarsest.raster.name} is {coarsest.res / finest.res:.1f} times as "
            f"wide as one of {finest.raster.name}; resample one of them first."
        )
    grid, windows = _whole(placed, _base(placed, finest))
    parts = tuple(
        Part(_file_of(one.raster), window, _fits(one.raster.grid, grid, window))
        for one, window in zip(placed, windows, strict=True)
    )
    first = rasters[0]
    told = dict.fromkeys(r.attribution for r in rasters if r.attribution)
    return Joined(
        name=name or f"{Path(first.name).stem} and {len(rasters) - 1} more",
        kind="mosaic",
        parts=parts,
        grid=grid,
        dtype=first.dtype,
        nodata=first.nodata,
        colors=first.color_interpretations,
        band_names=first.band_names,
        overviews=_common_overviews(rasters),
        attribution="; ".join(told) or None,
    )


def join_bands(rasters: Sequence[Raster], names: Sequence[str], name: str) -> Joined:
    """One raster whose bands are the first bands of several files of the same grid.

    Args:
        rasters: one per band, each of a single file.
        names: what the bands are called; red, green and blue become its colours.
        name: what it is called.

    Raises:
        ParameterError: the files differ in grid or type.
    """
    first = rasters[0]
    for raster in rasters[1:]:
        if not same_grid(raster.grid, first.grid) or raster.dtype != first.dtype:
            raise ParameterError(
                f"Bands of one image must be of the same pixels and type: {first.name} has "
                f"{_told(first)}, {raster.name} has {_told(raster)}; choose those of one "
                "resolution."
            )
    whole = Window.whole(first.shape_hw)
    colours = [n if n in ("red", "green", "blue") else "undefined" for n in names]
    told = dict.fromkeys(r.attribution for r in rasters if r.attribution)
    return Joined(
        name=name,
        kind="bands",
        parts=tuple(Part(_file_of(raster), whole, True) for raster in rasters),
        grid=first.grid,
        dtype=first.dtype,
        nodata=first.nodata,
        colors=tuple(colours),
        band_names=tuple(names),
        overviews=_common_overviews(rasters),
        attribution="; ".join(told) or None,
    )


def _file_of(raster: Raster) -> File:
    """The single file of a raster."""
    if isinstance(raster.source, Joined):
        raise ParameterError(f"{raster.name} is of several images itself; join its images.")
    return raster.source


def _check_alike(rasters: Sequence[Raster]) -> None:
    first = rasters[0]
    for raster in rasters:
        if raster.grid.crs is None:
            raise ParameterError(
                f"{raster.name} has no coordinate system, so that it can't be laid beside other "
                "images; give it one (gdal_edit.py -a_srs EPSG:... -a_ullr ...)."
            )
        if "palette" in raster.color_interpretations:
            raise ParameterError(
                f"{raster.name} holds colour indices (a palette), which can't be joined; make "
                "it RGB first (gdal_translate -expand rgb)."
            )
        if raster.band_count != first.band_count or raster.has_alpha != first.has_alpha:
            raise ParameterError(
                f"Images of one mosaic must have the same bands: {first.name} has "
                f"{_bands(first)}, {raster.name} has {_bands(raster)}; leave one of them out."
            )
        if raster.dtype != first.dtype:
            raise ParameterError(
                f"Images of one mosaic must have values of the same type: {first.name} has "
                f"{first.dtype}, {raster.name} has {raster.dtype}; convert one of them first."
            )


def _bands(raster: Raster) -> str:
    return f"{raster.band_count}" + (" with opacity" if raster.has_alpha else "")


def _told(raster: Raster) -> str:
    height, width = raster.shape_hw
    return f"{width} x {height} px of {raster.dtype}"


def _in_crs(raster: Raster, crs: object) -> GeoGrid:
    """The north-up grid of a raster in a CRS; its own where it has one there."""
    grid = raster.grid
    if grid.crs == crs and not grid.is_rotated and grid.transform.e < 0 < grid.transform.a:
        return grid
    try:
        transform, wide, high = _around(grid, crs)
    except (RasterioError, ValueError) as error:
        raise ParameterError(
            f"{raster.name} can't be brought into the coordinate system of the other images; "
            "leave it out."
        ) from error
    return GeoGrid((high, wide), transform, crs)


def _around(grid: GeoGrid, crs: object) -> tuple[Affine, int, int]:
    """The box around a raster in a CRS, with pixels of the same area as in its middle."""
    height, width = grid.shape_hw
    share = np.linspace(0, 1, _EDGE_POINTS)
    edges = [(share, 0 * share), (share, 1 + 0 * share), (0 * share, share), (1 + 0 * share, share)]
    edge = np.concatenate([np.stack(xy, axis=1) for xy in edges]) * (width, height)
    points = grid.to_crs_xy(edge)
    xs, ys = rasterio.warp.transform(grid.crs, crs, points[:, 0], points[:, 1])
    if not np.isfinite([*xs, *ys]).all():
        raise ValueError("A point of the edge has no place in the other CRS.")
    near = rasterio.warp.transform(grid.crs, crs, *_one_pixel(grid))
    res = math.sqrt(
        abs(
            (near[0][1] - near[0][0]) * (near[1][2] - near[1][0])
            - (near[0][2] - near[0][0]) * (near[1][1] - near[1][0])
        )
    )
    wide, high = (math.ceil((max(v) - min(v)) / res) for v in (xs, ys))
    return Affine(res, 0, min(xs), 0, -res, max(ys)), wide, high


def _one_pixel(grid: GeoGrid) -> tuple[list[float], list[float]]:
    """Three corners of the pixel in the middle."""
    x, y = grid.shape_hw[1] // 2, grid.shape_hw[0] // 2
    points = grid.to_crs_xy([(x, y), (x + 1, y), (x, y + 1)])
    return points[:, 0].tolist(), points[:, 1].tolist()


def _base(placed: Sequence[_Placed], finest: _Placed) -> GeoGrid:
    """The grid whose pixels the whole has: files' own where these are about as fine as the finest.

    What comes from another CRS is never on the pixels of the others, so it had better be that one
    alone which is resampled, and not all for the sake of a hundredth of its resolution.
    """
    own = [one for one in placed if one.is_own and one.res <= finest.res * _ALIKE]
    alike = Counter(f"{one.res:.6g}" for one in own)
    return min(own or [finest], key=lambda one: (-alike[f"{one.res:.6g}"], one.res)).grid


def _whole(placed: Sequence[_Placed], finest: GeoGrid) -> tuple[GeoGrid, list[Window]]:
    """The grid around all, on the pixels of the finest, and the window of each in it."""
    boxes = []
    for one in placed:
        height, width = one.grid.shape_hw
        corners = finest.to_px_xy(one.grid.to_crs_xy([(0, 0), (width, height)]))
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        low = math.floor(x0 + _FITS_PX), math.floor(y0 + _FITS_PX)
        boxes.append((*low, math.ceil(x1 - _FITS_PX), math.ceil(y1 - _FITS_PX)))
    left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
    right, bottom = max(b[2] for b in boxes), max(b[3] for b in boxes)
    shifted = finest.transform @ Affine.translation(left, top)
    grid = GeoGrid((bottom - top, right - left), shifted, finest.crs)
    return grid, [Window(x0 - left, y0 - top, x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes]


def _fits(grid: GeoGrid, whole: GeoGrid, window: Window) -> bool:
    """Whether the pixels of a raster are those of a window of the whole."""
    return grid.shape_hw == window.shape_hw and same_grid(grid, whole.window(window))


def same_grid(a: GeoGrid, b: GeoGrid) -> bool:
    """Whether two grids have the same pixels."""
    if a.crs != b.crs or a.shape_hw != b.shape_hw:
        return False
    height, width = a.shape_hw
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    return bool(np.abs(b.to_px_xy(a.to_crs_xy(corners)) - corners).max() < _FITS_PX)


def _common_overviews(rasters: Sequence[Raster]) -> tuple[int, ...]:
    """Factors that all can answer from stored or computed overviews; small ones need none."""
    large = [set(r.overviews) for r in rasters if max(r.shape_hw) > _SMALL_PX]
    if not large:
        longest = max(max(r.shape_hw) for r in rasters)
        return tuple(2**n for n in range(1, max(2, longest.bit_length() - 7)))
    return tuple(sorted(set.intersection(*large)))
