"""An area of a tiled map as a GeoTIFF: planned, fetched, written."""

from __future__ import annotations

import logging
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from samgeo_core.basemap.cache import TileCache
from samgeo_core.basemap.fetching import Patience, TileFetcher, side_of
from samgeo_core.basemap.lattice import MapBox, Tile
from samgeo_core.basemap.source import TileSource
from samgeo_core.basemap.writing import write_tiles
from samgeo_core.errors import FetchError, ParameterError
from samgeo_core.geogrid import BoundsLonLat
from samgeo_core.net.client import GuardedClient, shared_client
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.settings import get_settings

logger = logging.getLogger(__name__)

FETCHING = "tiles"
"""The stage of progress that counts tiles."""

TILES_AT_A_TIME = 4
"""Connections of one area; browsers open six to one host."""

SERVER_TILE_BYTES = 14_000
FILE_BYTES_PER_PX = 2.1
"""What a tile of 256 px has on the way, and a pixel in the file with its overviews: medians of
eight aerial and satellite scenes as JPEG of quality 80. Between scenes both differ threefold."""

_LOST_SHARE = 0.05
_LOST_FEW = 3


@dataclass(frozen=True)
class BasemapArea:
    """What is wanted.

    Attributes:
        source: the map.
        bounds: west, south, east, north in degrees.
        zoom: level of the map.
    """

    source: TileSource
    bounds: BoundsLonLat
    zoom: int

    @property
    def box(self) -> MapBox:
        """Its pixels; where the side of tiles isn't known yet, those of the usual ones."""
        return MapBox.around(self.bounds, self.zoom, self.source.tile_px or 256)

    @property
    def expected_download_bytes(self) -> int:
        """What fetching it may take, roughly."""
        side = self.source.tile_px or 256
        return round(self.box.n_tiles * SERVER_TILE_BYTES * (side / 256) ** 2)

    @property
    def expected_file_bytes(self) -> int:
        """What it may take on the disk, roughly."""
        height, width = self.box.shape_hw
        return round(height * width * FILE_BYTES_PER_PX)

    def check(self, max_tiles: int, max_pixels: int) -> None:
        """Refuse what is too much.

        Raises:
            ParameterError: more tiles or pixels than allowed, a zoom that the map doesn't have, or
                an area where it has nothing.
        """
        source, box = self.source, self.box
        if not source.min_zoom <= self.zoom <= source.max_zoom:
            raise ParameterError(
                f"{source.name} has the zoom levels {source.min_zoom} to {source.max_zoom}, got "
                f"{self.zoom}."
            )
        if box.n_tiles > max_tiles:
            raise ParameterError(
                f"This area has {box.n_tiles:,} tiles at zoom {self.zoom}, more than the "
                f"{max_tiles:,} that may be fetched at once: draw a smaller box or choose a lower "
                "zoom."
            )
        height, width = box.shape_hw
        if height * width > max_pixels:
            raise ParameterError(
                f"This area has {width:,} x {height:,} px, more than the {max_pixels:,} px that an "
                "image may have here: draw a smaller box or choose a lower zoom."
            )
        if source.bounds is not None and not _overlap(source.bounds, self.bounds):
            west, south, east, north = source.bounds
            raise ParameterError(
                f"{source.name} covers {west:g} to {east:g}° east and {south:g} to {north:g}° "
                "north: draw the box there, or choose another map."
            )


@dataclass(frozen=True)
class BasemapFile:
    """What came of it.

    Attributes:
        path: the GeoTIFF.
        area: what it shows, with the side of the tiles as it was found.
        missing: tiles of which nothing came; their pixels are nodata.
        received_bytes: what came over the network; what was kept from before isn't among it.
    """

    path: Path
    area: BasemapArea
    missing: int
    received_bytes: int

    @property
    def sentence(self) -> str | None:
        """What to say about missing tiles; None where there are none."""
        if not self.missing:
            return None
        return (
            f"{self.missing:,} of {self.area.box.n_tiles:,} tiles are missing at this zoom; their "
            "pixels are marked as nodata."
        )


@lru_cache(maxsize=1)
def shared_cache() -> TileCache:
    """The tiles that this machine keeps."""
    settings = get_settings()
    return TileCache(settings.cache_dir / "tiles", settings.basemap_cache_bytes)


