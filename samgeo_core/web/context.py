"""The one set of store, jobs and tiles that routes and page scripts of a process share."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from samgeo_core.preflight.calibration import CalibrationBook
from samgeo_core.progress import Monitor
from samgeo_core.settings import Settings, get_settings
from samgeo_core.web.assets import Assets
from samgeo_core.web.audit import AuditLog
from samgeo_core.web.basemaps import BasemapDesk
from samgeo_core.web.estimates import Estimator
from samgeo_core.web.jobs import JobRunner
from samgeo_core.web.overviews import OverviewMaker
from samgeo_core.web.pick_desk import PickDesk
from samgeo_core.web.recovery import recover_runs
from samgeo_core.web.store import Store
from samgeo_core.web.teach_desk import TeachDesk
from samgeo_core.web.tiles import TileRenderer
from samgeo_core.web.uploads import Uploads
from samgeo_core.web.work import do_job


@dataclass(frozen=True)
class AppContext:
    """What the app consists of besides its pages.

    Attributes:
        settings: the settings of the process.
        store: scenes and runs.
        jobs: work that waits or is under way; it begins with the first job, or `JobRunner.start`.
        estimates: how long runs will take.
        tiles: draws tiles of scenes and results.
        assets: files of map libraries.
        picks: single objects that visitors point at.
        teaching: classes of objects, and what is needed to learn them.
        audit: what happened, and when.
        uploads: files that haven't arrived whole yet.
        overviews: makes smaller copies of large rasters.
        basemaps: areas of tiled maps that become images.
    """

    settings: Settings
    store: Store
    jobs: JobRunner
    estimates: Estimator
    tiles: TileRenderer
    assets: Assets
    picks: PickDesk
    teaching: TeachDesk
    audit: AuditLog
    uploads: Uploads
    overviews: OverviewMaker
    basemaps: BasemapDesk

    @classmethod
    def create(cls, settings: Settings) -> AppContext:
        """Open the store of these settings and start an idle job runner."""
        audit = AuditLog(settings.data_dir)
        store = Store(settings.data_dir, max_pixels=settings.max_pixels, audit=audit)
        estimates = Estimator(store.database, CalibrationBook(settings.cache_dir))

        def work(kind: str, run_id: str, monitor: Monitor) -> None:
            do_job(context, kind, run_id, monitor)

        jobs = JobRunner(
            store.book,
            work,
            settings.workers,
            lock=store.root / "jobs.lock",
            recover=lambda: recover_runs(store),
            on_done=lambda run_id: estimates.remember(store.run(run_id)),
        )
        assets, picks = Assets(settings.assets_dir), PickDesk(settings, store.root)
        teaching = TeachDesk(store)
        overviews = OverviewMaker(store, settings.free_disk_bytes)
        context = cls(
            settings, store, jobs, estimates, TileRenderer(), assets, picks, teaching, audit,
            Uploads(store, settings), overviews, BasemapDesk(store, settings, overviews.ask),
        )  # fmt: skip
        return context

    def delete_run(self, run_id: str, owner: str | None = None) -> None:
        """Stop a run if it is under way and remove it.

        Raises:
            NotFoundError: unknown, or not the owner's.
        """
        run = self.store.run(run_id, owner)
        self.jobs.cancel(run.run_id)
        self.teaching.cancel(run.run_id)
        self.store.delete_run(run.run_id)

    def delete_scene(self, scene_id: str, owner: str | None = None) -> None:
        """Stop all runs of a scene and remove it with them.

        Raises:
            NotFoundError: unknown, or not the owner's.
        """
        scene = self.store.scene(scene_id, owner)
        self.overviews.cancel(scene.scene_id)
        for run in self.store.runs(scene_id=scene.scene_id):
            self.jobs.cancel(run.run_id)
            self.teaching.cancel(run.run_id)
        self.store.delete_scene(scene.scene_id)

    def delete_all_of(self, owner: str) -> int:
        """Stop and remove all that a visitor has brought or made; returns how many things.

        Results that a visitor made of images of others go, too.
        """
        deleted = self.uploads.cancel_all_of(owner) + self.basemaps.cancel_all_of(owner)
        for scene in self.store.scenes(owner):
            deleted += 1 + len(self.store.runs(scene_id=scene.scene_id))
            self.delete_scene(scene.scene_id)
        for run in self.store.runs(owner):
            deleted += 1
            self.delete_run(run.run_id)
        self.audit.record("all data of a visitor deleted", owner)
        return deleted


_lock = threading.Lock()
_context: AppContext | None = None


def get_context() -> AppContext:
    """The context of this process, made by the first who asks.

    NOTE: streamlit runs the page scripts again and again, each time in a fresh namespace; this
    module is imported once, so the object here is the same for all of them and for the routes.
    """
    global _context
    with _lock:
        if _context is None:
            _context = AppContext.create(get_settings())
        return _context
