"""Which bands of a scene are shown, and how bright: the same that the model will see."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.facts import Look
from pages.ui.state import get_state
from samgeo_core.reading.band_roles import role_named
from samgeo_core.reading.channels import COMPOSITES, INDICES, BandBook, Channel
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
    "signed": N_("-1 to 1 for indices"),
}
_SHOWN = "bands_shown"
_CHANNELS = (N_("Red"), N_("Green"), N_("Blue"))
_ROLES = {
    "coastal": N_("Coastal blue"),
    "blue": N_("Blue"),
    "green": N_("Green"),
    "yellow": N_("Yellow"),
    "red": N_("Red"),
    "rededge": N_("Red edge"),
    "rededge2": N_("Red edge 2"),
    "rededge3": N_("Red edge 3"),
    "nir": N_("Near infrared"),
    "nir08": N_("Near infrared, narrow"),
    "nir09": N_("Water vapour"),
    "cirrus": N_("Cirrus"),
    "swir1": N_("Short-wave infrared 1"),
    "swir2": N_("Short-wave infrared 2"),
    "pan": N_("Panchromatic"),
    "thermal": N_("Thermal infrared"),
}
_COMPOSITES = {
    "natural": (N_("Natural colour"), N_("Red, green and blue as people see them.")),
    "false_colour": (
        N_("False colour"),
        N_("Near infrared, red and green: plants are red, water is dark."),
    ),
    "ndvi": (N_("NDVI"), N_("The vegetation index in grey: the brighter, the greener.")),
    "ndvi_nir_red": (
        N_("NDVI, NIR, red"),
        N_("Vegetation index, near infrared and red: plants, soil and water in clear colours."),
    ),
}


def display_form(scene: Scene) -> None:
    """Bands for red, green and blue, and the stretch; applied together."""
    raster = scene.raster
    if scene.owner != get_state().owner:
        st.caption(_("Only who opened the image can change how it is shown."))
        return
    _composites(scene, raster.book)
    with st.form(f"display_{scene.scene_id}", border=False):
        bands = _channel_choice(scene, scene.display.bands or raster.default_bands())
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
        if st.form_submit_button(
            _("Apply"), help=_("Map and model both see the image this way from now on.")
        ):
            _show(scene, bands, stretch)


def _show(scene: Scene, bands: Sequence[Channel], stretch: StretchMode) -> None:
    with friendly():
        get_context().store.set_display(scene.scene_id, bands, stretch, get_state().owner)
        st.rerun()


def _composites(scene: Scene, book: BandBook) -> None:
    """One button for each well-known way to look at an image whose bands are known."""
    there = [name for name, channels in COMPOSITES.items() if all(map(book.has, channels))]
    if there in ([], ["natural"]) and scene.display.bands is None:
        return
    with st.container(horizontal=True, gap="small"):
        for name in there:
            title, about = _COMPOSITES[name]
            if st.button(_(title), key=f"composite_{name}", help=_(about)):
                _show(scene, COMPOSITES[name], "auto")


def _channel_choice(scene: Scene, current: tuple[Channel, ...]) -> tuple[Channel, ...]:
    """A choice of bands, indices and typed expressions for each of red, green and blue."""
    raster = scene.raster
    numbers = list(range(1, raster.band_count + 1))
    if len(numbers) == 1:
        return current
    book = raster.book
    indices = {name: book.channel(name) for name in INDICES if book.has(name)}
    named = {channel: name for name, channel in indices.items()}
    shown = tuple(named.get(channel, channel) for channel in current)
    _follow(scene, shown)

    def label(channel: Channel) -> str:
        if isinstance(channel, int):
            return _band_label(raster, channel)
        return channel.upper() if channel in indices else channel

    options: list[Channel] = [*numbers, *indices]
    options += [channel for channel in dict.fromkeys(shown) if channel not in options]
    chosen = []
    for colour, now in zip(_CHANNELS, shown, strict=True):
        value = st.selectbox(
            _(colour),
            options,
            format_func=label,
            key=f"band_{colour}",
            accept_new_options=True,
            help=_("A band, an index, or an expression that you type, such as b4/b3."),
        )
        chosen.append(now if value is None else value)
    return tuple(chosen)


def _follow(scene: Scene, shown: tuple[Channel, ...]) -> None:
    """Let the choices say what is shown, which a button or another image may have changed.

    NOTE: a browser keeps what was chosen under a key, whatever is proposed later; only what the
    state holds before the choice is drawn changes it.
    """
    told = (scene.scene_id, shown)
    keys = [f"band_{colour}" for colour in _CHANNELS]
    if st.session_state.get(_SHOWN) != told or not all(key in st.session_state for key in keys):
        st.session_state.update(zip(keys, shown, strict=True))
        st.session_state[_SHOWN] = told


def _band_label(raster: Raster, number: int) -> str:
    """A band by its number, its name in the file, and what it shows."""
    name, role = raster.band_names[number - 1], raster.roles[number - 1]
    said = "" if role is None else _(_ROLES[role])
    if name == f"Band {number}":
        return f"{number}: {said}" if said else str(number)
    if role is not None and role_named(name) == role:
        return f"{number}: {said}"
    if not said:
        return f"{number}: {name}"
    return f"{number}: {name} · {said}"


def look_at(scene: Scene) -> Look:
    """What a scene's pixels say, measured once per file."""
    with st.spinner(_("Looking at the image…")):
        return _look(scene.scene_id, scene.version, scene.raster)


@st.cache_data(show_spinner=False, max_entries=256)
def _look(scene_id: str, version: tuple[int, int], _raster: Raster) -> Look:
    return Look.of(_raster)
