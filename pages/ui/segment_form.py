"""The left side of the page Segment: everything that makes up a `SegmentConfig`."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui.models import device_control, model_controls
from pages.ui.parameters import (
    advanced_controls,
    has_sliders,
    main_controls,
    read_automatic,
    read_engine,
)
from pages.ui.purpose_choice import purpose_control, size_controls
from samgeo_core.config import SegmentConfig
from samgeo_core.web.context import get_context
from samgeo_core.web.records import Scene
from samgeo_core.words import N_, _

WINDOW_PX = 1024
"""Side of a window: what the model sees at full detail."""

_READING = {
    0: N_("The whole image at once"),
    WINDOW_PX: N_("Windows of {n:,} px"),
}


_SEEN_WELL_PX = 1536
"""Up to this side the model, which works on 1,024 px, loses little when it sees the whole image."""


@dataclass(frozen=True)
class Choice:
    """What the visitor chose, and whether a run could start with it."""

    config: SegmentConfig
    usable: bool


def segment_form(scene: Scene) -> Choice:
    """Draw all controls and return what they say."""
    wanted = purpose_control(scene)
    model = model_controls(get_context().settings)
    main_controls()
    with st.expander(_("Advanced"), icon=":material/tune:"):
        window_px = _window_control(scene) if has_sliders() else None
        device = device_control()
        if has_sliders():
            advanced_controls()
        sizes = st.container()
    config = SegmentConfig(
        model=model.name,
        checkpoint=model.checkpoint,
        device=device,
        bands=None if scene.display.bands is None else scene.stretch.bands,
        stretch=scene.display.stretch,
        window_px=window_px,
        preset=read_engine(),
        automatic=read_automatic(),
    )
    with sizes:
        config = size_controls(wanted, wanted.applied(config))
    return Choice(config, model.usable)


def _window_control(scene: Scene) -> int | None:
    large = max(scene.raster.shape_hw) > _SEEN_WELL_PX
    chosen = st.selectbox(
        _("Reading"),
        list(_READING),
        index=1 if large else 0,
        format_func=lambda side: _(_READING[side]).format(n=side),
        key=f"window_{scene.scene_id}",
        persist_state="session",
        help=_(
            "The model works on 1,024 px. Whole, a larger image is shrunk to that; in windows, "
            "every pixel is seen, and each window takes its time."
        ),
    )
    return chosen or None
