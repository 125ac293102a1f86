"""Links to a result's files; the browser gets them from our own route, not through the page."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.ui.map import base_url
from pages.ui.text import markup
from samgeo_core.results.formats import FORMATS
from samgeo_core.web.downloads import Download, offered_downloads
from samgeo_core.web.records import Run
from samgeo_core.web.urls import download_url

MAIN, BUNDLE = "objects.gpkg", "bundle.zip"


def download_links(run: Run, rule: Mapping[str, str], *, has_place: bool) -> None:
    """Draw the links; files that can hold other objects than the run's own hold those shown.

    Args:
        run: a finished run.
        rule: what differs from the run's own rule, see `rule_query`.
        has_place: whether the result has a CRS; formats in longitude and latitude need one.
    """
    items = offered_downloads(run)
    in_lonlat = {f"objects{form.suffix}" for form in FORMATS.values() if form.in_lonlat}
    offered = [i for name, i in items.items() if has_place or name not in in_lonlat]
    vectors = [i for i in offered if i.filename.startswith("objects.") and i.filename != MAIN]
    others = [i for i in offered if not i.filename.startswith("objects.") and i.filename != BUNDLE]
    st.markdown("**Download**")
    main = _link(run, items[MAIN], rule, "studio-main")
    bundle = _link(run, items[BUNDLE], rule)
    st.html(f'<div class="studio-downloads">{main}{bundle}</div>')
    with st.popover("Other formats", icon=":material/download:", width="stretch"):
        st.html(_list(run, vectors, rule) + _list(run, others, rule))
        if not has_place:
            st.caption("GeoJSON and KML need a place on Earth, which this image doesn't have.")
    if rule:
        st.caption("The files hold the objects as they are shown.")


def _list(run: Run, items: list[Download], rule: Mapping[str, str]) -> str:
    links = "".join(_link(run, item, rule) for item in items)
    return f'<div class="studio-downloads">{links}</div>'


def _link(run: Run, item: Download, rule: Mapping[str, str], more: str = "") -> str:
    url = markup(download_url(run, item.filename, base_url(), rule))
    return f'<a class="studio-link {more}" href="{url}" download>{markup(item.title)}</a>'
