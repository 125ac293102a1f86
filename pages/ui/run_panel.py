"""A run as its visitor sees it: waiting, at work, done, failed or stopped."""

from __future__ import annotations

import streamlit as st

from pages.ui.errors import show_error
from pages.ui.estimate import remember_run
from pages.ui.layout import RESULT
from pages.ui.state import get_state
from pages.ui.text import count, duration_s
from samgeo_core.errors import NotFoundError
from samgeo_core.web.context import get_context
from samgeo_core.web.jobs import Job, JobState
from samgeo_core.web.records import Run

POLL_S = 1.0

_STAGES = {
    "download": "Downloading the model",
    "load model": "Loading the model",
    "read": "Reading the image",
    "encode": "Looking at the image",
    "decode": "Finding objects",
    "write": "Writing the layers",
}

_MAIN_STAGES = {"encode", "decode"}
"""The stages that take nearly all the time and count from the first to the last window."""


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


def remaining_s(job: Job) -> float | None:
    """Seconds left by the pace so far; None while that says little."""
    if job.progress is None or job.progress.stage not in _MAIN_STAGES:
        return None
    spent, share = job.elapsed_s, job.progress.fraction
    return spent * (1 - share) / share if share >= 0.05 and spent >= 2 else None


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
        remember_run(run)
        if run.state == "done" and run.area is None:
            st.switch_page(RESULT)
        st.rerun()
    _finished(run)


def _active(run: Run, job: Job) -> None:
    get_state().watching = run.run_id
    with st.container(border=True, key="progress"):
        title = "Whole image" if run.area is None else "Try-out"
        if job.state is JobState.QUEUED:
            ahead = count(job.position, "run")
            st.progress(0.0, text=f"**{title}** · Waiting for {ahead} to finish")
        else:
            share, text = overall(job)
            st.progress(share, text=f"**{title}** · {text}")
        left = remaining_s(job)
        with st.container(horizontal=True, vertical_alignment="center"):
            parts = [f"{duration_s(job.elapsed_s)} so far"]
            if left is not None:
                parts.append(f"about {duration_s(left)} left")
            st.caption(" · ".join(parts))
            label = "Stopping…" if job.cancelling else "Cancel"
            if st.button(
                label, key="cancel", disabled=job.cancelling, icon=":material/stop_circle:"
            ):
                get_context().jobs.cancel(run.run_id)
                st.rerun(scope="fragment")


def _finished(run: Run) -> None:
    if run.state == "failed":
        show_error(run.error or "The run failed.")
    elif run.state == "cancelled":
        st.info("The run was cancelled; nothing was kept of it.", icon=":material/stop_circle:")
    elif run.state == "done":
        _done(run)


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
