"""Speed and memory beside the peer, in turns, each in a process of its own.

python -m benchmarks.speed [--scenes nl_river] [--rounds 3] [--presets exact] [--skip-peer]
                           [--sections masks encoder click]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.options import exit_with, parser, run
from benchmarks.report import NOTHING, fixed, mib, share, show, spread, table
from benchmarks.runner import Measurement, MeasurementError, measure
from benchmarks.scenes import ROOT, Scene, find_scenes, image_in
from benchmarks.twins import TWIN_IOU, Agreement, Masks, compare

PEER = "peer"
SCENES = ("nl_river", "tcd_manila", "kampala_dense")
"""Three kinds of image are enough to time, where the folder has them."""

COST_COLUMNS = (
    "scene",
    "side",
    "masks",
    "seconds",
    "times faster than the peer",
    "peak of the process, MiB",
    "peak of the generation alone, MiB",
    "times less than the peer",
)
TWIN_COLUMNS = (
    "scene",
    "peer's masks",
    "exact's masks",
    f"peer's with a twin at IoU ≥ {TWIN_IOU}",
    "exact's with a twin",
    "identical to the pixel",
    "predicted IoU of the peer's without",
)
Turns = dict[str, list[Measurement]]


def main() -> int:
    """Parse the command line and measure."""
    options = parser("speed", __doc__.splitlines()[0], " ".join(SCENES))
    options.add_argument("--rounds", type=int, default=3, help="turns of each side; default: 3")
    options.add_argument("--skip-peer", action="store_true", help="measure only ours")
    options.add_argument(
        "--sections",
        nargs="+",
        choices=SECTIONS,
        default=list(SECTIONS),
        help="what to measure; default: all",
    )
    arguments = options.parse_args()
    if arguments.rounds < 1:
        options.error("--rounds must be at least 1")
    scenes = find_scenes(arguments.scenes or default_names())
    return run("speed", arguments, scenes, [SECTIONS[name] for name in arguments.sections])


def default_names(root: Path = ROOT) -> list[str]:
    """Those of `SCENES` that are there; none of them means all scenes."""
    return [name for name in SCENES if image_in(root / name)]


def measure_masks(arguments: argparse.Namespace, scenes: list[Scene]) -> None:
    """Whole images to label rasters: one table a scene, and the twins of the exact preset."""
    show(f"## Whole image to label raster, {_rounds(arguments.rounds)}")
    failures = []
    for scene in scenes:
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder) / "image.tif"
            measure("plain_image", image=str(scene.image), target=str(image))
            try:
                turns = take_turns(arguments, image)
            except MeasurementError as error:
                failures.append(f"{scene.name}: {error}")
                continue
        show(table(COST_COLUMNS, cost_rows(scene.name, turns)))
        if PEER in turns and "exact" in turns:
            found = compare(*(Masks.from_measurement(turns[side][0]) for side in (PEER, "exact")))
            show(table(TWIN_COLUMNS, [twin_row(scene.name, found)]))
    if failures:
        raise MeasurementError("\n".join(failures))


def take_turns(arguments: argparse.Namespace, image: Path) -> Turns:
    """Let every side have its turn, round by round."""
    turns: Turns = defaultdict(list)
    given = {"image": str(image), "device": arguments.device}
    for _ in range(arguments.rounds):
        if not arguments.skip_peer:
            turns[PEER].append(measure("masks_of_peer", **given))
        for preset in arguments.presets:
            turns[preset].append(measure("masks_of_preset", **given, preset=preset))
    return dict(turns)


def cost_rows(scene: str, turns: Turns) -> list[list[str]]:
    """One row a side; a ratio is of two turns of one round."""
    rows = []
    for side, taken in turns.items():
        beside = [] if side == PEER else turns.get(PEER, [])
        rows.append(
            [
                scene,
                side,
                str(taken[0].values["masks"]),
                spread(_each(taken, "seconds")),
                spread(ratios(beside, taken, "seconds")),
                mib(max(_each(taken, "peak_bytes"))),
                mib(max(_each(taken, "own_bytes"))),
                spread(ratios(beside, taken, "own_bytes")),
            ]
        )
    return rows


def ratios(peer: Sequence[Measurement], ours: Sequence[Measurement], key: str) -> list[float]:
    """Peer's value by ours, round by round; empty without a peer."""
    if not peer:
        return []
    return [p / o for p, o in zip(_each(peer, key), _each(ours, key), strict=True)]


