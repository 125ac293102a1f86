"""Pick: point at single objects on the map, correct their outlines, save them as a result."""

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.layout import RESULT, require_scene
from pages.ui.map import base_url, build_map, satellite_at_start
from pages.ui.pick_map import PickElement, show_pick_map
from pages.ui.pick_session import current_session, new_list
from pages.ui.state import get_state
from samgeo_core.web.context import get_context
from samgeo_core.web.pick_results import save_picks
from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Scene
from samgeo_core.web.urls import pick_url, tile_template
from samgeo_core.words import N_, _, ngettext


def _save(scene: Scene, session: PickSession) -> None:
    state = get_state()
    with friendly():
        with st.spinner(_("Writing the layers…")):
            run = save_picks(get_context(), scene, session, state.owner)
        state.follow_run(run)
        st.switch_page(RESULT)


@st.fragment
def _work(scene: Scene, session: PickSession) -> None:
    # NOTE: the map's script must not change while it is used, or it would be drawn anew.
    pick_map = build_map(
        scene.frame,
        tile_template(scene, base_url()),
        objects=False,
        basemap=satellite_at_start(),
        credit=scene.raster.attribution,
    )
    pick_map.add_child(PickElement(scene.frame, pick_url(session, base_url())))
    show_pick_map(pick_map, key=f"pick_{session.session_id}")
    picked = len(session.picks.objects)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = (
            ngettext("Save {n:,} object as result", "Save {n:,} objects as result", picked).format(
                n=picked
            )
            if picked
            else _("Save as result")
        )
        if st.button(
            label,
            key="save",
            type="primary",
            disabled=not picked,
            icon=":material/save:",
            help=_(
                "Writes masks, outlines and layers of these objects, and shows them on the "
                "page Result."
            ),
        ):
            _save(scene, session)
        if picked and st.button(
            _("New list"),
            key="new_list",
            icon=":material/playlist_add:",
            help=_("The objects of this list stay in what you saved; picking begins anew."),
        ):
            new_list(scene)
            st.rerun()
        st.caption(_("Clicks are kept as you go: a reload finds them again."))
    with st.expander(_("Keys and gestures"), icon=":material/keyboard:"):
        st.markdown(_(_HELP))


_HELP = N_("""
| What | Mouse and keys | Touch |
| --- | --- | --- |
| Include a place | Click | Tap |
| Exclude a place | Right-click, Alt-click, or *Exclude* | Long press, or *Exclude* |
| Box, outline | *Box* (R): drag · *Outline* (G): drag, or click corners | Drag, or tap corners |
| Smaller or larger | 1, 2, 3 | *Small*, *Medium*, *Large* |
| Accept, and go on | Enter | *Accept* |
| Leave the object at hand | Esc | *Move*, then tap beside it |
| Delete it | Del | Bin |
| Undo, redo | Ctrl+Z, Ctrl+Y | Arrows |
| Take up an object again | Its row, or *Move* (H) and click it | The same |
""")

opened = require_scene()
with friendly():
    _work(opened, current_session(opened))
