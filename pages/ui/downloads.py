"""Links to a result's files; the browser gets them from our own route, not through the page."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.ui.map import base_url
from pages.ui.text import markup
from samgeo_core.results.formats import FORMATS
from samgeo_core.web.downloads import Download, is_layer, offered_downloads
from samgeo_core.web.records import Run
from samgeo_core.web.urls import download_url
from samgeo_core.words import _

MAIN, BUNDLE = "objects.gpkg", "bundle.zip"


def download_links(run: Run, rule: Mapping[str, str], *, has_place: bool) -> None:
    """Draw the links; files that can hold other objects than the run's own hold those shown.

    Args:
        run: a finished run.
        rule: what differs from the run's own rule, see `rule_query`.
        has_place: whether the result has a CRS; formats in longitude and latitude need one.
    """
    items = offered_downloads(run)
    others = [i for name, i in items.items() if not is_layer(name) and name != BUNDLE]
    st.markdown(f"**{_('Download')}**")
    main = _link(run, items[MAIN], rule, "studio-main")
    bundle = _link(run, items[BUNDLE], rule)
    st.html(f'<div class="studio-downloads">{main}{bundle}</div>')
    _say_what_is_left_out(run)
    with st.popover(
        _("Other formats"),
        icon=":material/download:",
        width="stretch",
        help=_("Files for CAD, for training a model, for Google Earth, and others."),
    ):
        layer_links(run, rule, has_place=has_place, but=MAIN)
        st.html(_list(run, others, rule))
    if rule:
        st.caption(_("The files hold the objects as they are shown."))


def _say_what_is_left_out(run: Run) -> None:
    from samgeo_core.web.making import MOST_IN_PARTITION

    if run.is_streamed:
        st.caption(_("The archive of an image that was segmented in parts has no partition."))
    elif int(run.record.get("n_objects", 0)) > MOST_IN_PARTITION:
        told = _(
            "The archive has a partition for up to {most:,} objects; here *Export* makes one as a "
            "layer."
        )
        st.caption(told.format(most=MOST_IN_PARTITION))


def layer_links(run: Run, query: Mapping[str, str], *, has_place: bool, but: str = "") -> None:
    """Links to layers of outlines in all formats.

    Args:
        run: a finished run.
        query: what differs from the run's own rule, and how outlines are drawn.
        has_place: whether the result has a CRS; formats in longitude and latitude need one.
        but: a file that is offered elsewhere.
    """
    in_lonlat = {f"objects{form.suffix}" for form in FORMATS.values() if form.in_lonlat}
    items = [
        item for name, item in offered_downloads(run).items() if is_layer(name) and name != but
    ]
    st.html(_list(run, [i for i in items if has_place or i.filename not in in_lonlat], query))
    if not has_place:
        st.caption(_("GeoJSON and KML need a place on Earth, which this image doesn't have."))


def _list(run: Run, items: list[Download], rule: Mapping[str, str]) -> str:
    links = "".join(_link(run, item, rule) for item in items)
    return f'<div class="studio-downloads">{links}</div>'


def _link(run: Run, item: Download, rule: Mapping[str, str], more: str = "") -> str:
    url = markup(download_url(run, item.filename, base_url(), rule))
    return f'<a class="studio-link {more}" href="{url}" download>{markup(_(item.title))}</a>'
