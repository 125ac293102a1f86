import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from geopandas.testing import assert_geodataframe_equal

from samgeo_core.config import OVERLAPS, SegmentConfig, SelectionRule
from samgeo_core.errors import NotFoundError
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
from samgeo_core.results.export import read_vector
from samgeo_core.results.labels import label_raster
from samgeo_core.results.vectorize import vectorize
from samgeo_core.web import selected as module
from samgeo_core.web.records import Run
from samgeo_core.web.selected import MaskMemo, run_source, selected
from samgeo_core.web.store import Store
from tests.core.test_objects import same
from tests.core.test_selection import GOOD, HOUSE, ROOM, TWIN, WEAK, YARD, squares
from tests.web.conftest import OWNER, MakeRun, MakeScene

OFFERED = squares((HOUSE, *GOOD), (TWIN, *WEAK), (ROOM, 0.8, 0.9), (YARD, 0.76, 0.88))
RULES = [
    SelectionRule(overlap=overlap, min_area_m2=low, good_score=good)
    for overlap in OVERLAPS
    for low, good in ((None, 0.75), (5.0, 0.75), (None, 0.55))
]


def finish(store: Store, make_scene: MakeScene, rule: SelectionRule) -> Run:
    """A run that chose by a rule."""
    config = SegmentConfig(preset="full", selection=rule)
    scene = make_scene(f"{len(store.runs())}.tif", shape_hw=(40, 40))
    run = store.new_run(scene, config.to_dict(), OWNER)
    tile, grid = scene.raster.read(), scene.raster.grid
    objects = CandidatePool(OFFERED, tile.valid, grid).objects(rule)
    record = {"seconds": {}, "n_objects": len(objects), "selection": asdict(rule)}
    write_run(Segmentation(objects, grid, tile, config, record, OFFERED), run.folder)
    return store.set_run_state(run.run_id, "done")


@pytest.mark.parametrize("rule", RULES)
def test_choosing_again_equals_a_fresh_run_with_that_rule(
    store: Store, make_scene: MakeScene, rule: SelectionRule
) -> None:
    first = finish(store, make_scene, SelectionRule())
    fresh = finish(store, make_scene, rule)
    again = selected(first, rule)
    assert run_source(fresh).rule == rule
    assert same(again.objects, selected(fresh).objects)
    assert_geodataframe_equal(again.frame, selected(fresh).frame)
    shown = np.count_nonzero(label_raster(again.objects)) / 1600
    assert again.coverage == selected(fresh).coverage == shown
    assert (shown == 1) == (rule.overlap == "partition")
    assert_geodataframe_equal(again.frame, vectorize(again.objects, again.source.place.grid))
    written = read_vector(fresh.objects_path)
    assert (written["area_px"] == again.frame["area_px"]).all()
    assert (written["parent_id"] == again.frame["parent_id"]).all()


def test_a_result_is_made_once_and_the_runs_own_is_that_of_its_files(
    store: Store, make_scene: MakeScene
) -> None:
    run = finish(store, make_scene, SelectionRule())
    assert selected(run) is selected(run, SelectionRule())
    assert selected(run).is_own
    assert same(selected(run).objects, ObjectSet.load(run.folder / "objects.npz"))
    loose = SelectionRule(good_score=0.5, good_stability=0.5, duplicate_iou=1)
    assert not selected(run, loose).is_own
    assert len(selected(run, loose).objects) == 4 > len(selected(run).objects)


def test_a_run_from_before_candidates_were_kept_can_be_narrowed(
    make_scene: MakeScene, make_run: MakeRun
) -> None:
    run = make_run(make_scene(shape_hw=(120, 160)))
    (run.folder / CANDIDATES_FILE).unlink()
    rule = replace(SelectionRule.keep_all(), least_score=0.92, overlap="partition")
    assert selected(run, rule).objects.areas_px.sum() == 100 + 400 + 900
    assert len(selected(run, rule).objects) == 2
    assert selected(run, rule).coverage is None


def test_files_that_are_gone_are_told(store: Store, make_scene: MakeScene) -> None:
    run = finish(store, make_scene, SelectionRule())
    (run.folder / "objects.npz").unlink()
    with pytest.raises(NotFoundError, match="gone"):
        selected(run)
    assert json.loads((run.folder / "run.json").read_text())["n_objects"] > 0


def test_a_memo_asks_for_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = OFFERED.objects(np.arange(4))
    asked: list[int] = []

    def areas_of(some: ObjectSet) -> list[int]:
        def make(index: np.ndarray) -> list[int]:
            asked.append(len(index))
            return some.areas_px[index].tolist()

        return memo.get(some, make)

    memo: MaskMemo[int] = MaskMemo()
    assert areas_of(objects.select(np.array([1, 3]))) == objects.areas_px[[1, 3]].tolist()
    assert areas_of(objects) == objects.areas_px.tolist()
    assert areas_of(objects) == objects.areas_px.tolist()
    assert asked == [2, 2]
    # The same shape in another place is another mask.
    moved = replace(objects, offsets_xy=objects.offsets_xy + 1)
    areas_of(moved)
    assert asked == [2, 2, 4]
    # Beyond its bound it keeps what was asked for last.
    monkeypatch.setattr(module, "MOST_OUTLINES", 5)
    other: MaskMemo[int] = MaskMemo()
    other.get(objects, lambda index: index.tolist())
    other.get(moved, lambda index: index.tolist())
    other.get(moved, lambda index: pytest.fail("known"))
    assert other.get(objects, lambda index: [9] * len(index)) == [9, 9, 9, 9]
