"""What is promised about the book: nothing accepted is lost, and no limit is overrun."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.settings import PROJECT_DIR
from samgeo_core.web.queue_book import JobState, RunBook
from samgeo_core.web.queue_database import Database

_ACCEPTS_UNTIL_KILLED = """
import sys
from pathlib import Path
from samgeo_core.web.queue_book import RunBook
from samgeo_core.web.queue_database import Database

book = RunBook(Database(Path(sys.argv[1])))
for i in range(10**9):
    book.accept(f"run {i}", f"visitor {i % 7}", "k")
    if i % 3 == 0:
        book.take()
    print(i, flush=True)
"""


def test_what_was_accepted_is_there_after_a_kill_while_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite3"
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _ACCEPTS_UNTIL_KILLED, str(path)],
            cwd=PROJECT_DIR,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(20)]
        os.kill(process.pid, signal.SIGKILL)
        told += process.stdout.readlines()
        process.stdout.close()
        process.wait()
        told = [line for line in told if line.endswith("\n")]
        book = RunBook(Database(path))
        known = {entry.run_id for entry in book.of_owner()}
        assert {f"run {int(line)}" for line in told} <= known
        with closing(sqlite3.connect(path)) as check:
            assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        book.remove(known)


def test_who_asks_many_times_at_once_gets_no_more_than_the_limit(tmp_path: Path) -> None:
    book, everybody = RunBook(Database(tmp_path / "book.sqlite3")), threading.Barrier(12)

    def ask(i: int) -> bool:
        everybody.wait()
        try:
            book.accept(f"run {i}", "greedy", "k", most=3)
        except ParameterError:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(ask, range(12))) == 3
    assert len(book.line()) == 3


def test_a_run_is_in_line_once_and_may_come_again() -> None:
    book = RunBook(Database())
    book.accept("a", "x", "k")
    with pytest.raises(ParameterError, match="already"):
        book.accept("a", "x", "k")
    book.take()
    with pytest.raises(ParameterError, match="already"):
        book.accept("a", "x", "k")
    book.wait_again("a", attempts=1, parts=4)
    book.take()
    book.set_state("a", JobState.FAILED, "No luck.")
    book.accept("a", "x", "k")
    (entry,) = book.line()
    assert (entry.error, entry.attempts, entry.restarts, entry.started) == (None, 0, 0, None)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="can't be read or written"):
        Database(tmp_path / "no such folder" / "book.sqlite3")
