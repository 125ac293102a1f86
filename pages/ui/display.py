"""Which bands of a scene are shown, and how bright: the same that the model will see."""

from __future__ import annotations

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.facts import Look
from pages.ui.text import plain
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.web.context import get_context
from samgeo_core.web.records import Scene
from samgeo_core.words import N_, _

STRETCHES: dict[StretchMode, str] = {
    "auto": N_("Automatic"),
    "percentile": N_("2 to 98 %"),
    "minmax": N_("Full range"),
    "none": N_("As stored"),
}
_CHANNELS = (N_("Red"), N_("Green"), N_("Blue"))


def display_form(scene: Scene) -> None:
    """Bands for red, green and blue, and the stretch; applied together."""
    raster = scene.raster
    with st.form(f"display_{scene.scene_id}", border=False):
        bands = _band_choice(raster, scene.display.bands or raster.default_bands())
        stretch = st.selectbox(
            _("Brightness range"),
            list(STRETCHES),
            index=list(STRETCHES).index(scene.display.stretch),
            format_func=lambda mode: _(STRETCHES[mode]),
            help=_(
                "Automatic leaves 8-bit images as they are and stretches others from their 2nd "
                "to their 98th percentile, one range for the whole image."
            ),
        )
        if st.form_submit_button(_("Apply")):
            with friendly():
                get_context().store.set_display(scene.scene_id, bands, stretch)
                st.rerun()


def _band_choice(raster: Raster, current: tuple[int, ...]) -> tuple[int, ...]:
    numbers = list(range(1, raster.band_count + 1))
    if len(numbers) == 1:
        return (1, 1, 1)

    def label(number: int) -> str:
        name = raster.band_names[number - 1]
        return str(number) if name == f"Band {number}" else f"{number}: {plain(name)}"

    chosen = []
    for column, colour, now in zip(st.columns(3), _CHANNELS, current, strict=True):
        key = f"band_{colour}"
        chosen.append(column.selectbox(_(colour), numbers, now - 1, format_func=label, key=key))
    return tuple(chosen)


def look_at(scene: Scene) -> Look:
    """What a scene's pixels say, measured once per file."""
    with st.spinner(_("Looking at the image…")):
        return _look(scene.scene_id, scene.version, scene.raster)


@st.cache_data(show_spinner=False, max_entries=256)
def _look(scene_id: str, version: tuple[int, int], _raster: Raster) -> Look:
    return Look.of(_raster)
