"""About how long a run will take, from what former runs took on this machine."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.engine.ladder import FullConfig, plan_looks
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.web.queue_database import Database
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
# points, the larger encoders more in proportion to their size. What runs took here corrects them.
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

_TIMINGS_HEARD = 5
"""The estimate is the median of so many runs, the newest ones."""
_TIMINGS_KEPT = 1000


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
        looks = list(plan_looks(shape_hw, FullConfig.of_run(config)))
        cells = sum(look.core.width * look.core.height / look.steps_px[-1] ** 2 for look in looks)
        images = math.ceil(_WINDOW_SHARES[config.preset] * len(looks))
        return Workload(images, round(_OPEN_SHARES[config.preset] * cells))
    windows = len(config.windows(shape_hw))
    images, prompts = _of_one_window(config.automatic)
    return Workload(windows * images, windows * prompts)


class Estimator:
    """Learns from every run that ends well; what it has learned outlives the server.

    Args:
        database: where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def seconds(
        self, shape_hw: ShapeHW, config: SegmentConfig, regions: StreamOptions | None = None
    ) -> float:
        """Expected seconds of a run over a raster of this shape; arguments as `workload`."""
        work_s = workload(shape_hw, config, regions).seconds(DEFAULT_RATES[config.model])
        return _FIXED_S + self._slowness(config) * work_s

    def remember(self, run: Run) -> None:
        """Learn from what a finished run took."""
        record = run.record
        streaming = record.get("streaming", {})
        seconds = float(record.get("seconds", {}).get("segment", 0.0))
        # NOTE: what was resumed took longer than this start of it, a cluster's time isn't ours.
        is_partial = streaming.get("resumed", 0) > 0 or streaming.get("scheduler") is not None
        if run.state != "done" or seconds <= 0 or is_partial:
            return
        config = SegmentConfig.from_dict(run.config)
        shape_hw = run.scene_shape_hw if run.area is None else run.area.shape_hw
        expected = workload(shape_hw, config, run.regions).seconds(DEFAULT_RATES[config.model])
        if expected <= 0:
            return
        megapixels = shape_hw[0] * shape_hw[1] / 1e6
        key = (config.model, config.device or "", config.preset)
        with self._database.writing() as book:
            book.execute(
                "INSERT INTO timings (model, device, preset, megapixels, seconds, slowness) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*key, megapixels, seconds, seconds / expected),
            )
            book.execute(
                "DELETE FROM timings WHERE number <= (SELECT max(number) FROM timings) - ?",
                (_TIMINGS_KEPT,),
            )

    def _slowness(self, config: SegmentConfig) -> float:
        """How many times the default such runs take: those most alike of which there are any."""
        where = ["device = ?", "model = ?", "preset = ?"]
        values = [config.device or "", config.model, config.preset]
        with self._database.reading() as book:
            for n in (3, 2, 1):
                found = book.execute(
                    f"SELECT slowness FROM timings WHERE {' AND '.join(where[:n])} "
                    "ORDER BY number DESC LIMIT ?",
                    (*values[:n], _TIMINGS_HEARD),
                ).fetchall()
                if found:
                    return statistics.median(float(slowness) for (slowness,) in found)
        return 1.0


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
