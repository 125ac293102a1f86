"""Memory and disk that a run needs, by formulas whose errors benchmarks/preflight.py measures."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samgeo_core.config import SegmentConfig
from samgeo_core.preflight.workload import Workload
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.windows import ShapeHW

_PROCESS_BYTES = 0.72e9
"""Interpreter, torch and GDAL with their buffers, and the outlines that are written."""

_ENCODER_BYTES = {"vit_t": 0.36e9, "vit_b": 1.1e9, "vit_l": 1.4e9, "vit_h": 1.8e9}
"""Most that the encoder holds at a time beside its weights."""

_WEIGHT_BYTES = {"vit_t": 0.04e9, "vit_b": 0.375e9, "vit_l": 1.25e9, "vit_h": 2.56e9}

_BYTES_PER_PX = {"exact": 30, "full": 60, "fast": 50}
"""The pixels, and what is known of each, while a piece is segmented."""

_OBJECTS_PER_PROMPT = {"exact": 0.05, "full": 0.2, "fast": 0.5}
_CANDIDATES_PER_OBJECT = {"exact": 1.0, "full": 2.2, "fast": 1.4}


@dataclass(frozen=True)
class Needs:
    """What a run will take, all of it estimated.

    Attributes:
        objects: how many it may find.
        memory_bytes: most that the process holds at a time.
        disk_bytes: files that it leaves.
    """

    objects: int
    memory_bytes: int
    disk_bytes: int


def needs_of(
    shape_hw: ShapeHW,
    config: SegmentConfig,
    work: Workload,
    png_bytes_per_px: float,
    regions: StreamOptions | None = None,
) -> Needs:
    """Memory and disk of a run.

    Args:
        shape_hw: height and width of what is segmented, px.
        config: what is done.
        work: what it asks (`workload`).
        png_bytes_per_px: of the image's own pixels as PNG (`png_bytes_per_px`).
        regions: how it is cut where it is larger than a region; None never cuts it.
    """
    pixels = shape_hw[0] * shape_hw[1]
    objects = max(1, round(_OBJECTS_PER_PROMPT[config.preset] * work.prompts))
    candidates = objects * _CANDIDATES_PER_OBJECT[config.preset]
    streamed = regions is not None and regions.cuts(shape_hw)
    piece_px = pixels
    if streamed and regions is not None:
        piece_px = min(regions.region_px, shape_hw[0]) * min(regions.region_px, shape_hw[1])
    memory = (
        _PROCESS_BYTES
        + _WEIGHT_BYTES.get(config.model, 0.4e9)
        + _ENCODER_BYTES.get(config.model, 1.1e9)
        + _BYTES_PER_PX[config.preset] * piece_px
    )
    if streamed:
        # Labels with overviews, mask, outlines, and the candidates of all regions.
        disk = 0.1e6 + 0.11 * pixels + 1200 * objects + 280 * candidates
    else:
        # The picture of the result is the image with colours laid over.
        disk = 0.2e6 + (png_bytes_per_px + 0.06) * pixels + 1500 * objects + 400 * candidates
    return Needs(objects, round(memory), round(disk))


def png_bytes_per_px(rgb: NDArray[np.uint8]) -> float:
    """Bytes that a pixel takes as PNG: how busy or noisy an image is, uint8 [H, W, 3]."""
    import cv2

    if not rgb.size:
        return 0.0
    _, png = cv2.imencode(".png", np.ascontiguousarray(rgb))
    height, width = rgb.shape[:2]
    return float(len(png) / (height * width))


def free_memory_bytes() -> int | None:
    """Memory that can still be had; None where the system doesn't tell."""
    limit, used = _control_group()
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    free = next((int(n.split()[1]) * 1024 for n in lines if n.startswith("MemAvailable:")), None)
    if free is None or limit is None or used is None:
        return free
    return min(free, max(0, limit - used))


def free_disk_bytes(folder: Path, kept_free: int = 0) -> int:
    """Room on the disk of a folder, less what is to stay free."""
    while not folder.exists():
        folder = folder.parent
    return max(0, shutil.disk_usage(folder).free - kept_free)


def held_memory_bytes() -> int:
    """What this process holds already; 0 where the system doesn't tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _control_group() -> tuple[int | None, int | None]:
    """Limit and use of a container's memory, of either version of control groups."""
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        try:
            return int(Path(limit).read_text("ascii")), int(Path(used).read_text("ascii"))
        except (OSError, ValueError):
            continue
    return None, None
