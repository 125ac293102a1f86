"""What regions offered becomes the objects of the raster, as its configuration asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from samgeo_core.config import SegmentConfig
from samgeo_core.engine.ladder import FullConfig
from samgeo_core.geogrid import GeoGrid
from samgeo_core.pool import CandidatePool
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.seam_sizes import SizeLimits, without_limits
from samgeo_core.streaming.seams import join_candidates, join_regions
from samgeo_core.wholes import WholeObject


def join_pools(
    plan: RegionPlan,
    offered: Iterable[tuple[Region, CandidatePool]],
    config: SegmentConfig,
    grid: GeoGrid,
) -> Iterator[list[WholeObject]]:
    """The objects of the whole raster; each list is what one more region made certain.

    Candidates of several scales are chosen among as those of one raster. In SAM's own mode, which
    has chosen within each image already, the objects of each region are joined. What overlaps is
    laid out when that is done; of a partition the gaps are left (`results.gaps`).

    Args:
        plan: the regions.
        offered: regions of the plan, in its order, with what each offers.
        config: of the run.
        grid: of the raster.
    """
    rule = config.rule
    limits = SizeLimits(rule, grid)
    if config.preset == "exact":
        of_any_size = without_limits(rule)
        chosen = ((region, pool.chosen(of_any_size)) for region, pool in offered)
        return join_regions(plan, chosen, rule, limits)
    found = ((region, pool.candidates) for region, pool in offered)
    return join_candidates(plan, found, rule, limits, FullConfig.of_run(config))
