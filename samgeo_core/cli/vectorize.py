"""The command ``vectorize``: a finished vector layer of a label raster or a run."""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

from samgeo_core.cli.project import is_project, write_project_of
from samgeo_core.cli.terminal import TerminalProgress
from samgeo_core.cli.training import add_training_options, write_training_data
from samgeo_core.errors import ParameterError

_DEFAULT = "0.5px"


def add_vectorize_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "vectorize",
        allow_abbrev=False,
        help="make a finished vector layer of a label raster or a run",
        description="Make polygons with attributes of the ids of a label raster, or of the objects "
        "of a run. Columns, their units and their names in Shapefiles: docs/vectors.md.",
    )
    parser.add_argument(
        "source", type=Path, metavar="LABELS_OR_RUN", help="label raster, or OUT_DIR of segment"
    )
    parser.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="the layer; its name decides the format: .gpkg, .shp, .shp.zip, .geojson, .fgb, "
        ".parquet, .kml, .dxf; or training data: .coco.zip, .yolo.zip; "
        "or of a run a QGIS project with everything: .zip",
    )
    parser.add_argument(
        "--product",
        choices=("objects", "partition"),
        default="objects",
        help="objects, each with an outline of its own, or a partition: every valid pixel belongs "
        "to one polygon, and neighbours share their edges. Default: objects.",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=min(os.cpu_count() or 1, 4),
        metavar="N",
        help="processes that draw a partition (the cores, at most 4)",
    )
    parser.add_argument("--quiet", action="store_true", help="no bars and no path of the layer")
    _add_outline_options(parser.add_argument_group("outlines"))
    _add_table_options(parser.add_argument_group("table"))
    add_training_options(parser)
    parser.set_defaults(command=run_vectorize)


def _add_outline_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--tolerance",
        default=_DEFAULT,
        metavar="LENGTH",
        help="how far simplification may move an outline, as in 0.5px or 0.3m; 0px not at all. "
        f"Default: {_DEFAULT}.",
    )
    group.add_argument(
        "--smoothing",
        type=int,
        default=5,
        metavar="N",
        help="how often stairs are smoothed out, by at most half a pixel; 0 follows the edges of "
        "pixels. Default: 5.",
    )
    group.add_argument("--pixels", action="store_true", help="the masks' own outlines, unchanged")
    group.add_argument(
        "--regular",
        action="store_true",
        help="right angles where 90 %% of an object agree (objects only)",
    )
    group.add_argument(
        "--circles", action="store_true", help="circles where they fit (objects only)"
    )
    group.add_argument(
        "--fill",
        type=float,
        default=5.0,
        metavar="PX",
        help="of a partition: pixels of no object join the nearest up to this far; the rest is "
        "background, with ids below 0. Default: 5.",
    )


def _add_table_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--image",
        type=Path,
        metavar="RASTER",
        help="the raster that was segmented: adds mean and deviation of its bands, and says where "
        "data ends",
    )
    group.add_argument(
        "--no-attributes", action="store_true", help="only ids, scores and the size in pixels"
    )
    group.add_argument("--layer", default="objects", metavar="NAME", help="Default: objects.")


def run_vectorize(args: argparse.Namespace) -> int:
    """Write a layer."""
    # What the command needs takes a second to import, which others can do without.
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.export import format_of, write_batches
    from samgeo_core.results.training import training_kind
    from samgeo_core.streaming.options import NO_LIMIT_PX
    from samgeo_core.vectors.product import Surroundings, objects_layer, partition_layer
    from samgeo_core.vectors.sources import FinishedRun, LabelFile, valid_of
    from samgeo_core.vectors.style import PIXELS, OutlineStyle, tolerance_in_px

    for_training, for_qgis = training_kind(args.out), is_project(args)
    if not (for_training or for_qgis):
        format_of(args.out)  # a name that can't be is told before the work
    opened = FinishedRun if args.source.is_dir() else LabelFile
    source: FinishedRun | LabelFile = opened.open(args.source)
    number, unit = _length(args.tolerance)
    tolerance_px = tolerance_in_px(number, source.grid) if unit == "m" else number
    style = OutlineStyle(args.smoothing, tolerance_px, args.regular, args.circles)
    image = None if args.image is None else Raster.open(args.image, max_pixels=NO_LIMIT_PX)
    # The picture of a project may be of more than the run; figures of bands may not.
    is_larger = image is not None and image.shape_hw != source.grid.shape_hw
    bands = None if for_qgis and is_larger else image
    around = Surroundings(
        source.grid,
        PIXELS if args.pixels else style,
        bands,
        source.valid if bands is None else valid_of(bands),
        not args.no_attributes,
    )
    with TerminalProgress(not args.quiet) as progress:
        if for_training:
            write_training_data(args, source, around.style, image, progress.monitor)
        elif args.product == "partition" or for_qgis:
            # Beside objects with right angles a partition is drawn as it can be.
            plain = replace(style, regular=False, circles=False) if for_qgis else around.style
            layer = partition_layer(
                source.read,
                replace(around, style=PIXELS if args.pixels else plain),
                fill_px=args.fill,
                known=source.known(),
                monitor=progress.monitor,
                workers=args.workers,
                crossings=source.edge_shifts(),
            )
        else:
            layer = objects_layer(source.batches(), around, progress.monitor)
        if for_qgis and isinstance(source, FinishedRun):
            write_project_of(args, source, around, image, layer, progress.monitor)
        elif not for_training:
            write_batches(layer, args.out, layer=args.layer)
    if not args.quiet:
        sys.stdout.write(f"{args.out}\n")
    return 0


def _length(text: str) -> tuple[float, str]:
    """A length and its unit.

    Raises:
        ParameterError: it is neither in px nor in m.
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(px|m)", text.strip())
    if not found:
        raise ParameterError(f"--tolerance must be a length such as 0.5px or 0.3m, got {text!r}.")
    return float(found[1]), found[2]
