"""The one set of store, jobs and tiles that routes and page scripts of a process share."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from samgeo_core.settings import Settings, get_settings
from samgeo_core.web.assets import Assets
from samgeo_core.web.jobs import Job, JobRunner
from samgeo_core.web.pick_desk import PickDesk
from samgeo_core.web.records import RunState
from samgeo_core.web.store import Store
from samgeo_core.web.teach_desk import TeachDesk
from samgeo_core.web.tiles import TileRenderer


@dataclass(frozen=True)
class AppContext:
    """What the app consists of besides its pages.

    Attributes:
        settings: the settings of the process.
        store: scenes and runs.
        jobs: work under way; states of runs are kept in the store by themselves.
        tiles: draws tiles of scenes and results.
        assets: files of map libraries.
        picks: single objects that visitors point at.
        teaching: classes of objects, and what is needed to learn them.
    """

    settings: Settings
    store: Store
    jobs: JobRunner
    tiles: TileRenderer
    assets: Assets
    picks: PickDesk
    teaching: TeachDesk

    @classmethod
    def create(cls, settings: Settings) -> AppContext:
        """Open the store of these settings and start an idle job runner."""
        store = Store(settings.data_dir, max_pixels=settings.max_pixels)
        store.close_interrupted_runs()

        def keep_state(job: Job) -> None:
            state: RunState = job.state.value
            if jobs.closed and state == "cancelled" and store.run(job.run_id).is_streamed:
                # The server stopped it, not the visitor.
                state = "interrupted"
            store.set_run_state(job.run_id, state, job.error)

        jobs = JobRunner(on_change=keep_state)
        assets, picks = Assets(settings.assets_dir), PickDesk(settings, store.root)
        teaching = TeachDesk(store)
        return cls(settings, store, jobs, TileRenderer(), assets, picks, teaching)

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
        for run in self.store.runs(scene_id=scene.scene_id):
            self.jobs.cancel(run.run_id)
            self.teaching.cancel(run.run_id)
        self.store.delete_scene(scene.scene_id)


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
