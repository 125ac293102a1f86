"""What one process measures: ``python -m benchmarks.tasks TASK FOLDER`` (see `benchmarks.runner`).

Imports and loading the model come before the clock starts, on every side.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.memory import Cost, metered
from benchmarks.outlines_tasks import polygons_of_peer, product_of_labels
from benchmarks.peer import MODEL, generate, load_peer
from benchmarks.runner import Measurement
from benchmarks.twins import Masks
from benchmarks.writing_tasks import (
    labels_of_wholes,
    signed_labels,
    vectors_of_labels,
    vectors_of_peer,
    vectors_of_wholes,
)

WINDOW_PX = 1024
ENCODINGS = 5
CLICKS = 40


def main() -> None:
    """Run the task that the command line names on the arguments in the folder."""
    task, folder = TASKS[sys.argv[1]], Path(sys.argv[2])
    arguments = json.loads((folder / "arguments.json").read_text("utf-8"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scenes without a place on earth are no news here
        task(**arguments).save(folder)


def masks_of_peer(image: str, device: str) -> Measurement:
    """The peer over a whole image, from its file to a label raster."""
    sam = load_peer(device)
    with tempfile.TemporaryDirectory() as folder, metered() as cost:
        records = generate(sam, Path(image), Path(folder) / "labels.tif")
    masks = Masks.crop([r["segmentation"] for r in records], [r["predicted_iou"] for r in records])
    return _found(cost, masks)


def masks_of_preset(image: str, device: str, preset: str) -> Measurement:
    """Our preset over a whole image, from its file to a label raster."""
    from samgeo_core.config import SegmentConfig
    from samgeo_core.models.loading import load_model
    from samgeo_core.pipeline import segment
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.labels import label_raster, write_label_raster

    _import_engine()
    model = load_model(MODEL, device=device)
    config = SegmentConfig(model=MODEL, device=device, preset=preset)
    with tempfile.TemporaryDirectory() as folder, metered() as cost:
        result = segment(Raster.open(image), config, model=model)
        objects = result.objects
        write_label_raster(Path(folder) / "labels.tif", label_raster(objects), result.grid)
    return _found(cost, Masks(objects.masks, objects.offsets_xy, objects.scores))


def run_of_peer(image: str, device: str, run_dir: str) -> Measurement:
    """The peer's masks as a run folder, each traced whole, as ours are."""
    from samgeo_core.objects import ObjectSet
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.export import write_vector
    from samgeo_core.results.vectorize import vectorize

    sam, raster, folder = load_peer(device), Raster.open(image), Path(run_dir)
    with tempfile.TemporaryDirectory() as place:
        prepared = Path(place) / "image.tif"
        write_plain(raster.path, prepared)
        with metered() as cost:
            records = generate(sam, prepared, folder / "labels.tif")
    masks = Masks.crop([r["segmentation"] for r in records], [r["predicted_iou"] for r in records])
    stabilities = [r["stability_score"] for r in records]
    objects = ObjectSet.build(
        raster.shape_hw, masks.crops, masks.offsets_xy, masks.scores, stabilities
    )
    write_vector(vectorize(objects, raster.grid), folder / "objects.gpkg", layer="objects")
    return Measurement(_costs(cost) | {"pixels": _pixels(raster.shape_hw)})


def run_of_preset(image: str, device: str, run_dir: str, preset: str) -> Measurement:
    """A run folder of our preset; seconds are of `segment`, which reads and finds."""
    from samgeo_core.config import SegmentConfig
    from samgeo_core.models.loading import load_model
    from samgeo_core.pipeline import segment, write_run
    from samgeo_core.reading.raster import Raster

    _import_engine()
    model, raster = load_model(MODEL, device=device), Raster.open(image)
    config = SegmentConfig(model=MODEL, device=device, preset=preset)
    with metered() as cost:
        result = segment(raster, config, model=model)
    write_run(result, Path(run_dir))
    return Measurement(_costs(cost) | {"pixels": _pixels(raster.shape_hw)})


def encoder_of_peer(image: str, device: str) -> Measurement:
    """Embeddings of a window by the published encoder, through `SamPredictor.set_image`."""
    from segment_anything import SamPredictor

    predictor, rgb = SamPredictor(load_peer(device)), window_rgb(Path(image))
    seconds = _timed(lambda: predictor.set_image(rgb), ENCODINGS, device)
    features = predictor.features[0].float().cpu().numpy()
    return Measurement({"shape_hw": rgb.shape[:2]}, {"seconds": seconds, "features": features})


def encoder_of_ours(image: str, device: str) -> Measurement:
    """Embeddings of the same window by ours, in float32."""
    return _encoder_of_ours(image, device, fast=False)


def encoder_of_ours_fast(image: str, device: str) -> Measurement:
    """Embeddings of the same window by ours, in the type that is fastest here."""
    return _encoder_of_ours(image, device, fast=True)


