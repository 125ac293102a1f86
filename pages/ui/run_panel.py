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

POLL_S = 1.0

_STAGES = {
    "download": "Downloading the model",
    "load model": "Loading the model",
    "read": "Reading the image",
    "encode": "Looking at the image",
    "decode": "Finding objects",
    "write": "Writing the layers",
    "segment": "Finding objects",
    "join": "Joining parts",
    "write labels": "Writing the layers",
    "features": "Looking at the objects",
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
    return _STAGES.get(stage, stage.capitalize())


def overall(job: Job) -> tuple[float, str]:
    """How far a running job is, 0 to 1 within its stage, and what it does."""
    progress = job.progress
    if progress is None:
        return 0.0, "Starting"
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
        if run.state == "done" and run.area is None:
            st.switch_page(RESULT)
        st.rerun()
    _finished(run)


def _active(run: Run, job: Job) -> None:
    get_state().watching = run.run_id
    with st.container(border=True, key="progress"):
        title = "Whole image" if run.area is None else "Try-out"
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
    place = "Next in line" if job.position <= 1 else f"Place {job.position:,} in line"
    if job.starts_in_s is None:
        return place
    if job.starts_in_s < 1:
        return f"{place} · starts in a moment"
    return f"{place} · starts in about {duration_s(job.starts_in_s)}"


def _times(job: Job) -> list[str]:
    if job.state is JobState.QUEUED:
        waiting = [f"Waiting for {duration_s(max(1.0, time.time() - job.submitted))}"]
        if job.starts_in_s is not None and job.expected_s:
            waiting.append(f"done in about {duration_s(job.starts_in_s + job.expected_s)}")
        return [*waiting, "visitors take turns"]
    left = job.left_s
    if left is None and job.expected_s > job.elapsed_s:
        left = job.expected_s - job.elapsed_s
    parts = [f"{duration_s(job.elapsed_s)} so far"]
    return parts if left is None else [*parts, f"about {duration_s(left)} left"]


def _cancel_button(job: Job) -> None:
    label = "Stopping…" if job.cancelling else "Cancel"
    if st.button(label, key="cancel", disabled=job.cancelling, icon=":material/stop_circle:"):
        with friendly():
            get_context().jobs.cancel(job.run_id)
            st.rerun()


def _parts(run: Run) -> list[str]:
    """How much of a run that goes part by part is finished; nothing of others."""
    known = finished_regions(run.folder) if run.is_streamed else None
    return [] if known is None else [f"{known[0]:,} of {known[1]:,} parts"]


def _news(job: Job) -> None:
    """What the work told of itself, and what happened to it."""
    if job.restarts:
        st.caption("The server was restarted meanwhile; this run goes on by itself.")
    if job.trouble:
        st.warning(plain(job.trouble), icon=":material/sync_problem:")
    if job.resumed:
        done, total = job.resumed
        st.caption(f"Going on: {done:,} of {total:,} parts were finished before.")
    if job.dashboard:
        st.link_button(
            "Dashboard of the cluster", job.dashboard, icon=":material/monitoring:", type="tertiary"
        )


def _finished(run: Run) -> None:
    if run.state == "failed":
        show_error(run.error or "The run failed.")
    elif run.state == "interrupted":
        st.warning("The server was stopped while this run was under way.", icon=":material/power:")
    elif run.state == "cancelled" and run.is_streamed:
        st.info("The run was cancelled.", icon=":material/stop_circle:")
    elif run.state == "cancelled":
        st.info("The run was cancelled; nothing was kept of it.", icon=":material/stop_circle:")
    elif run.state == "done":
        _done(run)
    if run.can_go_on and run.owner == get_state().owner:
        _rest(run)


def _rest(run: Run) -> None:
    """What is left of a run that ended before its time, and the button that does it."""
    with st.container(horizontal=True, vertical_alignment="center", key="rest"):
        label = "Go on" if run.is_streamed else "Start again"
        if st.button(label, key="go_on", type="primary", icon=":material/play_arrow:"):
            with friendly():
                go_on(get_context(), run.run_id, run.owner)
                get_state().watching = run.run_id
                st.rerun()
        for text in _parts(run):
            st.caption(f"{text} are finished and are kept.")


def _done(run: Run) -> None:
    found = int(run.record.get("n_objects", 0))
    where = "in the whole image" if run.area is None else "in the try-out area"
    if found == 0:
        st.info(
            f"No objects {where}. Lower *Least quality* and *Least stability*, or make the grid "
            "denser, and try again.",
            icon=":material/search_off:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="center", key="outcome"):
        st.markdown(f":green[:material/check_circle:] **{count(found, 'object')}** {where}")
        st.page_link(RESULT, label="See the result", icon=":material/arrow_forward:")
