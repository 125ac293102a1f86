"""The card: all that can be known of a run before it starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from samgeo_core.config import SegmentConfig
from samgeo_core.preflight.advice import Advice, Situation, advice_for
from samgeo_core.preflight.look import PixelLook
from samgeo_core.preflight.needs import needs_of
from samgeo_core.preflight.scales import Scale, scales_of
from samgeo_core.preflight.workload import Rate, Workload, workload
from samgeo_core.reading.raster import Raster
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.windows import ShapeHW, Window

FIXED_S = 2.0
"""What every run takes besides: reading, choosing, writing."""


@dataclass(frozen=True)
class Room:
    """What can be had; None where unknown."""

    memory_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True)
class Preflight:
    """What is known of a run before it starts.

    Attributes:
        shape_hw: height and width of what is segmented, px.
        gsd_m: ground sample distance in true metres per px; None without a place on Earth.
        dtype: of the values.
        nodata_share: share of pixels without data, 0 to 1.
        scales: windows by size, coarsest first, with the sizes of objects that suit each.
        windows: of all sizes together.
        regions: how many pieces it is cut into.
        work: images and prompts that it asks of the model.
        objects: how many it may find, roughly.
        seconds, memory_bytes, disk_bytes: what it may take.
        advice: the gravest first.
    """

    shape_hw: ShapeHW
    gsd_m: float | None
    dtype: str
    nodata_share: float
    scales: tuple[Scale, ...]
    windows: int
    regions: int
    work: Workload
    objects: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    advice: tuple[Advice, ...]

    def to_dict(self) -> dict[str, Any]:
        """This as JSON-ready values."""
        return asdict(self)


def preflight(
    raster: Raster,
    config: SegmentConfig,
    look: PixelLook,
    seconds: float,
    *,
    regions: StreamOptions | None = None,
    area: Window | None = None,
    room: Room | None = None,
) -> Preflight:
    """Put together what is known of a run; no model is asked, no time is measured.

    Args:
        raster: the source.
        config: what is to be done.
        look: what its pixels say (`look_at_pixels`).
        seconds: that it will take (`expected_seconds`, or the app's estimates).
        regions: how it is cut where it is larger than a region; None never cuts it.
        area: only this part, px of the raster.
        room: memory and disk that are free.
    """
    place = area or Window.whole(raster.shape_hw)
    room = room or Room()
    work = workload(place.shape_hw, config, regions)
    plan = region_plan(raster, place, regions)
    scales = scales_of(plan, config, raster.grid.gsd_m)
    needs = needs_of(place.shape_hw, config, work, look.png_bytes_per_px, regions)
    situation = Situation(
        raster, config, look, needs, seconds, room.memory_bytes, room.disk_bytes, area is not None
    )
    return Preflight(
        shape_hw=place.shape_hw,
        gsd_m=raster.grid.gsd_m,
        dtype=raster.dtype,
        nodata_share=1 - look.valid_share,
        scales=scales,
        windows=sum(scale.windows for scale in scales),
        regions=len(plan),
        work=work,
        objects=needs.objects,
        seconds=seconds,
        memory_bytes=needs.memory_bytes,
        disk_bytes=needs.disk_bytes,
        advice=tuple(advice_for(situation)),
    )


def expected_seconds(
    shape_hw: ShapeHW, config: SegmentConfig, rate: Rate, regions: StreamOptions | None = None
) -> float:
    """Seconds of a run over a raster of this shape, px, at a rate."""
    return FIXED_S + workload(shape_hw, config, regions).seconds(rate)


def region_plan(raster: Raster, place: Window, regions: StreamOptions | None) -> RegionPlan:
    """How a run cuts a raster: as it will, or into the one piece that it stays."""
    if regions is None or not regions.cuts(place.shape_hw):
        return RegionPlan(raster.shape_hw, max(place.shape_hw), 0, place)
    from samgeo_core.streaming.region_work import block_hw

    return RegionPlan(
        raster.shape_hw, regions.region_px, regions.margin_px, place, block_hw(raster)
    )
