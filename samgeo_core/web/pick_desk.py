"""Interactive segmentation in the app: sessions, what answers them, and what they ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samgeo_core.errors import NotReadyError, ParameterError
from samgeo_core.settings import Settings
from samgeo_core.web.pick_answers import told_candidates, told_preview, told_session
from samgeo_core.web.pick_objects import joined, masks_of
from samgeo_core.web.pick_requests import number_in, prompts_in, view_in
from samgeo_core.web.pick_sessions import PickSession, PickSessions
from samgeo_core.web.pick_work import Ahead, AheadWorker, Pickers
from samgeo_core.web.records import Scene
from samgeo_core.windows import Window
from samgeo_core.words import N_

if TYPE_CHECKING:
    from samgeo_core.picking.picker import Picker

EMBEDDINGS = "embeddings"
"""Folder of the store in which embeddings are kept beyond the process."""

NOTHING_THERE = N_("Nothing stands out here; click another place, or draw a box around the object.")

Values = Mapping[str, Any]


@dataclass
class Answer:
    """What a map is told.

    Attributes:
        body: JSON.
        seconds: what took how long, for the header ``Server-Timing``.
    """

    body: str
    seconds: dict[str, float] = field(default_factory=dict)


class PickDesk:
    """The one place that page and routes ask.

    Args:
        settings: names model and device.
        root: folder of the store.
    """

    def __init__(self, settings: Settings, root: Path) -> None:
        self.sessions = PickSessions()
        self._pickers = Pickers(settings, root / EMBEDDINGS)
        self._ahead = AheadWorker(self._pickers.picker)
        self._actions: dict[str, Callable[[PickSession, Values], None]] = {
            "choose": lambda s, v: s.step(s.picks.choose(number_in(v, "index"))),
            "accept": lambda s, v: s.step(s.picks.accept()),
            "delete": lambda s, v: s.step(s.picks.delete(number_in(v, "number"))),
            "select": _select,
            "set_down": _set_down,
            "undo": lambda s, v: s.undo(),
            "redo": lambda s, v: s.redo(),
        }

    @property
    def actions(self) -> list[str]:
        """Names of what `act` does."""
        return ["prompt", *self._actions]

    def told(self, scene: Scene, session: PickSession) -> Answer:
        """All about a session, for a map that was just drawn."""
        with session.lock:
            return Answer(told_session(scene, session, all_outlines=True))

    def candidates(self, scene: Scene, session: PickSession) -> Answer:
        """The outlines of all that the object at hand may be."""
        return Answer(told_candidates(scene, session.picks.at_hand))

    def act(self, scene: Scene, session: PickSession, action: str, values: Values) -> Answer:
        """Do what a map asks and tell where the session stands then.

        Args:
            scene: the scene of the session.
            session: what is changed.
            action: one of `actions`.
            values: what came with it; see `pick_requests`.

        Raises:
            ParameterError: the values are not what they should be, or nothing is found there.
            NotFoundError: an object, or the scene, is gone.
            RasterError, WeightsError: as `Pickers.picker`.
        """
        seconds: dict[str, float] = {}
        with session.lock:
            begin = time.perf_counter()
            if action == "prompt":
                self._prompt(scene, session, values)
            else:
                self._actions[action](session, values)
            seconds["pick"] = time.perf_counter() - begin
            body = told_session(scene, session)
            seconds["outline"] = time.perf_counter() - begin - seconds["pick"]
        return Answer(body, seconds)

    def preview(self, scene: Scene, values: Values) -> Answer:
        """About what a click would give, from one window that is encoded; changes nothing.

        Raises:
            ParameterError: as `act`.
        """
        frame, shape_hw = scene.frame, scene.raster.shape_hw
        prompts = joined(None, prompts_in(values, frame, shape_hw))
        view = view_in(values, frame, shape_hw)
        try:
            pick = self._pickers.picker(scene).pick(
                prompts, view=view, ready_only=True, effort="quick"
            )
        except NotReadyError:
            return Answer('{"ready":false}')
        masks, chosen = masks_of(pick.candidates, pick.chosen)
        return Answer(told_preview(scene, masks[chosen]) if masks else '{"ready":false}')

    def look(self, scene: Scene, session: PickSession, values: Values) -> Ahead | None:
        """Begin to encode what a view needs; None where it shows nothing of the raster."""
        view = view_in(values, scene.frame, scene.raster.shape_hw)
        return None if view is None else self._ahead.want(session.session_id, scene, view)

    @contextmanager
    def answering(self, scene: Scene) -> Iterator[Picker]:
        """The picker of a scene for others than sessions; meanwhile no view is prepared further.

        Raises:
            RasterError, WeightsError, ParameterError: as `Pickers.picker`.
        """
        with self._ahead.clicking():
            yield self._pickers.picker(scene)

    def prepare(self, visitor: str, scene: Scene, view: Window) -> None:
        """Begin to encode what a view needs, for others than sessions."""
        self._ahead.want(visitor, scene, view)

    def close(self) -> None:
        """End what works in the background."""
        self._ahead.close()

    def _prompt(self, scene: Scene, session: PickSession, values: Values) -> None:
        frame, shape_hw = scene.frame, scene.raster.shape_hw
        picks = session.picks
        before = None if picks.at_hand is None else picks.at_hand.prompts
        prompts = joined(before, prompts_in(values, frame, shape_hw))
        view = view_in(values, frame, shape_hw)
        with self._ahead.clicking():
            pick = self._pickers.picker(scene).pick(prompts, view=view)
        masks, chosen = masks_of(pick.candidates, pick.chosen)
        if not masks:
            raise ParameterError(NOTHING_THERE)
        session.step(picks.with_prompts(prompts, masks, chosen))


def _select(session: PickSession, values: Values) -> None:
    """Take an object at hand; what had to be accepted for it is a step of its own."""
    picks = session.picks
    if (now := picks.at_hand) is not None and not now.accepted:
        picks.item(number_in(values, "number"))
        session.step(picks.accept())
    session.move(session.picks.select(number_in(values, "number")))


def _set_down(session: PickSession, values: Values) -> None:
    """Leave the object at hand; to forget a new one is a step."""
    now = session.picks.at_hand
    if now is not None:
        (session.move if now.accepted else session.step)(session.picks.set_down())
