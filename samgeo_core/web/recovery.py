"""After a restart: what was under way goes on, and a lost book is made again from the folders."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from sqlite3 import Connection
from typing import TYPE_CHECKING

from samgeo_core.errors import NotFoundError
from samgeo_core.streaming.run_folder import finished_regions
from samgeo_core.web.queue_book import Entry, JobState, add_entry
from samgeo_core.web.records import Run, read_run
from samgeo_core.web.unfinished import remove_unfinished
from samgeo_core.words import N_

if TYPE_CHECKING:
    from samgeo_core.web.store import Store

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
"""How often a run is begun that ends the server before it gets anywhere."""


def recover_runs(store: Store) -> None:
    """Put in order what a former process left: nothing is under way after this.

    What was accepted and waits keeps its place. What was under way goes to the front: a run in
    parts with those that are finished, another from its beginning, until it has ended the server
    too often. What was never accepted goes, and so does what was only begun to be written.

    Raises:
        NotReadyError, ExportError: the disk refuses.
    """
    for entry in store.book.unfinished():
        if entry.kind is None:
            _remove_if_old(store, entry.run_id)
        elif entry.state is JobState.RUNNING:
            _recover(store, entry)
    for folder in ("scenes", "runs"):
        remove_unfinished(store.root / folder, store.opened)


def rebuild_book(runs_dir: Path, book: Connection) -> None:
    """Tell a new book of all runs whose folders are there."""
    found = 0
    for folder in runs_dir.iterdir():
        if (run := read_run(folder)) is not None:
            add_entry(book, run.run_id, run.owner, *_state_by_files(run))
            found += 1
    if found:
        logger.warning("The list of runs was made anew from the folders of %d runs.", found)


def _state_by_files(run: Run) -> tuple[JobState, str | None]:
    """Where a run stands by its files alone, and why.

    What isn't done may have been cancelled or not, so that its owner decides.
    """
    if run.has_result:
        return JobState.DONE, None
    # Versions before the book kept it here.
    before = json.loads((run.folder / "meta.json").read_text("utf-8"))
    if before.get("state") in (JobState.FAILED, JobState.CANCELLED):
        return JobState(before["state"]), before.get("error")
    return JobState.INTERRUPTED, None


def _recover(store: Store, entry: Entry) -> None:
    try:
        run = store.run(entry.run_id)
    except NotFoundError:
        store.book.remove([entry.run_id])
        return
    known = finished_regions(run.folder) if run.is_streamed else None
    parts = known[0] if known else 0
    attempts = 0 if parts > entry.parts else entry.attempts
    if run.has_result:
        store.book.set_state(entry.run_id, JobState.DONE)
    elif entry.cancelling:
        store.book.set_state(entry.run_id, JobState.CANCELLED)
    elif attempts >= MOST_ATTEMPTS:
        store.book.set_state(
            entry.run_id,
            JobState.FAILED,
            N_(
                "The server ended {attempts} times while this run was under way, so it isn't begun "
                "again: it may need more memory than there is. Try a smaller area or a faster "
                "preset."
            ).format(attempts=attempts),
        )
    else:
        logger.info("Run %s was under way when the server ended, and goes on.", entry.run_id)
        store.book.wait_again(entry.run_id, attempts, parts)


def _remove_if_old(store: Store, run_id: str) -> None:
    """Remove a run that was never handed in, unless this process is about to."""
    try:
        if store.run(run_id).created < store.opened:
            store.delete_run(run_id)
    except NotFoundError:
        store.book.remove([run_id])
