"""How long choosing among a run's candidates again takes.

``python -m benchmarks.refilter [RUN...]``: RUN is a folder that ``segment`` wrote. Without one, a
scene of 2048 x 2048 px with about 5,000 objects in 11,000 candidates is made up: small shapes on
middle-sized ones on large ones, each offered up to three times, as a model does that sees them in
several windows.

Times are those of what a click on the page Result costs, in seconds of one processor: the first,
when nothing is known of the masks yet, and further ones.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from affine import Affine
from rasterio.crs import CRS

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.config import OVERLAPS, SegmentConfig, SelectionRule
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask
from samgeo_core.pipeline import Segmentation, read_record, write_run
from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
from samgeo_core.reading.raster import Raster
from samgeo_core.results.labels import label_raster
from samgeo_core.tile import TileImage
from samgeo_core.web.layers import objects_layer
from samgeo_core.web.records import Run
from samgeo_core.web.selected import selected
from samgeo_core.web.tiles import TileRenderer

T = TypeVar("T")

SIDE = 2048
# How many of which radius, px, one layer on the other.
LAYERS = ((60, 90.0, 220.0), (900, 18.0, 55.0), (4600, 3.0, 12.0))


def made_up_candidates(seed: int = 0) -> CandidateSet:
    """Uneven shapes in three sizes, most of them good, each up to three times."""
    rng = np.random.default_rng(seed)
    masks: list[MaskCandidate | None] = []
    for count, low, high in LAYERS:
        for _ in range(count):
            mask = _shape(rng, rng.uniform(low, high))
            x, y = (int(rng.integers(0, SIDE - length)) for length in mask.shape[::-1])
            masks.extend(_offered(rng, mask, (x, y)))
    return CandidateSet.collect((SIDE, SIDE), (mask for mask in masks if mask is not None))


def _shape(rng: np.random.Generator, radius: float) -> BoolMask:
    side = int(2.8 * radius) + 3
    grain = rng.standard_normal((side, side)).astype(np.float32)
    noise = cv2.GaussianBlur(grain, (0, 0), max(radius / 4, 1.0))
    y, x = np.mgrid[:side, :side] - side / 2
    stretch = rng.uniform(0.75, 1.35)
    uneven = np.hypot(x * stretch, y / stretch) + noise / noise.std() * 0.12 * radius
    return np.asarray(uneven < radius)


def _offered(
    rng: np.random.Generator, mask: BoolMask, offset_xy: tuple[int, int]
) -> list[MaskCandidate | None]:
    found = []
    for again in range(int(rng.integers(1, 4))):
        seen = cv2.erode(mask.view(np.uint8), np.ones((2, 2), np.uint8)).view(np.bool_)
        score, stability = rng.uniform(0.7, 1.0), rng.uniform(0.8, 1.0)
        point = (offset_xy[0] + mask.shape[1] / 2, offset_xy[1] + mask.shape[0] / 2)
        found.append(MaskCandidate.of(seen if again else mask, offset_xy, score, stability, point))
    return found


def made_up_run(folder: Path) -> Path:
    """The folder of a run with those candidates."""
    candidates = made_up_candidates()
    valid = np.ones((SIDE, SIDE), np.bool_)
    grid = GeoGrid((SIDE, SIDE), Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000), CRS.from_epsg(32633))
    config = SegmentConfig(preset="full")
    objects = CandidatePool(candidates, valid, grid).objects(config.rule)
    tile = TileImage(np.zeros((SIDE, SIDE, 3), np.uint8), valid)
    record = {
        "seconds": {}, "selection": asdict(config.rule), "parameters": config.to_dict(),
    }  # fmt: skip
    write_run(Segmentation(objects, grid, tile, config, record, candidates), folder)
    return folder


def measure(folder: Path) -> None:
    """Print what clicks on the result of a run cost."""
    config = SegmentConfig.from_dict(read_record(folder)["parameters"])
    grid = Raster.open(folder / "labels.tif").grid
    own = config.rule
    pool, loading = _timed(lambda: CandidatePool.load(folder / CANDIDATES_FILE, grid))
    size = (folder / CANDIDATES_FILE).stat().st_size
    print(f"{folder.name}: {len(pool.candidates):,} candidates, {size / 1e6:.1f} MB on disk")
    print(f"reading them {loading:.3f} s\n")
    print("seconds             objects  choose  labels  table+polygons  layer of the map  tile")
    run = Run(folder.name, "", folder.name, folder, "", config.to_dict(), None, grid.shape_hw, 0)
    run = replace(run, state="done")
    start = max(own.least_score, 0.01)
    rules = [("first, as segmented", own)]
    rules += [(f"again, {name}", replace(own, overlap=name)) for name in OVERLAPS[1:]]
    rules += [
        ("looser", replace(own, good_score=start, good_stability=own.least_stability)),
        ("tighter", replace(own, least_score=0.85, min_area_px=60.0)),
        *((f"tighter, {n}", replace(own, least_score=0.85, overlap=n)) for n in OVERLAPS[1:]),
    ]
    for name, rule in rules:
        _measure_rule(name, run, pool, rule)


def _measure_rule(name: str, run: Run, pool: CandidatePool, rule: SelectionRule) -> None:
    objects, choosing = _timed(lambda: pool.objects(rule))
    _, painting = _timed(lambda: label_raster(objects))
    # NOTE: `selected` chooses once more; what it does besides are table and polygons.
    _, selecting = _timed(lambda: selected(run, rule))
    _, drawing = _timed(lambda: objects_layer(run, rule))
    frame = selected(run, rule).source.place.frame
    zoom = frame.native_zoom - 2
    (south, west), (north, east) = frame.bounds_latlng
    column, row = _tile_of((south + north) / 2, (west + east) / 2, zoom)
    _, tile = _timed(lambda: TileRenderer().label_tile(run, zoom, column, row, rule))
    print(
        f"{name:20}{len(objects):7,}{choosing:8.3f}{painting:8.3f}"
        f"{max(selecting - choosing, 0.0):16.3f}{drawing:18.3f}{tile:6.3f}"
    )


def _tile_of(lat: float, lng: float, zoom: int) -> tuple[int, int]:
    """The tile of a web map that a place lies on."""
    sin = np.sin(np.radians(lat))
    x, y = lng / 360 + 0.5, 0.5 - np.log((1 + sin) / (1 - sin)) / (4 * np.pi)
    return int(x * 2**zoom), int(y * 2**zoom)


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def main(folders: Sequence[str]) -> None:
    """Measure the runs that are named, or a made-up one."""
    if folders:
        for run_folder in folders:
            measure(Path(run_folder))
        return
    with tempfile.TemporaryDirectory(prefix="refilter-") as place:
        folder = Path(place) / "made-up"
        folder.mkdir()
        measure(made_up_run(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
