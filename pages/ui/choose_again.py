"""Choosing again among what a run in parts found: a form, as the objects stay on the disk."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.objects_filter import MARKS_HELP, OVERLAP_HELP, OVERLAP_TITLES
from pages.ui.state import get_state
from samgeo_core.config import OVERLAPS, SegmentConfig, SelectionRule
from samgeo_core.web.context import get_context
from samgeo_core.web.records import Run
from samgeo_core.web.work import choose_again
from samgeo_core.words import _

_MOST = 0.99


def choose_again_form(run: Run, column: str) -> None:
    """Draw the form; its button starts a run that asks no model and leaves this one as it is.

    Args:
        run: a finished run in parts.
        column: in what sizes are given, "area_m2" or "area_px".
    """
    own = SegmentConfig.from_dict(run.config).rule
    with (
        st.expander(_("Choose again"), icon=":material/filter_alt:"),
        st.form(f"choose_again_{run.run_id}", border=False),
    ):
        values = _controls(own, column)
        st.caption(_("Makes a second result beside this one, without asking the model again."))
        if not st.form_submit_button(
            _("Choose again"),
            type="primary",
            width="stretch",
            help=_("Applies the limits to all that the model offered, without running it again."),
        ):
            return
        with friendly():
            state = get_state()
            rule = replace(own, **values)
            again = choose_again(get_context(), run.run_id, rule, state.owner)
            state.follow_run(again)
            state.watching = again.run_id
            st.rerun()


def _controls(own: SelectionRule, column: str) -> dict[str, Any]:
    """The form's controls, and the fields of a rule that they say."""
    values: dict[str, Any] = {
        "overlap": st.segmented_control(
            _("Overlap"),
            OVERLAPS,
            default=own.overlap,
            format_func=lambda name: _(OVERLAP_TITLES[name]),
            help=_(OVERLAP_HELP),
            required=True,
            width="stretch",
            wrap=True,
        )
        or own.overlap
    }
    unit = "m²" if column == "area_m2" else "px"
    for side, words, column_at in zip(
        ("min", "max"), (_("At least"), _("At most")), st.columns(2), strict=True
    ):
        name = f"{side}_{column}"
        with column_at:
            values[name] = st.number_input(
                f"{words} ({unit})",
                min_value=0.0,
                value=getattr(own, name),
                placeholder=_("no limit"),
                help=_("Objects beyond it are left out; empty is no limit."),
            )
    for name, label in (("score", _("Quality (predicted IoU)")), ("stability", _("Stability"))):
        least, good = (float(getattr(own, f"{kind}_{name}")) for kind in ("least", "good"))
        if good <= least:
            # One limit only: what the model offered was chosen by it before.
            most = max(_MOST, least)
            if least < most:
                values[f"least_{name}"] = st.slider(
                    label,
                    least,
                    most,
                    least,
                    step=0.01,
                    help=_("Higher keeps fewer and surer objects."),
                )
            continue
        values[f"least_{name}"], values[f"good_{name}"] = st.slider(
            label, least, max(_MOST, good), (least, good), step=0.01,
            help=_(MARKS_HELP),
        )  # fmt: skip
    return values
