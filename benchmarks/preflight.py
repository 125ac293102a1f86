"""How far estimates lie from what runs take: time, memory and disk, predicted and then measured.

Each run has a process of its own. Time is estimated twice: from the calibration alone, as before a
machine's first run; and from a try-out on the middle of the same image, as before most runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import header, show, table
from benchmarks.runner import REPOSITORY, MeasurementError
from benchmarks.scenes import BenchmarkError, Scene, find_scenes

TRY_PX = 512


def main(argv: Sequence[str] | None = None) -> int:
    """Predict, run, and print ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.preflight", description=__doc__)
    parser.add_argument("--scenes", nargs="*", default=(), help="names, folders or images (all)")
    parser.add_argument("--presets", nargs="+", default=["fast"], choices=("exact", "full", "fast"))
    parser.add_argument("--model", default="vit_t", help="%(default)s")
    parser.add_argument(
        "--processor-seconds",
        action="store_true",
        help="count those instead of the clock's, for a machine with other work; on one thread",
    )
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.task:
        image, preset, out = args.task
        found = measured(Path(image), preset, args.model, args.processor_seconds)
        Path(out).write_text(json.dumps(found), "utf-8")
        return 0
    try:
        scenes = find_scenes(args.scenes)
    except BenchmarkError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    rows = [
        _row(scene, preset, args.model, args.processor_seconds)
        for scene in scenes
        if scene.image.suffix != ".jpg"
        for preset in args.presets
    ]
    told = [_summary(name, rows) for name in _QUANTITIES]
    arguments = sys.argv[1:] if argv is None else argv
    show(header("preflight", arguments, "cpu"), table(_HEAD, [_cells(row) for row in rows]), *told)
    return 0


_QUANTITIES = ("time", "time after a try-out", "memory", "disk")


def _summary(name: str, rows: Sequence[dict[str, Any]]) -> str:
    ratios = [row[name][0] / row[name][1] for row in rows]
    errors = [abs(ratio - 1) for ratio in ratios]
    near = sum(error <= 0.3 for error in errors)
    return (
        f"{name}: predicted / actual {statistics.median(ratios):.2f} in the median, "
        f"{min(ratios):.2f} to {max(ratios):.2f}; median error {statistics.median(errors):.0%}, "
        f"{near} of {len(errors)} within 30 %"
    )


_HEAD = (
    "scene", "preset", "px", "time, s", "ratio", "after a try-out, s", "ratio",
    "memory, MB", "ratio", "disk, MB", "ratio",
)  # fmt: skip


def _cells(row: dict[str, Any]) -> list[str]:
    """Predicted and actual, and their ratio."""
    cells = [row["scene"], row["preset"], row["px"]]
    for name, scale, form in (
        ("time", 1, ".1f"), ("time after a try-out", 1, ".1f"),
        ("memory", 1e6, ".0f"), ("disk", 1e6, ".2f"),
    ):  # fmt: skip
        predicted, actual = row[name]
        cells += [f"{predicted / scale:{form}} / {actual / scale:{form}}"]
        cells += [f"{predicted / actual:.2f}"]
    return cells


def _row(scene: Scene, preset: str, model: str, processor: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="samgeo-bench-") as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", "benchmarks.preflight", "--model", model]
        command += ["--task", str(scene.image), preset, str(out)]
        environment = dict(os.environ)
        if processor:
            command.append("--processor-seconds")
            environment["OMP_NUM_THREADS"] = "1"
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False)
        if done.returncode:
            raise MeasurementError(f"{scene.name} ({preset}) failed.")
        return {"scene": scene.name, "preset": preset, **json.loads(out.read_text("utf-8"))}


def measured(image: Path, preset: str, model_name: str, processor: bool) -> dict[str, Any]:
    """What was predicted of a run, and what it took."""
    import time

    from benchmarks.memory import peak_bytes
    from samgeo_core.config import SegmentConfig
    from samgeo_core.models.loading import cached_model
    from samgeo_core.pipeline import segment, write_run
    from samgeo_core.preflight.calibration import measured_rates
    from samgeo_core.preflight.card import FIXED_S, expected_seconds, preflight
    from samgeo_core.preflight.look import look_at_pixels
    from samgeo_core.reading.raster import Raster
    from samgeo_core.windows import Window

    raster, config = Raster.open(image), SegmentConfig(preset=preset, model=model_name)
    model = cached_model(model_name)
    clock = time.process_time if processor else time.perf_counter
    rate = measured_rates(model, clock)[preset]
    first_s = expected_seconds(raster.shape_hw, config, rate)
    card = preflight(raster, config, look_at_pixels(raster), first_s)
    height, width = raster.shape_hw
    side_y, side_x = min(TRY_PX, height), min(TRY_PX, width)
    area = Window((width - side_x) // 2, (height - side_y) // 2, side_x, side_y)
    start = clock()
    segment(raster, config, area=area, model=model)
    pace = (clock() - start) / expected_seconds(area.shape_hw, config, rate)
    with tempfile.TemporaryDirectory() as folder:
        start = clock()
        write_run(segment(raster, config, model=model), Path(folder))
        seconds = clock() - start
        disk = sum(path.stat().st_size for path in Path(folder).iterdir())
    return {
        "px": f"{width} × {height}",
        "time": (first_s, seconds),
        "time after a try-out": (FIXED_S + pace * (first_s - FIXED_S), seconds),
        "memory": (card.memory_bytes, peak_bytes()),
        "disk": (card.disk_bytes, disk),
    }


if __name__ == "__main__":
    sys.exit(main())
