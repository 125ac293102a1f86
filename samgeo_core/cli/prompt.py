"""The command ``prompt``: objects that a file of points, boxes or polygons points at."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from samgeo_core.cli.options import channels
from samgeo_core.cli.terminal import TerminalProgress
from samgeo_core.config import SegmentConfig
from samgeo_core.reading.stretch import STRETCH_MODES

if TYPE_CHECKING:
    import geopandas as gpd

_NOT_FOUND = "_not_found.csv"
_TOLD = 5


def add_prompt_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    defaults = SegmentConfig()
    parser = commands.add_parser(
        "prompt",
        allow_abbrev=False,
        help="segment what points, boxes or polygons in a file point at",
        description="Segment one object for each point, box or polygon of a file, or for each "
        "group of rows that share an object id. The result is a layer in the format that its name "
        f"asks for; prompts that gave no object are listed beside it in OUT{_NOT_FOUND}.",
    )
    parser.add_argument("input", type=Path, metavar="INPUT", help="the raster")
    parser.add_argument(
        "prompts",
        type=Path,
        metavar="PROMPTS",
        help="GeoJSON, GeoPackage, Shapefile (also zipped), or CSV with columns x,y or lon,lat or "
        "xmin,ymin,xmax,ymax or wkt",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="such as objects.gpkg")
    parser.add_argument("--crs", help="CRS of the prompts where their file doesn't say")
    parser.add_argument("--layer", help="layer of PROMPTS (the first)")
    parser.add_argument(
        "--label-column",
        default="label",
        metavar="NAME",
        help="1 or fg: point on the object, 0 or bg: beside it (%(default)s)",
    )
    parser.add_argument(
        "--object-column",
        default="object_id",
        metavar="NAME",
        help="rows with the same value are one object (%(default)s)",
    )
    parser.add_argument("--model", default=defaults.model, metavar="NAME", help="(%(default)s)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights of your own")
    parser.add_argument("--device", help="cuda, mps or cpu (the best there is)")
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
        default=defaults.stretch,
        help="how values become 8 bits (%(default)s)",
    )
    parser.add_argument(
        "--mode",
        choices=("adaptive", "exact"),
        default="adaptive",
        help="adaptive looks through windows of fitting scale, exact at the whole raster as SAM's "
        "own predictor does (%(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.set_defaults(command=run_prompt)


def run_prompt(args: argparse.Namespace) -> int:
    """Segment what the prompts point at, and tell of those that point at nothing."""
    from samgeo_core.picking.batch import OK, segment_prompts
    from samgeo_core.picking.prompt_files import read_prompts
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.export import format_of, write_vector
    from samgeo_core.streaming.options import NO_LIMIT_PX

    format_of(args.out)
    raster = Raster.open(args.input, max_pixels=NO_LIMIT_PX)
    prompts = read_prompts(args.prompts, crs=args.crs, layer=args.layer)
    with TerminalProgress(not args.quiet) as progress:
        frame = segment_prompts(
            raster, prompts, model=args.model, checkpoint=args.checkpoint, device=args.device,
            bands=args.bands, stretch=args.stretch,
            mode=args.mode, label_column=args.label_column, object_column=args.object_column,
            monitor=progress.monitor,
        )  # fmt: skip
    there = frame["status"] == OK
    found = frame[there].drop(columns="status").reset_index(drop=True)
    whole = ["object_id", "parent_id", "area_px", "touches_edge"]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_vector(found.astype(dict.fromkeys(whole, "int64")), args.out)
    sys.stdout.write(f"{len(found)} object{'' if len(found) == 1 else 's'} in {args.out}\n")
    _tell_missing(frame[~there], args.out)
    return 0


def _tell_missing(missing: gpd.GeoDataFrame, out: Path) -> None:
    """Name prompts that gave no object, in a file and, the first of each kind, on the terminal."""
    report = out.with_name(out.stem + _NOT_FOUND)
    report.unlink(missing_ok=True)
    if not len(missing):
        return
    missing[["prompt_id", "status"]].to_csv(report, index=False)
    reasons = Counter(missing["status"])
    sys.stderr.write(f"{len(missing)} without an object, listed in {report}:\n")
    for reason, count in reasons.most_common(_TOLD):
        first = missing.loc[missing["status"] == reason, "prompt_id"].iloc[0]
        sys.stderr.write(f"  {count} x (such as {first}): {reason}\n")
