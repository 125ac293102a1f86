"""How a run grows with its raster and its workers: `python -m benchmarks.scale PART [options]`.

    memory     peak memory of a process for 1, 4 and 16 times the pixels
    workers    regions a second with one and with two workers of one thread
    resume     killed again and again at random moments, against a run that nobody disturbs
    cost       seconds of processor time that the model takes per region and per gigapixel
    gigapixel  a raster of a gigapixel from plan to polygons, with a stand-in for the model
    all        one after the other

Every measured run is a process of its own. The stand-in (`StandInDecoder`) finds connected bright
parts by a threshold, which costs next to nothing: with it one sees what all but the model costs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from benchmarks.memory import peak_bytes
from benchmarks.runner import REPOSITORY, MeasurementError
from benchmarks.scale_scene import StandInDecoder, write_scene
from samgeo_core.config import OVERLAPS, PRESETS, AutomaticConfig, SegmentConfig
from samgeo_core.engine.ladder import Place
from samgeo_core.progress import SILENT
from samgeo_core.reading.raster import Raster
from samgeo_core.streaming.options import NO_LIMIT_PX, StreamOptions
from samgeo_core.streaming.region_work import Finder, ModelFinder, RasterWork
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.streaming.run_folder import RunFolder
from samgeo_core.streaming.scheduling import map_regions
from samgeo_core.tile import TileImage
from samgeo_core.windows import Window


def _finder(name: str, points: int) -> tuple[SegmentConfig, Finder]:
    config = SegmentConfig(automatic=AutomaticConfig(points_per_side=points))
    return config, StandInDecoder() if name == "stand-in" else ModelFinder.of(config)


def _child(arguments: dict[str, Any]) -> None:
    """One run in this process; its figures go to stdout."""
    start = time.perf_counter()
    config, finder = _finder(arguments["finder"], arguments["points"])
    rule = replace(config.rule, overlap=arguments.get("overlap", config.rule.overlap))
    config = replace(config, selection=rule)
    if pause := arguments.get("pause"):
        finder = StandInDecoder(pause)
    raster = Raster.open(arguments["raster"], max_pixels=NO_LIMIT_PX)
    options = StreamOptions(arguments["region"], arguments["margin"])
    out_dir = Path(arguments["out"])
    record = segment_to_folder(raster, out_dir, config, options, finder=finder)
    figures = {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time(),
        "peak_bytes": peak_bytes(),
        "n_objects": record["n_objects"],
        "regions": record["streaming"]["regions"],
        "stages": record["seconds"],
        "files": {p.name: p.stat().st_size for p in sorted(out_dir.iterdir()) if p.is_file()},
        "kept": sum(p.stat().st_size for p in (out_dir / "regions").rglob("*.npz")),
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def _command(arguments: dict[str, Any]) -> list[str]:
    return [sys.executable, "-m", "benchmarks.scale", "child", json.dumps(arguments)]


def _run(**arguments: Any) -> dict[str, Any]:
    done = subprocess.run(
        _command(arguments), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise MeasurementError(f"A run ended with {done.returncode}: {arguments}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def memory(folder: Path, args: argparse.Namespace) -> None:
    """Peak memory by size of the raster."""
    print(f"\nfinder {args.finder}, region {args.region} px, margin {args.margin} px\n")
    print("| megapixels | times | regions | objects | seconds | peak MiB | against 1 time |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    first = 0.0
    for factor in (1, 2, 4):
        side = args.side * factor
        scene, out = folder / f"{side}.tif", folder / f"out-{side}"
        write_scene(scene, side)
        told = _run(
            raster=str(scene), out=str(out), finder=args.finder, points=args.points,
            region=args.region, margin=args.margin, overlap=args.overlap,
        )  # fmt: skip
        peak = told["peak_bytes"] / 2**20
        first = first or peak
        print(
            f"| {side * side / 1e6:.1f} | {factor**2} | {told['regions']} | {told['n_objects']} "
            f"| {told['seconds']:.1f} | {peak:.0f} | {peak / first - 1:+.1%} |",
            flush=True,
        )
        shutil.rmtree(out)
        scene.unlink()


def gigapixel(folder: Path, args: argparse.Namespace) -> None:
    """A gigapixel from plan to polygons, with the stand-in."""
    side = args.gigapixel_side
    scene, out = folder / "gigapixel.tif", folder / "gigapixel"
    start = time.perf_counter()
    write_scene(scene, side)
    print(
        f"\nscene of {side} x {side} px written in {time.perf_counter() - start:.0f} s", flush=True
    )
    told = _run(
        raster=str(scene), out=str(out), finder="stand-in", points=1,
        region=args.region, margin=args.margin, overlap=args.overlap,
    )  # fmt: skip
    print(f"| gigapixels | {side * side / 1e9:.3f} |\n| --- | --- |")
    print(f"| regions of {args.region} px, margin {args.margin} px | {told['regions']} |")
    print(f"| objects | {told['n_objects']} |")
    print(f"| seconds in all | {told['seconds']:.0f} |")
    print(f"| seconds of processor time | {told['processor_seconds']:.0f} |")
    print(f"| stages, s | {told['stages']} |")
    print(f"| peak memory, MiB | {told['peak_bytes'] / 2**20:.0f} |")
    print(f"| kept candidates, MB | {told['kept'] / 1e6:.1f} |")
    for name, size in told["files"].items():
        print(f"| {name}, MB | {size / 1e6:.2f} |")
    shutil.rmtree(out)
    scene.unlink()


def workers(folder: Path, args: argparse.Namespace) -> None:
    """Regions a second with one and with two workers of one thread, model loaded before."""
    from distributed import LocalCluster

    scene = folder / "workers.tif"
    write_scene(scene, args.side)
    raster = Raster.open(scene)
    _, finder = _finder(args.finder, args.points)
    plan = RegionPlan(raster.shape_hw, args.region, args.margin)
    bands = raster.default_bands()
    rates = []
    print(
        f"\nfinder {args.finder}, {len(plan)} regions of {args.region} px, load {os.getloadavg()}\n"
    )
    print("| workers | seconds | regions a second | times |\n| ---: | ---: | ---: | ---: |")
    for count in (1, 2) * args.turns:
        with LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=count, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster:
            times = []
            for turn in ("warm", "timed"):
                run = RunFolder.begin(folder / f"{count}-{turn}", {"turn": turn})
                work = RasterWork(
                    scene, raster.size_bytes, bands, raster.stretch(bands), finder, plan, run
                )
                regions = list(plan) if turn == "timed" else list(plan)[: 2 * count]
                start = time.perf_counter()
                address = cluster.scheduler_address
                for region, data in map_regions(work, regions, scheduler=address):
                    if data is not None:
                        run.store(region, data)
                times.append(time.perf_counter() - start)
                shutil.rmtree(run.path)
        rates.append(len(plan) / times[-1])
        print(
            f"| {count} | {times[-1]:.1f} | {rates[-1]:.3f} | {rates[-1] / rates[0]:.2f} |",
            flush=True,
        )
    scene.unlink()


def resume(folder: Path, args: argparse.Namespace) -> None:
    """Killed again and again, and the same files in the end."""
    scene = folder / "resume.tif"
    write_scene(scene, 4096)
    common = {
        "raster": str(scene), "finder": "stand-in", "points": 1, "region": 1024, "margin": 128,
        "pause": 0.05,
    }  # fmt: skip
    whole = _run(**common, out=str(folder / "whole"))
    print(f"\nunbroken: {whole['seconds']:.1f} s, {whole['n_objects']} objects, "
          f"{whole['regions']} regions\n")  # fmt: skip
    print("| run | kills | last start, s | same labels | same polygons |")
    print("| ---: | ---: | ---: | --- | --- |")
    moments = random.Random(0)
    for number in range(args.runs):
        out, kills = folder / f"killed-{number}", 0
        while True:
            start = time.perf_counter()
            process = subprocess.Popen(
                _command({**common, "out": str(out)}), cwd=REPOSITORY, stdout=subprocess.DEVNULL
            )
            try:
                process.wait(moments.uniform(0.5, 1.2) * whole["seconds"])
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
        seconds = time.perf_counter() - start
        same = [
            _digest(folder / "whole" / name) == _digest(out / name)
            for name in ("labels.tif", "objects.gpkg")
        ]
        print(f"| {number + 1} | {kills} | {seconds:.1f} | {same[0]} | {same[1]} |", flush=True)
        shutil.rmtree(out)


def _digest(path: Path) -> str:
    """What a result says, whatever the bytes of its file: pixels, or rows in their order."""
    if path.suffix == ".tif":
        with rasterio.open(path) as source:
            return hashlib.sha256(source.read(1).tobytes()).hexdigest()
    import geopandas as gpd

    frame = gpd.read_file(path)
    content = frame.drop(columns="geometry").to_csv().encode() + b"".join(frame.geometry.to_wkb())
    return hashlib.sha256(content).hexdigest()


def cost(folder: Path, args: argparse.Namespace) -> None:
    """Processor time that a scene takes, by preset, model loaded before; margins come on top."""
    raster = Raster.open(args.scene)
    height, width = raster.shape_hw
    extent = Window.whole((min(height, args.region), min(width, args.region)))
    place = Place(extent, extent, extent, args.margin)
    tile = raster.read(extent, stretch=raster.stretch())
    twice = (args.region / (args.region - 2 * args.margin)) ** 2
    print(f"\n{args.scene.parent.name}, {width} x {height} px")
    print(
        f"regions of {args.region} px with margins of {args.margin} see a pixel {twice:.2f} times"
    )
    print("\n| preset | candidates | processor s | processor hours a gigapixel |")
    print("| --- | ---: | ---: | ---: |")
    corner = Window(0, 0, 64, 64)
    small = TileImage(np.ascontiguousarray(tile.rgb[corner.slices]), tile.valid[corner.slices])
    for preset in args.presets:
        finder = ModelFinder.of(SegmentConfig(preset=preset))
        finder(small, SILENT, Place(corner, corner, corner, args.margin))
        start = time.process_time()
        found = finder(tile, SILENT, place)
        seconds = time.process_time() - start
        hours = seconds / (extent.width * extent.height) * twice * 1e9 / 3600
        print(f"| {preset} | {len(found)} | {seconds:.1f} | {hours:.1f} |", flush=True)


PARTS = {
    "memory": memory,
    "workers": workers,
    "resume": resume,
    "cost": cost,
    "gigapixel": gigapixel,
}


def main() -> None:
    """Run what the command line names."""
    if len(sys.argv) == 3 and sys.argv[1] == "child":
        _child(json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=[*PARTS, "all"])
    parser.add_argument("--finder", choices=("model", "stand-in"), default="model")
    parser.add_argument("--points", type=int, default=8, help="the model's points_per_side")
    parser.add_argument("--region", type=int, default=1024)
    parser.add_argument("--margin", type=int, default=128)
    parser.add_argument("--overlap", choices=OVERLAPS, default=OVERLAPS[0])
    parser.add_argument("--side", type=int, default=1536, help="px of the smallest raster")
    parser.add_argument("--gigapixel-side", type=int, default=32768)
    parser.add_argument("--runs", type=int, default=3, help="of the part resume")
    parser.add_argument("--turns", type=int, default=2, help="of the part workers")
    parser.add_argument("--scene", type=Path, help="of the part cost: a file")
    parser.add_argument("--presets", nargs="+", default=list(PRESETS), help="of the part cost")
    parser.add_argument("--folder", type=Path, help="for rasters and results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="samgeo-scale-", dir=args.folder) as name:
        if args.scene is None:
            args.scene = Path(name) / "scene.tif"
            write_scene(args.scene, 2048)
        for part in PARTS if args.part == "all" else (args.part,):
            PARTS[part](Path(name), args)


if __name__ == "__main__":
    main()
