"""Choice of the model, its weights and the device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui.text import size_bytes
from samgeo_core.models.minisam import CONVERTED_FILENAME
from samgeo_core.models.registry import DEFAULT_MODEL, MODELS
from samgeo_core.settings import Settings
from samgeo_core.words import N_, _

_BEST, _OWN = "best", ""
DEVICES = {
    _BEST: N_("Automatic"),
    "cpu": "CPU",
    "cuda": N_("NVIDIA GPU (cuda)"),
    "mps": N_("Apple GPU (mps)"),
}
_CHECKPOINT_SUFFIXES = {".pt", ".pth"}


@dataclass(frozen=True)
class ModelChoice:
    """What the visitor chose.

    Attributes:
        name: of the model.
        checkpoint: file of the weights; None takes the model's own.
        usable: whether a run could start: the weights are here or can be fetched.
    """

    name: str
    checkpoint: str | None
    usable: bool


def model_controls(settings: Settings) -> ModelChoice:
    """Draw the choice of the model and say where its weights stand."""
    names = list(MODELS)
    start = settings.model if settings.model in MODELS else DEFAULT_MODEL
    # Not as the control's default, which would quarrel with what a settings link sets.
    st.session_state.setdefault("model", start)
    name = st.selectbox(
        _("Model"),
        names,
        format_func=lambda key: _(MODELS[key].title),
        key="model",
        persist_state="session",
        help=_("Larger models draw finer outlines and need more time and memory."),
    )
    checkpoint = _checkpoint_control(settings.checkpoint_dir)
    usable = checkpoint is not None or _weights_note(name, settings)
    return ModelChoice(name, checkpoint, usable)


def device_control() -> str | None:
    """Draw the choice of the device; None is the best there is."""
    chosen = st.selectbox(
        _("Runs on"),
        list(DEVICES),
        format_func=lambda name: _(DEVICES[name]),
        key="device",
        persist_state="session",
        help=_("Automatic takes a graphics card where there is one."),
    )
    return None if chosen == _BEST else chosen


def weights_here(name: str, cache_dir: Path) -> bool:
    """Whether a model's weights lie in the cache folder; their hash is checked when they load."""
    spec = MODELS[name]
    official = cache_dir / spec.filename
    if official.is_file() and official.stat().st_size == spec.size_bytes:
        return True
    return name == DEFAULT_MODEL and (cache_dir / CONVERTED_FILENAME).is_file()


def list_checkpoints(folder: Path) -> list[str]:
    """Names of the checkpoint files of a folder."""
    if not folder.is_dir():
        return []
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() in _CHECKPOINT_SUFFIXES and path.is_file()
    )


def _checkpoint_control(folder: Path | None) -> str | None:
    """Files of the folder that the server's owner configured; nothing where there is none."""
    if folder is None:
        return None
    files = list_checkpoints(folder)
    if not files:
        st.caption(_("The server's folder of own checkpoints holds no .pt or .pth file."))
        return None
    chosen = st.selectbox(
        _("Weights"),
        [_OWN, *files],
        format_func=lambda file: _("The model's own") if file == _OWN else file,
        key="checkpoint",
        persist_state="session",
        help=_("Checkpoints of your own, from the folder set by SAMGEO_CHECKPOINT_DIR."),
    )
    return None if chosen == _OWN else str(folder / chosen)


def _weights_note(name: str, settings: Settings) -> bool:
    """Say whether the weights are here; returns whether a run could have them."""
    spec = MODELS[name]
    if weights_here(name, settings.cache_dir):
        return True
    if settings.offline:
        st.warning(
            _(
                "The weights of this model ({size}) are not on this server, which works "
                "offline. Choose another model, or run `python -m samgeo_core models fetch "
                "{name}` where there is a network."
            ).format(size=size_bytes(spec.size_bytes), name=name),
            icon=":material/cloud_off:",
        )
        return False
    st.caption(
        ":material/download: "
        + _("The first run downloads {size} of weights.").format(size=size_bytes(spec.size_bytes))
    )
    return True
