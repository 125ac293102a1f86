"""Share a result: make links to a page that only shows it, and take them back."""

from __future__ import annotations

import html
import io
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import streamlit as st

from pages.ui.edit_panel import is_owner
from pages.ui.errors import friendly
from pages.ui.map import base_url
from pages.ui.share_copy import copy_button
from pages.ui.text import count, plain
from samgeo_core.results.formats import FORMATS
from samgeo_core.web.context import get_context
from samgeo_core.web.downloads import offered_downloads
from samgeo_core.web.records import Run
from samgeo_core.web.shares import (
    CREDITS_LENGTH,
    EXPIRIES_S,
    TEXT_LENGTH,
    TITLE_LENGTH,
    Share,
    Shares,
    ShareText,
)
from samgeo_core.web.urls import share_url
from samgeo_core.words import _

_USUAL_EXPIRY = "1 month"


def share_panel(run: Run, rule: Mapping[str, str], *, has_place: bool) -> None:
    """Draw the form and the list of links; nothing for who doesn't own the result.

    Args:
        run: a finished run.
        rule: what differs from the run's own rule, see `rule_query`.
        has_place: whether the result has a CRS; formats in longitude and latitude need one.
    """
    if not is_owner(run):
        return
    with st.expander(_("Share"), icon=":material/share:"):
        st.caption(
            _(
                "Whoever has the link sees this map, the whole image and the objects as they "
                "are shown now, and can change nothing. Later corrections and classes show up "
                "there, too."
            )
        )
        shares = Shares(get_context().store)
        _form(shares, run, rule, has_place)
        links = shares.of_run(run)
        _fresh(run, links)
        _list(shares, run, links)


def _form(shares: Shares, run: Run, rule: Mapping[str, str], has_place: bool) -> None:
    offered = offered_downloads(run)
    in_lonlat = {f"objects{form.suffix}" for form in FORMATS.values() if form.in_lonlat}
    names = [name for name in offered if has_place or name not in in_lonlat]
    with st.form(f"share_{run.run_id}", border=False):
        title = st.text_input(
            _("Title"),
            _title(run),
            max_chars=TITLE_LENGTH,
            help=_("Stands on top of the shared page."),
        )
        description = st.text_area(
            _("Description"),
            max_chars=TEXT_LENGTH,
            placeholder=_("What is to be seen here"),
            help=_("A few sentences under the title; plain text."),
        )
        credit = st.text_input(
            _("Image credits"),
            max_chars=CREDITS_LENGTH,
            placeholder=_("Who made the image, and when"),
            help=_("Shown on the shared map, as many licences of images ask for it."),
        )
        downloads = st.multiselect(
            _("Downloads on the page"),
            names,
            format_func=lambda name: _(offered[name].title),
            placeholder=_("None"),
            help=_("Without any, people can look but take no file along."),
        )
        expiry = st.segmented_control(
            _("Works for"), list(EXPIRIES_S), default=_USUAL_EXPIRY, required=True, wrap=True,
            format_func=_expiry_text,
            help=_("After this time the link shows nothing; you can end it earlier."),
        )  # fmt: skip
        if not st.form_submit_button(
            _("Create link"),
            icon=":material/add_link:",
            type="primary",
            help=_("Whoever has it can look at this result, without an account."),
        ):
            return
    with friendly():
        token, share = shares.create(
            run,
            ShareText(title, description, credit),
            rule=rule,
            downloads=downloads,
            lifetime_s=EXPIRIES_S[str(expiry)],
        )
        get_context().audit.record("link made", run.owner, run=run.run_id)
        st.session_state[_key(run)] = (share.key, token)


def _expiry_text(name: str) -> str:
    return _("As long as the result") if name == "Never" else _(name)


def _title(run: Run) -> str:
    return run.scene_name.rpartition(".")[0][:TITLE_LENGTH] or run.scene_name[:TITLE_LENGTH]


def _key(run: Run) -> str:
    return f"shared_{run.run_id}"


def _fresh(run: Run, links: list[Share]) -> None:
    """The link that was made last: afterwards nobody, not even the server, can tell it."""
    key, token = st.session_state.get(_key(run), ("", ""))
    share = next((share for share in links if share.key == key), None)
    if share is None:
        return
    link = share_url(token, base_url(), _origin())
    st.success(
        _("The link is ready. Copy it now: after this visit it can't be shown again."),
        icon=":material/link:",
    )
    st.code(link, language=None, wrap_lines=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        copy_button(_("Copy link"), link, key=f"copy_link_{run.run_id}")
        st.link_button(
            _("Open"),
            link,
            icon=":material/open_in_new:",
            help=_("The page as others see it, in a new tab."),
        )
    embed = _embed(link, share.text.title)
    as_code, as_frame = st.tabs([_("QR code"), _("Embed")])
    with as_code:
        st.image(qr_svg(link), width=220, alt=_("QR code of the link"))
        st.caption(_("For the camera of a phone."))
    with as_frame:
        st.code(embed, language="html", wrap_lines=True)
        copy_button(_("Copy HTML"), embed, key=f"copy_embed_{run.run_id}")


def _list(shares: Shares, run: Run, links: list[Share]) -> None:
    if not links:
        return
    st.markdown(f"**{count(len(links), 'link')}**")
    for share in links:
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container():
                st.markdown(plain(share.text.title or _("Without a title")))
                st.caption(_facts(share))
            st.button(
                _("Revoke"),
                key=f"revoke_{share.key}",
                on_click=_revoke,
                args=(shares, run, share.key),
                help=_("The link shows nothing from then on."),
            )


def _revoke(shares: Shares, run: Run, key: str) -> None:
    with friendly():
        shares.revoke(run, key)
        get_context().audit.record("link revoked", run.owner, run=run.run_id)


def _facts(share: Share) -> str:
    parts = [_("Made {day}").format(day=_day(share.created))]
    parts.append(
        _("no end") if share.expires is None else _("until {day}").format(day=_day(share.expires))
    )
    if share.downloads:
        parts.append(count(len(share.downloads), "download"))
    return " · ".join(parts)


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))


def _origin() -> str:
    """Scheme and host by which the visitor found the app."""
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def qr_svg(text: str) -> str:
    """A QR code on white, which cameras read in a dark theme as well."""
    import segno

    file = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        file, kind="svg", scale=5, light="#fff", dark="#000"
    )
    return file.getvalue().decode()


def _embed(link: str, title: str) -> str:
    """HTML that shows the map on a page elsewhere."""
    told = html.escape(title or _("Map"), quote=True)
    return (
        f'<iframe src="{html.escape(link)}/embed" title="{told}" width="100%" height="480" '
        'style="border:0" loading="lazy" allowfullscreen></iframe>'
    )
