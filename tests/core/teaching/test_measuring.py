from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samgeo_core.candidates import CandidateSet
from samgeo_core.errors import CancelledError
from samgeo_core.objects import ObjectSet
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.keys import mask_keys
from samgeo_core.teaching.measuring import CONTEXT, NATIVE_SIDE_PX, measure, window_of
from samgeo_core.windows import Window
from tests.core.teaching.scenes import KnownScene


@pytest.mark.weights
def test_features_are_the_same_in_any_order_and_company(
    town: KnownScene, town_features: ObjectFeatures, default_model: Any
) -> None:
    some = [7, 2, 30, 11]
    masks = list(CandidateSet.of_objects(town.objects))
    again = measure(
        town.raster,
        default_model,
        CandidateSet.collect(town.objects.shape_hw, [masks[i] for i in some]),
    )
    expected = town_features.take(np.array(some))
    assert again.keys == expected.keys
    np.testing.assert_array_equal(again.encoded, expected.encoded)
    np.testing.assert_array_equal(again.outlines, expected.outlines)
    np.testing.assert_array_equal(again.colours, expected.colours)


@pytest.mark.weights
def test_an_area_s_masks_are_looked_at_where_they_lie(
    town: KnownScene, town_features: ObjectFeatures, default_model: Any
) -> None:
    shift = 40
    inside = np.flatnonzero((town.objects.offsets_xy >= shift).all(1))[:3]
    part = town.objects.select(inside)
    moved = ObjectSet.build(
        (700, 700), part.masks, part.offsets_xy - shift, part.scores, part.stabilities
    )
    seen = measure(
        town.raster,
        default_model,
        CandidateSet.of_objects(moved),
        origin_xy=(shift, shift),
    )
    np.testing.assert_array_equal(seen.encoded, town_features.encoded[inside])
    np.testing.assert_array_equal(seen.colours, town_features.colours[inside])


@pytest.mark.weights
def test_the_look_reports_each_window_and_can_be_stopped(
    town: KnownScene, default_model: Any
) -> None:
    heard: list[Progress] = []
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        measure(
            town.raster,
            default_model,
            CandidateSet.of_objects(town.objects),
            monitor=Monitor(heard.append, token),
        )
    assert heard == [Progress("features", 0, 1)]


def test_nothing_to_look_at_is_no_features(town: KnownScene) -> None:
    empty = CandidateSet.of_objects(ObjectSet.empty((768, 768)))
    assert len(measure(town.raster, None, empty)) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ((10, 10, 30, 30), Window(0, 0, 1024, 1024)),
        ((1010, 700, 1030, 720), Window(512, 0, 1024, 1024)),
        ((2990, 2990, 3000, 3000), Window(1976, 1976, 1024, 1024)),
        ((900, 900, 1300, 1100), Window(0, 0, 2048, 2048)),
        ((0, 0, 3000, 200), Window(0, 0, 3000, 3000)),
    ],
)
def test_a_window_shows_an_object_whole_and_central(
    box: tuple[int, int, int, int], window: Window
) -> None:
    found = window_of((3000, 3000), box)
    assert found == window
    left, top, right, bottom = found.box_xyxy
    assert left <= box[0] and top <= box[1] and right >= box[2] and bottom >= box[3]
    assert max(found.shape_hw) >= min(max(NATIVE_SIDE_PX, CONTEXT * (box[2] - box[0])), 3000)


def test_equal_masks_have_equal_names_and_others_don_t(town: KnownScene) -> None:
    keys = mask_keys(town.objects)
    assert keys == mask_keys(CandidateSet.of_objects(town.objects))
    assert len(set(keys)) == len(keys)
    moved = ObjectSet.build(
        (900, 900), town.objects.masks, town.objects.offsets_xy + 1, town.objects.scores,
        town.objects.stabilities,
    )  # fmt: skip
    assert not set(keys) & set(mask_keys(moved))
