"""The command ``preflight``: what a run will meet and need, before it starts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from samgeo_core.cli.options import channels
from samgeo_core.config import PRESETS, SegmentConfig
from samgeo_core.reading.stretch import STRETCH_MODES, StretchMode
from samgeo_core.settings import get_settings
from samgeo_core.streaming.options import NO_LIMIT_PX, REGION_PX, StreamOptions

if TYPE_CHECKING:
    from samgeo_core.preflight.card import Preflight


def add_preflight_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "preflight",
        allow_abbrev=False,
        help="tell what a run will meet and need, before it starts",
        description="Tell ground resolution, the sizes of objects that suit each scale, windows, "
        "expected time, memory and disk, and what should be mended first. The first time a model "
        "is measured on this machine, which takes some seconds; the result is kept.",
    )
    settings = get_settings()
    parser.add_argument("input", type=Path, metavar="INPUT", help="GeoTIFF, PNG, JPEG, JPEG 2000")
    parser.add_argument("--model", default=settings.model, help="as of segment (%(default)s)")
    parser.add_argument("--device", default=settings.device, help="cuda, mps or cpu (the best)")
    parser.add_argument("--preset", choices=PRESETS, default=PRESETS[0], help="as of segment")
    parser.add_argument("--bands", type=channels, metavar="R,G,B", help="as of segment")
    parser.add_argument("--stretch", choices=STRETCH_MODES, default="auto", help="as of segment")
    parser.add_argument("--window", type=_side, metavar="PX|whole", help="as of segment")
    parser.add_argument("--region", type=int, default=REGION_PX, metavar="PX", help="as of segment")
    parser.add_argument("--measure", action="store_true", help="measure this machine anew")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(command=run_preflight)


def run_preflight(args: argparse.Namespace) -> int:
    """Look, measure where nothing was measured yet, and tell."""
    from samgeo_core.preflight.calibration import CalibrationBook
    from samgeo_core.preflight.card import Room, expected_seconds, preflight
    from samgeo_core.preflight.look import look_at_pixels
    from samgeo_core.preflight.needs import free_disk_bytes, free_memory_bytes
    from samgeo_core.reading.raster import Raster

    config = SegmentConfig(
        model=args.model, device=args.device, preset=args.preset, bands=args.bands,
        stretch=args.stretch, window_px=args.window,
    )  # fmt: skip
    regions = StreamOptions.of_region(args.region)
    raster = Raster.open(args.input, max_pixels=NO_LIMIT_PX)
    look = look_at_pixels(raster, config.bands, cast(StretchMode, config.stretch))
    book = CalibrationBook(get_settings().cache_dir)
    found = None if args.measure else book.find(config.model, config.device)
    calibration = found or book.measure(config.model, config.checkpoint, config.device)
    rate = calibration.rates[config.preset]
    seconds = expected_seconds(raster.shape_hw, config, rate, regions)
    room = Room(free_memory_bytes(), free_disk_bytes(Path.cwd()))
    card = preflight(raster, config, look, seconds, regions=regions, room=room)
    if args.json:
        sys.stdout.write(json.dumps(card.to_dict(), indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(card)) + "\n")
    return 0


def _lines(card: Preflight) -> list[str]:
    """The card as text."""
    height, width = card.shape_hw
    gsd = "unknown" if card.gsd_m is None else f"{card.gsd_m:.3g} m per px"
    lines = [
        f"size        {width:,} x {height:,} px, {card.dtype}",
        f"ground      {gsd}",
        f"nodata      {100 * card.nodata_share:.1f} %",
        f"windows     {card.windows:,}, regions {card.regions:,}",
        f"time        about {card.seconds:,.0f} s",
        f"memory      about {card.memory_bytes / 1e9:.1f} GB",
        f"disk        about {card.disk_bytes / 1e6:,.1f} MB",
        "",
        "window px   windows   objects of, px   objects of, m",
    ]
    for scale in card.scales:
        px = f"{scale.least_px:,.0f} to {scale.most_px:,.0f}"
        metres = "" if scale.least_m is None else f"{scale.least_m:,.3g} to {scale.most_m:,.4g}"
        lines.append(f"{scale.window_px:>9,}   {scale.windows:>7,}   {px:<14}   {metres}".rstrip())
    if card.advice:
        lines.append("")
    for advice in card.advice:
        remedy = "" if advice.remedy is None else f" [{advice.remedy.label}]"
        lines.append(f"{advice.kind}: {advice.text}{remedy}")
    return lines


def _side(text: str) -> int | None:
    """A window's side; None for the whole."""
    return None if text == "whole" else int(text)
