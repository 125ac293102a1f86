"""What both programs take on their command line, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from benchmarks.report import complain, header, show
from benchmarks.runner import MeasurementError
from benchmarks.scenes import ROOT, BenchmarkError, Scene
from samgeo_core.config import PRESETS


def parser(program: str, about: str, scenes: str) -> argparse.ArgumentParser:
    """The options that both programs have.

    Args:
        program: name of the module.
        about: what it measures.
        scenes: which scenes it takes by default.
    """
    options = argparse.ArgumentParser(prog=f"python -m benchmarks.{program}", description=about)
    options.add_argument(
        "--scenes",
        nargs="+",
        default=[],
        metavar="SCENE",
        help=f"names of scenes in {ROOT}, or scene folders or images; default: {scenes}",
    )
    options.add_argument(
        "--presets",
        nargs="+",
        default=list(PRESETS),
        choices=PRESETS,
        help="our presets to measure; default: all",
    )
    options.add_argument("--device", default="cpu", help="cpu, cuda or mps; default: cpu")
    return options


def run(
    program: str, arguments: argparse.Namespace, scenes: list[Scene], steps: Sequence[Step]
) -> int:
    """Print the header, then do every step, whatever becomes of the others.

    Returns:
        Exit status: 1 where a measurement failed.
    """
    show(header(program, sys.argv[1:], arguments.device))
    failed = False
    for step in steps:
        try:
            step(arguments, scenes)
        except MeasurementError as error:
            complain(error)
            failed = True
    return int(failed)


def exit_with(main: Callable[[], int]) -> None:
    """Run a program; what can't be measured is told in a sentence, with exit status 2."""
    try:
        status = main()
    except BenchmarkError as error:
        complain(error)
        status = 2
    sys.exit(status)


Step = Callable[[argparse.Namespace, list[Scene]], None]