def fetch_basemap(
    output: str | Path,
    area: BasemapArea,
    *,
    monitor: Monitor = SILENT,
    client: GuardedClient | None = None,
    cache: TileCache | None = None,
    patience: Patience | None = None,
    max_tiles: int | None = None,
) -> BasemapFile:
    """Fetch an area of a tiled map and write it as a GeoTIFF (EPSG:3857, RGB, with overviews).

    Whatever ends it, starting it again finds the tiles that have come.

    Args:
        output: the file; one that exists is replaced.
        area: what is wanted.
        monitor: hears of tiles, and can stop it.
        client: fetches tiles; None takes the process's own.
        cache: keeps tiles; None takes the process's own.
        patience: how often tiles are asked for.
        max_tiles: the most tiles; None takes the setting.

    Raises:
        ParameterError: too much, or what the map doesn't have.
        AddressError, FetchError: the map's server can't be asked, or refuses.
        ExportError: the file can't be written.
        CancelledError: the monitor stopped it.
    """
    settings = get_settings()
    area.check(max_tiles or settings.max_basemap_tiles, settings.max_pixels)
    cancel = monitor.cancel
    fetcher = TileFetcher(
        area.source,
        client or shared_client(),
        cache or shared_cache(),
        patience,
        (lambda: False) if cancel is None else (lambda: cancel.cancelled),
    )
    if area.source.tile_px is None:
        area = _with_side(area, fetcher)
        area.check(max_tiles or settings.max_basemap_tiles, settings.max_pixels)
        fetcher.source = area.source
    gone = _fetch_all(area, fetcher, monitor)
    if len(gone) == area.box.n_tiles:
        raise FetchError(
            f"{area.source.name} has no tiles here at zoom {area.zoom}: choose a lower zoom or "
            "another place."
        )
    write_tiles(Path(output), area.box, _tags(area), fetcher, gone, monitor)
    return BasemapFile(Path(output), area, len(gone), fetcher.received)


def _with_side(area: BasemapArea, fetcher: TileFetcher) -> BasemapArea:
    """The area with the side of the tiles, as the first one that is there has it."""
    side = 256
    for tile in (area.box.middle, *area.box.tiles()):
        if (body := fetcher.body(tile)) is not None:
            side = side_of(body)
            break
    return replace(area, source=replace(area.source, tile_px=side))


def _fetch_all(area: BasemapArea, fetcher: TileFetcher, monitor: Monitor) -> set[Tile]:
    """Bring all tiles into the cache; returns those that there aren't."""
    total = area.box.n_tiles
    lost, done, gone = 0, 0, set[Tile]()
    monitor.step(FETCHING, 0, total)
    pool = ThreadPoolExecutor(TILES_AT_A_TIME, thread_name_prefix="tiles")
    try:
        asked = {pool.submit(fetcher.body, tile): tile for tile in area.box.tiles()}
        waiting = set(asked)
        while waiting:
            # Not for long, so that who cancels needn't wait for a slow server.
            ended, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in ended:
                try:
                    there = future.result() is not None
                except FetchError as error:
                    there, lost = False, lost + 1
                    if lost > max(_LOST_FEW, _LOST_SHARE * total) or lost == total:
                        raise
                    logger.info("A tile is lost: %s", error)
                if not there:
                    gone.add(asked[future])
            done += len(ended)
            monitor.step(FETCHING, done, total)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return gone


def _tags(area: BasemapArea) -> dict[str, str]:
    """What the file says of itself. The address isn't among it: it may hold a key."""
    source = area.source
    tags = {
        "TIFFTAG_COPYRIGHT": source.attribution,
        "TIFFTAG_IMAGEDESCRIPTION": f"{source.name}, zoom {area.zoom}",
        "TIFFTAG_SOFTWARE": "SamGeo Studio",
        "ATTRIBUTION": source.attribution,
        "TERMS": source.terms or "The terms of the map's owner hold.",
        "BASEMAP": source.name,
        "BASEMAP_ZOOM": str(area.zoom),
    }
    return {name: text for name, text in tags.items() if text}


def _overlap(one: BoundsLonLat, other: BoundsLonLat) -> bool:
    west, south, east, north = other
    return one[0] < east and west < one[2] and one[1] < north and south < one[3]
