"""What somebody has picked in one scene: values only, every change makes a new one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.web.pick_objects import KeptMask, PickedObject

MOST_OBJECTS = 2000
"""How many objects one session may hold."""


@dataclass(frozen=True, eq=False)
class Picks:
    """All objects of a session, and the one at hand.

    Attributes:
        objects: by number, in the order of the numbers.
        active: number of the object that prompts belong to; None begins a new one.
        next_number: of the next new object; numbers are never given twice.
    """

    objects: Mapping[int, PickedObject] = field(default_factory=dict)
    active: int | None = None
    next_number: int = 1

    @property
    def at_hand(self) -> PickedObject | None:
        """The object that prompts belong to."""
        return None if self.active is None else self.objects[self.active]

    @property
    def accepted(self) -> list[PickedObject]:
        """The objects that were accepted."""
        return [item for item in self.objects.values() if item.accepted]

    def item(self, number: int) -> PickedObject:
        """The object of a number.

        Raises:
            NotFoundError: there is none.
        """
        if number not in self.objects:
            raise NotFoundError(f"There is no object {number} any more; choose another one.")
        return self.objects[number]

    def with_prompts(
        self, prompts: ObjectPrompts, candidates: Iterable[KeptMask], chosen: int
    ) -> Picks:
        """The object at hand, or a new one, is what these prompts point at from now on.

        Raises:
            ParameterError: there are as many objects as there may be.
        """
        masks = tuple(candidates)
        if (now := self.at_hand) is not None:
            return self._put(replace(now, prompts=prompts, candidates=masks, chosen=chosen))
        if len(self.objects) >= MOST_OBJECTS:
            raise ParameterError(
                f"{MOST_OBJECTS:,} objects is the most at a time: save them as a result, and pick "
                "the next ones from a new list."
            )
        number = self.next_number
        made = replace(self, active=number, next_number=number + 1)
        return made._put(PickedObject(number, prompts, masks, chosen))

    def choose(self, index: int) -> Picks:
        """The object at hand is another one of its candidates.

        Raises:
            ParameterError: nothing is at hand, or it has no such candidate.
        """
        now = self._needed()
        if not 0 <= index < len(now.candidates):
            raise ParameterError(
                f"The candidate must be 0 to {len(now.candidates) - 1}, got {index}."
            )
        return self._put(replace(now, chosen=index))

    def accept(self) -> Picks:
        """Keep the object at hand; what comes next begins a new one.

        Raises:
            ParameterError: nothing is at hand.
        """
        return replace(self._put(replace(self._needed(), accepted=True)), active=None)

    def select(self, number: int | None) -> Picks:
        """Take another object at hand; a new one at hand before is accepted.

        Raises:
            NotFoundError: there is no object of this number.
        """
        if number is not None:
            self.item(number)
        now = self.at_hand
        before = self if now is None or now.accepted else self.accept()
        return replace(before, active=number)

    def delete(self, number: int) -> Picks:
        """Forget an object.

        Raises:
            NotFoundError: there is no object of this number.
        """
        self.item(number)
        rest = {key: item for key, item in self.objects.items() if key != number}
        active = None if self.active == number else self.active
        return replace(self, objects=rest, active=active)

    def set_down(self) -> Picks:
        """Leave the object at hand: one that was accepted stays, one that wasn't is forgotten."""
        now = self.at_hand
        if now is None:
            return self
        return replace(self, active=None) if now.accepted else self.delete(now.number)

    def difference(self, before: Picks) -> dict[str, Any]:
        """What to change in ``before`` to get this, as JSON-ready values."""
        changed = [
            item.to_json()
            for number, item in self.objects.items()
            if before.objects.get(number) is not item
        ]
        gone = [number for number in before.objects if number not in self.objects]
        return {"put": changed, "drop": gone, "active": self.active, "next": self.next_number}

    def changed(self, difference: Mapping[str, Any]) -> Picks:
        """What `difference` described, applied to this."""
        objects = dict(self.objects)
        for number in difference["drop"]:
            objects.pop(number, None)
        for values in difference["put"]:
            item = PickedObject.from_json(values)
            objects[item.number] = item
        active = difference["active"]
        return Picks(_in_order(objects), active, int(difference["next"]))

    def _put(self, item: PickedObject) -> Picks:
        return replace(self, objects=_in_order({**self.objects, item.number: item}))

    def _needed(self) -> PickedObject:
        if (now := self.at_hand) is None:
            raise ParameterError("No object is at hand; click one on the image first.")
        return now

    def __iter__(self) -> Iterator[PickedObject]:
        return iter(self.objects.values())


def _in_order(objects: Mapping[int, PickedObject]) -> dict[int, PickedObject]:
    return dict(sorted(objects.items()))
