"""Options of what is looked for: a purpose, and the resolution where the raster doesn't say it."""

from __future__ import annotations

import argparse
import dataclasses
import math

from samgeo_core.cli.options import given_values
from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.purposes import PURPOSES


def add_purpose_options(parser: argparse.ArgumentParser) -> None:
    """Add --purpose and --gsd."""
    parser.add_argument(
        "--purpose",
        choices=tuple(PURPOSES),
        default=None,
        help="what is looked for: windows and limits of size follow from the ground resolution "
        "(docs/presets.md); what other options say goes first",
    )
    parser.add_argument(
        "--gsd",
        type=_metres,
        default=None,
        metavar="M",
        help="ground resolution, m per px, for --purpose where the raster has no place on Earth",
    )


def with_purpose(config: SegmentConfig, args: argparse.Namespace, grid: GeoGrid) -> SegmentConfig:
    """What the options ask for, with scales and rule of the purpose that they name.

    Args:
        config: what they ask for otherwise.
        args: the options.
        grid: of the raster.

    Raises:
        ParameterError: the purpose has sizes, and nothing says how large a pixel is.
    """
    if args.purpose is None:
        return config
    gsd_m = grid.gsd_m if grid.gsd_m is not None else args.gsd
    if gsd_m is None and args.purpose != "everything":
        raise ParameterError(
            f"The purpose {args.purpose} is about sizes on the ground, and this raster has no "
            "place on Earth: give its ground resolution in metres, such as --gsd 0.1."
        )
    found = config.for_purpose(args.purpose, gsd_m, on_ground=grid.gsd_m is not None)
    if given := given_values(args, SelectionRule):
        found = dataclasses.replace(found, selection=dataclasses.replace(found.rule, **given))
    return found


def _metres(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"metres per px above 0 are needed, got {text!r}")
    return value
