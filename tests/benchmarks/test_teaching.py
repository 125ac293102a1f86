from __future__ import annotations

import numpy as np
import pytest

from benchmarks.teaching import MARKS, answers, f1, rank, teach
from samgeo_core.objects import ObjectSet


def _square(left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros((60, 60), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_objects_are_of_the_class_of_the_rest_or_left_out() -> None:
    labels = [_square(0, 0, 20), _square(30, 0, 20)]
    like, part, beside = _square(1, 1, 20), _square(2, 2, 8), _square(40, 40, 10)
    both = np.zeros((60, 60), bool)
    both[:20, :50] = True
    masks = [like, part, beside, both]
    objects = ObjectSet.build((60, 60), masks, [(0, 0)] * 4, [0.9] * 4, [0.9] * 4)
    is_of_class, is_rest = answers(objects, labels)
    # By size: the part, the one beside, the one like a label, both labels in one.
    assert is_of_class.tolist() == [False, False, True, False]
    assert is_rest.tolist() == [False, True, False, False]


def test_f1_is_that_of_the_class() -> None:
    found, true = np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)
    assert f1(found, true) == pytest.approx(0.5)
    assert f1(true, true) == 1
    assert f1(found & False, true & False) == 1


@pytest.mark.parametrize("random_marks", [False, True])
def test_a_person_s_marks_are_the_same_each_time(random_marks: bool) -> None:
    random = np.random.default_rng(0)
    answer = np.arange(60) < 25
    points = random.normal(0, 0.3, (60, 4)).astype(np.float32)
    points[answer] += 1
    figures = teach(points, answer, 3, random_marks=random_marks)
    assert figures == teach(points, answer, 3, random_marks=random_marks)
    assert len(figures) == len(MARKS) + 2
    assert all(value > 0.9 for value in figures[: len(MARKS)])
    assert rank(points - points.mean(0), answer, 3, 2) > 0.95
