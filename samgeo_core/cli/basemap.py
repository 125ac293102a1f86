"""The command ``basemap``: an area of a tiled map as a GeoTIFF."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from samgeo_core.cli.terminal import TerminalProgress
from samgeo_core.errors import ParameterError

if TYPE_CHECKING:
    from samgeo_core.basemap.area import BasemapArea


def add_basemap_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "basemap",
        allow_abbrev=False,
        help="an area of a tiled map (XYZ, WMTS, WMS) as a GeoTIFF",
        description="Fetch an area of a tiled map and write it as a GeoTIFF (EPSG:3857, tiled, "
        "compressed, with overviews and attribution). The terms of the map's owner hold. Started "
        "again, it goes on where it was.",
    )
    # NOTE: west is negative in half of the world, and argparse would take it for an option.
    parser._negative_number_matcher = re.compile(r"^-[0-9.]")
    parser.add_argument("output", type=Path, metavar="OUT.tif", nargs="?", help="the file")
    parser.add_argument("--bbox", metavar="W,S,E,N", help="the area in degrees")
    parser.add_argument("--zoom", type=int, metavar="N", help="zoom level; each halves the pixels")
    parser.add_argument(
        "--source",
        metavar="SOURCE",
        help="a name of --list or of xyzservices, an address with {x}, {y} (or {-y}) and {z}, or "
        "that of a WMTS or WMS (USGS.USImagery)",
    )
    parser.add_argument("--layer", metavar="NAME", help="the layer of a WMTS or WMS")
    parser.add_argument("--attribution", metavar="TEXT", help="whom to name for the images")
    parser.add_argument("--max-tiles", type=int, metavar="N", help="the most tiles (2500)")
    parser.add_argument("--plan", action="store_true", help="only say what it would be")
    parser.add_argument("--list", action="store_true", help="list the maps that are offered")
    parser.add_argument("--quiet", action="store_true", help="draw no progress")
    parser.set_defaults(command=run_basemap)


def run_basemap(args: argparse.Namespace) -> int:
    """Fetch an area, or say what it would be."""
    from samgeo_core.basemap.area import BasemapArea, fetch_basemap
    from samgeo_core.basemap.choosing import find_source, parse_bbox
    from samgeo_core.basemap.providers import DEFAULT_NAME
    from samgeo_core.net.client import shared_client

    if args.list:
        return _list()
    if args.bbox is None or args.zoom is None or (args.output is None and not args.plan):
        raise ParameterError("Give OUT.tif, --bbox W,S,E,N and --zoom N, or --list.")
    source = find_source(
        args.source or DEFAULT_NAME,
        shared_client(),
        layer=args.layer,
        attribution=args.attribution,
    )
    area = BasemapArea(source, parse_bbox(args.bbox), args.zoom)
    if args.plan:
        return _plan(area)
    with TerminalProgress(not args.quiet) as progress:
        progress.say(source.terms or f"The terms of {source.name} hold: do they allow this?")
        made = fetch_basemap(args.output, area, monitor=progress.monitor, max_tiles=args.max_tiles)
    height, width = made.area.box.shape_hw
    sys.stdout.write(f"{args.output}: {width} x {height} px of {made.area.box.ground_m:.3g} m\n")
    if made.sentence:
        sys.stderr.write(f"{made.sentence}\n")
    return 0


def _list() -> int:
    from samgeo_core.basemap.providers import offered, terms_page

    for name, source in offered().items():
        zooms = f"{source.min_zoom} to {source.max_zoom}"
        sys.stdout.write(
            f"{name}  {source.name}, zoom {zooms}. {source.terms} {terms_page(name)}\n"
        )
    return 0


def _plan(area: BasemapArea) -> int:
    box = area.box
    height, width = box.shape_hw
    sys.stdout.write(
        f"{box.n_tiles:,} tiles, {width:,} x {height:,} px of {box.ground_m:.3g} m, about "
        f"{area.expected_download_bytes / 1e6:,.1f} MB to fetch, "
        f"{area.expected_file_bytes / 1e6:,.1f} MB on the disk\n"
    )
    return 0
