"""Ways to an image besides an upload: a sample, a file of the server, one that was open before."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import streamlit as st
from PIL import Image

from pages.ui.display import look_at
from pages.ui.errors import friendly
from pages.ui.layout import empty
from pages.ui.state import get_state
from pages.ui.text import plain, size_bytes
from pages.ui.upload_box import UPLOAD_TYPES
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.samples import Sample, list_samples, sample_path
from samgeo_core.web.context import get_context
from samgeo_core.web.records import SceneKind
from samgeo_core.words import _

THUMBNAIL_WH = (480, 300)
MOST_FILES_LISTED = 500


def sample_gallery() -> None:
    """Samples as cards; one click opens one."""
    samples = list_samples()
    if not samples:
        empty(_("No samples here"), _("Upload an image instead."))
        return
    with st.grid(4, min_column_width=210, gap="small"):
        for sample in samples:
            _sample_card(sample)


def server_files() -> None:
    """Rasters of the folder that the server's owner configured."""
    folder = get_context().settings.input_dir
    if folder is None:
        return
    st.subheader(_("On this server"), anchor=False)
    files = list_rasters(folder)
    if not files:
        st.caption(
            _(
                "The server's image folder is empty. Put GeoTIFF, PNG, JPEG or JPEG 2000 files "
                "there."
            )
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            _("File"),
            files,
            format_func=lambda path: f"{path} ({size_bytes((folder / path).stat().st_size)})",
            key="server_file",
            help=_("Images in the folder that this server offers; type to search."),
        )
        if st.button(
            _("Open file"),
            key="open_server_file",
            help=_("It is read where it lies, and never changed."),
        ):
            _take_in(folder / chosen, Path(chosen).name, "server")


def recent_scenes() -> None:
    """Images the visitor opened before, as long as the server keeps them."""
    state = get_state()
    scenes = [s for s in get_context().store.scenes(state.owner) if s.scene_id != state.scene_id]
    if not scenes:
        return
    st.subheader(_("Opened before"), anchor=False)
    with st.container(horizontal=True, gap="small"):
        for scene in scenes[:6]:
            if st.button(
                plain(scene.name),
                key=f"recent_{scene.scene_id}",
                icon=":material/history:",
                help=_("Go on with this image."),
            ):
                state.open_scene(scene)
                st.rerun()


def list_rasters(folder: Path) -> list[str]:
    """Files of a folder and its subfolders that may be images, as paths below the folder."""
    suffixes = {f".{kind}" for kind in UPLOAD_TYPES}
    found = []
    for path in sorted(folder.rglob("*")):
        # NOTE: a link could lead out of the folder that the server's owner meant to offer.
        if path.suffix.lower() in suffixes and path.is_file() and not path.is_symlink():
            found.append(path.relative_to(folder).as_posix())
        if len(found) == MOST_FILES_LISTED:
            break
    return found


def _sample_card(sample: Sample) -> None:
    with st.container(border=True, gap="xsmall", height="stretch", key=f"sample_{sample.key}"):
        with friendly():
            st.image(_thumbnail(str(sample_path(sample.key))), alt=_(sample.title), width="stretch")
        st.markdown(f"**{_(sample.title)}**")
        st.caption(_(sample.description), help=sample.attribution)
        if st.button(
            _("Open"),
            key=f"open_sample_{sample.key}",
            width="stretch",
            help=_("A small image to try everything with."),
        ):
            _take_in(sample_path(sample.key), sample.title, "sample")


@st.cache_data(show_spinner=False, max_entries=64)
def _thumbnail(path: str) -> bytes:
    """A small JPEG of a raster, cut to the shape of a card."""
    raster = Raster.open(path)
    preview = raster.preview(2 * max(THUMBNAIL_WH), stretch=raster.stretch(mode="percentile"))
    width, height = THUMBNAIL_WH
    image = Image.fromarray(preview.rgb)
    scale = max(width / image.width, height / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    target = BytesIO()
    image.crop((left, top, left + width, top + height)).save(target, "JPEG", quality=85)
    return target.getvalue()


def _take_in(path: Path, name: str, kind: SceneKind) -> None:
    """Add a scene to the store and turn to it; an unusable file becomes a sentence."""
    state, context = get_state(), get_context()
    with friendly():
        scene = context.store.add_scene(path, name, state.owner, kind=kind)
        context.overviews.ask(scene)
        if kind == "sample" and look_at(scene).dark:
            scene = context.store.set_display(scene.scene_id, None, "percentile")
        state.open_scene(scene)
        st.rerun()
