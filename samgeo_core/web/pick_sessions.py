"""Picking sessions: what was picked with every step of it, kept beside the scene as it happens.

    <scene's folder>/picks/<session_id>.jsonl

A line is written for each step before it is answered, so that neither a reload nor a restart loses
one. A line that was cut off while it was written is left out when the file is read.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.results.files import replacing
from samgeo_core.web.ids import checked_id, new_id
from samgeo_core.web.pick_state import Picks
from samgeo_core.web.records import Scene
from samgeo_core.words import N_

logger = logging.getLogger(__name__)

FOLDER = "picks"
MOST_STEPS = 200
"""How many steps can be undone."""

MOST_BYTES = 64 << 20
"""What the objects of one session may take in memory."""

MOST_PER_SCENE = 50
"""How many sessions are kept of a scene; those without an object go first, then the oldest."""

KEPT_LIVE = 32
"""How many sessions stay in memory though nobody uses them."""

_GONE = N_("These picks are not there any more; reload the page to begin anew.")


class PickSession:
    """What one visitor picks in one scene. Hold `lock` from reading `picks` to changing them.

    Args:
        session_id: unguessable id.
        scene_id: the scene it belongs to.
        owner: token of the visitor who began it.
        path: its file.
    """

    def __init__(self, session_id: str, scene_id: str, owner: str, path: Path) -> None:
        self.session_id, self.scene_id, self.owner = session_id, scene_id, owner
        self.lock = threading.RLock()
        self.revision = 0
        self._path = path
        self._picks = Picks()
        self._before: list[Picks] = []
        self._after: list[Picks] = []
        self._lines = 0

    @property
    def picks(self) -> Picks:
        """What is picked at the moment."""
        return self._picks

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._before)

    @property
    def can_redo(self) -> bool:
        """Whether a step was taken back and none was made since."""
        return bool(self._after)

    def step(self, picks: Picks) -> None:
        """Make a step that can be undone.

        Raises:
            ParameterError: the session is full.
            NotFoundError: its scene was deleted.
        """
        if sum(item.cost for item in picks) > MOST_BYTES:
            raise ParameterError(
                "These objects fill the memory for one list: save them as a result, and pick the "
                "next ones from a new list."
            )
        self._write({"step": picks.difference(self._picks)})
        self._step(picks)

    def move(self, picks: Picks) -> None:
        """Look at another object, which is no step to take back.

        Raises:
            NotFoundError: its scene was deleted.
        """
        self._write({"move": picks.difference(self._picks)})
        self._move(picks)

    def undo(self) -> None:
        """Take the last step back; without one, nothing happens."""
        if self._before:
            self._write({"undo": True})
            self._undo()

    def redo(self) -> None:
        """Make again what was taken back; without such a step, nothing happens."""
        if self._after:
            self._write({"redo": True})
            self._redo()

    def _step(self, picks: Picks) -> None:
        self._before = [*self._before[1 - MOST_STEPS :], self._picks]
        self._after = []
        self._move(picks)

    def _move(self, picks: Picks) -> None:
        self._picks = picks
        self.revision += 1

    def _undo(self) -> None:
        self._after.append(self._picks)
        self._move(self._before.pop())

    def _redo(self) -> None:
        self._before.append(self._picks)
        self._move(self._after.pop())

    def _write(self, line: dict[str, Any]) -> None:
        try:
            if self._lines > 4 * MOST_STEPS:
                self._write_anew()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except FileNotFoundError as error:
            raise NotFoundError(_GONE) from error
        self._lines += 1

    def _write_anew(self) -> None:
        """Write what is needed only: the steps that can be undone, from where they begin."""
        with replacing(self._path) as partial:
            partial.write_text("".join(f"{json.dumps(line)}\n" for line in self._told()), "utf-8")
        self._lines = len(self._before) + 2 * len(self._after)

    def _told(self) -> Iterator[dict[str, Any]]:
        yield {"session": self.session_id, "scene": self.scene_id, "owner": self.owner}
        states = [*self._before, self._picks, *reversed(self._after)]
        before = Picks()
        for i, state in enumerate(states):
            yield {"step" if i else "move": state.difference(before)}
            before = state
        yield from ({"undo": True} for _ in self._after)

    def begin(self) -> None:
        """Make the file of a new session."""
        self._path.parent.mkdir(exist_ok=True)
        self._write_anew()

    @classmethod
    def read(cls, path: Path) -> PickSession:
        """The session of a file.

        Raises:
            NotFoundError: there is none, or it can't be read.
        """
        try:
            lines = path.read_text("utf-8").splitlines()
            head = json.loads(lines[0])
            session = cls(head["session"], head["scene"], head["owner"], path)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise NotFoundError(_GONE) from error
        for text in lines[1:]:
            try:
                session._repeat(json.loads(text))
            except (ValueError, LookupError, TypeError) as error:
                logger.warning("A line of %s can't be read: %s", path.name, error)
                break
        # What was cut off would else spoil the next line.
        session._write_anew()
        return session

    def _repeat(self, line: dict[str, Any]) -> None:
        if "undo" in line:
            self._undo()
        elif "redo" in line:
            self._redo()
        elif "step" in line:
            self._step(self._picks.changed(line["step"]))
        else:
            self._move(self._picks.changed(line["move"]))


class PickSessions:
    """The sessions of all scenes; those in use are in memory, the others on the disk."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live: WeakValueDictionary[Path, PickSession] = WeakValueDictionary()
        self._recent: OrderedDict[Path, PickSession] = OrderedDict()

    def begin(self, scene: Scene, owner: str) -> PickSession:
        """A new session of a scene."""
        session_id = new_id()
        path = _path(scene, session_id)
        session = PickSession(session_id, scene.scene_id, owner, path)
        with self._lock:
            session.begin()
            self._remember(path, session)
            self._forget_old(path.parent)
        return session

    def session(self, scene: Scene, session_id: str) -> PickSession:
        """The session of an id in a scene.

        Raises:
            NotFoundError: there is none.
        """
        path = _path(scene, checked_id(session_id))
        with self._lock:
            session = self._live.get(path)
            if session is None or not path.is_file():
                session = PickSession.read(path)
            self._remember(path, session)
        return session

    def latest(self, scene: Scene, owner: str) -> PickSession | None:
        """The session in which a visitor picked something in a scene last; None without one."""
        files = [(path.stat().st_mtime_ns, path) for path in scene.folder.glob(f"{FOLDER}/*.jsonl")]
        for _, path in sorted(files, reverse=True):
            with path.open(encoding="utf-8") as file:
                is_mine = f'"owner": {json.dumps(owner)}' in file.readline()
            if is_mine:
                return self.session(scene, path.stem)
        return None

    def _remember(self, path: Path, session: PickSession) -> None:
        self._live[path] = self._recent[path] = session
        self._recent.move_to_end(path)
        while len(self._recent) > KEPT_LIVE:
            self._recent.popitem(last=False)

    def _forget_old(self, folder: Path) -> None:
        """Keep as many sessions of a scene as there may be."""
        told = []
        for path in folder.glob("*.jsonl"):
            with path.open(encoding="utf-8") as file:
                is_empty = len([line for line, _ in zip(file, range(3), strict=False)]) < 3
            told.append((not is_empty, path.stat().st_mtime_ns, path))
        # NOTE: the newest is the one that was just made, and stays though it is empty.
        newest = max(told, key=lambda item: item[1])
        for item in sorted(set(told) - {newest})[: max(len(told) - MOST_PER_SCENE, 0)]:
            item[2].unlink(missing_ok=True)
            self._live.pop(item[2], None)
            self._recent.pop(item[2], None)


def last_picked(scene_folder: Path) -> float:
    """When something was picked in a scene last, seconds since 1970; 0 for never."""
    return max(
        (path.stat().st_mtime for path in (scene_folder / FOLDER).glob("*.jsonl")), default=0
    )


def _path(scene: Scene, session_id: str) -> Path:
    return scene.folder / FOLDER / f"{session_id}.jsonl"
