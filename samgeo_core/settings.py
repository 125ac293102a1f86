"""The one place that reads the environment."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from platformdirs import user_cache_path

from samgeo_core.errors import AddressError, ParameterError
from samgeo_core.net.addresses import Allowance
from samgeo_core.streaming.options import REGION_PX, check_address

PROJECT_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """What an installation can choose; every field is an environment variable of the same name.

    Attributes:
        cache_dir: SAMGEO_CACHE_DIR, downloaded weights and samples.
        data_dir: SAMGEO_DATA_DIR, scenes and runs of the app.
        input_dir: SAMGEO_INPUT_DIR, folder whose rasters the page *Open* offers; None offers none.
        assets_dir: SAMGEO_ASSETS_DIR, map assets (node_modules) served under /assets/.
        model: SAMGEO_MODEL, the model the app starts with.
        device: SAMGEO_DEVICE, cuda, mps or cpu; None takes the best there is.
        offline: SAMGEO_OFFLINE, never ask the network.
        max_pixels: SAMGEO_MAX_PIXELS, the most pixels (width x height) a raster may declare.
        compiled: SAMGEO_COMPILED, whether the decoder's inner loops are compiled where there is a C
            compiler; torch computes the same without.
        checkpoint_dir: SAMGEO_CHECKPOINT_DIR, folder whose checkpoints the page *Segment* offers
            beside the models' own weights; None offers none.
        keep_days: SAMGEO_KEEP_DAYS, after how many days without use uploads and their results are
            deleted; None keeps them.
        region_px: SAMGEO_REGION_PX, side of the regions in which the app segments what is larger.
        scheduler: SAMGEO_SCHEDULER, address of a Dask scheduler on whose workers the app segments
            what is larger than a region; None does so in its own process.
        workers: SAMGEO_WORKERS, how many runs are under way at a time; all visitors share them.
        max_unfinished_runs: SAMGEO_MAX_UNFINISHED_RUNS, how many runs of one visitor may wait or be
            under way.
        max_run_pixels: SAMGEO_MAX_RUN_PIXELS, the most pixels one run may have; None sets no limit.
        max_visitor_bytes: SAMGEO_MAX_VISITOR_BYTES, the most that images and results of one visitor
            may take on the disk; None sets no limit.
        max_upload_bytes: SAMGEO_MAX_UPLOAD_BYTES, the most one uploaded file may have.
        max_unfinished_bytes: SAMGEO_MAX_UNFINISHED_BYTES, the most that unfinished uploads of one
            visitor may have when they are whole.
        max_uploads: SAMGEO_MAX_UPLOADS, how many uploads of one visitor may be unfinished.
        upload_keep_hours: SAMGEO_UPLOAD_KEEP_HOURS, for how long an upload waits for its next part.
        free_disk_bytes: SAMGEO_FREE_DISK_BYTES, how much of the disk uploads and overviews leave.
        password: SAMGEO_PASSWORD, what all visitors must know; None lets everybody in.
        requests_per_minute: SAMGEO_REQUESTS_PER_MINUTE, from one address; None sets no limit.
        metrics_token: SAMGEO_METRICS_TOKEN, with which Prometheus may ask /metrics; None has none.
        basemap_url: SAMGEO_BASEMAP_URL, tiles below the layers of QGIS projects, with {x}, {y} and
            {z}; "none" has none.
        allowed_hosts: SAMGEO_ALLOWED_HOSTS, hosts and networks, separated by commas, that addresses
            of visitors may lead to besides the public internet.
        max_basemap_tiles: SAMGEO_MAX_BASEMAP_TILES, the most tiles of one area of a basemap.
        basemap_cache_bytes: SAMGEO_BASEMAP_CACHE_BYTES, the most that kept tiles may have together.
        log_level: SAMGEO_LOG_LEVEL, the least that is told: DEBUG, INFO, WARNING or ERROR.
        log_format: SAMGEO_LOG_FORMAT, text, or json with one object a line.
    """

    cache_dir: Path
    data_dir: Path
    input_dir: Path | None
    assets_dir: Path
    model: str
    device: str | None
    offline: bool
    max_pixels: int
    compiled: bool = True
    checkpoint_dir: Path | None = None
    keep_days: float | None = None
    region_px: int = REGION_PX
    scheduler: str | None = None
    workers: int = 1
    max_unfinished_runs: int = 5
    max_run_pixels: int | None = None
    max_visitor_bytes: int | None = None
    max_upload_bytes: int = 20_000_000_000
    max_unfinished_bytes: int = 40_000_000_000
    max_uploads: int = 10
    upload_keep_hours: float = 24.0
    free_disk_bytes: int = 1_000_000_000
    password: str | None = field(default=None, repr=False)
    requests_per_minute: int | None = None
    metrics_token: str | None = field(default=None, repr=False)
    basemap_url: str = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
    allowed_hosts: tuple[str, ...] = ()
    max_basemap_tiles: int = 2500
    basemap_cache_bytes: int = 2_000_000_000
    log_level: str = "INFO"
    log_format: str = "text"

    @classmethod
    def from_env(cls) -> Settings:
        """Read the settings from the environment.

        Raises:
            ParameterError: a variable should be a number, or an address, and isn't.
        """
        env = os.environ
        input_dir = env.get("SAMGEO_INPUT_DIR")
        checkpoint_dir = env.get("SAMGEO_CHECKPOINT_DIR")
        scheduler = env.get("SAMGEO_SCHEDULER") or None
        if scheduler:
            check_address(scheduler)
        return cls(
            cache_dir=Path(env.get("SAMGEO_CACHE_DIR") or user_cache_path("samgeo-studio")),
            data_dir=Path(env.get("SAMGEO_DATA_DIR") or PROJECT_DIR / "data"),
            input_dir=Path(input_dir) if input_dir else None,
            assets_dir=Path(env.get("SAMGEO_ASSETS_DIR") or PROJECT_DIR / "node_modules"),
            model=env.get("SAMGEO_MODEL") or "vit_t",
            device=env.get("SAMGEO_DEVICE") or None,
            offline=env.get("SAMGEO_OFFLINE", "").lower() in {"1", "true", "yes"},
            max_pixels=int(_number("SAMGEO_MAX_PIXELS") or 2_000_000_000),
            compiled=env.get("SAMGEO_COMPILED", "").lower() not in {"0", "false", "no"},
            checkpoint_dir=Path(checkpoint_dir) if checkpoint_dir else None,
            keep_days=_number("SAMGEO_KEEP_DAYS"),
            region_px=int(_number("SAMGEO_REGION_PX") or REGION_PX),
            scheduler=scheduler,
            workers=_whole("SAMGEO_WORKERS") or 1,
            max_unfinished_runs=_whole("SAMGEO_MAX_UNFINISHED_RUNS") or 5,
            max_run_pixels=_whole("SAMGEO_MAX_RUN_PIXELS"),
            max_visitor_bytes=_whole("SAMGEO_MAX_VISITOR_BYTES"),
            max_upload_bytes=_whole("SAMGEO_MAX_UPLOAD_BYTES") or cls.max_upload_bytes,
            max_unfinished_bytes=_whole("SAMGEO_MAX_UNFINISHED_BYTES") or cls.max_unfinished_bytes,
            max_uploads=_whole("SAMGEO_MAX_UPLOADS") or cls.max_uploads,
            upload_keep_hours=_number("SAMGEO_UPLOAD_KEEP_HOURS") or cls.upload_keep_hours,
            free_disk_bytes=_whole("SAMGEO_FREE_DISK_BYTES") or cls.free_disk_bytes,
            password=env.get("SAMGEO_PASSWORD") or None,
            requests_per_minute=_whole("SAMGEO_REQUESTS_PER_MINUTE"),
            metrics_token=env.get("SAMGEO_METRICS_TOKEN") or None,
            basemap_url=_tiles("SAMGEO_BASEMAP_URL") or cls.basemap_url,
            allowed_hosts=_hosts("SAMGEO_ALLOWED_HOSTS"),
            max_basemap_tiles=_whole("SAMGEO_MAX_BASEMAP_TILES") or cls.max_basemap_tiles,
            basemap_cache_bytes=_whole("SAMGEO_BASEMAP_CACHE_BYTES") or cls.basemap_cache_bytes,
            log_level=(env.get("SAMGEO_LOG_LEVEL") or "INFO").upper(),
            log_format=(env.get("SAMGEO_LOG_FORMAT") or "text").lower(),
        )


def _number(name: str) -> float | None:
    """A variable as a number above 0; None where it isn't set."""
    text = os.environ.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ParameterError(f"{name} must be a number above 0, got {text!r}.")
    return value


def _whole(name: str) -> int | None:
    """A variable as a whole number above 0; None where it isn't set."""
    value = _number(name)
    return None if value is None else max(1, round(value))


def _tiles(name: str) -> str | None:
    """A variable as an address of map tiles, or "none"; None where it isn't set."""
    text = os.environ.get(name)
    if text and text != "none" and not all(part in text for part in ("{x}", "{y}", "{z}")):
        raise ParameterError(f"{name} must hold {{x}}, {{y}} and {{z}} or be none, got {text!r}.")
    return text or None


def _hosts(name: str) -> tuple[str, ...]:
    """A variable as hosts and networks separated by commas."""
    entries = tuple(filter(None, (t.strip() for t in os.environ.get(name, "").split(","))))
    try:
        Allowance.parse(entries)
    except AddressError as error:
        raise ParameterError(f"{name}: {error}") from None
    return entries


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings.from_env()
