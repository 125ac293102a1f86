"""An image at an address, and several images as one."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import streamlit as st

from pages.ui.errors import friendly, show_error
from pages.ui.state import get_state
from pages.ui.text import plain, size_bytes
from samgeo_core.reading.choosing import rasters_in, source_of
from samgeo_core.reading.remote import (
    SMALL_FILE_BYTES,
    JsonAnswer,
    NoRangesError,
    fetch_whole,
    look_at,
    name_of,
)
from samgeo_core.reading.source import Joined, Source, files_of
from samgeo_core.reading.stac import MOST_BANDS, StacItem
from samgeo_core.web.context import get_context
from samgeo_core.web.limits import check_storage
from samgeo_core.web.records import Scene, SceneKind
from samgeo_core.words import _

MOST_ADDRESSES = 50
_ITEM, _WHOLE = "address_item", "address_whole"


def address_panel() -> None:
    """A field for addresses, and what is to be chosen of what lies there."""
    with st.expander(_("Open from an address"), icon=":material/link:"):
        st.caption(
            _(
                "The address of a Cloud Optimized GeoTIFF (COG) or of a STAC item. Only what you "
                "look at is fetched. Several addresses, one per line, become one image."
            )
        )
        with st.form("address_form", border=False):
            text = st.text_area(
                _("Address"),
                key="address_text",
                placeholder="https://example.org/image.tif",
                height=68,
                help=_("It must open without signing in, and begin with https:// or http://."),
            )
            if st.form_submit_button(
                _("Open the address"),
                icon=":material/link:",
                help=_("Looks at what lies there, before anything large is fetched."),
            ):
                with friendly(), st.spinner(_("Looking at the address …")):
                    _open(text)
        _choose_assets()
        _offer_whole()


def mosaic_panel() -> None:
    """Several of the visitor's images, or a folder of the server, as one image."""
    scenes = [s for s in get_context().store.scenes(get_state().owner) if s.kind != "sample"]
    scenes = [s for s in scenes if not isinstance(s.source, Joined)]
    folders = _folders()
    if len(scenes) < 2 and not folders:
        return
    with st.expander(_("Several images as one"), icon=":material/grid_on:"):
        st.caption(
            _(
                "Images that lie beside each other become one, without being copied. They need the "
                "same bands and value type; the first one chosen lies on top. Images of one band "
                "each with the same pixels become its bands."
            )
        )
        if len(scenes) > 1:
            _mosaic_of_scenes(scenes)
        if folders:
            _mosaic_of_folder(folders)


def _mosaic_of_scenes(scenes: list[Scene]) -> None:
    names = {scene.scene_id: scene.name for scene in scenes}
    chosen = st.multiselect(
        _("Images"),
        list(names),
        format_func=names.__getitem__,
        key="mosaic_scenes",
        placeholder=_("Choose two or more"),
        help=_("The first one chosen lies on top where images overlap."),
    )
    if st.button(
        _("Open as one image"),
        key="open_mosaic",
        disabled=len(chosen) < 2,
        help=_("Nothing is copied: pixels are read from the images themselves."),
    ):
        with friendly():
            by_id = {scene.scene_id: scene for scene in scenes}
            first = by_id[chosen[0]].name
            name = _("{first} and {more} more").format(first=first, more=len(chosen) - 1)
            parts = [file for one in chosen for file in files_of(by_id[one].source)]
            called = [names[one] for one in chosen]
            _take_in(source_of(parts, name, called), name, "mosaic")


def _mosaic_of_folder(folders: list[Path]) -> None:
    root = get_context().settings.input_dir
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            _("Folder on this server"),
            folders,
            format_func=lambda folder: _label(folder, root),
            key="mosaic_folder",
            help=_("Folders that hold two or more images."),
        )
        if st.button(
            _("Open the folder as one image"),
            key="open_folder",
            help=_("Images of the folder itself count, those of its subfolders don't."),
        ):
            with friendly():
                _take_in(source_of(rasters_in(chosen)), chosen.name, "mosaic")


def _open(text: str) -> None:
    """Open what lies at the addresses of a text, or keep what is to be chosen."""
    st.session_state.pop(_ITEM, None)
    st.session_state.pop(_WHOLE, None)
    urls = text.split()
    if not 1 <= len(urls) <= MOST_ADDRESSES:
        show_error(_("Type 1 to {most} addresses, one per line.").format(most=MOST_ADDRESSES))
        return
    if len(urls) > 1:
        name = _("{first} and {more} more").format(first=name_of(urls[0]), more=len(urls) - 1)
        _take_in(source_of(urls, name), name, "address")
        return
    try:
        found = look_at(urls[0])
    except NoRangesError as error:
        st.session_state[_WHOLE] = (urls[0], str(error))
        return
    if isinstance(found, JsonAnswer):
        st.session_state[_ITEM] = StacItem.parse(found)
    else:
        _take_in(found, found.name, "address")


def _choose_assets() -> None:
    item = st.session_state.get(_ITEM)
    if not isinstance(item, StacItem):
        return
    titles = {asset.key: asset.title for asset in item.assets}
    st.markdown(_("**{item}** has {n} images.").format(item=plain(item.item_id), n=len(titles)))
    chosen = st.multiselect(
        _("Images of the item"),
        list(titles),
        default=list(item.default),
        format_func=titles.__getitem__,
        max_selections=MOST_BANDS,
        key="address_assets",
        help=_("One image, or several bands of the same resolution, which become one image."),
    )
    if st.button(
        _("Open the item"),
        key="open_item",
        disabled=not chosen,
        help=_("Only what you look at is fetched."),
    ):
        with friendly():
            _take_in(item.open(chosen), item.item_id, "address")


def _offer_whole() -> None:
    offered = st.session_state.get(_WHOLE)
    if offered is None:
        return
    url, why = offered
    show_error(why)
    label = _("Fetch all of it, if it has at most {size}").format(size=size_bytes(SMALL_FILE_BYTES))
    if st.button(
        label,
        key="fetch_whole",
        icon=":material/download:",
        help=_("The server copies the file once, as it can't be read in parts."),
    ):
        with friendly():
            context, owner = get_context(), get_state().owner
            check_storage(context.store, context.settings, owner, SMALL_FILE_BYTES)
            body = fetch_whole(url)
            st.session_state.pop(_WHOLE, None)
            scene = context.store.add_scene(BytesIO(body), name_of(url), owner)
            _show(scene)


def _take_in(source: Source, name: str, kind: SceneKind) -> None:
    context, owner = get_context(), get_state().owner
    check_storage(context.store, context.settings, owner)
    _show(context.store.add_scene(source, name, owner, kind=kind))


def _show(scene: Scene) -> None:
    st.session_state.pop(_ITEM, None)
    get_context().overviews.ask(scene)
    get_state().open_scene(scene)
    st.rerun()


def _folders() -> list[Path]:
    """Folders of the server with two or more images."""
    root = get_context().settings.input_dir
    if root is None or not root.is_dir():
        return []
    inside = [p for p in sorted(root.rglob("*")) if p.is_dir() and not p.is_symlink()]
    return [folder for folder in (root, *inside) if _count(folder) > 1]


def _count(folder: Path) -> int:
    with_images = folder.iterdir()
    suffixes = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2")
    return sum(p.suffix.lower() in suffixes and p.is_file() for p in with_images)


def _label(folder: Path, root: Path | None) -> str:
    return folder.name if root is None or folder == root else folder.relative_to(root).as_posix()
