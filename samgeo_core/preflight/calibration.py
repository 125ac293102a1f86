"""What this machine takes for one image and one prompt: measured in about two seconds, and kept."""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samgeo_core import __version__
from samgeo_core.errors import SamGeoError
from samgeo_core.preflight.workload import Rate
from samgeo_core.results.files import replacing
from samgeo_core.settings import get_settings

if TYPE_CHECKING:
    from samgeo_core.engine.candidates import EncodedWindow
    from samgeo_core.models.loading import LoadedModel
    from samgeo_core.tile import TileImage

logger = logging.getLogger(__name__)

FILE = "calibration.json"
PROMPTS = 16
"""Prompts of one measurement."""

_SIDE_PX = 1024
_LONG_S = 1.5
"""An encoder that takes longer is asked once: what warming up adds then hardly counts."""

PRESETS = ("exact", "full", "fast")


@dataclass(frozen=True)
class Calibration:
    """What was measured.

    Attributes:
        key: machine, model, device and threads that it holds for.
        rates: of each preset: they ask in different ways.
    """

    key: str
    rates: dict[str, Rate]


class CalibrationBook:
    """What was measured on this machine, kept in a file; safe from any thread.

    Args:
        folder: of the file; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] | None = None

    def find(self, model: str, device: str | None) -> Calibration | None:
        """What was measured for a model on a device; None where nothing was."""
        key = calibration_key(model, device)
        with self._lock:
            kept = self._load().get(key)
        try:
            return None if kept is None else Calibration(key, {p: Rate(**kept[p]) for p in PRESETS})
        except (KeyError, TypeError):
            return None

    def measure(
        self, model: str, checkpoint: str | None = None, device: str | None = None
    ) -> Calibration:
        """Measure a model and keep what came out; loads it where it isn't loaded.

        Raises:
            WeightsError, ParameterError: as `cached_model`.
        """
        from samgeo_core.models.loading import cached_model

        found = Calibration(
            calibration_key(model, device), measured_rates(cached_model(model, checkpoint, device))
        )
        with self._lock:
            known = self._load()
            known[found.key] = {preset: asdict(rate) for preset, rate in found.rates.items()}
            self._keep(known)
        return found

    def _load(self) -> dict[str, dict[str, Any]]:
        if self._known is None:
            self._known = {}
            if self._path is not None and self._path.is_file():
                try:
                    self._known = dict(json.loads(self._path.read_text("utf-8")))
                except (OSError, ValueError) as error:
                    logger.warning("%s can't be read (%s): measured anew", self._path.name, error)
        return self._known

    def _keep(self, known: dict[str, dict[str, Any]]) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._path) as partial:
                partial.write_text(json.dumps(known, indent=1), "utf-8")
        except (SamGeoError, OSError) as error:
            logger.warning("What was measured can't be kept (%s)", error)


def calibration_key(model: str, device: str | None) -> str:
    """What a calibration holds for: processor, threads, version, decoder, model, device."""
    limit = int(os.environ.get("OMP_NUM_THREADS") or 0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(1, min(limit or cores or 1, cores or 1))
    decoder = "compiled" if get_settings().compiled else "torch"
    return "|".join([_processor(), str(threads), __version__, decoder, model, device or "best"])


def measured_rates(
    model: LoadedModel, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Rate]:
    """Seconds per image and per prompt of each preset, on a drawn scene.

    What warms up caches isn't counted, unless the encoder takes long.

    Args:
        model: what is timed.
        clock: tells seconds.
    """
    import torch

    from samgeo_core.config import AutomaticConfig
    from samgeo_core.engine.candidates import EncodedWindow, Floor
    from samgeo_core.engine.encoder import fast_dtype
    from samgeo_core.engine.ladder import FullConfig
    from samgeo_core.engine.predictor import decoder_of
    from samgeo_core.windows import Window

    decoder_of(model)  # may be compiled now, once and for all

    tile, sam, full = _drawn_tile(), AutomaticConfig(), FullConfig()
    window = Window.whole(tile.shape_hw)
    exact = Floor(sam.pred_iou_thresh, sam.stability_score_thresh, sam.stability_score_offset, 20.0)
    ladder = Floor(full.floor_score, full.floor_stability, 1.0, 2.0, full.window_share, sketch=True)

    def encoded(dtype: torch.dtype) -> tuple[float, EncodedWindow]:
        start = clock()
        seen = EncodedWindow.encode(model, tile, window, exact, dtype)
        return clock() - start, seen

    encode_s, seen = encoded(torch.float32)
    if encode_s < _LONG_S:
        encode_s, seen = encoded(torch.float32)
    fast_s, fast = encode_s, fast_dtype(model.device)
    if fast != torch.float32:
        fast_s = min(encoded(fast)[0], encoded(fast)[0])
    exact_s, ladder_s = (_prompt_s(replace(seen, floor=floor), clock) for floor in (exact, ladder))
    return {
        "exact": Rate(encode_s, exact_s),
        "full": Rate(encode_s, ladder_s),
        "fast": Rate(fast_s, ladder_s),
    }


def _prompt_s(seen: EncodedWindow, clock: Callable[[], float]) -> float:
    """Seconds per prompt, its masks made too."""
    import numpy as np

    from samgeo_core.progress import SILENT

    side = math.isqrt(PROMPTS)
    middles = (np.arange(side) + 0.5) / side * _SIDE_PX
    points = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
    seconds = 0.0
    for some in (points[:4], points):
        start = clock()
        for candidate in seen.ask(some, 64, lambda found: found, SILENT, 0, len(some)):
            candidate.mask()
        seconds = (clock() - start) / len(some)
    return seconds


def _drawn_tile() -> TileImage:
    """Blocks, discs and stripes on uneven ground, so that masks of many sizes come back."""
    import cv2
    import numpy as np

    from samgeo_core.tile import TileImage

    random = np.random.default_rng(0)
    rgb = random.normal(110, 9, (_SIDE_PX, _SIDE_PX, 3)).clip(0, 255).astype(np.uint8)
    for y in range(32, _SIDE_PX, 64):
        for x in range(32, _SIDE_PX, 64):
            color = [int(v) for v in random.integers(30, 240, 3)]
            reach = int(random.integers(8, 26))
            if random.random() < 0.4:
                cv2.circle(rgb, (x, y), reach, color, -1, cv2.LINE_AA)
            else:
                cv2.rectangle(rgb, (x - reach, y - reach // 2), (x + reach, y + reach), color, -1)
    rgb[500:524] = (90, 95, 100)
    return TileImage(rgb, np.ones((_SIDE_PX, _SIDE_PX), np.bool_))


def _processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
