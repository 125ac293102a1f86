"""A run as its visitor sees it: waiting, at work, done, failed or stopped."""

from __future__ import annotations

import time

import streamlit as st

from pages.ui.errors import friendly, show_error
from pages.ui.layout import RESULT
from pages.ui.state import get_state
from pages.ui.text import count, duration_s, plain
from samgeo_core.errors import NotFoundError
from samgeo_core.streaming.run_folder import finished_regions
from samgeo_core.web.context import get_context
from samgeo_core.web.jobs import Job, JobState
from samgeo_core.web.records import Run
from samgeo_core.web.work import go_on
from samgeo_core.words import N_, _, sentence

POLL_S = 1.0

_STAGES = {
    "download": N_("Downloading the model"),
    "load model": N_("Loading the model"),
    "read": N_("Reading the image"),
    "encode": N_("Looking at the image"),
    "decode": N_("Finding objects"),
    "write": N_("Writing the layers"),
    "segment": N_("Finding objects"),
    "join": N_("Joining parts"),
    "write labels": N_("Writing the layers"),
    "outlines": N_("Drawing outlines"),
    "attributes": N_("Measuring the objects"),
    "features": N_("Looking at the objects"),
}


def is_active(run: Run | None) -> bool:
    """Whether a run is queued or under way."""
    job = None if run is None else get_context().jobs.job(run.run_id)
    return job is not None and not job.state.finished


def run_panel(run: Run) -> None:
    """Show where a run stands, and follow it as long as it is under way."""
    every = POLL_S if is_active(run) else None
    st.fragment(_panel, run_every=every)(run.run_id)


def stage_text(stage: str) -> str:
    """A stage of the work for people."""
    return _(_STAGES.get(stage, stage.capitalize()))


def overall(job: Job) -> tuple[float, str]:
    """How far a running job is, 0 to 1 within its stage, and what it does."""
    progress = job.progress
    if progress is None:
        return 0.0, _("Starting")
    return min(1.0, max(0.0, progress.fraction)), stage_text(progress.stage)


def _panel(run_id: str) -> None:
    context = get_context()
    job = context.jobs.job(run_id)
    try:
        run = context.store.run(run_id)
    except NotFoundError as error:
        show_error(str(error))
        return
    if job is not None and not job.state.finished:
        _active(run, job)
        return
    state = get_state()
    if state.watching == run_id:
        # The end was seen here for the first time: the whole page has something new to show.
        state.watching = None
        if run.state == "done" and (run.area is None or run.is_limited):
            st.switch_page(RESULT)
        st.rerun()
    _finished(run)


def _active(run: Run, job: Job) -> None:
    get_state().watching = run.run_id
    with st.container(border=True, key="progress"):
        title = _("Whole image") if run.area is None else _("Try-out")
        title = _("Inside the area") if run.is_limited else title
        if job.state is JobState.QUEUED:
            st.progress(0.0, text=f"**{title}** · {_place_in_line(job)}")
        else:
            share, text = overall(job)
            st.progress(share, text=" · ".join([f"**{title}**", text, *_parts(run)]))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(" · ".join(_times(job)))
            if run.owner == get_state().owner:
                _cancel_button(job)
        _news(job)


def _place_in_line(job: Job) -> str:
    place = (
        _("Next in line")
        if job.position <= 1
        else _("Place {position:,} in line").format(position=job.position)
    )
    if job.starts_in_s is None:
        return place
    if job.starts_in_s < 1:
        return f"{place} · {_('starts in a moment')}"
    starts = _("starts in about {time}").format(time=duration_s(job.starts_in_s))
    return f"{place} · {starts}"


