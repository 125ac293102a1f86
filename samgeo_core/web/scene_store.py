"""Scenes as folders on disk: they survive a restart, and only ids lead to them.

    <root>/scenes/<scene_id>/scene.json, source     (no source where the file lies elsewhere)
    <root>/trash/                                   (what is being deleted)

File names on disk are ours; what a visitor calls a file is kept as text only.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from samgeo_core.errors import NotFoundError
from samgeo_core.reading.channels import Channel
from samgeo_core.reading.source import Source
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.web.audit import AuditLog
from samgeo_core.web.copying import take_source
from samgeo_core.web.ids import checked_id, new_id
from samgeo_core.web.records import Display, Scene, SceneKind, clean_name, read_scene, write_scene
from samgeo_core.web.trash import Trash


class SceneStore:
    """All scenes of an installation.

    Every method that takes ``owner`` treats what belongs to somebody else as unknown; without an
    owner the id alone is the key, which is how tiles and shared results are reached.

    Args:
        root: folder of the store, made where missing.
        max_pixels: most pixels a scene may declare; None sets no limit.
        audit: hears of what comes and goes; None tells nobody.
    """

    def __init__(
        self, root: Path, *, max_pixels: int | None = None, audit: AuditLog | None = None
    ) -> None:
        self.root = root
        self.max_pixels = max_pixels
        self._audit = audit
        self._scenes_dir = root / "scenes"
        self._scenes_dir.mkdir(parents=True, exist_ok=True)
        self._trash = Trash(root / "trash")
        # Guards records against being changed and removed at the same time.
        self._lock = threading.Lock()

    def add_scene(
        self,
        source: BinaryIO | Source,
        name: str,
        owner: str,
        *,
        kind: SceneKind = "upload",
        max_bytes: int | None = None,
    ) -> Scene:
        """Take in a raster and check that it opens.

        Args:
            source: a stream, which is copied in pieces, a file, what lies at an address, or several
                files as one. Files of kind "upload" are copied; those of kind "sample" and "server"
                stay where they are and are never deleted; files of other scenes are linked, so
                that they stay as long as one of the scenes does.
            name: what the visitor calls it; shown, and used to name downloads.
            owner: token of the visitor.
            kind: where it came from; only uploads are cleaned up by age.
            max_bytes: most bytes to copy; None takes what the disk holds.

        Raises:
            RasterError: it is not a raster this installation opens; nothing is kept of it.
        """
        scene_id = new_id()
        folder = self._scenes_dir / scene_id
        folder.mkdir()
        try:
            path = take_source(source, folder, copy=kind == "upload", max_bytes=max_bytes)
            scene = Scene(
                scene_id, clean_name(name), folder, path, owner, kind, time.time(), self.max_pixels
            )
            _ = scene.raster
            write_scene(scene)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._tell("scene added", owner, scene=scene_id, kind=kind)
        return scene

    def adopt_scene(self, folder: Path, name: str, owner: str) -> Scene:
        """Take in a raster that lies on the store's disk already, by moving its folder.

        Args:
            folder: with the raster as "source"; its name is the id of the scene.
            name: what the visitor calls it.
            owner: token of the visitor.

        Raises:
            RasterError: it is not a raster this installation opens; the folder stays.
        """
        kept = self._scenes_dir / checked_id(folder.name)
        scene = Scene(
            folder.name, clean_name(name), folder, folder / "source", owner, "upload",
            time.time(), self.max_pixels,
        )  # fmt: skip
        _ = scene.raster
        write_scene(scene)
        # One step: there is never half a scene, nor two of one upload.
        folder.rename(kept)
        self._tell("scene added", owner, scene=scene.scene_id, kind=scene.kind)
        return replace(scene, folder=kept, source=kept / "source")

    def scene(self, scene_id: str, owner: str | None = None) -> Scene:
        """The scene of an id.

        Raises:
            NotFoundError: unknown, deleted, or not the owner's.
        """
        scene = read_scene(self._scenes_dir / checked_id(scene_id), self.max_pixels)
        if scene is None or (owner is not None and scene.owner != owner):
            raise NotFoundError("This scene is not there any more; open the image again.")
        return scene

    def scenes(self, owner: str | None = None) -> list[Scene]:
        """Scenes of an owner (of everybody for None), newest first."""
        folders = list(self._scenes_dir.iterdir())
        found = [s for f in folders if (s := read_scene(f, self.max_pixels)) is not None]
        mine = [s for s in found if owner is None or s.owner == owner]
        return sorted(mine, key=lambda s: s.created, reverse=True)

    def set_display(
        self,
        scene_id: str,
        bands: Sequence[Channel] | None,
        stretch: StretchMode = "auto",
        owner: str | None = None,
    ) -> Scene:
        """Choose the bands and the stretch in which a scene is shown (and its tiles are drawn).

        Raises:
            NotFoundError: unknown scene.
            ParameterError: not three bands of the raster, or no such stretch.
        """
        scene = self.scene(scene_id, owner)
        chosen = None if bands is None else scene.raster.book.triple(bands)
        display = Display(chosen, stretch)
        # Measured before the record is touched, as it may take a while and may be refused.
        _ = replace(scene, display=display).stretch
        with self._lock:
            changed = replace(self.scene(scene_id, owner), display=display)
            write_scene(changed)
        return changed

    def _remove(self, folder: Path) -> None:
        """Delete a folder, which is out of reach at once even if work still writes into it."""
        with self._lock:
            there = self._trash.take(folder)
        if there:
            self._forget(folder)
            self._trash.empty()

    def _forget(self, folder: Path) -> None:
        """Take note that a folder is gone, before its files are."""

    def _tell(self, event: str, owner: str = "", **facts: str | float) -> None:
        if self._audit is not None:
            self._audit.record(event, owner, **facts)
