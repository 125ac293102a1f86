"""The command ``segment``: one raster in, one folder of results out."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from samgeo_core.cli.options import (
    add_config_options,
    channels,
    given_values,
    whole_numbers,
    whole_or_nothing,
)
from samgeo_core.cli.purpose import add_purpose_options, with_purpose
from samgeo_core.cli.select import changed_rule
from samgeo_core.cli.terminal import TerminalProgress
from samgeo_core.config import PRESETS, AutomaticConfig, SegmentConfig, SelectionRule
from samgeo_core.errors import CancelledError, ParameterError
from samgeo_core.reading.stretch import STRETCH_MODES
from samgeo_core.settings import get_settings
from samgeo_core.streaming.options import (
    AREA_SUFFIXES,
    MARGIN_PX,
    NO_LIMIT_PX,
    REGION_PX,
    StreamOptions,
)
from samgeo_core.windows import Window

if TYPE_CHECKING:
    from samgeo_core.reading.raster import Raster


def add_segment_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options; those of SAM follow from `AutomaticConfig`."""
    parser = commands.add_parser(
        "segment",
        allow_abbrev=False,
        help="segment a raster into objects",
        description="Segment a raster and write labels.tif, mask.tif, annotations.png, "
        "objects.gpkg, objects.npz, candidates.npz and run.json. A raster larger than a region is "
        "segmented region by region, in memory that doesn't grow with it: the files are then "
        "labels.tif, mask.tif, objects.gpkg and run.json, and what was found so far is kept in "
        "OUT_DIR, so that the same command goes on where a former one ended.",
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="GeoTIFF, PNG, JPEG, JPEG 2000; address of a COG or STAC item; folder, as one mosaic",
    )
    parser.add_argument("out_dir", type=Path, metavar="OUT_DIR", help="folder of the results")
    settings = get_settings()
    parser.add_argument(
        "--model", default=settings.model, help="vit_t, vit_b, vit_l or vit_h (%(default)s)"
    )
    parser.add_argument("--checkpoint", metavar="FILE", help="weights of your own for the model")
    parser.add_argument("--device", default=settings.device, help="cuda, mps or cpu (the best)")
    parser.add_argument(
        "--bands",
        type=channels,
        metavar="R,G,B",
        help="what is shown to the model as red, green, blue: bands by number or name, indices or "
        "expressions, such as 5,3,2 or nir,red,green or 'ndvi,nir,b4/b3'; one stands for all three "
        "(the image's own)",
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
        "--preset",
        choices=PRESETS,
        default=None,
        help=f"how thorough ({PRESETS[0]}; full with --purpose)",
    )
    add_purpose_options(parser)
    parser.add_argument(
        "--area",
        type=_area,
        metavar="X,Y,W,H|FILE",
        help="only this part of the raster: a box in px, or the polygons of a file (GeoJSON, "
        "GeoPackage, zipped Shapefile, KML, KMZ, FlatGeobuf)",
    )
    parser.add_argument("--area-layer", metavar="NAME", help="layer of the area's file (the first)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    add_config_options(
        parser.add_argument_group("parameters of SAM, for the preset exact"), AutomaticConfig
    )
    _add_stream_options(parser.add_argument_group("rasters of any size"))
    rule = parser.add_argument_group("which masks become objects (select changes it later)")
    add_config_options(rule, SelectionRule, defaults=False)
    parser.set_defaults(command=run_segment)


def _add_stream_options(group: argparse._ArgumentGroup) -> None:
    """Options of runs that go region by region."""
    group.add_argument(
        "--region",
        type=int,
        default=REGION_PX,
        metavar="PX",
        help="side of what is segmented in one go; memory grows with it (%(default)s)",
    )
    group.add_argument(
        "--margin",
        type=int,
        default=None,
        metavar="PX",
        help=f"what neighbouring regions both see, on each side ({MARGIN_PX}, or less for a "
        "smaller region)",
    )
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="segment on a Dask cluster, such as tcp://host:8786; raster and weights must be "
        "there on all machines (here, in this process)",
    )
    group.add_argument(
        "--restart", action="store_true", help="begin anew instead of going on with OUT_DIR"
    )