def _times(job: Job) -> list[str]:
    if job.state is JobState.QUEUED:
        waiting = [
            _("Waiting for {time}").format(time=duration_s(max(1.0, time.time() - job.submitted)))
        ]
        if job.starts_in_s is not None and job.expected_s:
            waiting.append(
                _("done in about {time}").format(time=duration_s(job.starts_in_s + job.expected_s))
            )
        return [*waiting, _("visitors take turns")]
    left = job.left_s
    if left is None and job.expected_s > job.elapsed_s:
        left = job.expected_s - job.elapsed_s
    parts = [_("{time} so far").format(time=duration_s(job.elapsed_s))]
    return parts if left is None else [*parts, _("about {time} left").format(time=duration_s(left))]


def _cancel_button(job: Job) -> None:
    label = _("Stopping…") if job.cancelling else _("Cancel")
    if st.button(
        label,
        key="cancel",
        disabled=job.cancelling,
        icon=":material/stop_circle:",
        help=_("Ends it at its next step; other runs aren't touched."),
    ):
        with friendly():
            get_context().jobs.cancel(job.run_id)
            st.rerun()


def _parts(run: Run) -> list[str]:
    """How much of a run that goes part by part is finished; nothing of others."""
    known = finished_regions(run.folder) if run.is_streamed else None
    if known is None:
        return []
    return [_("{done:,} of {total:,} parts").format(done=known[0], total=known[1])]


def _news(job: Job) -> None:
    """What the work told of itself, and what happened to it."""
    if job.restarts:
        st.caption(_("The server was restarted meanwhile; this run goes on by itself."))
    if job.trouble:
        st.warning(plain(sentence(job.trouble)), icon=":material/sync_problem:")
    if job.resumed:
        done, total = job.resumed
        st.caption(
            _("Going on: {done:,} of {total:,} parts were finished before.").format(
                done=done, total=total
            )
        )
    if job.dashboard:
        st.link_button(
            _("Dashboard of the cluster"),
            job.dashboard,
            icon=":material/monitoring:",
            type="tertiary",
            help=_("What each worker of the cluster does now, in a new tab."),
        )


def _finished(run: Run) -> None:
    if run.state == "failed":
        show_error(run.error or _("The run failed."))
    elif run.state == "interrupted":
        st.warning(
            _("The server was stopped while this run was under way."), icon=":material/power:"
        )
    elif run.state == "cancelled" and run.is_streamed:
        st.info(_("The run was cancelled."), icon=":material/stop_circle:")
    elif run.state == "cancelled":
        st.info(_("The run was cancelled; nothing was kept of it."), icon=":material/stop_circle:")
    elif run.state == "done":
        _done(run)
    if run.can_go_on and run.owner == get_state().owner:
        _rest(run)


def _rest(run: Run) -> None:
    """What is left of a run that ended before its time, and the button that does it."""
    with st.container(horizontal=True, vertical_alignment="center", key="rest"):
        label = _("Go on") if run.is_streamed else _("Start again")
        if st.button(
            label,
            key="go_on",
            type="primary",
            icon=":material/play_arrow:",
            help=_("What was finished before is taken from the disk, not made again."),
        ):
            with friendly():
                go_on(get_context(), run.run_id, run.owner)
                get_state().watching = run.run_id
                st.rerun()
        for text in _parts(run):
            st.caption(_("{text} are finished and are kept.").format(text=text))


def _done(run: Run) -> None:
    found = int(run.record.get("n_objects", 0))
    if found == 0:
        where = (
            _("No objects in the whole image.")
            if run.area is None
            else _("No objects in the try-out area.")
        )
        if run.is_limited:
            where = _("No objects inside the area.")
        advice = _(
            "Lower *Least quality* and *Least stability*, or make the grid denser, and try again."
        )
        st.info(
            f"{where} {advice}",
            icon=":material/search_off:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", key="outcome"):
        told = (
            _("**{objects}** in the whole image")
            if run.area is None
            else _("**{objects}** in the try-out area")
        )
        told = _("**{objects}** inside the area") if run.is_limited else told
        told = told.format(objects=count(found, "object"))
        st.markdown(f":green[:material/check_circle:] {told}")
        st.page_link(RESULT, label=_("See the result"), icon=":material/arrow_forward:")
