"""What is kept of one scene and one run, and its form on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tempfile
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from samgeo_core.area import AreaOfInterest
from samgeo_core.errors import RasterError
from samgeo_core.reading.channels import Channel, as_channels, is_plain
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.source import Source, from_json, stamp_of, to_json
from samgeo_core.reading.stretch import Stretch, StretchMode
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.web.cache import LruCache
from samgeo_core.web.frame import MapFrame, map_frame
from samgeo_core.web.ids import ID_PATTERN
from samgeo_core.windows import ShapeHW, Window

logger = logging.getLogger(__name__)

SceneKind = Literal["upload", "sample", "server", "address", "mosaic"]
RunState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]

NAME_LENGTH = 120
POLYGON_FILE = "area.geojson"


@dataclass(frozen=True)
class Display:
    """How a scene is shown.

    Attributes:
        bands: three channels, see `reading.channels`; None for the raster's default.
        stretch: how values become colours, see `Raster.stretch`.
    """

    bands: tuple[Channel, ...] | None = None
    stretch: StretchMode = "auto"

    @property
    def key(self) -> str:
        """A short text that differs for different displays; part of tile addresses."""
        if self.bands is None or is_plain(self.bands):
            bands = "auto" if self.bands is None else "-".join(map(str, self.bands))
            return f"{bands}.{self.stretch}"
        told = json.dumps(self.bands).encode()
        return f"{hashlib.sha256(told).hexdigest()[:16]}.{self.stretch}"


_Version = tuple[int, int]
_rasters: LruCache[tuple[Source, _Version, int | None, str], Raster] = LruCache(64)
_stretches: LruCache[tuple[Source, _Version, Display], Stretch] = LruCache(256)


@dataclass(frozen=True)
class Scene:
    """A raster a visitor opened.

    Attributes:
        scene_id: unguessable id.
        name: what the visitor calls it (text only, never a path).
        folder: folder of the scene in the store.
        source: what the raster is read from; a file inside the folder for uploads.
        owner: token of the visitor who opened it.
        kind: where it came from.
        created: seconds since 1970.
        max_pixels: most pixels the raster may declare; None sets no limit.
        display: bands and stretch of its tiles.
    """

    scene_id: str
    name: str
    folder: Path
    source: Source
    owner: str
    kind: SceneKind
    created: float
    max_pixels: int | None = None
    display: Display = field(default_factory=Display)

    @property
    def version(self) -> tuple[int, int]:
        """Time of change (ns) and size (bytes) of the source, or what stands for them.

        Raises:
            RasterError: a file is not there any more.
        """
        try:
            return stamp_of(self.source)
        except RasterError as error:
            raise RasterError(
                f"The file of the scene {self.name!r} is not there any more; open it again."
            ) from error

    @property
    def raster(self) -> Raster:
        """The opened raster; opened once as long as the file stays the same.

        Raises:
            RasterError: the file is gone or not a raster.
        """
        key = (self.source, self.version, self.max_pixels, self.name)
        return _rasters.get(
            key, lambda: Raster.open(self.source, max_pixels=self.max_pixels, name=self.name)
        )

    @property
    def stretch(self) -> Stretch:
        """The stretch of the scene's display; measured once.

        Raises:
            RasterError: the file is gone or not a raster.
            ParameterError: the display names a band or mode that the raster doesn't have.
        """
        raster, display = self.raster, self.display
        key = (self.source, self.version, display)
        return _stretches.get(key, lambda: raster.stretch(display.bands, display.stretch))

    @property
    def frame(self) -> MapFrame:
        """Where the raster lies on its map.

        Raises:
            RasterError: the file is gone or not a raster.
        """
        return map_frame(self.raster.grid)


@dataclass(frozen=True)
class Run:
    """One segmentation of a scene.

    Attributes:
        run_id: unguessable id.
        scene_id: what was segmented.
        scene_name: the scene's name when the run was made; names the downloads.
        folder: folder of the run: labels.tif, objects.gpkg, run.json, … once done.
        owner: token of the visitor.
        config: the parameters as plain JSON values.
        area: the part of the scene, None for the whole.
        scene_shape_hw: height and width of the scene, px.
        created: seconds since 1970.
        state: where it stands.
        error: a sentence for the user where it failed.
        regions: how the scene is cut where it is larger than a region; None where it is segmented
            in one piece.
    """

    run_id: str
    scene_id: str
    scene_name: str
    folder: Path
    owner: str
    config: dict[str, Any]
    area: Window | None
    scene_shape_hw: ShapeHW
    created: float
    state: RunState = "queued"
    error: str | None = None
    regions: StreamOptions | None = None

    @property
    def is_streamed(self) -> bool:
        """Whether it goes region by region: it can go on, and its objects are only on the disk."""
        return self.regions is not None

    @property
    def can_go_on(self) -> bool:
        """Whether it ended before its time and can be taken up where it was, or begun again."""
        ended = ("failed", "cancelled", "interrupted") if self.is_streamed else ("interrupted",)
        return self.state in ended

    @property
    def polygon(self) -> AreaOfInterest | None:
        """What it was limited to, px of the scene; None where that is a window, or the whole."""
        geometry = _read_json(self.folder / POLYGON_FILE)
        return None if geometry is None else AreaOfInterest.of_geojson(geometry)

    @property
    def is_limited(self) -> bool:
        """Whether it was limited to a polygon."""
        return (self.folder / POLYGON_FILE).is_file()

    @property
    def objects_path(self) -> Path:
        """GeoPackage of all objects, layer ``objects``; there once the run is done."""
        return self.folder / "objects.gpkg"

    @property
    def labels_path(self) -> Path:
        """Label raster; there once the run is done."""
        return self.folder / "labels.tif"

    @property
    def record(self) -> dict[str, Any]:
        """What the pipeline wrote into run.json; empty before the run is done."""
        return _read_json(self.folder / "run.json") or {}

    @property
    def has_result(self) -> bool:
        """Whether its files are all there: run.json is the last."""
        return (self.folder / "run.json").is_file()


def clean_name(name: str) -> str:
    """A visitor's file name as one short line of printable text, without folders."""
    text = unicodedata.normalize("NFC", re.split(r"[\\/]", name)[-1])
    text = "".join(c for c in text if c.isprintable()).strip()
    return text[:NAME_LENGTH] or "image"


