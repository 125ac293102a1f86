"""Edits that were made, undone and made again; and the log that keeps them with a run."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samgeo_core.edits.edits import Edit
from samgeo_core.errors import ConflictError, ExportError, ParameterError

EDITS_FILE = "edits.jsonl"

MOST_EDITS = 5_000
"""How many edits one result may have; what they make is computed anew after each of them."""

MOST_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class EditHistory:
    """Edits in their order, and how many of them stand; the others were undone and can come back.

    Attributes:
        edits: all of them.
        done: how many stand.
        revisions: what the result is called after 0, 1, … edits: a short text that is the same
            whenever the same edits stand, "" where none does.
        steps: how often an edit was made, undone or made again; it only grows, so that of two
            histories of a run the later one is known.
    """

    edits: tuple[Edit, ...] = ()
    done: int = 0
    revisions: tuple[str, ...] = ("",)
    steps: int = 0

    @property
    def active(self) -> tuple[Edit, ...]:
        """The edits that stand."""
        return self.edits[: self.done]

    @property
    def revision(self) -> str:
        """Name of the result as the edits leave it."""
        return self.revisions[self.done]

    @property
    def standing(self) -> EditHistory:
        """The same without edits that were undone: what a result of this revision is made of."""
        return EditHistory(self.active, self.done, self.revisions[: self.done + 1])

    @property
    def can_undo(self) -> bool:
        """Whether an edit stands."""
        return self.done > 0

    @property
    def can_redo(self) -> bool:
        """Whether an edit was undone, and none was made since."""
        return self.done < len(self.edits)

    def with_edit(self, edit: Edit) -> EditHistory:
        """Make another edit; what was undone before can't come back any more.

        Raises:
            ParameterError: there are too many.
        """
        if self.done >= MOST_EDITS:
            raise ParameterError(
                f"A result takes {MOST_EDITS:,} edits and has {self.done:,}: undo some."
            )
        told = self.revision.encode() + edit.digest
        revision = hashlib.blake2b(told, digest_size=9).hexdigest()
        revisions = (*self.revisions[: self.done + 1], revision)
        return EditHistory((*self.active, edit), self.done + 1, revisions, self.steps + 1)

    def undone(self, steps: int = 1) -> EditHistory:
        """Without the last edits.

        Raises:
            ParameterError: there aren't as many.
        """
        if not 1 <= steps <= self.done:
            raise ParameterError(f"{self.done} edits can be undone, not {steps}.")
        return EditHistory(self.edits, self.done - steps, self.revisions, self.steps + 1)

    def redone(self, steps: int = 1) -> EditHistory:
        """With the edits that were undone last.

        Raises:
            ParameterError: there aren't as many.
        """
        left = len(self.edits) - self.done
        if not 1 <= steps <= left:
            raise ParameterError(f"{left} edits can be made again, not {steps}.")
        return EditHistory(self.edits, self.done + steps, self.revisions, self.steps + 1)


class EditLog:
    """The edits of one run as a file to which lines are added: it is whole after any of them.

    A line is an edit, or tells how many were undone or made again. One that was cut off when the
    process ended counts for nothing, and the next takes its place.

    Args:
        path: the file; there once there is an edit.
    """

    _writing = threading.Lock()

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> EditHistory:
        """What the log tells.

        Raises:
            ExportError: a whole line of it can't be read.
        """
        return self._told()[0]

    def add(self, edit: Edit, base: str | None = None) -> EditHistory:
        """Make an edit.

        Args:
            edit: the edit.
            base: the revision it was made for; None takes whatever there is.

        Raises:
            ConflictError: the log tells of another revision.
            ParameterError: there are too many edits.
            ExportError: the log can't be written.
        """
        return self._append({"op": "edit", **edit.to_json()}, base)

    def undo(self, base: str | None = None, steps: int = 1) -> EditHistory:
        """Undo the last edits; raises as `add`."""
        return self._append({"op": "undo", "steps": steps}, base)

    def redo(self, base: str | None = None, steps: int = 1) -> EditHistory:
        """Make again what was undone last; raises as `add`."""
        return self._append({"op": "redo", "steps": steps}, base)

    def _append(self, entry: dict[str, Any], base: str | None) -> EditHistory:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            history, end = self._told()
            if base is not None and history.revision != base:
                raise ConflictError(
                    "This result was changed in another window meanwhile; look at it again."
                )
            changed = _after(history, entry)
            if end + len(line) > MOST_BYTES:
                raise ParameterError(
                    f"The edits of a result may take {MOST_BYTES >> 20} MiB, and these would take "
                    "more: segment again with better limits."
                )
            self._write(line, end)
        return changed

    def _write(self, line: bytes, at: int) -> None:
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                os.ftruncate(handle, at)
                os.lseek(handle, at, os.SEEK_SET)
                # NOTE: the end of the line goes last, so that a line that has it is whole.
                left = memoryview(line)
                while left:
                    left = left[os.write(handle, left) :]
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise ExportError(
                f"The edit could not be saved ({error.strerror or error}): check the free space."
            ) from error

    def _told(self) -> tuple[EditHistory, int]:
        """The history, and where its last whole line ends."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return EditHistory(), 0
        end = content.rfind(b"\n") + 1
        history = EditHistory()
        for number, line in enumerate(content[:end].splitlines(), start=1):
            try:
                history = _after(history, json.loads(line))
            except ValueError as error:
                raise ExportError(
                    f"The edits of this run can't be read (line {number} of {self.path.name}): "
                    "remove that file to see the result without them."
                ) from error
        return history, end


def _after(history: EditHistory, entry: dict[str, Any]) -> EditHistory:
    """What a line of the log makes of the history before it."""
    kind = entry.get("op")
    if kind == "edit":
        return history.with_edit(Edit.from_json(entry))
    steps = entry.get("steps")
    if kind not in ("undo", "redo") or not isinstance(steps, int):
        raise ParameterError(f"A line of edits is an edit, undo or redo, got {str(entry)[:80]}.")
    return history.undone(steps) if kind == "undo" else history.redone(steps)
