"""How much a run asks of a model: images to encode and grid points to decode."""

from __future__ import annotations

import math
from dataclasses import dataclass

from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.engine.ladder import FullConfig, plan_looks
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.regions import RegionPlan
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
# points, the larger encoders more in proportion to their size. What is measured here corrects them.
DEFAULT_RATES = {
    "vit_t": Rate(1.0, 0.024),
    "vit_b": Rate(10.0, 0.024),
    "vit_l": Rate(27.0, 0.024),
    "vit_h": Rate(50.0, 0.024),
}

OPEN_SHARES = {"full": 0.3, "fast": 0.2}
"""Share of a preset's grid that is asked: the rest is flat or explained already."""
CLOSEUP_SHARES = {"full": 1.0, "fast": 0.25}
"""Share of the windows that only enlarge that is looked through; of the others it is all."""


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
        count = region_count(shape_hw, regions)
        region_hw = min(regions.region_px, shape_hw[0]), min(regions.region_px, shape_hw[1])
        one = workload(region_hw, config)
        return Workload(count * one.images, count * one.prompts)
    if config.preset in {"full", "fast"}:
        looks = list(plan_looks(shape_hw, FullConfig.of_run(config)))
        shares = [CLOSEUP_SHARES[config.preset] if look.is_closeup else 1.0 for look in looks]
        cells = sum(
            share * look.core.width * look.core.height / look.steps_px[-1] ** 2
            for share, look in zip(shares, looks, strict=True)
        )
        return Workload(math.ceil(sum(shares)), round(OPEN_SHARES[config.preset] * cells))
    windows = len(config.windows(shape_hw))
    images, prompts = _of_one_window(config.automatic)
    return Workload(windows * images, windows * prompts)


def region_count(shape_hw: ShapeHW, regions: StreamOptions) -> int:
    """How many regions a raster of this shape, px, is cut into; 1 where it is not cut."""
    if not regions.cuts(shape_hw):
        return 1
    return len(RegionPlan(shape_hw, regions.region_px, regions.margin_px))


def _of_one_window(config: AutomaticConfig) -> tuple[int, int]:
    """Crop layer i looks at 4^i crops, each with a grid thinner by factor^i along a side."""
    images = prompts = 0
    side = config.points_per_side or 0
    for layer in range(config.crop_n_layers + 1):
        crops = 4**layer
        if config.point_grids is not None:
            asked = len(config.point_grids[layer])
        else:
            asked = int(side / config.crop_n_points_downscale_factor**layer) ** 2
        images += crops
        prompts += crops * asked
    return images, prompts