def write_scene(scene: Scene) -> None:
    """Write scene.json."""
    _write_json(
        scene.folder / "scene.json",
        {
            "name": scene.name,
            "source": to_json(scene.source, scene.folder),
            "owner": scene.owner,
            "kind": scene.kind,
            "created": scene.created,
            "bands": scene.display.bands,
            "stretch": scene.display.stretch,
        },
    )


def read_scene(folder: Path, max_pixels: int | None) -> Scene | None:
    """The scene of a folder; None where there is none."""
    values = _read_json(folder / "scene.json")
    if values is None or not ID_PATTERN.fullmatch(folder.name):
        return None
    bands = values["bands"]
    return Scene(
        scene_id=folder.name,
        name=values["name"],
        folder=folder,
        source=from_json(values["source"], folder),
        owner=values["owner"],
        kind=values["kind"],
        created=values["created"],
        max_pixels=max_pixels,
        display=Display(None if bands is None else as_channels(bands), values["stretch"]),
    )


def write_run_record(run: Run) -> None:
    """Write meta.json: what the run is; where it stands is in the `RunBook`."""
    area = run.area
    _write_json(
        run.folder / "meta.json",
        {
            "scene_id": run.scene_id,
            "scene_name": run.scene_name,
            "owner": run.owner,
            "config": run.config,
            "area": None if area is None else [area.x, area.y, area.width, area.height],
            "scene_shape_hw": run.scene_shape_hw,
            "created": run.created,
            "regions": _regions_to_json(run.regions),
        },
    )


def read_run(folder: Path, state: RunState = "queued", error: str | None = None) -> Run | None:
    """The run of a folder, with where it stands; None where there is none."""
    values = _read_json(folder / "meta.json")
    if values is None or not ID_PATTERN.fullmatch(folder.name):
        return None
    area, shape = values.pop("area"), values.pop("scene_shape_hw")
    regions = values.pop("regions", None)
    # Earlier versions kept here what the book says now.
    values |= {"state": state, "error": error}
    return Run(
        run_id=folder.name,
        folder=folder,
        area=None if area is None else Window(*area),
        scene_shape_hw=(shape[0], shape[1]),
        regions=None if regions is None else StreamOptions(**regions),
        **values,
    )


def _regions_to_json(regions: StreamOptions | None) -> dict[str, int] | None:
    """What decides which regions there are; where they are segmented may change."""
    if regions is None:
        return None
    return {"region_px": regions.region_px, "margin_px": regions.margin_px}


def _write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a file that is always whole, whoever reads it meanwhile."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False
    ) as file:
        json.dump(values, file, ensure_ascii=False, indent=1)
    Path(file.name).replace(path)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        logger.warning("%s can't be read", path)
        return None
    return values if isinstance(values, dict) else None
