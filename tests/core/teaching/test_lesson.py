from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.teaching.classify import NOT_THIS
from samgeo_core.teaching.lesson import Lesson, LessonHistory, Step, mark_step

A, B, C = (bytes([i]) * 16 for i in range(3))

_steps = st.one_of(
    st.builds(lambda n: {"do": "class", "name": f"Class {n}"}, st.integers(0, 6)),
    st.builds(lambda n: {"do": "remove", "number": n}, st.integers(1, 6)),
    st.builds(
        lambda n, name: {"do": "change", "number": n, "name": name, "color": "#010203"},
        st.integers(1, 6),
        st.sampled_from(["Roof", "Field"]),
    ),
    st.builds(
        mark_step,
        st.lists(st.sampled_from([A, B, C]), min_size=1),
        st.one_of(st.none(), st.integers(0, 6)),
    ),
)


def _history(*steps: Step) -> LessonHistory:
    history = LessonHistory()
    for step in steps:
        history = history.with_step(step)
    return history


@given(st.lists(st.one_of(_steps, st.sampled_from(["undo", "redo"])), max_size=25))
def test_undo_and_redo_lead_back_and_forth(tmp_path_factory: Any, moves: list[Any]) -> None:
    history, lessons = LessonHistory(), [Lesson()]
    for move in moves:
        if move == "undo":
            history = history.undone()
        elif move == "redo":
            history = history.redone()
        else:
            try:
                history = history.with_step(move)
            except ParameterError:
                continue
            lessons[history.done :] = [history.lesson]
        assert history.lesson == lessons[history.done]
    path = tmp_path_factory.getbasetemp() / "lesson.json"
    history.save(path)
    again = LessonHistory.load(path)
    assert again.lesson == history.lesson
    assert (again.revision, again.done) == (history.revision, history.done)
    if again.can_undo:
        assert again.undone().redone().lesson == history.lesson


def test_marks_are_changed_and_taken_back() -> None:
    roof = {"do": "class", "name": "  Roof  tiles "}
    history = _history(roof, mark_step([A, B], 1), mark_step([B], NOT_THIS), mark_step([A], None))
    assert history.lesson.marks == {B: NOT_THIS}
    assert history.lesson.classes[0].name == "Roof tiles"
    assert history.undone().lesson.marks == {A: 1, B: NOT_THIS}
    assert history.undone().undone().lesson.marks == {A: 1, B: 1}
    assert len({history.revision, history.undone().revision, LessonHistory().revision}) == 3


def test_a_class_goes_with_its_marks_and_its_number_never_comes_back() -> None:
    history = _history(
        {"do": "class", "name": "Roof"},
        {"do": "class", "name": "Field"},
        mark_step([A], 1),
        mark_step([B], 2),
        {"do": "remove", "number": 2},
        {"do": "class", "name": "Tank"},
    )
    assert [c.number for c in history.lesson.classes] == [1, 3]
    assert history.lesson.marks == {A: 1}
    assert len({c.color for c in history.lesson.classes}) == 2


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"do": "class", "name": "  "}, "name of 1 to 40"),
        ({"do": "class", "name": "x" * 41}, "name of 1 to 40"),
        ({"do": "class", "name": "roof"}, "already"),
        ({"do": "class", "name": "Tank", "color": "red"}, "#rrggbb"),
        ({"do": "class", "name": "T", "color": "#12345;}"}, "#rrggbb"),
        ({"do": "change", "number": 1, "name": "", "color": "#112233"}, "name of 1 to 40"),
        ({"do": "remove", "number": 9}, "no such class"),
        (mark_step([A], 9), "no such class"),
        ({"do": "mark", "keys": ["00"], "number": 1}, "names of masks"),
        (mark_step([bytes([i // 256, i % 256]) * 8 for i in range(2001)], 1), "marks are the most"),
        ({"do": "dance"}, "class, change, remove or mark"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(step: Step, message: str) -> None:
    history = _history({"do": "class", "name": "Roof"})
    with pytest.raises(ParameterError, match=message):
        history.with_step(step)
    assert [c.name for c in history.lesson.classes] == ["Roof"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"steps": [], "done": "x"}',
        '{"steps": [{"do": "mark"}], "done": 1}',
        '{"done": 1}',
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lesson.json"
    path.write_text(text)
    with pytest.raises(ExportError, match=r"lesson\.json"):
        LessonHistory.load(path)
    assert LessonHistory.load(tmp_path / "none.json") == LessonHistory()


def test_the_file_holds_nothing_but_text(tmp_path: Path) -> None:
    path = tmp_path / "lesson.json"
    _history({"do": "class", "name": "Dächer"}, mark_step([C], 1)).save(path)
    assert json.loads(path.read_text("utf-8"))["done"] == 2
