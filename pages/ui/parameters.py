"""SAM's parameters as controls with one sentence each, and presets that set several at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import streamlit as st

from samgeo_core.config import AutomaticConfig
from samgeo_core.words import N_, _

PREFIX = "sam_"
"""Begin of the keys under which the session keeps the controls."""


@dataclass(frozen=True)
class Preset:
    """Values that suit one kind of scene; everything else stays at SAM's default."""

    title: str
    says: str
    values: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "exact"


PRESETS = {
    "everything": Preset(
        N_("Everything"),
        N_(
            "Looks at several scales, from the whole image down to single pixels, and asks again "
            "where nothing good was found yet. Finds most and covers most of the image; no "
            "settings needed."
        ),
        engine="full",
    ),
    "quick": Preset(
        N_("Quick look"),
        N_(
            "As Everything, but with far fewer questions, through fewer and wider windows: "
            "several times faster, misses some of the objects."
        ),
        engine="fast",
    ),
    "sam": Preset(
        N_("SAM's own"),
        N_(
            "Exactly the masks of SAM's automatic mode, at one scale: the surest objects only, "
            "often half of the image."
        ),
    ),
    "large": Preset(
        N_("Large objects"),
        N_("SAM's own with a coarse grid: about four times faster, misses small objects."),
        {"points_per_side": 16, "min_mask_region_area": 100},
    ),
    "small": Preset(
        N_("Small objects"),
        N_("SAM's own with a dense grid and milder thresholds: about four times slower."),
        {"points_per_side": 64, "pred_iou_thresh": 0.84, "stability_score_thresh": 0.92},
    ),
}


@dataclass(frozen=True)
class Control:
    """One slider."""

    name: str
    label: str
    low: float
    high: float
    step: float
    help: str


MAIN_CONTROLS = (
    Control(
        "points_per_side", N_("Grid density"), 4, 96, 4,
        N_("Points per side of the grid at which the model looks for objects; twice as many take "
        "four times as long and find smaller objects."),
    ),
    Control(
        "pred_iou_thresh", N_("Least quality"), 0.5, 1.0, 0.01,
        N_("Masks whose quality the model itself rates lower are dropped."),
    ),
    Control(
        "stability_score_thresh", N_("Least stability"), 0.5, 1.0, 0.01,
        N_("Masks whose outline moves when the cutoff shifts a little are dropped."),
    ),
    Control(
        "min_mask_region_area", N_("Smallest part, px"), 0, 1000, 10,
        N_("Specks and holes of fewer pixels than this are removed; 0 keeps all."),
    ),
)  # fmt: skip

ADVANCED_CONTROLS = (
    Control(
        "stability_score_offset", N_("Stability shift"), 0.1, 3.0, 0.1,
        N_("How far the cutoff is shifted when the stability is measured."),
    ),
    Control(
        "box_nms_thresh", N_("Overlap of duplicates"), 0.1, 1.0, 0.05,
        N_("Of two masks whose boxes overlap more than this, only the better one stays."),
    ),
    Control(
        "points_per_batch", N_("Points at a time"), 8, 256, 8,
        N_("More use more memory and can be faster on a graphics card; the result is the same."),
    ),
    Control(
        "crop_n_layers", N_("Crop layers"), 0, 3, 1,
        N_("Looks again at ever smaller crops of the image; finds small objects, costs much time."),
    ),
)  # fmt: skip

CROP_CONTROLS = (
    Control(
        "crop_n_points_downscale_factor", N_("Fewer points in crops"), 1, 4, 1,
        N_("Divides the grid density by this number in each crop layer."),
    ),
    Control(
        "crop_overlap_ratio", N_("Overlap of crops"), 0.0, 0.9, 0.01,
        N_("Share of the image by which neighbouring crops overlap."),
    ),
    Control(
        "crop_nms_thresh", N_("Duplicates between crops"), 0.1, 1.0, 0.05,
        N_("Of two masks from different crops that overlap more than this, one stays."),
    ),
)  # fmt: skip

CONTROLS = (*MAIN_CONTROLS, *ADVANCED_CONTROLS, *CROP_CONTROLS)

_DEFAULTS = asdict(AutomaticConfig())


def main_controls() -> None:
    """Draw the presets and the sliders that matter most."""
    _fill_in_defaults()
    st.segmented_control(
        _("Preset"),
        list(PRESETS),
        format_func=lambda name: _(PRESETS[name].title),
        key=f"{PREFIX}preset",
        on_change=_apply_preset,
        required=True,
        width="stretch",
        wrap=True,
        persist_state="session",
        help=_("A set of parameters to begin with; each can be changed below."),
    )
    st.caption(_(_preset().says))
    if has_sliders():
        for control in MAIN_CONTROLS:
            _slider(control)


def advanced_controls() -> None:
    """Draw the sliders that few will need."""
    for control in ADVANCED_CONTROLS:
        _slider(control)
    if st.session_state[f"{PREFIX}crop_n_layers"]:
        for control in CROP_CONTROLS:
            _slider(control)
    st.button(
        _("Back to the preset"),
        on_click=_apply_preset,
        key=f"{PREFIX}reset",
        help=_("Undoes the changes that you made to its parameters."),
    )


def has_sliders() -> bool:
    """Whether SAM's parameters have a say in the chosen preset."""
    return _preset().engine == "exact"


def read_engine() -> str:
    """The preset of `SegmentConfig` that was chosen."""
    return _preset().engine


def choose_preset(name: str) -> None:
    """Set the form to a preset; before its controls are drawn."""
    st.session_state[f"{PREFIX}preset"] = name
    _apply_preset()


def _preset() -> Preset:
    return PRESETS[st.session_state[f"{PREFIX}preset"]]


def read_automatic() -> AutomaticConfig:
    """What the controls say; SAM's defaults where they have no say."""
    if not has_sliders():
        return AutomaticConfig()
    return AutomaticConfig(**{control.name: _value(control.name) for control in CONTROLS})


def preset_value(preset: str, name: str) -> Any:
    """Where a preset puts the slider of a parameter."""
    return _on_slider(PRESETS[preset].values.get(name, _DEFAULTS[name]))


def _value(name: str) -> Any:
    value, default = st.session_state[PREFIX + name], _DEFAULTS[name]
    # A slider stands on whole steps; SAM's own crop overlap of 512/1500 lies between two.
    return default if value == _on_slider(default) else value


def _on_slider(value: float) -> float:
    return value if isinstance(value, int) else round(value, 2)


def _slider(control: Control) -> None:
    whole = isinstance(_DEFAULTS[control.name], int)
    low, high, step = (
        (int(v) if whole else float(v)) for v in (control.low, control.high, control.step)
    )
    st.slider(
        _(control.label),
        low,
        high,
        step=step,
        key=PREFIX + control.name,
        help=_(control.help),
        persist_state="session",
    )


def _fill_in_defaults() -> None:
    if f"{PREFIX}preset" not in st.session_state:
        st.session_state[f"{PREFIX}preset"] = "everything"
        _apply_preset()


def _apply_preset() -> None:
    preset = st.session_state[f"{PREFIX}preset"]
    for control in CONTROLS:
        st.session_state[PREFIX + control.name] = preset_value(preset, control.name)
