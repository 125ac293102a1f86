"""What is found of the objects that people drew, and how much of each image is covered.

python -m benchmarks.quality [--scenes kampala_dense] [--presets full] [--with-peer] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.options import exit_with, parser, run
from benchmarks.report import NOTHING, complain, fixed, show, table
from benchmarks.runner import MeasurementError, measure
from benchmarks.scenes import BenchmarkError, Scene, find_scenes
from benchmarks.scoring import Score, score

PEER = "peer"
NAMES = {"exact": "exact (samgeo's defaults)"}
"""The exact preset finds the masks of samgeo's defaults: whole image, 32 x 32 points."""

COLUMNS = (
    "scene",
    "preset",
    "labelled",
    "recall@0.5",
    "recall@0.75",
    "mean best IoU",
    "coverage",
    "objects",
    "specks",
    "nodata labelled",
    "s/MP",
)
MEAN_COLUMNS = (
    "preset",
    "scenes",
    "recall@0.5",
    "recall@0.75",
    "mean best IoU",
    "least coverage",
    "s/MP",
)


@dataclass(frozen=True)
class Run:
    """A scored run.

    Attributes:
        scene: its name.
        side: preset, or peer.
        score: what it got right.
        seconds_per_mp: seconds per million pixels, without loading the model and writing files.
    """

    scene: str
    side: str
    score: Score
    seconds_per_mp: float


def main() -> int:
    """Parse the command line and measure."""
    options = parser("quality", __doc__.splitlines()[0], "all")
    options.add_argument(
        "--with-peer",
        action="store_true",
        help="also run the peer itself, whose masks the exact preset finds in a fraction of time",
    )
    options.add_argument("--out", type=Path, help="keep run folders here, as SCENE/PRESET")
    arguments = options.parse_args()
    return run("quality", arguments, find_scenes(arguments.scenes), [measure_scenes])


def measure_scenes(arguments: argparse.Namespace, scenes: list[Scene]) -> None:
    """One table a scene, then the means over labelled scenes."""
    runs: list[Run] = []
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        out = (arguments.out or Path(temporary)).resolve()
        for scene in scenes:
            here = []
            for side in [PEER] * arguments.with_peer + arguments.presets:
                try:
                    here.append(one_run(scene, side, arguments.device, out))
                except MeasurementError as error:
                    complain(error)
                    failed = True
            show(table(COLUMNS, [row(r) for r in here]))
            runs += here
    show("Over labelled scenes, each counting once:", table(MEAN_COLUMNS, mean_rows(runs)))
    if failed:
        raise MeasurementError("Runs that failed are missing above.")


def one_run(scene: Scene, side: str, device: str, out: Path) -> Run:
    """Run one side over a scene and score what it wrote.

    Raises:
        BenchmarkError: the folder for it can't be made.
        MeasurementError: it failed.
    """
    folder = out / scene.name / side
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchmarkError(f"{folder} can't be made ({error}): name another --out.") from error
    given = {"image": str(scene.image), "device": device, "run_dir": str(folder)}
    if side == PEER:
        result = measure("run_of_peer", **given)
    else:
        result = measure("run_of_preset", **given, preset=side)
    seconds = result.values["seconds"] / result.values["pixels"] * 1e6
    return Run(scene.name, side, score(scene, folder), seconds)


def row(item: Run) -> list[str]:
    """The line of one run; what asks for labels is left out where there are none."""
    found = item.score
    return [
        item.scene,
        NAMES.get(item.side, item.side),
        str(found.labelled) if found.labelled else NOTHING,
        fixed(found.recall50),
        fixed(found.recall75),
        fixed(found.mean_best_iou),
        fixed(found.coverage),
        str(found.objects),
        str(found.specks),
        str(found.nodata_labelled),
        fixed(item.seconds_per_mp, 1),
    ]


def mean_rows(runs: Sequence[Run]) -> list[list[str]]:
    """The means of each side over its labelled scenes."""
    sides: dict[str, list[Run]] = defaultdict(list)
    for item in runs:
        if item.score.labelled:
            sides[item.side].append(item)
    rows = []
    for side, items in sides.items():
        scores = [item.score for item in items]
        rows.append(
            [
                NAMES.get(side, side),
                str(len(items)),
                fixed(mean(s.recall50 or 0.0 for s in scores)),
                fixed(mean(s.recall75 or 0.0 for s in scores)),
                fixed(mean(s.mean_best_iou or 0.0 for s in scores)),
                fixed(min(s.coverage or 0.0 for s in scores)),
                fixed(mean(item.seconds_per_mp for item in items), 1),
            ]
        )
    return rows


if __name__ == "__main__":
    exit_with(main)
