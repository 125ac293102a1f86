"""The command ``segment``: one raster in, one folder of results out."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from samgeo_core.cli.options import add_config_options, given_values, whole_or_nothing
from samgeo_core.cli.select import changed_rule
from samgeo_core.cli.terminal import TerminalProgress
from samgeo_core.config import PRESETS, AutomaticConfig, SegmentConfig, SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.reading.stretch import STRETCH_MODES
from samgeo_core.settings import get_settings
from samgeo_core.windows import Window


def add_segment_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options; those of SAM follow from `AutomaticConfig`."""
    parser = commands.add_parser(
        "segment",
        allow_abbrev=False,
        help="segment a raster into objects",
        description="Segment a raster and write labels.tif, mask.tif, annotations.png, "
        "objects.gpkg, objects.npz, candidates.npz and run.json.",
    )
    parser.add_argument("input", type=Path, metavar="INPUT", help="GeoTIFF, PNG, JPEG, JPEG 2000")
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder of the results")
    settings = get_settings()
    parser.add_argument(
        "--model", default=settings.model, help="vit_t, vit_b, vit_l or vit_h (%(default)s)"
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="weights of your own for the model")
    parser.add_argument("--device", default=settings.device, help="cuda, mps or cpu (the best)")
    parser.add_argument(
        "--bands", type=_bands, metavar="R,G,B", help="bands shown to the model (1,2,3)"
    )
    parser.add_argument(
        "--stretch",
        choices=STRETCH_MODES,
        default="auto",
        help="how values become 8 bits (%(default)s)",
    )
    parser.add_argument(
        "--window",
        type=_window_px,
        default=None,
        metavar="PX|whole",
        help="side of the windows the raster is read in (whole)",
    )
    parser.add_argument(
        "--preset", choices=PRESETS, default=PRESETS[0], help="how thorough (%(default)s)"
    )
    parser.add_argument(
        "--area", type=_area, metavar="X,Y,W,H", help="only this part of the raster, in px"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    add_config_options(parser.add_argument_group("parameters of SAM"), AutomaticConfig)
    rule = parser.add_argument_group("which masks become objects (select changes it later)")
    add_config_options(rule, SelectionRule, defaults=False)
    parser.set_defaults(command=run_segment)


def run_segment(args: argparse.Namespace) -> int:
    """Segment a raster, and put the results in place once all of them are written."""
    config = SegmentConfig(
        model=args.model,
        checkpoint=args.checkpoint,
        device=args.device,
        bands=args.bands,
        stretch=args.stretch,
        window_px=args.window,
        preset=args.preset,
        automatic=_automatic_config(args),
    )
    if given_values(args, SelectionRule):
        config = dataclasses.replace(config, selection=changed_rule(config.rule, args))
    from samgeo_core.pipeline import segment, write_run
    from samgeo_core.reading.raster import Raster

    raster = Raster.open(args.input)
    with whole_or_nothing(args.out_dir) as folder, TerminalProgress(not args.quiet) as progress:
        segmentation = segment(raster, config, area=args.area, monitor=progress.monitor)
        write_run(segmentation, folder, progress.monitor)
    count = len(segmentation.objects)
    sys.stdout.write(f"{count} object{'' if count == 1 else 's'} in {args.out_dir}\n")
    return 0


def _automatic_config(args: argparse.Namespace) -> AutomaticConfig:
    values = given_values(args, AutomaticConfig)
    if values.get("point_grids") is not None:
        values.setdefault("points_per_side", None)
    return AutomaticConfig(**values)


def _numbers(text: str, count: int, what: str) -> Sequence[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise argparse.ArgumentTypeError(f"{what} is needed, got {text!r}")
    return numbers


def _bands(text: str) -> tuple[int, int, int]:
    red, green, blue = _numbers(text, 3, "three band numbers such as 1,2,3")
    return red, green, blue


def _area(text: str) -> Window:
    try:
        return Window(*_numbers(text, 4, "x,y,width,height in px"))
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _window_px(text: str) -> int | None:
    if text == "whole":
        return None
    return int(_numbers(text, 1, "a number of px or the word whole")[0])
