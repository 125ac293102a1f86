from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.preflight.card import FIXED_S
from samgeo_core.preflight.workload import Workload
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.web import estimates
from samgeo_core.web.estimates import Estimator
from samgeo_core.web.queue_database import Database
from samgeo_core.windows import Window

CONFIG = SegmentConfig()
RATE = estimates.DEFAULT_RATES["vit_t"]


def _run(config: SegmentConfig, seconds: float, area: Window | None = None) -> Any:
    return SimpleNamespace(
        state="done",
        scene_id="",
        regions=None,
        area=area,
        scene_shape_hw=(4096, 4096),
        config=config.to_dict(),
        record={"seconds": {"segment": seconds}},
    )


def test_a_whole_image_is_one_look_and_one_grid() -> None:
    assert estimates.workload((3000, 3000), CONFIG) == Workload(1, 1024)


def test_the_full_preset_counts_its_ladder() -> None:
    small = estimates.workload((1024, 1024), SegmentConfig(preset="full"))
    large = estimates.workload((2048, 2048), SegmentConfig(preset="full"))
    assert small.images > 1
    assert small.prompts > 1024
    assert 3 < large.prompts / small.prompts < 6


def test_every_window_has_its_grid() -> None:
    config = replace(CONFIG, window_px=1024)
    windows = len(config.windows((3000, 3000)))
    assert windows > 4
    assert estimates.workload((3000, 3000), config) == Workload(windows, windows * 1024)


def test_crop_layers_agree_with_the_published_plan() -> None:
    amg = pytest.importorskip("segment_anything.utils.amg")
    automatic = AutomaticConfig(
        points_per_side=24, crop_n_layers=2, crop_n_points_downscale_factor=2
    )
    _, layers = amg.generate_crop_boxes((3000, 3000), 2, automatic.crop_overlap_ratio)
    grids = amg.build_all_layer_point_grids(24, 2, 2)
    found = estimates.workload((3000, 3000), SegmentConfig(automatic=automatic))
    assert found == Workload(len(layers), sum(len(grids[i]) for i in layers))


def test_a_finished_run_corrects_the_estimate() -> None:
    estimator = Estimator(Database())
    before = estimator.seconds((1024, 1024), CONFIG)
    default_s = estimates.workload((512, 512), CONFIG).seconds(estimates.DEFAULT_RATES["vit_t"])
    estimator.remember(_run(CONFIG, 3 * default_s, area=Window(0, 0, 512, 512)))
    after = estimator.seconds((1024, 1024), CONFIG)
    assert after - FIXED_S == pytest.approx(3 * (before - FIXED_S))
    assert estimator.seconds((1024, 1024), replace(CONFIG, model="vit_b")) > after


@pytest.mark.parametrize(
    "change",
    [
        {"state": "failed"},
        {"record": {}},
        {"record": {"seconds": {"segment": 100.0}, "streaming": {"resumed": 3}}},
        {"record": {"seconds": {"segment": 100.0}, "streaming": {"scheduler": "tcp://a:8786"}}},
    ],
)
def test_what_says_little_teaches_nothing(change: dict[str, Any]) -> None:
    estimator, run = Estimator(Database()), _run(CONFIG, 100.0)
    before = estimator.seconds((1024, 1024), CONFIG)
    vars(run).update(change)
    estimator.remember(run)
    assert estimator.seconds((1024, 1024), CONFIG) == before


def test_what_was_learned_outlives_the_server_and_one_odd_run(tmp_path: Path) -> None:
    default_s = estimates.workload((4096, 4096), CONFIG).seconds(estimates.DEFAULT_RATES["vit_t"])
    estimator = Estimator(Database(tmp_path / "book.sqlite3"))
    for slowness in (2, 2, 90, 2, 2):
        estimator.remember(_run(CONFIG, slowness * default_s))
    fast = replace(CONFIG, preset="fast")
    estimator.remember(_run(fast, estimates.workload((4096, 4096), fast).seconds(RATE)))
    again = Estimator(Database(tmp_path / "book.sqlite3"))
    assert again.seconds((4096, 4096), CONFIG) == pytest.approx(FIXED_S + 2 * default_s)
    # Each preset has a pace of its own.
    fast_s = estimates.workload((1024, 1024), fast).seconds(RATE)
    assert again.seconds((1024, 1024), fast) == pytest.approx(FIXED_S + fast_s)


def test_what_is_cut_into_regions_costs_as_much_as_all_of_them() -> None:
    regions = StreamOptions(1024, 128)
    one = estimates.workload((1024, 1024), CONFIG)
    count = len(RegionPlan((5000, 3000), 1024, 128))
    found = estimates.workload((5000, 3000), CONFIG, regions)
    assert found == Workload(count * one.images, count * one.prompts)
    assert estimates.workload((1024, 1024), CONFIG, regions) == one
