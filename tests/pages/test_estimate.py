from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pages.ui import estimate
from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.windows import Window

CONFIG = SegmentConfig()


@pytest.fixture(autouse=True)
def _fresh_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "_slowness", {})


def _run(config: SegmentConfig, seconds: float, area: Window | None = None) -> Any:
    return SimpleNamespace(
        state="done",
        is_streamed=False,
        area=area,
        scene_shape_hw=(4096, 4096),
        config=config.to_dict(),
        record={"seconds": {"segment": seconds}},
    )


def test_a_whole_image_is_one_look_and_one_grid() -> None:
    assert estimate.workload((3000, 3000), CONFIG) == estimate.Workload(1, 1024)


def test_the_full_preset_counts_its_ladder() -> None:
    small = estimate.workload((1024, 1024), SegmentConfig(preset="full"))
    large = estimate.workload((2048, 2048), SegmentConfig(preset="full"))
    assert small.images > 1
    assert small.prompts > 1024
    assert 3 < large.prompts / small.prompts < 6


def test_every_window_has_its_grid() -> None:
    config = replace(CONFIG, window_px=1024)
    windows = len(config.windows((3000, 3000)))
    assert windows > 4
    assert estimate.workload((3000, 3000), config) == estimate.Workload(windows, windows * 1024)


def test_crop_layers_agree_with_the_published_plan() -> None:
    amg = pytest.importorskip("segment_anything.utils.amg")
    automatic = AutomaticConfig(
        points_per_side=24, crop_n_layers=2, crop_n_points_downscale_factor=2
    )
    _, layers = amg.generate_crop_boxes((3000, 3000), 2, automatic.crop_overlap_ratio)
    grids = amg.build_all_layer_point_grids(24, 2, 2)
    found = estimate.workload((3000, 3000), SegmentConfig(automatic=automatic))
    assert found == estimate.Workload(len(layers), sum(len(grids[i]) for i in layers))


def test_a_finished_run_corrects_the_estimate() -> None:
    before = estimate.estimate_s((1024, 1024), CONFIG)
    default_s = estimate.workload((512, 512), CONFIG).seconds(estimate.DEFAULT_RATES["vit_t"])
    estimate.remember_run(_run(CONFIG, 3 * default_s, area=Window(0, 0, 512, 512)))
    after = estimate.estimate_s((1024, 1024), CONFIG)
    assert after - estimate._FIXED_S == pytest.approx(3 * (before - estimate._FIXED_S))
    assert estimate.estimate_s((1024, 1024), replace(CONFIG, model="vit_b")) > after


def test_an_unfinished_run_teaches_nothing(tmp_path: Path) -> None:
    run = _run(CONFIG, 100.0)
    run.state = "failed"
    before = estimate.estimate_s((1024, 1024), CONFIG)
    estimate.remember_run(run)
    assert estimate.estimate_s((1024, 1024), CONFIG) == before


def test_what_is_cut_into_regions_costs_as_much_as_all_of_them() -> None:
    regions = StreamOptions(1024, 128)
    one = estimate.workload((1024, 1024), CONFIG)
    count = len(RegionPlan((5000, 3000), 1024, 128))
    found = estimate.workload((5000, 3000), CONFIG, regions)
    assert found == estimate.Workload(count * one.images, count * one.prompts)
    assert estimate.workload((1024, 1024), CONFIG, regions) == one
