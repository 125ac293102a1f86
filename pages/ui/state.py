"""The one typed way to a visitor's session state."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from pages.ui.sign_in import account
from samgeo_core.errors import NotFoundError
from samgeo_core.web.context import get_context
from samgeo_core.web.ids import new_id
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.visitors import visitor_of

_KEY = "studio"
_SCENE_PARAM, _RUN_PARAM = "scene", "run"


@dataclass
class StudioState:
    """What the app remembers of one visitor between two clicks.

    Attributes:
        owner: token that marks the visitor's scenes and runs in the store.
        scene_id: the scene the visitor works on.
        run_id: the run whose progress or result is shown.
        watching: the run whose progress is on the visitor's screen.
        center_px: where the try-out area was placed, x and y in px; None is the middle.
        last_click: the click on the map that was heard last, (lat, lng).
        picks: the picking session of each scene, by the scene's id.
        flash: a sentence to show once, on the next run of a page.
    """

    owner: str = field(default_factory=new_id)
    scene_id: str | None = None
    run_id: str | None = None
    watching: str | None = None
    center_px: tuple[float, float] | None = None
    last_click: tuple[float, float] | None = None
    picks: dict[str, str] = field(default_factory=dict)
    flash: str | None = None

    def open_scene(self, scene: Scene) -> None:
        """Work on a scene from now on."""
        if scene.scene_id != self.scene_id:
            self.scene_id, self.run_id = scene.scene_id, None
            self.center_px = self.last_click = None
        self.write_address()

    def follow_run(self, run: Run) -> None:
        """Show a run of the scene from now on."""
        self.scene_id, self.run_id = run.scene_id, run.run_id
        self.write_address()

    def forget(self) -> None:
        """Work on nothing any more; the visitor stays who they are."""
        self.scene_id = self.run_id = self.watching = self.center_px = self.last_click = None
        self.picks.clear()
        self.write_address()

    def write_address(self) -> None:
        """Put the ids into the page's address, so that a reload or a bookmark finds them."""
        for name, value in ((_SCENE_PARAM, self.scene_id), (_RUN_PARAM, self.run_id)):
            if value is None:
                st.query_params.pop(name, None)
            elif st.query_params.get(name) != value:
                st.query_params[name] = value


def get_state() -> StudioState:
    """The visitor's state, made at the first visit."""
    if _KEY not in st.session_state:
        # The same after a reload, where the browser keeps cookies; with an account everywhere.
        owner = account() or visitor_of(st.context.cookies) or new_id()
        st.session_state[_KEY] = StudioState(owner)
    state: StudioState = st.session_state[_KEY]
    return state


def read_address() -> None:
    """Take the scene and run from the page's address, where it names other ones."""
    state = get_state()
    run_id, scene_id = st.query_params.get(_RUN_PARAM), st.query_params.get(_SCENE_PARAM)
    store = get_context().store
    try:
        if run_id and run_id != state.run_id:
            state.follow_run(store.run(run_id))
        elif scene_id and scene_id != state.scene_id:
            state.open_scene(store.scene(scene_id))
    except NotFoundError as error:
        state.flash = str(error)
    state.write_address()


def current_scene() -> Scene | None:
    """The scene the visitor works on; None where there is none or it was deleted."""
    state = get_state()
    if state.scene_id is None:
        return None
    try:
        return get_context().store.scene(state.scene_id)
    except NotFoundError as error:
        state.scene_id = state.run_id = None
        state.flash = str(error)
        return None


def current_run() -> Run | None:
    """The run the visitor looks at; None where there is none or it was deleted."""
    state = get_state()
    if state.run_id is None:
        return None
    try:
        return get_context().store.run(state.run_id)
    except NotFoundError as error:
        state.run_id = None
        state.flash = str(error)
        return None
