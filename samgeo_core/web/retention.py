"""Which scenes and runs nobody has used for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from samgeo_core.web.pick_sessions import last_picked
from samgeo_core.web.records import Run, Scene

_BROUGHT = ("upload", "address", "mosaic")


def stale_folders(scenes: Iterable[Scene], runs: Sequence[Run], limit: float) -> list[Path]:
    """Folders of what visitors brought, and of its runs, that were last used before a moment.

    A scene is used when it is opened, when something is picked in it, and whenever a run of it is
    made; a run under way keeps it.
    Runs of scenes that are gone go by the same rule.

    Args:
        scenes: all scenes.
        runs: all runs.
        limit: seconds since 1970.
    """
    known = {scene.scene_id: scene for scene in scenes}
    last_use = {
        scene_id: max(scene.created, last_picked(scene.folder)) for scene_id, scene in known.items()
    }
    for run in runs:
        used = float("inf") if run.state in ("queued", "running") else run.created
        last_use[run.scene_id] = max(last_use.get(run.scene_id, used), used)
    stale = {
        scene_id
        for scene_id, used in last_use.items()
        if used < limit and (scene_id not in known or known[scene_id].kind in _BROUGHT)
    }
    return [
        *(known[scene_id].folder for scene_id in stale if scene_id in known),
        *(run.folder for run in runs if run.scene_id in stale),
    ]


def leftovers(parents: Iterable[Path], valid: Collection[Path], limit: float) -> list[Path]:
    """Folders that never became a scene or run, and were last changed before a moment."""
    folders = [folder for parent in parents for folder in parent.iterdir() if folder not in valid]
    return [folder for folder in folders if folder.stat().st_mtime < limit]
