"""The SQLite file beside the scenes: how it is opened, changed, and made anew when it is damaged.

It says where runs stand, who is next, and how long runs took; what a run is and what it found lies
in its folder. So the file can be lost: it is made again from the folders.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from samgeo_core.errors import ExportError, NotReadyError, ParameterError, SamGeoError

logger = logging.getLogger(__name__)

BUSY_S = 5.0
"""How long a change waits for another process to end its own."""

Rebuild = Callable[[sqlite3.Connection], None]

_STEPS = (
    """
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        state TEXT NOT NULL,
        error TEXT,
        kind TEXT,
        expected_s REAL NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        restarts INTEGER NOT NULL DEFAULT 0,
        parts INTEGER NOT NULL DEFAULT 0,
        arrived INTEGER NOT NULL DEFAULT 0,
        since_round INTEGER NOT NULL DEFAULT 0,
        is_first INTEGER NOT NULL DEFAULT 0,
        cancelling INTEGER NOT NULL DEFAULT 0,
        submitted REAL NOT NULL DEFAULT 0,
        started REAL,
        ended REAL
    ) WITHOUT ROWID;
    CREATE INDEX runs_of_owner ON runs (owner);
    CREATE INDEX runs_in_state ON runs (state);
    CREATE TABLE line (arrived INTEGER NOT NULL, round INTEGER NOT NULL);
    INSERT INTO line VALUES (0, 0);
    CREATE TABLE turns (owner TEXT PRIMARY KEY, round INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE timings (
        number INTEGER PRIMARY KEY,
        model TEXT NOT NULL,
        device TEXT NOT NULL,
        preset TEXT NOT NULL,
        megapixels REAL NOT NULL,
        seconds REAL NOT NULL,
        slowness REAL NOT NULL
    );
    """,
    "ALTER TABLE timings ADD COLUMN scene_id TEXT NOT NULL DEFAULT ''",
)
"""What makes each version of the schema of the one before; ``PRAGMA user_version`` counts them."""


class Database:
    """One file in WAL mode, read and changed by any thread.

    Args:
        path: the file, made where it is missing; None keeps everything in memory.
        rebuild: fills a file that is new, in the transaction that makes its tables.

    Raises:
        ExportError: the file can't be opened or made.
        ParameterError: a newer version of the app made it.
    """

    def __init__(self, path: Path | None = None, rebuild: Rebuild | None = None) -> None:
        self._writer = _open(path, rebuild)
        # NOTE: a second connection, so that nobody who reads waits for a change to reach the disk.
        self._reader = self._writer if path is None else _connect(path)
        self._write_lock = threading.RLock()
        self._read_lock = self._write_lock if path is None else threading.RLock()
        self._close = weakref.finalize(self, _close, self._reader, self._writer)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to ask.

        Raises:
            NotReadyError, ExportError: the file can't be read.
        """
        with self._read_lock:
            try:
                yield self._reader
            except sqlite3.Error as error:
                raise refusal(error) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction, which is on the disk once the block has ended well.

        Raises:
            NotReadyError: somebody else has been changing the file for too long.
            ExportError: the disk refuses; nothing was changed.
        """
        with self._write_lock:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                raise refusal(error) from error
            finally:
                if self._writer.in_transaction:
                    self._writer.rollback()

    def close(self) -> None:
        """Close the file."""
        self._close()


def refusal(error: sqlite3.Error) -> SamGeoError:
    """What SQLite says, as a sentence."""
    # NOTE: "extended" codes, as SQLITE_IOERR_WRITE, begin with the plain one.
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return NotReadyError("The list of runs is busy at the moment: try again in a few seconds.")
    if code.startswith("SQLITE_FULL"):
        return ExportError(
            "The server's disk is full, so nothing new can be kept: delete images or results that "
            "you don't need any more, or ask who runs the server to make room."
        )
    return ExportError(
        f"The list of runs can't be read or written ({error}): ask who runs the server to check "
        "its disk and start it again; a damaged list is made anew from the results."
    )


def _open(path: Path | None, rebuild: Rebuild | None) -> sqlite3.Connection:
    """A connection to a file that is intact and of this version."""
    try:
        try:
            return _prepared(path, rebuild)
        except sqlite3.OperationalError:
            raise  # the disk or another process refuses; the file itself may be well
        except sqlite3.DatabaseError as error:
            if path is None:
                raise
            _set_aside(path, error)
            return _prepared(path, rebuild)
    except sqlite3.Error as error:
        raise refusal(error) from error


def _prepared(path: Path | None, rebuild: Rebuild | None) -> sqlite3.Connection:
    connection = _connect(path)
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(_STEPS):
            raise ParameterError(
                f"The list of runs was made by a newer version of the app (version {version}, "
                f"this one knows {len(_STEPS)}): update the app, or give it another data folder."
            )
        for step in _STEPS[version:]:
            for statement in filter(str.strip, step.split(";")):
                connection.execute(statement)
        if version == 0 and rebuild is not None:
            rebuild(connection)
        connection.execute(f"PRAGMA user_version = {len(_STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(
        ":memory:" if path is None else path,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # What was promised to a visitor outlives a loss of power, too.
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path, error: sqlite3.Error) -> None:
    """Keep a damaged file, with its log, under another name."""
    kept = f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    logger.error("%s is damaged (%s): kept as %s, and made anew.", path.name, error, kept)
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.replace(path.with_name(kept + path.suffix + ending))


def _close(*connections: sqlite3.Connection) -> None:
    for connection in connections:
        connection.close()
