"""Areas that a visitor asked for: how far each has come, and what came of it."""

from __future__ import annotations

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.state import get_state
from pages.ui.text import plain
from samgeo_core.basemap.area import FETCHING
from samgeo_core.web.basemap_orders import AreaOrder
from samgeo_core.web.context import get_context
from samgeo_core.words import _, ngettext, sentence

POLL_S = 1.0


def basemap_orders() -> None:
    """Show the visitor's areas, and follow them as long as one is under way."""
    orders = get_context().basemaps.orders(get_state().owner)
    if orders:
        every = POLL_S if any(order.is_active for order in orders) else None
        st.fragment(_list, run_every=every)(any(order.is_active for order in orders))


def _list(followed: bool) -> None:
    orders = get_context().basemaps.orders(get_state().owner)
    for order in orders:
        with st.container(border=True, key=f"basemap_order_{order.order_id}", gap="xsmall"):
            _row(order)
    if followed and not any(order.is_active for order in orders):
        st.rerun()  # the list needn't be followed any more, and there is another image


def _row(order: AreaOrder) -> None:
    if order.state == "done":
        st.markdown(_("**{name}** is here.").format(name=plain(order.name)))
        if order.note:
            st.caption(sentence(order.note))
    elif order.is_active:
        st.progress(_share(order), text=_text(order))
    elif order.state == "failed":
        st.markdown(_("**{name}** could not be fetched.").format(name=plain(order.name)))
        st.markdown(f":orange[:material/warning:] {plain(sentence(order.error or ''))}")
    else:
        st.markdown(_("**{name}** was cancelled.").format(name=plain(order.name)))
    with st.container(horizontal=True, gap="small"):
        _buttons(order)


def _buttons(order: AreaOrder) -> None:
    desk, state = get_context().basemaps, get_state()
    with friendly():
        if order.is_active:
            if st.button(
                _("Cancel"),
                key=f"basemap_cancel_{order.order_id}",
                help=_("Stops fetching tiles; those that came stay in the cache."),
            ):
                desk.cancel(order.order_id, state.owner)
                st.rerun()
            return
        if order.state == "done" and st.button(
            _("Open this area"),
            key=f"basemap_open_{order.order_id}",
            type="primary",
            help=_("The area is a GeoTIFF with its credits; go on with it as with any image."),
        ):
            desk.put_away(order.order_id, state.owner)
            state.open_scene(get_context().store.scene(order.order_id, state.owner))
            st.rerun()
        if order.state in ("failed", "cancelled") and st.button(
            _("Go on"),
            key=f"basemap_again_{order.order_id}",
            help=_("Tiles that came before aren't fetched again."),
        ):
            desk.again(order.order_id, state.owner)
            st.rerun()
        if st.button(
            _("Put away"),
            key=f"basemap_away_{order.order_id}",
            type="tertiary",
            help=_("Takes this line off the page; images that you opened stay."),
        ):
            desk.put_away(order.order_id, state.owner)
            st.rerun()


def _share(order: AreaOrder) -> float:
    """How far it is, 0 to 1: fetching counts for nine tenths."""
    share = order.done / order.total if order.total else 0.0
    return min(1.0, 0.9 * share if order.stage in ("", FETCHING) else 0.9 + 0.1 * share)


def _text(order: AreaOrder) -> str:
    name = plain(order.name)
    if order.state == "waiting":
        return _("{name}: waits for its turn").format(name=name)
    if order.stage == FETCHING:
        return ngettext(
            "{name}: {done:,} of {n:,} tile", "{name}: {done:,} of {n:,} tiles", order.total
        ).format(name=name, done=order.done, n=order.total)
    if order.stage:
        return _("{name}: writing the image").format(name=name)
    return _("{name}: starting").format(name=name)
