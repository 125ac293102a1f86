"""About how long a run will take, from what former runs took in this process."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.engine.ladder import FullConfig, plan_looks
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.web.records import Run
from samgeo_core.windows import ShapeHW


@dataclass(frozen=True)
class Rate:
    """Seconds of work: per image that the encoder looks at, and per grid point."""

    encode_s: float
    prompt_s: float


@dataclass(frozen=True)
class Workload:
    """How much a run asks of the model: images to encode and grid points to decode."""

    images: int
    prompts: int

    def seconds(self, rate: Rate) -> float:
        """Time for it at a rate."""
        return self.images * rate.encode_s + self.prompts * rate.prompt_s


# Orders of magnitude of one run on 2 CPU cores: MobileSAM takes 1 s per image and 24 s for 1,024
# points, the larger encoders more in proportion to their size. Runs of this process correct them.
DEFAULT_RATES = {
    "vit_t": Rate(1.0, 0.024),
    "vit_b": Rate(10.0, 0.024),
    "vit_l": Rate(27.0, 0.024),
    "vit_h": Rate(50.0, 0.024),
}
_FIXED_S = 2.0
_OPEN_SHARES = {"full": 0.4, "fast": 0.1}
"""Share of a preset's grid that is asked: the rest is flat or explained already."""
_WINDOW_SHARES = {"full": 1.0, "fast": 0.5}
"""Share of a preset's windows that are looked through."""

_slowness: dict[tuple[str | None, str | None], float] = {}
"""How many times the default a model took on a device when it ran last; None is any model."""
_lock = threading.Lock()


def workload(
    shape_hw: ShapeHW, config: SegmentConfig, regions: StreamOptions | None = None
) -> Workload:
    """Images and grid points of a run over a raster of this shape.

    Args:
        shape_hw: height and width, px.
        config: what is done.
        regions: how it is cut where it is larger than a region; None never cuts it.
    """
    if regions is not None and regions.cuts(shape_hw):
        side = regions.region_px
        count = len(RegionPlan(shape_hw, side, regions.margin_px))
        region_hw = min(side, shape_hw[0]), min(side, shape_hw[1])
        one = workload(region_hw, config)
        return Workload(count * one.images, count * one.prompts)
    if config.preset in {"full", "fast"}:
        looks = list(plan_looks(shape_hw, FullConfig.of(config.preset)))
        cells = sum(look.core.width * look.core.height / look.steps_px[-1] ** 2 for look in looks)
        images = math.ceil(_WINDOW_SHARES[config.preset] * len(looks))
        return Workload(images, round(_OPEN_SHARES[config.preset] * cells))
    windows = len(config.windows(shape_hw))
    images, prompts = _of_one_window(config.automatic)
    return Workload(windows * images, windows * prompts)


def estimate_s(
    shape_hw: ShapeHW, config: SegmentConfig, regions: StreamOptions | None = None
) -> float:
    """Expected seconds of a run over a raster of this shape; arguments as `workload`."""
    with _lock:
        of_any_model = _slowness.get((None, config.device), 1.0)
        slowness = _slowness.get((config.model, config.device), of_any_model)
    work_s = workload(shape_hw, config, regions).seconds(DEFAULT_RATES[config.model])
    return _FIXED_S + slowness * work_s


def remember_run(run: Run) -> None:
    """Learn from what a finished run took; the newest run counts."""
    seconds = float(run.record.get("seconds", {}).get("segment", 0.0))
    # NOTE: one that went region by region may have begun in the middle, or run elsewhere.
    if run.state != "done" or seconds <= 0 or run.is_streamed:
        return
    config = SegmentConfig.from_dict(run.config)
    work = workload(run.scene_shape_hw if run.area is None else run.area.shape_hw, config)
    expected = work.seconds(DEFAULT_RATES[config.model])
    if expected > 0:
        with _lock:
            for model in (config.model, None):
                _slowness[model, config.device] = seconds / expected


def _of_one_window(config: AutomaticConfig) -> tuple[int, int]:
    """Crop layer i looks at 4^i crops, each with a grid thinner by factor^i along a side."""
    images = prompts = 0
    side = config.points_per_side or 0
    for layer in range(config.crop_n_layers + 1):
        crops = 4**layer
        layer_side = int(side / config.crop_n_points_downscale_factor**layer)
        images += crops
        prompts += crops * layer_side**2
    return images, prompts
