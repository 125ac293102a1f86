"""Where every run stands: the one place that says so, on the disk before anybody is told."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from sqlite3 import Connection

from samgeo_core.errors import ParameterError
from samgeo_core.web.queue_database import Database
from samgeo_core.web.queue_order import Waiting, fair_order

_COLUMNS = (
    "run_id, owner, state, error, kind, expected_s, attempts, restarts, parts, arrived, "
    "since_round, is_first, cancelling, submitted, started, ended"
)
_IN_LINE = "state = 'queued' AND kind IS NOT NULL"
_UNFINISHED = "state IN ('queued', 'running')"


class JobState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class Entry:
    """What the book says of a run.

    Attributes:
        run_id: of the run.
        owner: token of the visitor.
        state: where it stands.
        error: a sentence for the user where it failed, else None.
        kind: which work it waits for; None if it was never handed in.
        expected_s: how long it was thought to take, s.
        attempts: how often it was begun without getting anywhere.
        restarts: how often the server ended while it was under way.
        parts: how many of its parts were finished when the server started last.
        arrived, since_round, is_first: its place in line, see `Waiting`.
        cancelling: its owner asked to stop.
        submitted, started, ended: seconds since 1970.
    """

    run_id: str
    owner: str
    state: JobState
    error: str | None
    kind: str | None
    expected_s: float
    attempts: int
    restarts: int
    parts: int
    arrived: int
    since_round: int
    is_first: bool
    cancelling: bool
    submitted: float
    started: float | None
    ended: float | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "state", JobState(self.state))
        object.__setattr__(self, "is_first", bool(self.is_first))
        object.__setattr__(self, "cancelling", bool(self.cancelling))


class RunBook:
    """All runs of an installation.

    Every method raises `NotReadyError` or `ExportError` where the disk refuses, and then has
    changed nothing.

    Args:
        database: where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, run_id: str, owner: str) -> None:
        """Note a new run, which waits for nothing yet."""
        with self._database.writing() as book:
            add_entry(book, run_id, owner, JobState.QUEUED)

    def entry(self, run_id: str) -> Entry | None:
        """What is known of a run."""
        found = self._entries("run_id = ?", run_id)
        return found[0] if found else None

    def of_owner(self, owner: str | None = None) -> list[Entry]:
        """All runs of an owner; of everybody for None."""
        return self._entries("1") if owner is None else self._entries("owner = ?", owner)

    def unfinished(self) -> list[Entry]:
        """All that are under way, wait, or were never handed in."""
        return self._entries(_UNFINISHED)

    def running(self) -> list[Entry]:
        """All that are under way."""
        return self._entries("state = 'running'")

    def line(self) -> list[Entry]:
        """All that wait, the next to start first."""
        with self._database.reading() as book:
            return [entry for entry, _ in _line(book)]

    def accept(
        self, run_id: str, owner: str, kind: str, expected_s: float = 0.0, most: int | None = None
    ) -> None:
        """Put a run in line.

        Args:
            run_id: of the run; it need not be known.
            owner: token of the visitor.
            kind: which work it waits for.
            expected_s: how long it is thought to take.
            most: how many unfinished runs the owner may have.

        Raises:
            ParameterError: it is in line or under way, or the owner has too many.
        """
        with self._database.writing() as book:
            theirs = _select(book, f"owner = ? AND kind IS NOT NULL AND {_UNFINISHED}", owner)
            if any(entry.run_id == run_id for entry in theirs):
                raise ParameterError("This run is already queued or running; cancel it first.")
            if most is not None and len(theirs) >= most:
                raise ParameterError(
                    f"{len(theirs)} of your runs are waiting or under way, and a visitor may have "
                    f"{most} at a time: wait for one to end, or cancel one."
                )
            add_entry(book, run_id, owner, JobState.QUEUED)
            book.execute("UPDATE line SET arrived = arrived + 1")
            book.execute(
                "UPDATE runs SET state = 'queued', error = NULL, kind = ?, expected_s = ?, "
                "attempts = 0, restarts = 0, arrived = (SELECT arrived FROM line), "
                "since_round = (SELECT round FROM line), is_first = 0, cancelling = 0, "
                "submitted = ?, started = NULL, ended = NULL WHERE run_id = ?",
                (kind, expected_s, time.time(), run_id),
            )

    def take(self) -> Entry | None:
        """Begin the run whose turn it is; None where none waits."""
        with self._database.writing() as book:
            line = _line(book)
            if not line:
                return None
            entry, turn = line[0]
            book.execute(
                "UPDATE runs SET state = 'running', attempts = attempts + 1, is_first = 0, "
                "started = ? WHERE run_id = ?",
                (time.time(), entry.run_id),
            )
            book.execute("UPDATE line SET round = max(round, ?)", (turn,))
            book.execute("INSERT OR REPLACE INTO turns VALUES (?, ?)", (entry.owner, turn))
            # Who has nothing in line starts over with the round that goes on when they come back.
            book.execute(
                "DELETE FROM turns WHERE round < (SELECT round FROM line) "
                f"AND owner NOT IN (SELECT owner FROM runs WHERE {_IN_LINE})"
            )
            return _select(book, "run_id = ?", entry.run_id)[0]

    def cancel(self, run_id: str) -> JobState | None:
        """Drop what waits, and note that what runs should stop.

        Returns:
            Where it stands then; None where nothing was under way.
        """
        with self._database.writing() as book:
            found = _select(book, f"run_id = ? AND kind IS NOT NULL AND {_UNFINISHED}", run_id)
            if not found:
                return None
            if found[0].state is JobState.RUNNING:
                book.execute("UPDATE runs SET cancelling = 1 WHERE run_id = ?", (run_id,))
                return JobState.RUNNING
            _set_state(book, run_id, JobState.CANCELLED, None)
            return JobState.CANCELLED

    def set_state(self, run_id: str, state: JobState, error: str | None = None) -> None:
        """Note where a run stands from now on; one that isn't known stays so."""
        with self._database.writing() as book:
            _set_state(book, run_id, state, error)

    def wait_again(self, run_id: str, attempts: int, parts: int = 0) -> None:
        """Put what was under way at the front of the line, as it was broken off.

        Args:
            run_id: of the run; nothing happens where it isn't under way.
            attempts: how often it was begun without getting anywhere.
            parts: how many of its parts are finished.
        """
        with self._database.writing() as book:
            book.execute(
                "UPDATE runs SET state = 'queued', is_first = 1, restarts = restarts + 1, "
                "attempts = ?, parts = ?, started = NULL WHERE run_id = ? AND state = 'running'",
                (attempts, parts, run_id),
            )

    def remove(self, run_ids: Iterable[str]) -> None:
        """Forget runs."""
        with self._database.writing() as book:
            book.executemany("DELETE FROM runs WHERE run_id = ?", [(run_id,) for run_id in run_ids])

    def _entries(self, where: str, *values: str) -> list[Entry]:
        with self._database.reading() as book:
            return _select(book, where, *values)


