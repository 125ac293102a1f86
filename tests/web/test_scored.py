"""Masks of a shared map follow its score as outlines do."""

from __future__ import annotations

import numpy as np
import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.web.records import Scene
from samgeo_core.web.scored import labels_to_hide, least_score
from samgeo_core.web.stored import largest_objects
from samgeo_core.web.tiles import TileRenderer
from tests.web.conftest import MakeRun, MakeScene
from tests.web.tile_checks import decode, place_on_tiles

# Where the squares of `make_run` lie, and their scores.
SQUARES = {0.90: (15, 25), 0.95: (30, 60), 0.99: (65, 75)}


def test_tiles_show_objects_of_enough_score(make_scene: MakeScene, make_run: MakeRun) -> None:
    scene = make_scene(shape_hw=(120, 160))
    run, renderer, zoom = make_run(scene), TileRenderer(), scene.frame.native_zoom
    for least in (None, 0.9, 0.91, 0.95, 0.96, 1.0):
        for score, place in SQUARES.items():
            column, row, i, j = place_on_tiles(scene.frame, zoom, *place)
            png = renderer.label_tile(run, zoom, column, row, least_score=least)
            assert (decode(png)[j, i, 3] > 0) == (least is None or score >= least), (least, score)


def test_a_result_in_parts_hides_what_its_table_says(
    bright: Scene, make_streamed_run: MakeRun
) -> None:
    run = make_streamed_run(bright)
    rows = largest_objects(run)
    least = round(float(rows["score"].median()), 2)
    hidden = labels_to_hide(run, None, least)
    expected = (rows["score"] < least).to_numpy()
    np.testing.assert_array_equal(hidden[rows["object_id"].to_numpy()], expected)
    assert not hidden[0]


def test_scores_of_addresses() -> None:
    assert [least_score(text) for text in (None, "0.85", "1", "0")] == [None, 0.85, 1.0, 0.0]
    for text in ("", "0.855", "nan", "-1", "2", "1e-3"):
        with pytest.raises(ParameterError, match="a number like"):
            least_score(text)
