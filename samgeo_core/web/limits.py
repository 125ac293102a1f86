"""What one visitor may use, so that there is something left for others."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from samgeo_core.errors import ParameterError
from samgeo_core.settings import Settings
from samgeo_core.web.store import Store
from samgeo_core.windows import ShapeHW


def check_run_pixels(settings: Settings, shape_hw: ShapeHW) -> None:
    """Refuse a run over more pixels than the settings allow.

    Raises:
        ParameterError: it is larger.
    """
    pixels, most = shape_hw[0] * shape_hw[1], settings.max_run_pixels
    if most is not None and pixels > most:
        raise ParameterError(
            f"A run may have {most / 1e6:,.2f} megapixels here, and this one has "
            f"{pixels / 1e6:,.2f} ({shape_hw[1]:,} x {shape_hw[0]:,} px): choose a smaller area."
        )


def check_storage(store: Store, settings: Settings, owner: str, more_bytes: int = 0) -> None:
    """Refuse what would take more of the disk than a visitor may have.

    Args:
        store: scenes and runs.
        settings: with the limit.
        owner: token of the visitor.
        more_bytes: what would come on top, as far as it is known.

    Raises:
        ParameterError: it would be too much.
    """
    most = settings.max_visitor_bytes
    if most is None:
        return
    used = used_bytes(store, owner)
    if used >= most or used + more_bytes > most:
        raise ParameterError(
            f"Your images and results take {used / 1e6:,.1f} MB of the {most / 1e6:,.1f} MB that a "
            f"visitor may have here, and {more_bytes / 1e6:,.1f} MB would come on top: delete some "
            "that you don't need any more."
            if more_bytes
            else f"Your images and results take {used / 1e6:,.1f} MB of the {most / 1e6:,.1f} MB "
            "that a visitor may have here: delete some that you don't need any more."
        )


def used_bytes(store: Store, owner: str) -> int:
    """What all images and results of a visitor take on the disk."""
    return folder_bytes(
        [*(s.folder for s in store.scenes(owner)), *(r.folder for r in store.runs(owner))]
    )


def folder_bytes(folders: Iterable[Path]) -> int:
    """Bytes of all files in folders; what two of them share counts once."""
    total, shared = 0, set[tuple[int, int]]()
    for folder in folders:
        for path in (Path(parent) / name for parent, _, names in os.walk(folder) for name in names):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue  # just finished, or just deleted
            file = status.st_dev, status.st_ino
            if status.st_nlink == 1 or file not in shared:
                total += status.st_size
            shared.add(file)
    return total