def add_entry(
    book: Connection, run_id: str, owner: str, state: JobState, error: str | None = None
) -> None:
    """Note a run, unless it is known."""
    book.execute(
        "INSERT OR IGNORE INTO runs (run_id, owner, state, error) VALUES (?, ?, ?, ?)",
        (run_id, owner, state.value, error),
    )


def _select(book: Connection, where: str, *values: str) -> list[Entry]:
    rows = book.execute(f"SELECT {_COLUMNS} FROM runs WHERE {where}", values).fetchall()
    return [Entry(*row) for row in rows]


def _line(book: Connection) -> list[tuple[Entry, int]]:
    """All that wait with the rounds in which their turns come."""
    entries = {entry.run_id: entry for entry in _select(book, _IN_LINE)}
    if not entries:
        return []
    waiting = (
        Waiting(entry.run_id, entry.owner, entry.arrived, entry.since_round, entry.is_first)
        for entry in entries.values()
    )
    last_rounds = dict(book.execute("SELECT owner, round FROM turns").fetchall())
    return [(entries[item.run_id], turn) for item, turn in fair_order(waiting, last_rounds)]


def _set_state(book: Connection, run_id: str, state: JobState, error: str | None) -> None:
    ended = time.time() if state.finished else None
    book.execute(
        "UPDATE runs SET state = ?, error = ?, ended = ?, cancelling = 0 WHERE run_id = ?",
        (state.value, error, ended, run_id),
    )
