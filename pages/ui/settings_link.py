"""A link that brings the parameters of the page Segment to somebody else, and no data.

The address says ``settings=1~model.vit_b~preset.sam~points_per_side.48``: a version, then
names and values of what differs from the preset. Whoever reads one checks every part, as anybody
can write such an address.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import streamlit as st

from pages.ui.map import base_url
from pages.ui.parameters import CONTROLS, PREFIX, PRESETS, Control, has_sliders, preset_value
from pages.ui.purpose_choice import PURPOSE_KEY
from pages.ui.settings_bands import Bands, bands_of, keep_bands, read_bands
from pages.ui.share_copy import copy_button
from pages.ui.text import plain
from samgeo_core.models.registry import MODELS
from samgeo_core.purposes import EVERYTHING, PURPOSES
from samgeo_core.web.records import Scene
from samgeo_core.web.urls import base_path
from samgeo_core.words import _

PARAM, VERSION = "settings", "1"
MOST_CHARACTERS = 600

_TAKEN = "settings_taken"
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4})?")


@dataclass(frozen=True)
class Settings:
    """What a link says.

    Attributes:
        model: its name; None leaves it as it is.
        preset: its name.
        values: sliders that differ from the preset, by name.
        refused: parts that are none, as they came.
        purpose: what is looked for.
        bands: how the image is shown, and what the model sees; None leaves it as it is.
    """

    model: str | None
    preset: str
    values: Mapping[str, float]
    refused: tuple[str, ...] = ()
    purpose: str = EVERYTHING
    bands: Bands | None = None


def written(settings: Settings) -> str:
    """The value of the address's parameter."""
    parts = [VERSION, *([f"model.{settings.model}"] if settings.model else [])]
    if settings.purpose != EVERYTHING:
        parts.append(f"purpose.{settings.purpose}")
    parts.append(f"preset.{settings.preset}")
    parts += [f"{name}.{value:g}" for name, value in settings.values.items()]
    if settings.bands is not None:
        parts.append(f"bands.{settings.bands.text}")
    return "~".join(parts)


def read(text: str) -> Settings | None:
    """What an address says; None where it is of another version, or far too long."""
    version, *parts = text.split("~")
    if version != VERSION or len(text) > MOST_CHARACTERS:
        return None
    controls = {control.name: control for control in CONTROLS}
    model, preset, values, refused = None, "everything", {}, []
    purpose, bands = EVERYTHING, None
    for part in parts:
        name, _sep, value = part.partition(".")
        if name == "model" and value in MODELS:
            model = value
        elif name == "preset" and value in PRESETS:
            preset = value
        elif name == "purpose" and value in PURPOSES:
            purpose = value
        elif name == "bands" and (shown := read_bands(value)) is not None:
            bands = shown
        elif name in controls and (number := _number(controls[name], value)) is not None:
            values[name] = number
        else:
            refused.append(part)
    return Settings(model, preset, values, tuple(refused), purpose, bands)


def _number(control: Control, text: str) -> float | None:
    """A slider's value: a number between its ends, on one of its steps."""
    if not _NUMBER.fullmatch(text) or not control.low <= float(text) <= control.high:
        return None
    steps = (float(text) - control.low) / control.step
    if not math.isclose(steps, round(steps), abs_tol=1e-6):
        return None
    return float(text)


def take_settings() -> None:
    """Set the controls to what the page's address says, once; says what was taken."""
    text = st.query_params.get(PARAM)
    if text is not None:
        st.query_params.pop(PARAM, None)
        settings = read(text)
        if settings is not None:
            _apply(settings)
        st.session_state[_TAKEN] = _told(settings)
    if message := st.session_state.get(_TAKEN):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(message, icon=":material/link:")
            st.button(
                "OK", key="settings_seen", on_click=_forget, help=_("Puts this message away.")
            )


def copy_settings(scene: Scene) -> None:
    """Draw the button that copies the link to the parameters at hand."""
    state, preset = st.session_state, str(st.session_state[f"{PREFIX}preset"])
    names = [control.name for control in CONTROLS] if has_sliders() else []
    values = {
        name: state[PREFIX + name]
        for name in names
        if state.get(PREFIX + name, preset_value(preset, name)) != preset_value(preset, name)
    }
    purpose = str(state.get(PURPOSE_KEY, EVERYTHING))
    settings = Settings(
        str(state.get("model", "")) or None, preset, values, purpose=purpose, bands=bands_of(scene)
    )
    parts = urlsplit(st.context.url or "")
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    told = quote(written(settings), safe="~,")
    link = f"{origin}{base_path(base_url())}/segment?{PARAM}={told}"
    copy_button(_("Copy settings link"), link, key="copy_settings")


def _forget() -> None:
    st.session_state.pop(_TAKEN, None)


def _apply(settings: Settings) -> None:
    state: Any = st.session_state
    if settings.model is not None:
        state["model"] = settings.model
    keep_bands(settings.bands)
    state[PURPOSE_KEY] = settings.purpose
    state[f"{PREFIX}preset"] = settings.preset
    for control in CONTROLS:
        value = settings.values.get(control.name)
        usual = preset_value(settings.preset, control.name)
        # A slider of whole numbers refuses others.
        state[PREFIX + control.name] = usual if value is None else type(usual)(value)


def _told(settings: Settings | None) -> str:
    if settings is None:
        return _("The settings of this link can't be read here; the controls stand as they did.")
    titles = {control.name: _(control.label) for control in CONTROLS}
    parts = [_("preset {name}").format(name=_(PRESETS[settings.preset].title))]
    if settings.model is not None:
        parts.insert(0, _("model {name}").format(name=_(MODELS[settings.model].title)))
    if settings.purpose != EVERYTHING:
        parts.insert(0, _("looking for {name}").format(name=_(PURPOSES[settings.purpose].title)))
    parts += [f"{titles[name]} {value:g}" for name, value in settings.values.items()]
    if settings.bands is not None:
        parts.append(_("bands {bands}").format(bands=settings.bands.text))
    told = _("Taken from the link: {parts}.").format(parts=plain("; ".join(parts)))
    if settings.refused:
        left = ", ".join(part[:40] for part in settings.refused[:5])
        refused = _("Left out, as they aren't settings: {left}.").format(left=plain(left))
        told = f"{told} {refused}"
    return told
