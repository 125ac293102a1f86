from __future__ import annotations

import numpy as np
import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.teaching.classify import NOT_THIS, classify
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.similar import similarities
from samgeo_core.teaching.space import FeatureSpace
from tests.core.teaching.scenes import FIELD, ROOF, TANK, KnownScene


@pytest.mark.weights
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_few_marks_tell_roofs_tanks_and_fields_apart(
    town: KnownScene, town_features: ObjectFeatures, seed: int
) -> None:
    points = FeatureSpace.fit(town_features).points(town_features)
    random = np.random.default_rng(seed)
    marked = [int(random.choice(np.flatnonzero(town.kinds == k))) for k in (ROOF, TANK, FIELD)]
    while len(marked) < 9:
        index = np.array(marked)
        marked.append(int(classify(points, index, town.kinds[index]).most_doubtful()[0]))
    index = np.array(marked)
    found = classify(points, index, town.kinds[index])
    rest = np.setdiff1d(np.arange(len(points)), index)
    assert len(rest) > 30
    assert (found.numbers[rest] == town.kinds[rest]).mean() >= 0.95
    assert (found.confidence[index] == 1).all() and (found.doubt[index] == -1).all()


@pytest.mark.weights
def test_objects_of_a_kind_are_the_most_similar(
    town: KnownScene, town_features: ObjectFeatures
) -> None:
    points = FeatureSpace.fit(town_features).points(town_features)
    for kind in (TANK, FIELD):
        members = np.flatnonzero(town.kinds == kind)
        found = similarities(points, points[members[:2]])
        others = np.setdiff1d(np.arange(len(points)), members[:2])
        best = others[np.argsort(-found[others])][: len(members) - 2]
        assert (town.kinds[best] == kind).mean() >= 0.8


def _clouds() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    centres = np.array([[4.0, 0, 0], [0, 4.0, 0], [0, 0, 4.0]])
    kinds = np.repeat([NOT_THIS, 3, 7], 20)
    return (centres[[0, 1, 2]].repeat(20, 0) + random.normal(0, 0.4, (60, 3))).astype(
        np.float32
    ), kinds


def test_classes_keep_their_numbers_whatever_the_order_of_marks() -> None:
    points, kinds = _clouds()
    marked = np.array([0, 1, 20, 40])
    found = classify(points, marked, kinds[marked])
    np.testing.assert_array_equal(found.numbers, kinds)
    assert ((found.confidence > 0.5) & (found.confidence <= 1)).all()
    turned = classify(points, marked[::-1], kinds[marked[::-1]])
    np.testing.assert_allclose(turned.confidence, found.confidence, atol=1e-4)


def test_examples_that_are_no_objects_any_more_teach_as_well() -> None:
    points, kinds = _clouds()
    found = classify(points[5:], np.array([0]), np.array([0, 3, 7]), examples=points[[20, 40]])
    np.testing.assert_array_equal(found.numbers, kinds[5:])


def test_what_lies_between_is_the_most_doubtful() -> None:
    points, kinds = _clouds()
    points[33] = (points[:20].mean(0) + points[20:40].mean(0)) / 2
    marked = np.array([0, 20])
    found = classify(points[:40], marked, kinds[marked])
    assert found.most_doubtful(3)[0] == 33
    assert not set(found.most_doubtful(99).tolist()) & {0, 20}


def test_marks_of_one_kind_are_not_enough() -> None:
    points, _ = _clouds()
    with pytest.raises(ParameterError, match="two kinds"):
        classify(points, np.array([1, 2]), np.array([3, 3]))
    with pytest.raises(ParameterError, match="as many classes"):
        classify(points, np.array([1, 2]), np.array([3]))


class TestSimilarities:
    def test_an_example_is_like_itself_and_another_cloud_is_not(self) -> None:
        points, _ = _clouds()
        centred = points - points.mean(0)
        found = similarities(centred, centred[[3]])
        assert found[3] == pytest.approx(1)
        assert found[:20].min() > 0.9 and found[20:].max() == 0
        assert ((found >= 0) & (found <= 1)).all()

    def test_counter_examples_push_away_what_is_like_them(self) -> None:
        points, _ = _clouds()
        centred = points - points.mean(0)
        mixed = centred[[3, 25]]
        before = similarities(centred, mixed)
        after = similarities(centred, mixed, centred[[30]])
        assert after[20:40].mean() < before[20:40].mean()
        assert after[:20].mean() > before[:20].mean()

    def test_without_an_example_there_is_nothing_to_be_like(self) -> None:
        with pytest.raises(ParameterError, match="pick one"):
            similarities(np.zeros((3, 2), np.float32), np.zeros((0, 2), np.float32))
