"""Training data from the command ``vectorize``: OUT.coco.zip and OUT.yolo.zip."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from samgeo_core.errors import ParameterError
from samgeo_core.progress import Monitor

if TYPE_CHECKING:
    from samgeo_core.reading.raster import Raster
    from samgeo_core.reading.stretch import Stretch
    from samgeo_core.results.training_tiles import TrainingImage
    from samgeo_core.vectors.sources import FinishedRun, LabelFile
    from samgeo_core.vectors.style import OutlineStyle


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training data has beside those of layers."""
    group = parser.add_argument_group("training data (OUT.coco.zip, OUT.yolo.zip)")
    group.add_argument(
        "--tile",
        default="1024",
        metavar="PX",
        help="side of the image tiles that --image is cut to, or whole. Default: 1024.",
    )
    group.add_argument("--tile-format", choices=("png", "jpg"), default="png", help="Default: png.")


def write_training_data(
    args: argparse.Namespace,
    source: FinishedRun | LabelFile,
    style: OutlineStyle,
    image: Raster | None,
    monitor: Monitor,
) -> None:
    """Write what the name of OUT asks for.

    Args:
        args: what was given; see `add_training_options`.
        source: the objects.
        style: how outlines are drawn.
        image: the image that was segmented; None writes labels without pictures.
        monitor: hears of the work, and may cancel.
    """
    from samgeo_core.results.training import write_training
    from samgeo_core.results.training_tiles import TrainingImage, TrainingOptions
    from samgeo_core.vectors.outline import drawn

    if args.product == "partition":
        raise ParameterError("Training data is made of objects: leave out --product partition.")
    if not (args.tile == "whole" or args.tile.isdecimal()):
        raise ParameterError(f"--tile must be a number of px or whole, got {args.tile!r}.")
    options = TrainingOptions(None if args.tile == "whole" else int(args.tile), args.tile_format)
    shown: TrainingImage | None = None
    if image is not None:
        shown = TrainingImage.of(image, source.grid, stretch_of(args.source, image))
    write_training(
        source.batches(), source.grid, args.out, image=shown, options=options,
        shapes_of=lambda exact: drawn(exact, style), monitor=monitor,
    )  # fmt: skip


def stretch_of(folder: Path, image: Raster) -> Stretch:
    """What the model saw, where a run tells it."""
    from samgeo_core.reading.stretch import Stretch

    record = folder / "run.json"
    known = json.loads(record.read_text("utf-8")).get("stretch") if record.is_file() else None
    return Stretch.from_dict(known) if known else image.stretch()
