"""What every page looks like: the bar with the three steps, headings, lists, empty states."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import streamlit as st

from pages.ui.facts import Advice, Fact
from pages.ui.sign_in import sign_out_button
from pages.ui.state import current_scene, get_state
from pages.ui.text import markup
from pages.ui.tour import tour
from pages.ui.words import language_buttons
from samgeo_core.web.records import Scene
from samgeo_core.words import _, sentence

TITLE = "SamGeo Studio"
OPEN, SEGMENT, PICK, RESULT = "open.py", "segment.py", "pick.py", "result.py"
"""The pages, as `st.page_link` and `st.switch_page` name them beside the navigation script."""

_STEPS = {"segment": 1, "pick": 1, "result": 2}
"""At which step of the tour a page is, by its part of the address."""
_HERE = Path(__file__).parent
LOGO = _HERE / "logo.svg"
_ADVICE_ICONS = {
    "note": ":material/info:",
    "warning": ":material/warning:",
    "stop": ":material/block:",
}


@cache
def _logo() -> str:
    """The logo as an image that needs no request; streamlit takes plain SVG out of HTML."""
    content = base64.b64encode(LOGO.read_bytes()).decode()
    return f'<img src="data:image/svg+xml;base64,{content}" alt="">'


def top_bar(page: str = "") -> None:
    """Brand, steps and the image at hand; and the sentence that waits to be shown once.

    Args:
        page: the page's part of the address.
    """
    st.html(_HERE / "style.css")
    state = get_state()
    scene = current_scene()
    with st.container(key="topbar", horizontal=True, vertical_alignment="center", gap="medium"):
        st.html(f'<div class="studio-brand">{_logo()}<span>{TITLE}</span></div>', width="content")
        with st.container(key="steps", horizontal=True, gap="xxsmall", width="content"):
            without = _("Open an image first.") if scene is None else None
            st.page_link(OPEN, label=f"1 {_('Open')}")
            st.page_link(SEGMENT, label=f"2 {_('Segment')}", disabled=scene is None, help=without)
            st.page_link(PICK, label=_("or Pick"), disabled=scene is None, help=without)
            idle = state.run_id is None
            first = _("Run the segmentation, or save picked objects, first.") if idle else None
            st.page_link(RESULT, label=f"3 {_('Result')}", disabled=idle, help=first)
        if scene is not None:
            name = markup(scene.name)
            st.html(f'<div class="studio-scene" title="{name}">{name}</div>', width="content")
        with st.container(
            key="topend",
            horizontal=True,
            vertical_alignment="center",
            gap="xsmall",
            width="content",
        ):
            language_buttons()
            tour(fresh=scene is None and state.run_id is None, step=_STEPS.get(page, 0))
            sign_out_button()
    if state.flash:
        st.warning(sentence(state.flash), icon=":material/warning:")
        state.flash = None


def require_scene() -> Scene:
    """The scene at hand; without one, says what to do and ends the page."""
    scene = current_scene()
    if scene is None:
        no_scene(_("No image is open yet."))
        st.stop()
    return scene


def no_scene(title: str) -> None:
    """What a page says that needs an image, and the way to one."""
    empty(title, _("Open one first, or take a sample with one click."))
    lead_to(OPEN, _("Open an image"), _("Leads to uploads, samples and other ways to an image."))


def empty(title: str, text: str) -> None:
    """What a page says when it has nothing to show."""
    st.subheader(title, anchor=False)
    st.markdown(text)


def lead_to(page: str, label: str, about: str) -> None:
    """The one thing to do where there is nothing to show: a button that leads to a page.

    Args:
        page: as `st.switch_page` names it.
        label: what to do.
        about: the button's help.
    """
    if st.button(label, key="lead_to", type="primary", help=about):
        st.switch_page(page)


def fact_list(facts: Iterable[Fact]) -> None:
    """Facts as a two-column list."""
    rows = "".join(f"<dt>{markup(f.label)}</dt><dd>{markup(f.value)}</dd>" for f in facts)
    st.html(f'<dl class="studio-facts">{rows}</dl>')


def advice_list(advice: Iterable[Advice]) -> None:
    """Advice as one line each."""
    with st.container(key="advice", gap="xsmall"):
        for item in advice:
            body = f"{_ADVICE_ICONS[item.kind]} {item.text}"
            if item.kind == "note":
                st.caption(body)
            else:
                st.markdown(f":orange[{_ADVICE_ICONS[item.kind]}] {item.text}")