def _encoder_of_ours(image: str, device: str, *, fast: bool) -> Measurement:
    import torch

    from samgeo_core.engine.encoder import encode, fast_dtype
    from samgeo_core.models.loading import load_model
    from samgeo_core.tile import TileImage

    model, rgb = load_model(MODEL, device=device), window_rgb(Path(image))
    tile = TileImage.from_rgb(rgb)
    dtype = fast_dtype(model.device) if fast else torch.float32
    seconds = _timed(lambda: encode(model, tile, dtype), ENCODINGS, device)
    features = encode(model, tile, dtype).features.cpu().numpy()
    values = {"shape_hw": rgb.shape[:2], "dtype": str(dtype).removeprefix("torch.")}
    return Measurement(values, {"seconds": seconds, "features": features})


def clicks_of_peer(image: str, device: str) -> Measurement:
    """Clicks on an embedding that is there, by `SamPredictor.predict`: three masks each."""
    from segment_anything import SamPredictor

    predictor, rgb = SamPredictor(load_peer(device)), window_rgb(Path(image))
    predictor.set_image(rgb)
    points = iter(_points(rgb.shape[:2]))
    label = np.ones(1)

    def click() -> None:
        predictor.predict(point_coords=next(points)[None], point_labels=label)

    return Measurement({"shape_hw": rgb.shape[:2]}, {"seconds": _timed(click, CLICKS, device)})


def clicks_of_ours(image: str, device: str) -> Measurement:
    """The same clicks by ours."""
    from samgeo_core.engine.encoder import encode
    from samgeo_core.engine.predictor import predict
    from samgeo_core.models.loading import load_model
    from samgeo_core.tile import TileImage

    model, rgb = load_model(MODEL, device=device), window_rgb(Path(image))
    embedding = encode(model, TileImage.from_rgb(rgb))
    points = iter(_points(rgb.shape[:2]))
    labels = np.ones((1, 1))

    def click() -> None:
        predict(model, embedding, points_xy=next(points)[None, None], labels=labels)

    return Measurement({"shape_hw": rgb.shape[:2]}, {"seconds": _timed(click, CLICKS, device)})


def plain_image(image: str, target: str) -> Measurement:
    """See `write_plain`; a task, so that the measuring process itself stays small."""
    write_plain(Path(image), Path(target))
    return Measurement({})


def write_plain(image: Path, target: Path) -> None:
    """Write an image as three bands of uint8 without nodata, which both sides read alike.

    The peer knows no nodata and would stretch other types in its own way; so neither decides.
    """
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.geotiff import write_geotiff

    raster = Raster.open(image)
    write_geotiff(target, np.moveaxis(raster.read().rgb, -1, 0), raster.grid)


def window_rgb(image: Path) -> NDArray[np.uint8]:
    """The first window of an image, uint8 [H, W, 3], at most `WINDOW_PX` a side."""
    from samgeo_core.reading.raster import Raster

    rgb = Raster.open(image).read().rgb[:WINDOW_PX, :WINDOW_PX]
    return np.ascontiguousarray(rgb)


def _points(shape_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Enough clicks for warming up and measuring, the same for both sides, float64 [N, 2]."""
    size_xy = np.array(shape_hw[::-1])
    points: NDArray[np.float64] = np.random.default_rng(0).uniform(size=(CLICKS + 1, 2)) * size_xy
    return points


def _timed(work: Callable[[], object], times: int, device: str) -> NDArray[np.float64]:
    """Seconds of each call, after one that isn't counted, float64 [times]."""
    seconds = []
    for _ in range(times + 1):
        start = time.perf_counter()
        work()
        if device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return np.array(seconds[1:])


def _import_engine() -> None:
    """Import what presets import when they are first used."""
    from samgeo_core import engine

    for module in pkgutil.iter_modules(engine.__path__, "samgeo_core.engine."):
        importlib.import_module(module.name)


def _found(cost: Cost, masks: Masks) -> Measurement:
    return Measurement(_costs(cost) | {"masks": len(masks.crops)}, masks.to_arrays())


def _costs(cost: Cost) -> dict[str, Any]:
    return {
        "seconds": cost.seconds, "peak_bytes": cost.peak_bytes, "own_bytes": cost.own_bytes
    }  # fmt: skip


def _pixels(shape_hw: tuple[int, int]) -> int:
    return shape_hw[0] * shape_hw[1]


TASKS: dict[str, Callable[..., Measurement]] = {
    task.__name__: task
    for task in (
        plain_image,
        masks_of_peer,
        masks_of_preset,
        run_of_peer,
        run_of_preset,
        encoder_of_peer,
        encoder_of_ours,
        encoder_of_ours_fast,
        clicks_of_peer,
        clicks_of_ours,
        labels_of_wholes,
        signed_labels,
        vectors_of_peer,
        vectors_of_wholes,
        vectors_of_labels,
        product_of_labels,
        polygons_of_peer,
    )
}


if __name__ == "__main__":
    main()
