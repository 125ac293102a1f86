from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.web import pick_sessions as module
from samgeo_core.web import pick_state
from samgeo_core.web.ids import new_id
from samgeo_core.web.pick_objects import KeptMask, joined, prompts_to_json
from samgeo_core.web.pick_sessions import FOLDER, PickSession, PickSessions, last_picked
from samgeo_core.web.pick_state import Picks
from samgeo_core.web.records import Scene
from samgeo_core.web.store import Store
from samgeo_core.wholes import PackedMask
from tests.web.conftest import OWNER, MakeScene

Step = Callable[[PickSession], None]


def kept(x: int, y: int, side: int) -> KeptMask:
    mask = np.ones((side, side), np.bool_)
    mask[0, 0] = False
    return KeptMask(PackedMask.of(mask, (x, y)), 0.9, 0.95, int(mask.sum()))


def click(session: PickSession, x: int, y: int, label: int = 1) -> None:
    """What a click does once the picker has answered: three squares about the place."""
    before = session.picks.at_hand
    prompts = joined(None if before is None else before.prompts, {"points": [[x, y, label]]})
    masks = [kept(x, y, side) for side in (3, 5, 9)]
    session.step(session.picks.with_prompts(prompts, masks, 1))


def told(picks: Picks) -> list[Any]:
    """All that a session says, as plain values."""
    return [picks.active, picks.next_number, [item.to_json() for item in picks]]


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene()


@pytest.fixture
def session(scene: Scene) -> PickSession:
    return PickSessions().begin(scene, OWNER)


def read_again(scene: Scene, session: PickSession) -> PickSession:
    return PickSessions().session(scene, session.session_id)


def test_objects_are_made_corrected_accepted_taken_up_and_deleted(session: PickSession) -> None:
    click(session, 10, 10)
    click(session, 14, 10, 0)
    first = session.picks.at_hand
    assert first is not None
    assert (first.number, first.accepted, first.chosen) == (1, False, 1)
    assert first.prompts.labels.tolist() == [1, 0]
    session.step(session.picks.choose(2))
    session.step(session.picks.accept())
    assert session.picks.at_hand is None
    click(session, 30, 10)
    # What was at hand is accepted when another one is taken up.
    session.move(session.picks.select(1))
    assert [item.number for item in session.picks.accepted] == [1, 2]
    assert session.picks.at_hand is session.picks.objects[1]
    assert session.picks.objects[1].mask.area_px == 80
    # One that was accepted stays when it is set down, a new one goes.
    session.move(session.picks.set_down())
    click(session, 50, 10)
    session.step(session.picks.set_down())
    assert list(session.picks.objects) == [1, 2]
    session.step(session.picks.delete(1))
    session.undo()
    assert list(session.picks.objects) == [1, 2]
    # A number is never given twice.
    click(session, 60, 10)
    assert session.picks.active == 4


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda picks: picks.accept(), ParameterError),
        (lambda picks: picks.choose(0), ParameterError),
        (lambda picks: picks.delete(7), NotFoundError),
        (lambda picks: picks.select(7), NotFoundError),
    ],
)
def test_what_is_not_there_is_a_sentence(
    change: Callable[[Picks], Picks], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"\w+ .*\."):
        change(Picks())


def test_a_list_has_an_end(session: PickSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pick_state, "MOST_OBJECTS", 2)
    for x in (10, 20):
        click(session, x, 10)
        session.step(session.picks.accept())
    with pytest.raises(ParameterError, match="save them as a result"):
        click(session, 30, 10)
    monkeypatch.setattr(pick_state, "MOST_OBJECTS", 9)
    monkeypatch.setattr(module, "MOST_BYTES", 3000)
    with pytest.raises(ParameterError, match="save them as a result"):
        click(session, 30, 10)
    assert len(session.picks.objects) == 2


_STEPS: dict[str, Step] = {
    "click": lambda s: click(s, 5 + s.revision % 20, 7),
    "exclude": lambda s: click(s, 9, 9, 0) if s.picks.at_hand else None,
    "choose": lambda s: s.step(s.picks.choose(0)) if s.picks.at_hand else None,
    "accept": lambda s: s.step(s.picks.accept()) if s.picks.at_hand else None,
    "select": lambda s: s.move(s.picks.select(max(s.picks.objects))) if s.picks.objects else None,
    "set down": lambda s: s.step(s.picks.set_down()) if s.picks.at_hand else None,
    "delete": lambda s: s.step(s.picks.delete(min(s.picks.objects))) if s.picks.objects else None,
    "undo": PickSession.undo,
    "redo": PickSession.redo,
}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(_STEPS)), max_size=40), st.integers(1, 12))
def test_what_is_read_again_is_what_was_done(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, names: list[str], most_steps: int
) -> None:
    # A small number of steps makes the file be written anew in between.
    monkeypatch.setattr(module, "MOST_STEPS", most_steps)
    session = PickSessions().begin(scene, OWNER)
    for name in names:
        _STEPS[name](session)
    again = read_again(scene, session)
    for _ in range(most_steps + 1):
        assert told(again.picks) == told(session.picks)
        assert (again.can_undo, again.can_redo) == (session.can_undo, session.can_redo)
        again.undo()
        session.undo()
    while session.can_redo:
        again.redo()
        session.redo()
    assert told(again.picks) == told(session.picks)


