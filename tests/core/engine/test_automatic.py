"""Automatic masks are those of `SamAutomaticMaskGenerator` on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samgeo_core.config import AutomaticConfig
from samgeo_core.engine.automatic import generate, suppressed
from samgeo_core.errors import CancelledError
from samgeo_core.objects import ObjectSet
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.reading.raster import Raster
from samgeo_core.tile import TileImage
from samgeo_core.windows import Window

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def tile(scene_dir: Callable[[str], Path]) -> TileImage:
    raster = Raster.open(scene_dir("kampala_dense") / "image.tif")
    return raster.read(Window(300, 300, 520, 400))


def of_peer(model: Any, tile: TileImage, **parameters: Any) -> list[dict[str, Any]]:
    from segment_anything import SamAutomaticMaskGenerator

    return SamAutomaticMaskGenerator(model.sam, **parameters).generate(tile.rgb)


def best_twins(objects: ObjectSet, records: list[dict[str, Any]]) -> list[float]:
    """For each record of the peer the IoU of the most alike object."""
    masks = [objects.full_mask(i) for i in range(len(objects))]
    return [
        max(
            ((m & r["segmentation"]).sum() / (m | r["segmentation"]).sum() for m in masks),
            default=0.0,
        )
        for r in records
    ]


@pytest.mark.parametrize(
    "parameters",
    [
        {"points_per_side": 10},
        {"points_per_side": 8, "pred_iou_thresh": 0.6, "stability_score_thresh": 0.8},
        {"points_per_side": 6, "stability_score_offset": 0.5, "box_nms_thresh": 0.3},
        {"points_per_side": 4, "crop_n_layers": 1, "crop_n_points_downscale_factor": 1},
        {"points_per_side": 6, "min_mask_region_area": 400, "pred_iou_thresh": 0.5},
    ],
    ids=lambda p: ", ".join(p),
)
def test_same_masks_as_segment_anything(
    default_model: Any, tile: TileImage, parameters: dict[str, Any]
) -> None:
    records = of_peer(default_model, tile, **parameters)
    objects = generate(default_model, tile, AutomaticConfig(**parameters))
    assert len(records) > 5
    twins = best_twins(objects, records)
    assert np.mean([iou >= 0.99 for iou in twins]) >= 0.99
    assert abs(len(objects) - len(records)) <= 0.01 * len(records)
    ours = sorted(objects.scores.tolist())
    np.testing.assert_allclose(ours, sorted(r["predicted_iou"] for r in records), atol=1e-3)


def test_own_point_grid(default_model: Any, tile: TileImage) -> None:
    grid = ((0.25, 0.25), (0.5, 0.5), (0.75, 0.6))
    records = of_peer(
        default_model, tile, points_per_side=None, point_grids=[np.array(grid)], pred_iou_thresh=0.5
    )
    config = AutomaticConfig(points_per_side=None, point_grids=(grid,), pred_iou_thresh=0.5)
    objects = generate(default_model, tile, config)
    assert len(objects) == len(records) > 0
    assert min(best_twins(objects, records)) >= 0.99
    asked = {(x * 520, y * 400) for x, y in grid}
    assert {tuple(p) for p in objects.points_xy.tolist()} <= asked


def test_nothing_lies_on_pixels_without_data(default_model: Any, tile: TileImage) -> None:
    valid = np.ones(tile.shape_hw, np.bool_)
    valid[:, 200:] = False
    objects = generate(default_model, TileImage(tile.rgb, valid), AutomaticConfig(8))
    assert len(objects) > 0
    for i in range(len(objects)):
        assert not objects.full_mask(i)[:, 200:].any()
    assert (objects.points_xy[:, 0] < 200).all()


def test_a_tile_without_data_costs_nothing(default_model: Any, tile: TileImage) -> None:
    steps: list[Progress] = []
    empty = TileImage(tile.rgb, np.zeros(tile.shape_hw, np.bool_))
    assert len(generate(default_model, empty, None, Monitor(steps.append))) == 0
    assert steps == []


def test_a_flat_tile_gives_a_valid_set(default_model: Any) -> None:
    flat = TileImage.from_rgb(np.full((64, 80, 3), 120, np.uint8))
    objects = generate(default_model, flat, AutomaticConfig(4))
    assert objects.shape_hw == (64, 80)


def test_progress_counts_every_prompt_and_cancel_stops(default_model: Any, tile: TileImage) -> None:
    steps: list[Progress] = []
    config = AutomaticConfig(points_per_side=8, points_per_batch=16)
    generate(default_model, tile, config, Monitor(steps.append))
    decode = [s for s in steps if s.stage == "decode"]
    assert decode[0].done == 0
    assert decode[-1].done == decode[-1].total == 64
    assert [s.done for s in decode] == sorted(s.done for s in decode)

    token = CancelToken()
    seen: list[Progress] = []

    def cancel_at_first_batch(progress: Progress) -> None:
        seen.append(progress)
        if progress.stage == "decode" and progress.done:
            token.cancel()

    with pytest.raises(CancelledError):
        generate(default_model, tile, config, Monitor(cancel_at_first_batch, token))
    assert seen[-1].done == 16


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.6, 0.7, 1.0])
@pytest.mark.parametrize("n", [0, 1, 2, 300])
def test_boxes_are_suppressed_as_torchvision_does(n: int, threshold: float) -> None:
    import torch
    from torchvision.ops import nms

    rng = np.random.default_rng(n)
    # Few places and scores, so that equal boxes, equal scores and boxes without an area are met.
    corners = np.sort(rng.integers(0, 12, (n, 2, 2)), axis=1).reshape(n, 4).astype(np.float32)
    scores = rng.integers(0, 9, n).astype(np.float32)
    expected = nms(torch.from_numpy(corners), torch.from_numpy(scores), threshold)
    assert suppressed(corners, scores, threshold) == expected.tolist()
