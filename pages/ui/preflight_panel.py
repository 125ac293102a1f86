"""The card before a run on the page Segment: what it meets and needs, and remedies that act."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.facts import Fact
from pages.ui.layout import fact_list
from pages.ui.state import get_state
from pages.ui.text import duration_s, length_m, markup, percent, size_bytes
from samgeo_core.config import SegmentConfig
from samgeo_core.preflight.advice import Advice, Remedy
from samgeo_core.preflight.card import Preflight, Room, preflight
from samgeo_core.preflight.look import PixelLook, look_at_pixels
from samgeo_core.preflight.needs import free_disk_bytes, free_memory_bytes, held_memory_bytes
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.web.context import get_context
from samgeo_core.web.records import Scene
from samgeo_core.web.rescaling import add_resampled
from samgeo_core.windows import Window
from samgeo_core.words import N_, _

_ICONS = {
    "note": ":material/info:",
    "warning": ":orange[:material/warning:]",
    "stop": ":red[:material/block:]",
}
_BASES = {
    "scene": N_("Time by former runs on this image."),
    "runs": N_("Time by former runs on this machine."),
    "calibration": N_("Time by what was measured on this machine."),
    "guess": N_("Time of a typical machine; measure this one for a better estimate."),
}


def preflight_panel(scene: Scene, config: SegmentConfig, usable: bool) -> Window | None:
    """Draw the card of a run over the whole image.

    Args:
        scene: the image.
        config: what is to be done.
        usable: whether the model is there.

    Returns:
        The part that is to be segmented instead of the whole; None for the whole.
    """
    part = _chosen_extent(scene)
    card = _card(scene, config, part)
    with st.container(border=True, key="preflight", gap="small"):
        st.markdown(f"**{_('Before the run')}**")
        fact_list(_facts(card))
        with st.expander(_("Sizes of objects by scale"), icon=":material/straighten:"):
            _scale_table(card)
        if part is not None:
            _extent_note(scene, part)
        for advice in card.advice:
            _advice(scene, advice)
        _basis(config, scene, usable)
    return part


def _card(scene: Scene, config: SegmentConfig, part: Window | None) -> Preflight:
    context = get_context()
    regions = StreamOptions.of_region(context.settings.region_px)
    look = _look(scene.scene_id, scene.version, scene.display.key, scene.raster, scene)
    shape_hw = scene.raster.shape_hw if part is None else part.shape_hw
    free = free_memory_bytes()
    # What this process holds already, the model above all, the run needs not hold again.
    memory = None if free is None else free + held_memory_bytes()
    room = Room(memory, free_disk_bytes(context.store.root, context.settings.free_disk_bytes))
    seconds = context.estimates.seconds(shape_hw, config, regions, scene.scene_id)
    return preflight(
        scene.raster, config, look, seconds, regions=regions, area=part, room=room
    )  # fmt: skip


@st.cache_data(show_spinner=False, max_entries=256)
def _look(
    scene_id: str, version: tuple[int, int], display: str, _raster: Raster, _scene: Scene
) -> PixelLook:
    bands = None if _scene.display.bands is None else _scene.stretch.bands
    return look_at_pixels(_raster, bands, cast(StretchMode, _scene.display.stretch))


def _facts(card: Preflight) -> list[Fact]:
    gsd = (
        _("unknown: no place on Earth")
        if card.gsd_m is None
        else _("{gsd_m} per pixel").format(gsd_m=length_m(card.gsd_m))
    )
    windows = (
        f"{card.windows:,}"
        if card.regions == 1
        else _("{windows:,} in {regions:,} regions").format(
            windows=card.windows, regions=card.regions
        )
    )
    return [
        Fact(_("Ground resolution"), gsd),
        Fact(_("Objects seen well"), _sizes(card)),
        Fact(_("Values"), card.dtype),
        Fact(_("Without data"), percent(card.nodata_share)),
        Fact(_("Windows"), windows),
        Fact(_("Time"), _("about {about}").format(about=duration_s(card.seconds))),
        Fact(_("Memory"), _("about {about}").format(about=size_bytes(card.memory_bytes))),
        Fact(_("Disk"), _("about {about}").format(about=size_bytes(card.disk_bytes))),
    ]


def _sizes(card: Preflight) -> str:
    """Sides of objects over all scales."""
    finest, coarsest = card.scales[-1], card.scales[0]
    px = _("{low:,.0f} to {high:,.0f} px").format(low=finest.least_px, high=coarsest.most_px)
    if finest.least_m is None or coarsest.most_m is None:
        return px
    metres = _("{low} to {high}").format(
        low=length_m(finest.least_m), high=length_m(coarsest.most_m)
    )
    return f"{metres} ({px})"


def _scale_table(card: Preflight) -> None:
    heads = (_("Window"), _("How many"), _("Objects, px"), _("Objects on the ground"))
    rows = []
    for scale in card.scales:
        ground = "–"
        if scale.least_m is not None and scale.most_m is not None:
            ground = _("{low} to {high}").format(
                low=length_m(scale.least_m), high=length_m(scale.most_m)
            )
        px = _("{low:,.0f} to {high:,.0f}").format(low=scale.least_px, high=scale.most_px)
        rows.append((f"{scale.window_px:,} px", f"{scale.windows:,}", px, ground))
    head = "".join(f'<th scope="col">{markup(text)}</th>' for text in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{markup(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    st.html(
        f'<div class="studio-scales"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _advice(scene: Scene, advice: Advice) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        draw = st.caption if advice.kind == "note" else st.markdown
        draw(f"{_ICONS[advice.kind]} {advice.text}", width="stretch")
        if advice.remedy is not None and st.button(
            advice.remedy.label,
            key=f"remedy_{advice.key}",
            help=_(_HELP[advice.remedy.action]),
        ):
            with friendly():
                _act(scene, advice.remedy)


_HELP = {
    "resample": N_("Makes a resampled copy of the image among your images, and opens it."),
    "bands": N_("Shows these bands, here and to the model."),
    "stretch": N_("Shows the image from its 2nd to its 98th percentile, here and to the model."),
    "preset": N_("Chooses this preset in the form."),
    "extent": N_("The run leaves out what lies around the data."),
    "try_area": N_("Runs on the part in the middle of the image only."),
}


def _act(scene: Scene, remedy: Remedy) -> None:
    context, state = get_context(), get_state()
    display, value = scene.display, cast(Any, remedy.value)
    if remedy.action == "resample":
        with st.spinner(_("Resampling the image…")):
            state.open_scene(add_resampled(context, scene, float(value), state.owner))
    elif remedy.action == "bands":
        context.store.set_display(scene.scene_id, value, display.stretch, state.owner)
    elif remedy.action == "stretch":
        context.store.set_display(scene.scene_id, display.bands, value, state.owner)
    elif remedy.action == "preset":
        st.session_state[_WANTED] = value
    elif remedy.action == "extent":
        st.session_state[_extent_key(scene)] = tuple(value)
    else:
        st.session_state[_extent_key(scene)] = _middle(scene)
    st.rerun()


_WANTED = "preflight_preset"
_SMALL_PX = 1024


def take_remedies() -> None:
    """Put what a remedy chose into the form; before its controls are drawn."""
    from pages.ui.parameters import choose_preset

    wanted = st.session_state.pop(_WANTED, None)
    if wanted is not None:
        choose_preset(wanted)


def _middle(scene: Scene) -> tuple[int, int, int, int]:
    height, width = scene.raster.shape_hw
    wide, high = min(_SMALL_PX, width), min(_SMALL_PX, height)
    return (width - wide) // 2, (height - high) // 2, wide, high


def _extent_key(scene: Scene) -> str:
    return f"preflight_extent_{scene.scene_id}"


def _chosen_extent(scene: Scene) -> Window | None:
    values = st.session_state.get(_extent_key(scene))
    return None if values is None else Window(*values)


def _extent_note(scene: Scene, part: Window) -> None:
    text = _("The run takes {width:,} × {height:,} px of the image.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/crop: {text.format(width=part.width, height=part.height)}")
        if st.button(_("Whole image again"), key="preflight_whole", help=_("Forgets the part.")):
            del st.session_state[_extent_key(scene)]
            st.rerun()


def _basis(config: SegmentConfig, scene: Scene, usable: bool) -> None:
    estimates = get_context().estimates
    basis = estimates.basis(config, scene.scene_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(_(_BASES[basis]))
        if basis in ("guess", "calibration") and st.button(
            _("Measure this machine"),
            key="calibrate",
            disabled=not usable,
            icon=":material/speed:",
            help=_("Loads the model and times it for about two seconds; the result is kept."),
        ):
            with friendly(), st.spinner(_("Measuring…")):
                estimates.calibrate(config)
            st.rerun()
