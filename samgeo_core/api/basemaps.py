"""Areas of tiled maps as scripts for segment-geospatial ask for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samgeo_core.basemap.area import BasemapArea, fetch_basemap
from samgeo_core.basemap.choosing import find_source
from samgeo_core.basemap.lattice import HALF_M, MAX_ZOOM
from samgeo_core.basemap.providers import DEFAULT_NAME, offered
from samgeo_core.cli.terminal import TerminalProgress
from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.net.client import shared_client
from samgeo_core.progress import Monitor
from samgeo_core.reading.raster import Raster

_GOOGLE = frozenset({"ROADMAP", "SATELLITE", "TERRAIN", "HYBRID"})


def tms_to_geotiff(
    output: str | Path,
    bbox: Sequence[float],
    zoom: int | None = None,
    resolution: float | None = None,
    source: str = DEFAULT_NAME,
    crs: str = "EPSG:3857",
    to_cog: bool = True,
    return_image: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    *,
    layer: str | None = None,
    attribution: str | None = None,
    monitor: Monitor | None = None,
) -> NDArray[np.uint8] | None:
    """Fetch an area of a tiled map and write it as a GeoTIFF.

    Args:
        output: the file.
        bbox: west, south, east, north in degrees.
        zoom: level of the map.
        resolution: metres on the ground that a pixel may have at most, where no zoom is given.
        source: a name of `get_basemaps` or of xyzservices, an address with {x}, {y} and {z}, or
            that of a WMTS or WMS.
        crs: EPSG:3857, the one of the map's own pixels.
        to_cog: the file is always a cloud-optimised GeoTIFF.
        return_image: give the pixels back, too.
        overwrite: replace a file that exists.
        quiet: draw no progress.
        layer: which layer of a WMTS or WMS.
        attribution: whom to name for the images; None leaves what the map says of itself.
        monitor: hears of tiles, and can stop it.

    Returns:
        uint8 [H, W, 3] where `return_image`, else None.

    Raises:
        ParameterError, AddressError, FetchError, ExportError: as `fetch_basemap`.
    """
    target = Path(output)
    if target.exists() and not overwrite:
        raise ExportError(f"{target} exists: give another name, or overwrite=True.")
    if crs.upper() != "EPSG:3857":
        raise ParameterError(
            f"crs must be EPSG:3857, got {crs!r}: pixels stay as the map has them."
        )
    if source.upper() in _GOOGLE:
        raise ParameterError(
            f"{source!r} is a map of Google's, whose terms allow no saving. Expected one of "
            f"{', '.join(get_basemaps())}, or an address with {{x}}, {{y}} and {{z}}."
        )
    west, south, east, north = (float(value) for value in bbox)
    chosen = find_source(source, shared_client(), layer=layer, attribution=attribution)
    level = zoom if zoom is not None else _zoom_for(resolution, (south + north) / 2)
    area = BasemapArea(chosen, (west, south, east, north), level)
    with TerminalProgress(not quiet and monitor is None) as progress:
        fetch_basemap(target, area, monitor=monitor or progress.monitor)
    return Raster.open(target).read().rgb if return_image else None


def get_basemaps() -> dict[str, str]:
    """Addresses of the maps that are offered, by name."""
    return {name: source.template for name, source in offered().items()}


def _zoom_for(resolution: float | None, latitude: float) -> int:
    """The lowest zoom whose pixels are no larger than that."""
    if resolution is None or not resolution > 0:
        raise ParameterError("Give zoom, or resolution in metres above 0.")
    whole = 2 * HALF_M * math.cos(math.radians(latitude)) / 256
    return min(MAX_ZOOM, max(0, math.ceil(math.log2(whole / resolution) - 1e-9)))
