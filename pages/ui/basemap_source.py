"""Which basemap: one that is offered, or an address of the visitor's own."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from samgeo_core.basemap.lattice import Tile
from samgeo_core.basemap.providers import offered, terms_page
from samgeo_core.basemap.services import is_template, template_source
from samgeo_core.basemap.source import TileSource
from samgeo_core.net.client import shared_client
from samgeo_core.web.basemap_routes import asked_service
from samgeo_core.web.context import get_context
from samgeo_core.words import N_, _

_OWN = "own"
_TERMS = {
    "Public domain; the source is to be named.": N_("Public domain; the source is to be named."),
    "Free for all purposes; the source is to be named.": N_(
        "Free for all purposes; the source is to be named."
    ),
    "Licence Ouverte 2.0; the source is to be named.": N_(
        "Licence Ouverte 2.0; the source is to be named."
    ),
    "CC BY 4.0; the source is to be named.": N_("CC BY 4.0; the source is to be named."),
}


def chosen_source() -> TileSource | None:
    """Draw the choice; None as long as an address of one's own is missing.

    Raises:
        ParameterError, AddressError, FetchError: what is wrong with such an address.
    """
    maps = offered()
    # Without the internet only an address inside may be of use.
    names = [_OWN, *maps] if get_context().settings.offline else [*maps, _OWN]
    left, right = st.columns(2, gap="medium")
    name = left.selectbox(
        _("Basemap"),
        names,
        format_func=lambda key: (
            _("An address of your own (XYZ, WMTS, WMS)") if key == _OWN else maps[key].name
        ),
        key="basemap_choice",
        help=_("Offered are maps whose owners allow saving and analysing their images."),
        persist_state="session",
    )
    if name == _OWN:
        with right:
            address = _address()
        return _own_source(address) if address else None
    source = maps[name]
    if source.terms:
        right.caption(
            _("{terms} [More]({page})").format(
                terms=_(_TERMS.get(source.terms, source.terms)), page=terms_page(name)
            )
        )
    return source


def _address() -> str:
    return st.text_input(
        _("Address"),
        key="basemap_address",
        placeholder="https://example.org/{z}/{x}/{y}.png",
        help=_(
            "Of tiles, with {x}, {y} (or {-y}) and {z}; or of a WMTS or WMS, which is asked for "
            "its layers. It must be reachable from this server."
        ),
        persist_state="session",
    ).strip()


def _own_source(address: str) -> TileSource:
    left, right = st.columns(2, gap="medium", vertical_alignment="top")
    with left:
        source = _template(address) if is_template(address) else _layer(address)
        st.caption(
            _("Please make sure that the owner of this map allows saving and analysing its images.")
        )
    named = right.text_input(
        _("To be named for the images"),
        value=source.attribution,
        key=f"basemap_attribution_{address}_{source.name}",
        max_chars=300,
        help=_("Goes with the image, into its file, results and maps."),
    )
    return replace(source, attribution=" ".join(named.split()))


def _template(address: str) -> TileSource:
    source = template_source(address)
    # The host is checked now, so that nobody waits for tiles that may not be fetched.
    shared_client().check(source.address(Tile(source.min_zoom, 0, 0)))
    return source


def _layer(address: str) -> TileSource:
    with st.spinner(_("Asking for layers…")):
        service = asked_service(address)
    layer = st.selectbox(
        _("Layer"),
        list(service.layers),
        format_func=lambda key: service.layers[key].name,
        key=f"basemap_layer_{address}",
        help=_("Layers that this service offers; most have one with imagery."),
    )
    return service.layer(layer)