def run_segment(args: argparse.Namespace) -> int:
    """Segment a raster, and put the results in place once all of them are written."""
    config = config_of(args)
    from samgeo_core.reading.raster import Raster

    options = _stream_options(args)
    raster = Raster.open(args.input, max_pixels=NO_LIMIT_PX)
    config = with_purpose(config, args, raster.grid)
    if isinstance(args.area, Path) or options.scheduler or _is_large(raster, args.area, options):
        return _run_stream(raster, config, options, args)
    from samgeo_core.pipeline import segment, write_run

    with whole_or_nothing(args.out_dir) as folder, TerminalProgress(not args.quiet) as progress:
        segmentation = segment(raster, config, area=args.area, monitor=progress.monitor)
        write_run(segmentation, folder, progress.monitor)
    _tell_count(len(segmentation.objects), args.out_dir)
    return 0


def config_of(args: argparse.Namespace) -> SegmentConfig:
    """What the options ask for."""
    config = SegmentConfig(
        model=args.model,
        checkpoint=args.checkpoint,
        device=args.device,
        bands=args.bands,
        stretch=args.stretch,
        window_px=args.window,
        preset=args.preset or (PRESETS[0] if args.purpose is None else "full"),
        automatic=_automatic_config(args),
    )
    if given_values(args, SelectionRule):
        config = dataclasses.replace(config, selection=changed_rule(config.rule, args))
    return config


def _stream_options(args: argparse.Namespace) -> StreamOptions:
    where = {"scheduler": args.scheduler, "restart": args.restart}
    if args.margin is None:
        return StreamOptions.of_region(args.region, **where)
    return StreamOptions(args.region, args.margin, **where)


def _is_large(raster: Raster, area: Window | None, options: StreamOptions) -> bool:
    """Whether what is asked for is larger than a region."""
    return options.cuts(area.shape_hw if area else raster.shape_hw)


def _run_stream(
    raster: Raster, config: SegmentConfig, options: StreamOptions, args: argparse.Namespace
) -> int:
    """Segment region by region; what is finished stays, whatever happens."""
    from samgeo_core.area import AreaOfInterest
    from samgeo_core.streaming.run import segment_to_folder

    area = args.area
    if isinstance(area, Path):
        area = AreaOfInterest.read(area, raster.grid, args.area_layer)
    try:
        with TerminalProgress(not args.quiet) as progress:
            record = segment_to_folder(
                raster, args.out_dir, config, options,
                area=area, monitor=progress.monitor, tell=progress.say,
            )  # fmt: skip
    except (KeyboardInterrupt, CancelledError) as error:
        raise CancelledError(
            f"interrupted; the regions that are finished stay in {args.out_dir}, and the same "
            "command goes on with them."
        ) from error
    _tell_count(record["n_objects"], args.out_dir)
    return 0


def _tell_count(count: int, out_dir: Path) -> None:
    sys.stdout.write(f"{count} object{'' if count == 1 else 's'} in {out_dir}\n")


def _automatic_config(args: argparse.Namespace) -> AutomaticConfig:
    values = given_values(args, AutomaticConfig)
    if values.get("point_grids") is not None:
        values.setdefault("points_per_side", None)
    return AutomaticConfig(**values)


def _area(text: str) -> Window | Path:
    if text.lower().endswith(AREA_SUFFIXES):
        return Path(text)
    try:
        return Window(*whole_numbers(text, 4, "x,y,width,height in px"))
    except ParameterError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _window_px(text: str) -> int | None:
    if text == "whole":
        return None
    return int(whole_numbers(text, 1, "a number of px or the word whole")[0])
