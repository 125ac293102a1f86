"""Twenty visitors at once, with the real model: everybody gets what is theirs, and all of it."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.errors import NotFoundError
from samgeo_core.models import loading
from samgeo_core.pipeline import segment
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.reading.raster import Raster
from samgeo_core.results.labels import label_raster
from samgeo_core.settings import get_settings
from samgeo_core.web.context import AppContext
from samgeo_core.web.queue_book import JobState
from samgeo_core.web.records import Run
from samgeo_core.web.selected import run_source
from samgeo_core.web.work import start_segmentation

VISITORS, WORKERS = 20, 2
WAIT_S = 300
CONFIG = SegmentConfig(automatic=AutomaticConfig(points_per_side=3))


def _assert_same(one: CandidateSet, other: CandidateSet) -> None:
    """To the last bit of masks, boxes and scores."""
    for name in ("boxes_xyxy", "bits", "scores", "stabilities", "points_xy"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


@pytest.mark.weights
def test_results_of_visitors_at_the_same_time_are_those_of_single_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default_model: Any
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    loads: list[str] = []
    load = loading.load_model

    def counted(name: str, **options: Any) -> loading.LoadedModel:
        loads.append(name)
        return load(name, **options)

    monkeypatch.setattr(loading, "load_model", counted)
    monkeypatch.setattr(loading, "_cache", type(loading._cache)())
    settings = dataclasses.replace(get_settings(), data_dir=tmp_path / "data", workers=WORKERS)
    context = AppContext.create(settings)
    images = [
        generated_scene(tmp_path / f"{i}.tif", size=192, seed=i).path for i in range(VISITORS)
    ]
    everybody = threading.Barrier(VISITORS)

    def visit(i: int) -> Run:
        owner = f"visitor {i}"
        everybody.wait(WAIT_S)
        with images[i].open("rb") as upload:
            scene = context.store.add_scene(upload, f"image {i}.tif", owner)
        run = start_segmentation(context, scene, CONFIG, owner)
        job = context.jobs.wait(run.run_id, WAIT_S)
        assert (job.state, job.error) == (JobState.DONE, None)
        return run

    with ThreadPoolExecutor(VISITORS) as pool:
        runs = list(pool.map(visit, range(VISITORS)))
    context.jobs.close()
    assert loads == ["vit_t"]

    found = []
    for i, image in enumerate(images):
        alone = segment(Raster.open(image), CONFIG)
        (run,) = context.store.runs(f"visitor {i}")
        assert (run.run_id, run.scene_name) == (runs[i].run_id, f"image {i}.tif")
        with rasterio.open(run.labels_path) as labels:
            np.testing.assert_array_equal(labels.read(1), label_raster(alone.objects))
        _assert_same(run_source(run).pool.candidates, alone.candidates)
        found.append(run.record["n_objects"])
        with pytest.raises(NotFoundError):
            context.store.run(run.run_id, f"visitor {(i + 1) % VISITORS}")
    # The images do differ, or all this would say nothing.
    assert sum(n > 0 for n in found) > VISITORS / 2
    assert len({run.labels_path.read_bytes() for run in runs}) > VISITORS / 2
