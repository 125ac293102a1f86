"""Runs beside the scenes of which they were made, as folders on disk that survive a restart.

<root>/scenes/, <root>/trash/                   (see `SceneStore`)
<root>/runs/<run_id>/meta.json, …               (the rest is what `pipeline.write_run` writes)
<root>/studio.sqlite3                           (where runs stand, see `RunBook`)
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from samgeo_core.errors import ExportError, NotFoundError
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.web.audit import AuditLog
from samgeo_core.web.ids import checked_id, new_id
from samgeo_core.web.queue_book import Entry, JobState, RunBook
from samgeo_core.web.queue_database import Database
from samgeo_core.web.records import Run, RunState, Scene, read_run, write_run_record
from samgeo_core.web.recovery import rebuild_book
from samgeo_core.web.retention import leftovers, stale_folders
from samgeo_core.web.scene_store import SceneStore
from samgeo_core.windows import Window

logger = logging.getLogger(__name__)


class Store(SceneStore):
    """All scenes and runs of an installation.

    Args:
        root: folder of the store, made where missing.
        max_pixels: most pixels a scene may declare; None sets no limit.
        audit: hears of what comes and goes; None tells nobody.
    """

    def __init__(
        self, root: Path, *, max_pixels: int | None = None, audit: AuditLog | None = None
    ) -> None:
        super().__init__(root, max_pixels=max_pixels, audit=audit)
        self.opened = time.time()
        self._runs_dir = root / "runs"
        self._runs_dir.mkdir(exist_ok=True)
        self.database = Database(root / "studio.sqlite3", partial(rebuild_book, self._runs_dir))
        self.book = RunBook(self.database)

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

    def _read(self, entry: Entry) -> Run | None:
        return read_run(self._runs_dir / entry.run_id, entry.state.value, entry.error)

    def _forget(self, folder: Path) -> None:
        if folder.parent == self._runs_dir:
            self.book.remove([folder.name])
