from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samgeo_core.candidates import CandidateSet
from samgeo_core.edits.edits import KINDS, Edit
from samgeo_core.edits.history import MOST_BYTES, EditHistory, EditLog
from samgeo_core.errors import ConflictError, ExportError, ParameterError
from tests.core.test_candidates import candidate_sets
from tests.core.test_selection import GOOD, HOUSE, ROOM, YARD, squares

SQUARES = squares((HOUSE, *GOOD), (ROOM, *GOOD), (YARD, *GOOD))
DELETE = Edit("delete", (SQUARES[0],))
ADD = Edit("add", (), (SQUARES[1],))
IN_TMP = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

STEPS = st.lists(st.sampled_from(["delete", "add", "undo", "redo"]), max_size=12)


def walk(log: EditLog, steps: list[str]) -> list[EditHistory]:
    """The history after each step that can be taken."""
    seen = [log.read()]
    for step in steps:
        if step in ("delete", "add"):
            seen.append(log.add(DELETE if step == "delete" else ADD))
        elif getattr(seen[-1], f"can_{step}"):
            seen.append(getattr(log, step)())
    return seen


def told(history: EditHistory) -> tuple[object, ...]:
    return [edit.digest for edit in history.edits], history.done, history.revisions


@given(candidate_sets(most=3), candidate_sets(most=3), st.sampled_from(KINDS))
def test_an_edit_comes_back_from_json(gone: CandidateSet, come: CandidateSet, kind: str) -> None:
    try:
        edit = Edit(kind, tuple(gone), tuple(come))
    except ParameterError:
        return
    again = Edit.from_json(edit.to_json())
    assert again.digest == edit.digest
    for before, after in zip(
        (*edit.removed, *edit.added), (*again.removed, *again.added), strict=True
    ):
        assert (before.pixels() == after.pixels()).all()
        assert (before.box, before.area_px) == (after.box, after.area_px)
        scores = (before.score, before.stability)
        assert (after.score, after.stability) == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize(
    ("kind", "gone", "come", "message"),
    [
        ("paint", 1, 0, "An edit is one of delete, split"),
        ("delete", 0, 0, "1 or more objects, got 0"),
        ("delete", 1, 1, "makes 0 objects, got 1"),
        ("split", 1, 1, "makes 2 objects, got 1"),
        ("merge", 1, 1, "2 or more objects, got 1"),
        ("add", 0, 0, "makes 1 objects, got 0"),
    ],
)
def test_an_edit_has_the_masks_that_its_kind_takes(
    kind: str, gone: int, come: int, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        Edit(kind, tuple(SQUARES)[:gone], tuple(SQUARES)[:come])


@pytest.mark.parametrize("change", [{"box": [3, 3, 3, 9]}, {"bits": "xx"}, {"bits": ""}, {}])
def test_values_that_are_no_edit_are_refused(change: dict[str, object]) -> None:
    values = DELETE.to_json()
    values["removed"][0].update(change)
    if not change:
        del values["removed"][0]["point"]
    with pytest.raises(ParameterError):
        Edit.from_json(values)


class TestHistory:
    def test_undo_and_redo_are_inverse_and_keep_the_name_of_what_stands(self) -> None:
        one = EditHistory().with_edit(DELETE)
        two = one.with_edit(ADD)
        assert EditHistory().revision == ""
        assert len({"", one.revision, two.revision}) == 3
        assert two.undone().revision == one.revision
        assert two.undone(2).redone(2).revision == two.revision
        assert two.undone().active == (DELETE,)
        assert two.undone().can_redo and not two.can_redo and not EditHistory().can_undo

    def test_of_two_histories_the_later_one_is_known(self) -> None:
        one = EditHistory().with_edit(DELETE)
        history = [EditHistory(), one, one.undone(), one.undone().redone(), one.undone().redone()]
        assert [item.steps for item in history] == [0, 1, 2, 3, 3]
        assert history[1].revision == history[3].revision

    def test_another_edit_ends_what_could_be_made_again(self) -> None:
        history = EditHistory().with_edit(DELETE).undone().with_edit(ADD)
        assert history.edits == (ADD,)
        assert not history.can_redo
        assert history.revision != EditHistory().with_edit(DELETE).revision

    def test_only_what_is_there_can_be_undone(self) -> None:
        with pytest.raises(ParameterError, match="0 edits can be undone"):
            EditHistory().undone()
        with pytest.raises(ParameterError, match="1 edits can be undone, not 2"):
            EditHistory().with_edit(DELETE).undone(2)
        with pytest.raises(ParameterError, match="0 edits can be made again"):
            EditHistory().with_edit(DELETE).redone()


class TestLog:
    @given(STEPS)
    @IN_TMP
    def test_another_process_reads_what_was_told_here(
        self, tmp_path: Path, steps: list[str]
    ) -> None:
        path = tmp_path / "edits.jsonl"
        path.unlink(missing_ok=True)
        seen = walk(EditLog(path), steps)
        assert told(EditLog(path).read()) == told(seen[-1])

    @given(STEPS, st.data())
    @IN_TMP
    def test_wherever_writing_ended_the_log_is_whole(
        self, tmp_path: Path, steps: list[str], data: st.DataObject
    ) -> None:
        path = tmp_path / "edits.jsonl"
        path.unlink(missing_ok=True)
        log = EditLog(path)
        seen = walk(log, ["add", *steps])
        content = path.read_bytes()
        end = data.draw(st.integers(0, len(content)), label="bytes written")
        path.write_bytes(content[:end])
        left = log.read()
        assert told(left) in [told(history) for history in seen]
        # The next edit takes the place of the line that was cut off.
        after = log.add(ADD)
        assert told(after) == told(left.with_edit(ADD)) == told(log.read())

    def test_a_process_that_is_killed_leaves_a_whole_log(self, tmp_path: Path) -> None:
        path = tmp_path / "edits.jsonl"
        script = (
            "import sys; from pathlib import Path\n"
            "from samgeo_core.edits.history import EditLog\n"
            "from tests.core.edits.test_history import ADD\n"
            "log = EditLog(Path(sys.argv[1]))\n"
            "while True: print(log.add(ADD).done, flush=True)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) == 20:
                    break
            os.kill(process.pid, signal.SIGKILL)
            more = process.stdout.read().split()
        acknowledged = int(more[-1]) if more else 20
        history = EditLog(path).read()
        assert history.done in (acknowledged, acknowledged + 1)
        assert history.active == history.edits

    def test_an_edit_for_another_revision_is_refused(self, tmp_path: Path) -> None:
        log = EditLog(tmp_path / "edits.jsonl")
        first = log.add(DELETE, base="")
        with pytest.raises(ConflictError, match="another window"):
            log.add(ADD, base="")
        assert log.undo(base=first.revision).revision == ""

    def test_a_damaged_line_is_told_and_nothing_is_lost(self, tmp_path: Path) -> None:
        path = tmp_path / "edits.jsonl"
        log = EditLog(path)
        log.add(DELETE)
        log.add(ADD)
        first, second = path.read_bytes().splitlines(keepends=True)
        for damaged in (first[:40] + b"\n" + second, b'{"op":"undo","steps":1}\n' + second):
            path.write_bytes(damaged)
            with pytest.raises(ExportError, match="line 1"):
                log.read()
            with pytest.raises(ExportError, match="line 1"):
                log.add(ADD)
            assert path.read_bytes() == damaged

    def test_a_log_does_not_grow_without_bounds(self, tmp_path: Path) -> None:
        path = tmp_path / "edits.jsonl"
        with path.open("wb") as file:
            file.write(b'{"op":"redo","steps":1}' + b" " * 100)
            file.truncate(MOST_BYTES)
        log = EditLog(path)
        assert told(log.read()) == told(EditHistory())  # no line of it has an end
        log.add(ADD)
        assert path.stat().st_size < 1000
        (tmp_path / "folder").mkdir()
        with pytest.raises(ExportError, match="could not be saved"):
            EditLog(tmp_path / "missing" / "edits.jsonl").add(ADD)
