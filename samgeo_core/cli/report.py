"""The command ``report``: a page or a picture of a run, for people."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from samgeo_core.errors import ParameterError
from samgeo_core.words.languages import ENGLISH, LANGUAGES

_PAPERS = ("A4", "Letter")


def add_report_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "report",
        allow_abbrev=False,
        help="make a page (PDF) or a picture (PNG) of a run",
        description="Make a report of one page with map, scale bar, true north, coordinates, "
        "figures and parameters, or a picture with a legend and a scale bar: docs/results.md.",
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="OUT_DIR of segment")
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="its name decides: .pdf the page, .png the picture"
    )
    parser.add_argument(
        "--image",
        type=Path,
        metavar="RASTER",
        help="the raster that was segmented, drawn below the objects. Default: image.tif of the "
        "run, as archives have it; without one, plain ground.",
    )
    parser.add_argument("--title", metavar="TEXT", help="Default: the raster's name.")
    parser.add_argument("--paper", choices=_PAPERS, default="A4", help="Default: A4.")
    parser.add_argument(
        "--language", choices=tuple(LANGUAGES), default=ENGLISH, help=f"Default: {ENGLISH}."
    )
    parser.add_argument("--quiet", action="store_true", help="don't tell the path")
    parser.set_defaults(command=run_report)


def run_report(args: argparse.Namespace) -> int:
    """Write a page or a picture."""
    kind = args.out.suffix.lower()
    if kind not in (".pdf", ".png"):
        raise ParameterError(f"A report is a .pdf or a .png, got {args.out.name}: rename it.")
    from samgeo_core.reading.raster import Raster
    from samgeo_core.report.of_folder import subject_of_folder
    from samgeo_core.report.page import write_page
    from samgeo_core.report.quicklook import write_quicklook
    from samgeo_core.streaming.options import NO_LIMIT_PX
    from samgeo_core.words import speaking

    kept = args.run_dir / "image.tif"
    path = args.image or (kept if kept.is_file() else None)
    image = None if path is None else Raster.open(path, max_pixels=NO_LIMIT_PX)
    with speaking(args.language):
        subject = subject_of_folder(args.run_dir, image, args.title)
        if kind == ".pdf":
            write_page(args.out, subject, args.paper)
        else:
            write_quicklook(args.out, subject)
    if not args.quiet:
        sys.stdout.write(f"{args.out}\n")
    return 0
