"""Which picking session the page shows: the one that the visitor used last, or a new one."""

from __future__ import annotations

from pages.ui.state import get_state
from samgeo_core.errors import NotFoundError
from samgeo_core.web.context import get_context
from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Scene


def current_session(scene: Scene) -> PickSession:
    """The session of a scene that the visitor works on, also after a reload."""
    state, sessions = get_state(), get_context().picks.sessions
    try:
        if known := state.picks.get(scene.scene_id):
            return sessions.session(scene, known)
        if found := sessions.latest(scene, state.owner):
            return _follow(found)
    except NotFoundError:
        pass  # what was there is gone
    return new_list(scene)


def new_list(scene: Scene) -> PickSession:
    """Begin anew; what was picked before stays, but other lists come first."""
    return _follow(get_context().picks.sessions.begin(scene, get_state().owner))


def _follow(session: PickSession) -> PickSession:
    get_state().picks[session.scene_id] = session.session_id
    return session
