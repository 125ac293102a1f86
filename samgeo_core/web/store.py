"""Scenes and runs as folders on disk: they survive a restart, and only ids lead to them.

    <root>/scenes/<scene_id>/scene.json, source     (no source where the file lies elsewhere)
    <root>/runs/<run_id>/meta.json, …               (the rest is what `pipeline.write_run` writes)
    <root>/trash/                                   (what is being deleted)
    <root>/studio.sqlite3                           (where runs stand, see `RunBook`)

File names on disk are ours; what a visitor calls a file is kept as text only.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from samgeo_core.errors import ExportError, NotFoundError
from samgeo_core.reading.channels import Channel
from samgeo_core.reading.remote import RemoteFile
from samgeo_core.reading.source import Joined, Source
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.web.audit import AuditLog
from samgeo_core.web.copying import copy_stream
from samgeo_core.web.ids import checked_id, new_id
from samgeo_core.web.queue_book import Entry, JobState, RunBook
from samgeo_core.web.queue_database import Database
from samgeo_core.web.records import (
    Display,
    Run,
    RunState,
    Scene,
    SceneKind,
    clean_name,
    read_run,
    read_scene,
    write_run_record,
    write_scene,
)
from samgeo_core.web.recovery import rebuild_book
from samgeo_core.web.retention import leftovers, stale_folders
from samgeo_core.windows import Window

logger = logging.getLogger(__name__)


class Store:
    """All scenes and runs of an installation.

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
        self.opened = time.time()
        self._audit = audit
        self.max_pixels = max_pixels
        self._scenes_dir = root / "scenes"
        self._runs_dir = root / "runs"
        self._trash_dir = root / "trash"
        # Guards records against being changed and removed at the same time.
        self._lock = threading.Lock()
        for folder in (self._scenes_dir, self._runs_dir, self._trash_dir):
            folder.mkdir(parents=True, exist_ok=True)
        self.database = Database(root / "studio.sqlite3", partial(rebuild_book, self._runs_dir))
        self.book = RunBook(self.database)

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
            path: Source = folder / "source"
            if isinstance(source, RemoteFile | Joined):
                path = self._link_parts(source, folder)
            elif isinstance(source, Path):
                if kind == "upload":
                    with source.open("rb") as stream:
                        copy_stream(stream, folder / "source", max_bytes)
                else:
                    path = source.resolve()
            else:
                copy_stream(source, folder / "source", max_bytes)
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

    def delete_scene(self, scene_id: str, owner: str | None = None) -> None:
        """Remove a scene and its runs; a file outside the store stays.

        Raises:
            NotFoundError: unknown, or not the owner's.
        """
        scene = self.scene(scene_id, owner)
        for run in self.runs(scene_id=scene.scene_id):
            self._remove(run.folder)
        self._remove(scene.folder)
        self._tell("scene deleted", scene.owner, scene=scene.scene_id)

    def new_run(
        self,
        scene: Scene,
        config: Mapping[str, Any],
        owner: str,
        *,
        area: Window | None = None,
        regions: StreamOptions | None = None,
    ) -> Run:
        """Make the folder of a new run, in the state "queued".

        Args:
            scene: what is segmented.
            config: the parameters, as plain JSON values.
            owner: token of the visitor.
            area: part of the scene; None for the whole.
            regions: how it is cut; None segments it in one piece.

        Raises:
            RasterError: the scene's file is gone.
        """
        run_id = new_id()
        shape_hw = scene.raster.shape_hw
        folder = self._runs_dir / run_id
        run = Run(
            run_id=run_id,
            scene_id=scene.scene_id,
            scene_name=scene.name,
            folder=folder,
            owner=owner,
            config=dict(config),
            area=area,
            scene_shape_hw=shape_hw,
            created=time.time(),
            regions=regions,
        )
        try:
            folder.mkdir()
            write_run_record(run)
            self.book.add(run_id, owner)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError):
                raise ExportError(
                    f"The run can't be kept ({error.strerror}): ask who runs the server to check "
                    "its disk."
                ) from error
            raise
        self._tell("run made", owner, run=run_id, scene=scene.scene_id)
        return run

    def run(self, run_id: str, owner: str | None = None) -> Run:
        """The run of an id.

        Raises:
            NotFoundError: unknown, deleted, or not the owner's.
        """
        entry = self.book.entry(checked_id(run_id))
        run = None if entry is None else self._read(entry)
        if run is None or (owner is not None and run.owner != owner):
            raise NotFoundError("This result is not there any more; run the segmentation again.")
        return run

    def runs(self, owner: str | None = None, scene_id: str | None = None) -> list[Run]:
        """Runs of an owner and a scene (of all for None), newest first."""
        theirs = (self._read(entry) for entry in self.book.of_owner(owner))
        found = [r for r in theirs if r is not None and scene_id in (None, r.scene_id)]
        return sorted(found, key=lambda r: r.created, reverse=True)

    def set_run_state(self, run_id: str, state: RunState, error: str | None = None) -> Run:
        """Keep where a run stands.

        Raises:
            NotFoundError: unknown run.
        """
        self.book.set_state(self.run(run_id).run_id, JobState(state), error)
        return self.run(run_id)

    def delete_run(self, run_id: str, owner: str | None = None) -> None:
        """Remove a run and its files.

        Raises:
            NotFoundError: unknown, or not the owner's.
        """
        run = self.run(run_id, owner)
        self._remove(run.folder)
        self._tell("run deleted", run.owner, run=run_id)

    def clean_up(self, max_age_s: float, now: float | None = None) -> list[str]:
        """Delete uploads that nobody added a run to for a while, with their runs; returns the ids.

        Runs of scenes that are gone, and folders that never became a scene or run, go by the same
        age. Rasters of the server and samples stay, and so do runs that are under way.

        Args:
            max_age_s: seconds since the scene, or its youngest run, was made.
            now: seconds since 1970; None for this moment.
        """
        limit = (time.time() if now is None else now) - max_age_s
        scenes, runs = self.scenes(), self.runs()
        stale = stale_folders(scenes, runs, limit)
        valid = {scene.folder for scene in scenes} | {run.folder for run in runs}
        stale += leftovers((self._scenes_dir, self._runs_dir), valid, limit)
        for folder in stale:
            self._remove(folder)
            logger.info("Cleaned up %s", folder.name)
            self._tell("cleaned up", id=folder.name)
        return [folder.name for folder in stale]

    def _link_parts(self, source: RemoteFile | Joined, folder: Path) -> Source:
        """The same with files of other scenes linked into a folder."""
        if isinstance(source, RemoteFile):
            return source
        parts = []
        for number, part in enumerate(source.parts):
            file = part.source
            if isinstance(file, Path) and file.is_relative_to(self._scenes_dir.resolve()):
                link = folder / f"part-{number}"
                # Where the disk knows no links, the other scene's file is read.
                with suppress(OSError):
                    link.hardlink_to(file)
                    file = link
            parts.append(replace(part, source=file))
        return replace(source, parts=tuple(parts))

    def _tell(self, event: str, owner: str = "", **facts: str | float) -> None:
        if self._audit is not None:
            self._audit.record(event, owner, **facts)

    def _read(self, entry: Entry) -> Run | None:
        return read_run(self._runs_dir / entry.run_id, entry.state.value, entry.error)

    def _remove(self, folder: Path) -> None:
        """Delete a folder, which is out of reach at once even if work still writes into it."""
        with self._lock:
            try:
                folder.rename(self._trash_dir / new_id())
            except FileNotFoundError:
                return
        if folder.parent == self._runs_dir:
            self.book.remove([folder.name])
        for leftover in self._trash_dir.iterdir():
            shutil.rmtree(leftover, ignore_errors=True)