def test_undo_leads_through_all_states_and_redo_back(session: PickSession) -> None:
    states = [told(session.picks)]
    for name in ["click", "exclude", "choose", "accept", "click", "accept", "delete"]:
        _STEPS[name](session)
        states.append(told(session.picks))
    for state in reversed(states):
        assert told(session.picks) == state
        session.undo()
    for state in states:
        assert told(session.picks) == state
        session.redo()
    session.undo()
    click(session, 1, 1)
    assert not session.can_redo


def test_a_line_that_was_cut_off_costs_only_itself(scene: Scene, session: PickSession) -> None:
    click(session, 10, 10)
    before = told(session.picks)
    click(session, 14, 10, 0)
    path = scene.folder / FOLDER / f"{session.session_id}.jsonl"
    path.write_text(path.read_text("utf-8")[:-20], "utf-8")
    again = read_again(scene, session)
    assert told(again.picks) == before
    click(again, 20, 10)
    assert told(read_again(scene, session).picks) == told(again.picks)


def test_a_session_is_found_in_its_scene_only(
    scene: Scene, session: PickSession, make_scene: MakeScene
) -> None:
    other = make_scene("other.tif")
    sessions = PickSessions()
    assert sessions.session(scene, session.session_id).owner == OWNER
    for where, session_id in [
        (other, session.session_id), (scene, new_id()), (scene, "../../scene"), (scene, ""),
    ]:  # fmt: skip
        with pytest.raises(NotFoundError):
            sessions.session(where, session_id)


def test_each_visitor_finds_the_own_list_again(scene: Scene, session: PickSession) -> None:
    click(session, 10, 10)
    sessions = PickSessions()
    mine, theirs = sessions.latest(scene, OWNER), sessions.latest(scene, "visitor-two")
    assert mine is not None
    assert mine.session_id == session.session_id
    assert theirs is None
    newer = sessions.begin(scene, OWNER)
    assert sessions.latest(scene, OWNER) is newer


def test_lists_of_a_scene_are_bounded_and_empty_ones_go_first(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PER_SCENE", 3)
    sessions = PickSessions()
    full = [sessions.begin(scene, OWNER) for _ in range(2)]
    for session in full:
        click(session, 10, 10)
    empty = [sessions.begin(scene, OWNER) for _ in range(4)]
    left = {path.stem for path in (scene.folder / FOLDER).iterdir()}
    assert left == {*(session.session_id for session in full), empty[-1].session_id}
    with pytest.raises(NotFoundError, match="reload"):
        sessions.session(scene, empty[0].session_id)


def test_picks_go_with_their_scene_and_keep_it_from_being_tidied_away(
    store: Store, scene: Scene, session: PickSession
) -> None:
    later = scene.created + 1000
    click(session, 10, 10)
    path = scene.folder / FOLDER / f"{session.session_id}.jsonl"
    os.utime(path, (later, later))
    assert last_picked(scene.folder) == later
    assert store.clean_up(500, now=later + 400) == []
    assert store.clean_up(500, now=later + 600) == [scene.scene_id]
    with pytest.raises(NotFoundError):
        click(session, 10, 10)


def test_prompts_come_back_as_they_went() -> None:
    prompts = ObjectPrompts.of(
        points=[(1.5, 2, 1), (3, 4.25, 0)], box=(0, 1, 5, 6), polygon=[(0, 0), (4, 0), (2, 3)]
    )
    values = json.loads(json.dumps(prompts_to_json(prompts)))
    again = joined(None, values)
    assert prompts_to_json(again) == prompts_to_json(prompts)
    more = joined(again, {"points": [[9, 9, 1]], "box": [2, 2, 8, 8]})
    assert more.points_xy.tolist() == [[1.5, 2], [3, 4.25], [9, 9]]
    assert more.box_xyxy == (2, 2, 8, 8)
    assert more.polygon_xy is not None
