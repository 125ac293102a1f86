"""What is done with one region of a raster, here or on a worker: read, and find candidates."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from samgeo_core import __version__
from samgeo_core.area import AreaOfInterest
from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SegmentConfig
from samgeo_core.engine.ladder import FullConfig, Place
from samgeo_core.errors import ParameterError, RasterError, WeightsError
from samgeo_core.memory import give_back_memory
from samgeo_core.pool import CandidatePool
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.source import Source, Stamp, stamp_of
from samgeo_core.reading.stretch import BandTriple, Stretch
from samgeo_core.streaming.options import NO_LIMIT_PX
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.run_folder import RunFolder, pack
from samgeo_core.tile import TileImage
from samgeo_core.windows import Window

_ENGINE = 4
"""Number of the engine's revision, raised when it finds other candidates with the same numbers in
`FullConfig`: older ones don't fit."""


class Finder(Protocol):
    """Finds candidates in the pixels of a region; picklable."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that decides what is found, JSON-ready."""
        ...

    def __call__(self, tile: TileImage, monitor: Monitor, place: Place) -> CandidateSet:
        """The candidates in a tile that is a region of a raster, in the frame of the tile."""
        ...


@dataclass(frozen=True)
class ModelFinder:
    """Asks a model, which each process loads once.

    Attributes:
        config: which model, and how thoroughly.
        sha256: of the model's weights, hexadecimal; others are refused.
    """

    config: SegmentConfig
    sha256: str

    @classmethod
    def of(cls, config: SegmentConfig, monitor: Monitor = SILENT) -> ModelFinder:
        """The finder of a configuration; fetches the weights where they are missing.

        Raises:
            WeightsError: they can't be had.
        """
        from samgeo_core.models.loading import weights_sha256

        return cls(config, weights_sha256(config.model, config.checkpoint, monitor=monitor))

    @property
    def identity(self) -> dict[str, Any]:
        """See `Finder`; the device and the rule of selection have no say in it."""
        config, asked = self.config, self.config.to_dict()
        if config.preset == "exact":
            how = {name: asked[name] for name in ("automatic", "window_px")}
        else:
            how = {"search": asdict(FullConfig.of_run(config))}
        known = {"preset": config.preset, "model": config.model, "model_sha256": self.sha256}
        return {**known, **how, "engine": _ENGINE}

    def __call__(self, tile: TileImage, monitor: Monitor, place: Place) -> CandidateSet:
        """See `Finder`.

        Raises:
            WeightsError: this machine has other weights than the one that planned the run.
        """
        from samgeo_core.models.loading import cached_model
        from samgeo_core.pipeline import candidates_of_tile

        config = self.config
        model = cached_model(config.model, config.checkpoint, config.device, monitor=monitor)
        if model.sha256 != self.sha256:
            raise WeightsError(
                f"This worker has other weights for {config.model} ({model.sha256[:12]}) than the "
                f"run was begun with ({self.sha256[:12]}): fetch the same on all machines."
            )
        return candidates_of_tile(model, tile, config, monitor, place)


@dataclass(frozen=True, eq=False)
class RasterWork:
    """Finds the candidates of a raster's regions (a `scheduling.RegionWork`).

    Attributes:
        source: of the raster; files lie under the same path on all machines, and addresses are
            read by each machine itself.
        size_bytes: of it, to notice another one under its name.
        bands: shown as red, green and blue.
        stretch: how values become 8 bits, for the whole raster.
        finder: finds candidates.
        plan: of which regions are.
        folder: of the run.
        area: where to look; None is everywhere.
        version: of this library; workers must have the same.
    """

    source: Source
    size_bytes: int
    bands: BandTriple
    stretch: Stretch
    finder: Finder
    plan: RegionPlan
    folder: RunFolder
    area: AreaOfInterest | None = None
    version: str = __version__

    def wants(self, region: Region) -> bool:
        """Whether the area reaches into what a region answers for."""
        return self.area is None or self.area.within(region.core) is not None

    def part(self, region: Region) -> RasterWork:
        """The same with no more of the area than this region's."""
        return replace(self, area=self.area.within(region.window)) if self.area else self

    def read(self, region: Region) -> TileImage:
        """The pixels of a region.

        Raises:
            RasterError: the file isn't that of the run, or can't be read.
        """
        tile = self._raster().read(region.window, bands=self.bands, stretch=self.stretch)
        # A heap of the reading thread's own: what decoding took is of no use to others there.
        give_back_memory()
        if self.area is None:
            return tile
        return TileImage(tile.rgb, tile.valid & self.area.mask(region.window))

    def find(self, region: Region, tile: TileImage, monitor: Monitor = SILENT) -> bytes:
        """A region's candidates, packed; where there is no data no model is asked, nor loaded.

        Raises:
            ParameterError: this machine runs another version.
            WeightsError: this machine has other weights, or none.
        """
        if self.version != __version__:
            raise ParameterError(
                f"This worker runs samgeo_core {__version__}, the run was begun with "
                f"{self.version}: install the same on all machines."
            )
        plan = self.plan
        place = Place(region.window, region.core, plan.extent, plan.margin_px)
        found = (
            self.finder(tile, monitor, place)
            if tile.valid.any()
            else CandidateSet.collect(tile.shape_hw, ())
        )
        return pack(CandidatePool(found, tile.valid, self._raster().grid.window(region.window)))

    def deliver(self, region: Region, data: bytes) -> bytes | None:
        """Put a result in place where the run's folder is shared; otherwise hand it on."""
        if not self.folder.is_shared():
            return data
        self.folder.store(region, data)
        return None

    def _raster(self) -> Raster:
        raster = _opened(self.source, _stamp(self.source))
        if raster.size_bytes != self.size_bytes:
            raise RasterError(
                f"{self.source.name} has {raster.size_bytes:,} bytes here, but "
                f"{self.size_bytes:,} where the run was begun: all machines must see the same file."
            )
        return raster


def block_hw(raster: Raster) -> tuple[int, int]:
    """Height and width of the blocks in which a file is stored, px."""
    from samgeo_core.reading.raster import open_dataset

    with open_dataset(raster.source) as dataset:
        height, width = dataset.block_shapes[0]
    return int(height), int(width)


def window_of(raster: Raster, area: Window | AreaOfInterest | None) -> Window | None:
    """The part of a raster that an area needs; None is all of it."""
    return area.window(raster.shape_hw) if isinstance(area, AreaOfInterest) else area


def _stamp(source: Source) -> Stamp:
    try:
        return stamp_of(source)
    except RasterError as error:
        raise RasterError(
            f"There is no file {source} on this machine: rasters must lie on storage that all "
            "machines share, under the same path."
        ) from error


@lru_cache(maxsize=4)
def _opened(source: Source, stamp: Stamp) -> Raster:
    return Raster.open(source, max_pixels=NO_LIMIT_PX)