def twin_row(scene: str, found: Agreement) -> list[str]:
    """How alike the exact preset's masks are to the peer's."""
    return [
        scene,
        str(found.n_peer),
        str(found.n_ours),
        share(found.peer_found),
        share(found.ours_found),
        share(found.identical),
        ", ".join(map(str, found.missing_scores)) or NOTHING,
    ]


def measure_encoder(arguments: argparse.Namespace, scenes: list[Scene]) -> None:
    """Embedding of a window: the published encoder beside ours."""
    turns = take_sides(arguments, scenes[0], "encoder", ["ours", "ours_fast"])
    if turns["ours_fast"][0].values["dtype"] == "float32":
        del turns["ours_fast"]  # no smaller type is faster here: the same measurement again
    columns = ["encoder", "seconds", "times faster", "largest difference", "of values up to"]
    rows = []
    for side, taken in turns.items():
        faster = ratio_of_medians(turns, taken) if side != PEER else []
        difference = largest = None
        if PEER in turns and side != PEER:
            reference = turns[PEER][0].arrays["features"]
            difference = float(np.abs(taken[0].arrays["features"] - reference).max())
            largest = float(np.abs(reference).max())
        rows.append(
            [
                "MobileSAM as published" if side == PEER else f"ours, {taken[0].values['dtype']}",
                spread(_all_seconds(taken), 2),
                spread(faster, 2),
                NOTHING if difference is None else f"{difference:.1e}",
                fixed(largest, 2),
            ]
        )
    show(f"## Encoder, {_window(scenes[0], turns)}, {_rounds(arguments.rounds)}")
    show(table(columns, rows))


def measure_clicks(arguments: argparse.Namespace, scenes: list[Scene]) -> None:
    """One point on an embedding that is there, to three masks in the size of the window."""
    turns = take_sides(arguments, scenes[0], "clicks", ["ours"])
    rows = []
    for side, taken in turns.items():
        milliseconds = [1000 * s for s in _all_seconds(taken)]
        rows.append(
            [
                "SamPredictor" if side == PEER else "ours",
                str(len(milliseconds)),
                f"{np.median(milliseconds):.1f}",
                f"{np.percentile(milliseconds, 95):.1f}",
                spread(ratio_of_medians(turns, taken) if side != PEER else []),
            ]
        )
    show(f"## Warm click, {_window(scenes[0], turns)}, {_rounds(arguments.rounds)}")
    show(table(["click", "clicks", "median, ms", "95th percentile, ms", "times faster"], rows))


def take_sides(
    arguments: argparse.Namespace, scene: Scene, task: str, ours: Sequence[str]
) -> Turns:
    """A task of the peer and the same of ours, in turns."""
    sides = [*ours] if arguments.skip_peer else [PEER, *ours]
    turns: Turns = {side: [] for side in sides}
    for _ in range(arguments.rounds):
        for side in sides:
            given = {"image": str(scene.image), "device": arguments.device}
            turns[side].append(measure(f"{task}_of_{side}", **given))
    return turns


def ratio_of_medians(turns: Turns, ours: Sequence[Measurement]) -> list[float]:
    """Peer's median seconds by ours, round by round; empty without a peer."""
    return [
        float(np.median(p.arrays["seconds"]) / np.median(o.arrays["seconds"]))
        for p, o in zip(turns.get(PEER, []), ours, strict=False)
    ]


def _each(taken: Sequence[Measurement], key: str) -> list[float]:
    return [float(m.values[key]) for m in taken]


def _all_seconds(taken: Sequence[Measurement]) -> list[float]:
    return [float(s) for m in taken for s in m.arrays["seconds"]]


def _rounds(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds: median (lowest to highest)"


def _window(scene: Scene, turns: Turns) -> str:
    height, width = turns["ours"][0].values["shape_hw"]
    return f"{width} × {height} px of {scene.name}"


SECTIONS = {"masks": measure_masks, "encoder": measure_encoder, "click": measure_clicks}


if __name__ == "__main__":
    exit_with(main)
