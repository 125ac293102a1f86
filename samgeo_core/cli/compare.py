"""The command ``compare``: objects beside a layer that is taken for true."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from samgeo_core.errors import ExportError, ParameterError

if TYPE_CHECKING:
    from samgeo_core.comparing.compare import Comparison
    from samgeo_core.comparing.figures import Figures
    from samgeo_core.comparing.reference import Reference
    from samgeo_core.vectors.sources import FinishedRun

_COLUMNS = (
    ("name", "class"), ("reference", "reference"), ("matched", "matched"), ("changed", "changed"),
    ("missing", "missing"), ("extra", "extra"), ("precision", "precision"), ("recall", "recall"),
    ("f1", "F1"), ("mean_iou", "mean IoU"),
)  # fmt: skip


def add_compare_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "compare",
        allow_abbrev=False,
        help="compare objects with a reference layer",
        description="Match objects one to one with a reference and write OUT.gpkg with the layers "
        "matches, changed, missing and extra, and beside it the figures as .csv and .json. What "
        "they mean: docs/comparing.md.",
    )
    parser.add_argument(
        "source", type=Path, metavar="RUN_OR_VECTORS", help="OUT_DIR of segment, or a vector file"
    )
    parser.add_argument(
        "reference", type=Path, metavar="REFERENCE",
        help="polygons in any CRS or in px of the image: .geojson, .gpkg, .zip (Shapefile), .shp, "
        ".kml, .fgb",
    )  # fmt: skip
    parser.add_argument("out", type=Path, metavar="OUT.gpkg", help="the layers")
    parser.add_argument(
        "--iou", type=float, default=0.5, metavar="N", help="least IoU of a match. Default: 0.5."
    )
    parser.add_argument(
        "--scope",
        choices=("image", "reference"),
        default="image",
        help="image: every other object is extra; reference: only those that are about an object "
        "of the reference, for references that don't hold everything. Default: image.",
    )
    parser.add_argument(
        "--keep-cut", action="store_true",
        help="count reference objects that the edge of the image cuts, too",
    )  # fmt: skip
    parser.add_argument("--image", type=Path, metavar="RASTER", help="the image of a vector file")
    parser.add_argument("--crs", help="CRS of the reference, where it doesn't say it")
    parser.add_argument("--layer", help="layer of the reference; the first by default")
    parser.add_argument("--class-column", metavar="NAME", help="classes of the reference")
    parser.add_argument(
        "--propose", action="store_true",
        help="also look for thresholds that fit the reference better (runs in one piece only)",
    )  # fmt: skip
    parser.set_defaults(command=run_compare)


def run_compare(args: argparse.Namespace) -> int:
    """Compare, tell the figures, write the layers."""
    # What the command needs takes a second to import, which others can do without.
    from samgeo_core.comparing.compare import compare
    from samgeo_core.comparing.found import FoundObjects
    from samgeo_core.comparing.ground import Ground
    from samgeo_core.comparing.matching import check_options
    from samgeo_core.comparing.reference import open_reference
    from samgeo_core.reading.raster import Raster
    from samgeo_core.vectors.sources import FinishedRun, valid_of

    check_options(args.iou, args.scope)
    if args.out.suffix.lower() != ".gpkg":
        raise ParameterError(
            f"The layers become a GeoPackage: OUT must end in .gpkg, got {args.out}."
        )
    if args.source.is_dir():
        run = FinishedRun.open(args.source)
        found = FoundObjects.of_run(run)
    else:
        run = None
        image = None if args.image is None else Raster.open(args.image)
        ground = None if image is None else Ground.of_image(image.grid, valid_of(image))
        found = FoundObjects.of_file(args.source, ground)
    reference = open_reference(
        args.reference, found.ground, crs=args.crs, layer=args.layer,
        class_column=args.class_column, keep_cut=args.keep_cut,
    )  # fmt: skip
    comparison = compare(found, reference, iou=args.iou, scope=args.scope)
    comparison.write(args.out)
    _tell(comparison)
    if args.propose:
        _propose(args, run, reference)
    sys.stdout.write(f"{args.out}\n")
    return 0


def _tell(comparison: Comparison) -> None:
    left = comparison.reference.left_out
    kinds = ", ".join(f"{count} {why}" for why, count in left.items() if count)
    sys.stdout.write(_table(comparison.figures))
    sys.stdout.write(f"reference read as {comparison.reference.placed}")
    sys.stdout.write(f"; left out: {kinds}\n" if kinds else "\n")


def _propose(args: argparse.Namespace, run: FinishedRun | None, reference: Reference) -> None:
    from samgeo_core.comparing.propose import propose_rule
    from samgeo_core.edits.history import EDITS_FILE, EditLog
    from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
    from samgeo_core.vectors.sources import rule_of

    if run is None or not (run.folder / CANDIDATES_FILE).is_file():
        raise ExportError(
            "Thresholds are proposed from the candidates of a run in one piece, which "
            f"{args.source} doesn't have: give the OUT_DIR of such a run, or leave out --propose."
        )
    pool = CandidatePool.load(run.folder / CANDIDATES_FILE, run.grid)
    edits = EditLog(run.folder / EDITS_FILE).read().active
    own = rule_of(run.folder)
    found = propose_rule(pool, own, reference, iou=args.iou, edits=edits)
    changes = found.changes(own)
    if not changes:
        sys.stdout.write("no other thresholds fit this reference better\n")
        return
    sys.stdout.write(f"proposed from {found.n_reference} objects ({found.n_tried} rules tried):\n")
    named = [replace(found.before, name="before"), replace(found.after, name="proposed")]
    sys.stdout.write(_table(named))
    options = [f"--{name.replace('_', '-')} {value}" for name, value in changes.items()]
    command = f"python -m samgeo_core select {shlex.quote(str(args.source))} OUT_DIR"
    sys.stdout.write(f"{command} {' '.join(options)}\n")


def _table(rows: Sequence[Figures]) -> str:
    """Figures as text in columns."""
    lines = [[title for _, title in _COLUMNS]]
    lines += [[_cell(row.row()[name], name) for name, _ in _COLUMNS] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_COLUMNS))]
    texts = (
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    )
    return "".join(f"{text.rstrip()}\n" for text in texts)


def _cell(value: object, name: str) -> str:
    if name == "name":
        return str(value) or "all"
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)
