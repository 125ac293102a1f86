"""What somebody teaches: classes and marked objects, each step of it undoable."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.results.files import replacing
from samgeo_core.teaching.classify import NOT_THIS
from samgeo_core.teaching.keys import KEY_BYTES

LESSON_FILE = "lesson.json"

MOST_CLASSES = 20
MOST_MARKS = 2_000
MOST_STEPS = 2_000
NAME_LENGTH = 40

COLORS = (
    "#e6550d", "#3182bd", "#31a354", "#c51b8a", "#d9b300", "#17becf", "#7a4fbf", "#8c564b",
    "#e377c2", "#9acd32",
)  # fmt: skip
"""What classes begin with, one after the other."""

_COLOR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class ObjectClass:
    """A class.

    Attributes:
        number: 1 and up; never used again.
        name: one line of text.
        color: "#rrggbb".

    Raises:
        ParameterError: the name is empty or too long, or the colour is none.
    """

    number: int
    name: str
    color: str

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > NAME_LENGTH or not self.name.isprintable():
            raise ParameterError(
                f"A class needs a name of 1 to {NAME_LENGTH} letters, got {self.name[:60]!r}."
            )
        if not _COLOR.fullmatch(self.color):
            raise ParameterError(f"A colour is written #rrggbb, got {self.color[:20]!r}.")


@dataclass(frozen=True)
class Lesson:
    """Classes and marks as they are after some steps; every method gives a new value.

    Attributes:
        classes: in the order in which they were made.
        marks: class number (`NOT_THIS` for none of them) by the name of a mask, see `mask_keys`.
        used: the highest number that a class ever had.
    """

    classes: tuple[ObjectClass, ...] = ()
    marks: Mapping[bytes, int] = field(default_factory=dict)
    used: int = 0

    def class_of(self, number: int) -> ObjectClass:
        """The class of a number.

        Raises:
            ParameterError: there is none.
        """
        for item in self.classes:
            if item.number == number:
                return item
        raise ParameterError("There is no such class any more; choose another one.")

    def with_class(self, name: str, color: str | None = None) -> Lesson:
        """With one more class.

        Raises:
            ParameterError: there are too many, one has this name, or see `ObjectClass`.
        """
        if len(self.classes) >= MOST_CLASSES:
            raise ParameterError(f"{MOST_CLASSES} classes are the most; remove one first.")
        color = color or COLORS[self.used % len(COLORS)]
        made = ObjectClass(self.used + 1, " ".join(name.split()), color.lower())
        self._check_name(made)
        return replace(self, classes=(*self.classes, made), used=made.number)

    def changed_class(self, number: int, name: str, color: str) -> Lesson:
        """With another name or colour of a class.

        Raises:
            ParameterError: as `with_class`, or there is no such class.
        """
        before = self.class_of(number)
        after = ObjectClass(number, " ".join(name.split()), color.lower())
        self._check_name(after)
        classes = tuple(after if item == before else item for item in self.classes)
        return replace(self, classes=classes)

    def without_class(self, number: int) -> Lesson:
        """Without a class and its marks.

        Raises:
            ParameterError: there is no such class.
        """
        gone = self.class_of(number)
        classes = tuple(item for item in self.classes if item != gone)
        marks = {key: n for key, n in self.marks.items() if n != number}
        return replace(self, classes=classes, marks=marks if classes else {})

    def marked(self, keys: Iterable[bytes], number: int | None) -> Lesson:
        """With objects marked as a class, as `NOT_THIS`, or (None) as nothing any more.

        Raises:
            ParameterError: there is no such class, or there are too many marks.
        """
        if number is not None and number != NOT_THIS:
            self.class_of(number)
        marks = dict(self.marks)
        for key in keys:
            if number is None:
                marks.pop(key, None)
            else:
                marks[key] = number
        if len(marks) > MOST_MARKS:
            raise ParameterError(
                f"{MOST_MARKS:,} marks are the most, {len(marks):,} it would be: mark fewer."
            )
        return replace(self, marks=marks)

    def _check_name(self, item: ObjectClass) -> None:
        others = (c.name.casefold() for c in self.classes if c.number != item.number)
        if item.name.casefold() in others:
            raise ParameterError(f"There is a class {item.name!r} already; take another name.")


Step = Mapping[str, Any]
"""What was done, JSON-ready; see `_after`."""


@dataclass(frozen=True)
class LessonHistory:
    """All steps and how many of them stand.

    Attributes:
        steps: in their order.
        done: how many stand; the others were undone.
    """

    steps: tuple[Step, ...] = ()
    done: int = 0

    @property
    def lesson(self) -> Lesson:
        """What the steps come to."""
        lesson = Lesson()
        for step in self.steps[: self.done]:
            lesson = _after(lesson, step)
        return lesson

    @property
    def revision(self) -> str:
        """A short text that is the same whenever the same steps stand, "" where none does."""
        if not self.done:
            return ""
        told = json.dumps(self.steps[: self.done], sort_keys=True).encode()
        return hashlib.blake2b(told, digest_size=9).hexdigest()

    @property
    def can_undo(self) -> bool:
        """Whether a step stands."""
        return self.done > 0

    @property
    def can_redo(self) -> bool:
        """Whether a step was undone, and none was made since."""
        return self.done < len(self.steps)

    def with_step(self, step: Step) -> LessonHistory:
        """One step more.

        Raises:
            ParameterError: it can't be made, or there are too many.
        """
        if self.done >= MOST_STEPS:
            raise ParameterError(f"{MOST_STEPS:,} steps are the most; undo some.")
        _after(self.lesson, step)
        return LessonHistory((*self.steps[: self.done], dict(step)), self.done + 1)

    def undone(self) -> LessonHistory:
        """Without the last step; the same where there is none."""
        return replace(self, done=max(self.done - 1, 0))

    def redone(self) -> LessonHistory:
        """With the step that was undone last; the same where there is none."""
        return replace(self, done=min(self.done + 1, len(self.steps)))

    def save(self, path: Path) -> None:
        """Write the history, whole or not at all.

        Raises:
            ExportError: it can't be written.
        """
        with replacing(path) as partial:
            partial.write_text(json.dumps({"steps": self.steps, "done": self.done}), "utf-8")

    @classmethod
    def load(cls, path: Path) -> LessonHistory:
        """Read what `save` wrote; an empty history where nothing was.

        Raises:
            ExportError: it can't be read.
        """
        try:
            values = json.loads(path.read_text("utf-8"))
            history = cls(tuple(values["steps"]), min(int(values["done"]), len(values["steps"])))
            _ = history.lesson
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ExportError(
                f"The classes of this run can't be read ({path.name}): remove that file to see the "
                "result without them."
            ) from error
        return history


def mark_step(keys: Iterable[bytes], number: int | None) -> Step:
    """The step that marks objects, see `Lesson.marked`."""
    return {"do": "mark", "keys": [key.hex() for key in keys], "number": number}


def _after(lesson: Lesson, step: Step) -> Lesson:
    """What a step makes of a lesson."""
    kind = step["do"]
    if kind == "class":
        return lesson.with_class(str(step["name"]), step.get("color"))
    if kind == "change":
        return lesson.changed_class(int(step["number"]), str(step["name"]), str(step["color"]))
    if kind == "remove":
        return lesson.without_class(int(step["number"]))
    if kind == "mark":
        keys = [bytes.fromhex(text) for text in step["keys"]]
        if any(len(key) != KEY_BYTES for key in keys):
            raise ParameterError("A mark needs the names of masks, got something else.")
        number = step["number"]
        return lesson.marked(keys, None if number is None else int(number))
    raise ParameterError(f"A step of a lesson is class, change, remove or mark, got {kind!r}.")
