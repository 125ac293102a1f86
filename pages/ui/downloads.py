"""Links to a result's files; the browser gets them from our own route, not through the page."""

from __future__ import annotations

import streamlit as st

from pages.ui.map import base_url
from pages.ui.text import markup
from samgeo_core.results.formats import FORMATS
from samgeo_core.web.downloads import Download, downloads
from samgeo_core.web.filters import ObjectFilter
from samgeo_core.web.records import Run
from samgeo_core.web.urls import download_url

MAIN, BUNDLE = "objects.gpkg", "bundle.zip"


def download_links(run: Run, limits: ObjectFilter, *, has_place: bool) -> None:
    """Draw the links; files that can hold some of the objects hold those that pass the filter.

    Args:
        run: a finished run.
        limits: which objects are wanted.
        has_place: whether the result has a CRS; formats in longitude and latitude need one.
    """
    items = downloads()
    in_lonlat = {f"objects{form.suffix}" for form in FORMATS.values() if form.in_lonlat}
    offered = [i for name, i in items.items() if has_place or name not in in_lonlat]
    vectors = [i for i in offered if i.filename.startswith("objects.") and i.filename != MAIN]
    others = [i for i in offered if not i.filename.startswith("objects.") and i.filename != BUNDLE]
    st.markdown("**Download**")
    main = _link(run, items[MAIN], limits, "studio-main")
    bundle = _link(run, items[BUNDLE], limits)
    st.html(f'<div class="studio-downloads">{main}{bundle}</div>')
    with st.popover("Other formats", icon=":material/download:", width="stretch"):
        st.html(_list(run, vectors, limits) + _list(run, others, limits))
        if not has_place:
            st.caption("GeoJSON and KML need a place on Earth, which this image doesn't have.")
    if limits.limits:
        st.caption("The layers hold the objects that pass the filter.")


def _list(run: Run, items: list[Download], limits: ObjectFilter) -> str:
    links = "".join(_link(run, item, limits) for item in items)
    return f'<div class="studio-downloads">{links}</div>'


def _link(run: Run, item: Download, limits: ObjectFilter, more: str = "") -> str:
    wanted = limits.limits if item.filtered else {}
    url = markup(download_url(run, item.filename, base_url(), wanted))
    return f'<a class="studio-link {more}" href="{url}" download>{markup(item.title)}</a>'
