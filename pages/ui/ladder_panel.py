"""One small area at three scales side by side, to pick one by eye; the form follows."""

from __future__ import annotations

import base64
from dataclasses import replace

import streamlit as st

from pages.ui.errors import friendly, show_error
from pages.ui.run_panel import POLL_S, overall
from pages.ui.state import get_state
from pages.ui.text import area_m2, count, duration_s, markup, plain
from samgeo_core.config import SegmentConfig
from samgeo_core.errors import NotFoundError
from samgeo_core.web.context import get_context
from samgeo_core.web.jobs import Job, JobState
from samgeo_core.web.ladder import Rung, ladder_area, rungs_of, scales_of_rung, start_ladder
from samgeo_core.web.records import Run, Scene
from samgeo_core.windows import Window
from samgeo_core.words import _, sentence


def with_scale(scene: Scene, config: SegmentConfig) -> SegmentConfig:
    """What the form says, at the scale that was picked."""
    side = _picked(scene)
    if side is None:
        return config
    if config.preset == "exact":
        return replace(config, window_px=min(2 * side, max(scene.raster.shape_hw)))
    return replace(config, scales=scales_of_rung(side))


def ladder_panel(scene: Scene, config: SegmentConfig, area: Window | None, usable: bool) -> None:
    """Draw the ladder: its start, how far it is, the pictures, and what was picked.

    Args:
        scene: the image.
        config: what the form says.
        area: the try-out area; None is the middle of the image.
        usable: whether the model is there.
    """
    with st.expander(_("Scale ladder"), icon=":material/stairs_2:", key="ladder"):
        st.caption(
            _(
                "How large must things be drawn for the model? See one small area at three scales, "
                "and take the one that you like best."
            )
        )
        place = ladder_area(area or Window.whole(scene.raster.shape_hw))
        run = _ladder_run(scene)
        busy = run is not None and _is_active(run)
        if not busy and st.button(
            _("Show three scales"),
            key="ladder_start",
            disabled=not usable,
            icon=":material/view_column:",
            help=_("Segments the middle of the try-out area three times, which is soon done."),
        ):
            with friendly():
                run = start_ladder(get_context(), scene, config, get_state().owner, place)
                st.session_state[_run_key(scene)] = run.run_id
                st.rerun()
        if run is not None:
            st.fragment(_ladder, run_every=POLL_S if busy else None)(scene, run.run_id)
        _picked_note(scene)


def _ladder(scene: Scene, run_id: str) -> None:
    context = get_context()
    try:
        run = context.store.run(run_id)
    except NotFoundError as error:
        show_error(str(error))
        return
    job = context.jobs.job(run_id)
    watched = f"ladder_watched_{scene.scene_id}"
    if job is not None and not job.state.finished:
        st.session_state[watched] = run_id
        _progress(run, job)
    elif st.session_state.pop(watched, None) == run_id:
        st.rerun()
    elif run.state == "failed":
        show_error(run.error or _("The run failed."))
    elif run.state == "cancelled":
        st.info(_("The scale ladder was cancelled."), icon=":material/stop_circle:")
    _pictures(scene, run, rungs_of(run))


def _progress(run: Run, job: Job) -> None:
    if job.state is JobState.QUEUED:
        waits = _("Waiting in line")
        if job.starts_in_s is not None:
            waits = _("Waiting in line, starts in about {time}").format(
                time=duration_s(job.starts_in_s)
            )
        st.progress(0.0, text=waits)
    else:
        share, text = overall(job)
        st.progress(share, text=text)
    if run.owner == get_state().owner and st.button(
        _("Cancel"),
        key="ladder_cancel",
        disabled=job.cancelling,
        icon=":material/stop_circle:",
        help=_("Scales that are done stay on the page."),
    ):
        get_context().jobs.cancel(run.run_id)
        st.rerun()


def _pictures(scene: Scene, run: Run, rungs: tuple[Rung, ...]) -> None:
    if not rungs:
        return
    for column, rung in zip(st.columns(3, gap="small"), rungs, strict=False):
        with column:
            st.html(_picture(run, rung))
            size = _size(rung)
            st.markdown(f"**{count(rung.objects, 'object')}**")
            st.caption(
                _("Windows of {side:,} px · half of them larger than {size}").format(
                    side=rung.window_px, size=size
                )
            )
            taken = _picked(scene) == rung.window_px
            if st.button(
                _("Taken") if taken else _("Take this scale"),
                key=f"take_scale_{rung.window_px}",
                disabled=taken,
                help=_("Runs look through windows of this size and larger ones."),
                width="stretch",
            ):
                st.session_state[_side_key(scene)] = rung.window_px
                st.rerun()


def _size(rung: Rung) -> str:
    if rung.median_px is None:
        return "–"
    px = _("{n:,.0f} px").format(n=rung.median_px)
    return px if rung.median_m2 is None else f"{area_m2(rung.median_m2)} ({px})"


def _picture(run: Run, rung: Rung) -> str:
    """The picture as part of the page: it needs no address of its own."""
    try:
        content = base64.b64encode((run.folder / rung.picture).read_bytes()).decode()
    except OSError:
        return ""
    told = _("The area through windows of {side:,} px, with {objects} in colours").format(
        side=rung.window_px, objects=count(rung.objects, "object")
    )
    return f'<img class="studio-rung" src="data:image/png;base64,{content}" alt="{markup(told)}">'


def _picked_note(scene: Scene) -> None:
    side = _picked(scene)
    if side is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        text = _("Runs look through windows of {side:,} px and larger ones.").format(side=side)
        st.markdown(f":green[:material/check_circle:] {plain(sentence(text))}")
        if st.button(
            _("Preset's own scales"), key="ladder_forget", help=_("Forgets the scale you took.")
        ):
            del st.session_state[_side_key(scene)]
            st.rerun()


def _picked(scene: Scene) -> int | None:
    side = st.session_state.get(_side_key(scene))
    return None if side is None else int(side)


def _side_key(scene: Scene) -> str:
    return f"ladder_side_{scene.scene_id}"


def _run_key(scene: Scene) -> str:
    return f"ladder_run_{scene.scene_id}"


def _ladder_run(scene: Scene) -> Run | None:
    run_id = st.session_state.get(_run_key(scene))
    if run_id is None:
        return None
    try:
        return get_context().store.run(str(run_id))
    except NotFoundError:
        return None


def _is_active(run: Run) -> bool:
    job = get_context().jobs.job(run.run_id)
    return job is not None and not job.state.finished
