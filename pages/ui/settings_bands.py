"""The bands and the brightness of a settings link: ``bands.signed.ndvi,nir,red``."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.state import get_state
from samgeo_core.errors import ParameterError
from samgeo_core.reading.channels import INDICES, BandBook, Channel, channels_of_text
from samgeo_core.reading.expressions import Expression
from samgeo_core.reading.stretch import STRETCH_MODES, StretchMode
from samgeo_core.web.context import get_context
from samgeo_core.web.records import Scene

_WAITING = "settings_bands"
_MOST_CHARACTERS = 300


@dataclass(frozen=True)
class Bands:
    """How an image is shown, as a link says it.

    Attributes:
        channels: one or three, by number, name or expression; () leaves them to the image.
        stretch: their brightness.
    """

    channels: tuple[Channel, ...]
    stretch: StretchMode

    @property
    def text(self) -> str:
        """As the link has it, and as it is told."""
        return f"{self.stretch}.{','.join(map(str, self.channels))}"


def bands_of(scene: Scene) -> Bands | None:
    """What a link should say of a scene; None where it is shown as it would be by itself."""
    display = scene.display
    if display.bands is None and display.stretch == "auto":
        return None
    return Bands(_short(display.bands or (), scene.raster.book), display.stretch)


def read_bands(text: str) -> Bands | None:
    """What a link says; None where that is nothing that bands can be."""
    mode, _sep, told = text.partition(".")
    stretch = next((known for known in STRETCH_MODES if known == mode), None)
    if stretch is None or len(told) > _MOST_CHARACTERS:
        return None
    try:
        channels = channels_of_text(told) if told else ()
        for channel in channels:
            if isinstance(channel, str):
                Expression(channel)
    except ParameterError:
        return None
    return Bands(channels, stretch)


def keep_bands(bands: Bands | None) -> None:
    """Remember what a link said until there is an image to show so."""
    st.session_state[_WAITING] = bands


def apply_bands(scene: Scene) -> Scene:
    """Show the visitor's image as the link said; tells why where it can't be."""
    bands = st.session_state.pop(_WAITING, None)
    owner = get_state().owner
    if isinstance(bands, Bands) and scene.owner == owner:
        with friendly():
            return get_context().store.set_display(
                scene.scene_id, bands.channels or None, bands.stretch, owner
            )
    return scene


def _short(channels: tuple[Channel, ...], book: BandBook) -> tuple[Channel, ...]:
    """Channels by the names of indices where they have one, each once where all are one.

    Another image has its bands in another order, but knows NDVI just as well.
    """
    named = {book.channel(name): name for name in INDICES if book.has(name)}
    found = tuple(named.get(channel, channel) for channel in channels)
    return found[:1] if len(set(found)) == 1 else found
