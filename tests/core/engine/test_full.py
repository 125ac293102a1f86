"""The full preset finds what is there, once, at every size, and covers the image."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from samgeo_core.candidates import MaskCandidate
from samgeo_core.engine import full
from samgeo_core.engine.full import _cleaned, _Survey, generate_full
from samgeo_core.engine.ladder import FixedWindows, FullConfig, Place, plan_looks, plan_region_looks
from samgeo_core.errors import CancelledError
from samgeo_core.progress import SILENT, CancelToken, Monitor, Progress
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.reading.raster import Raster
from samgeo_core.selection import SelectionRule, select
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW, Window


@pytest.mark.parametrize(
    "shape_hw", [(100, 80), (512, 512), (1024, 1024), (430, 1764), (2048, 2048), (3000, 5000)]
)
def test_windows_of_each_scale_answer_for_every_pixel_once(shape_hw: ShapeHW) -> None:
    looks = list(plan_looks(shape_hw, FullConfig()))
    sides = {max(look.window.shape_hw) for look in looks}
    assert len(sides) >= 1
    by_step: dict[tuple[int, ...], Any] = {}
    for look in looks:
        counts = by_step.setdefault(look.steps_px, np.zeros(shape_hw, np.uint8))
        counts[look.core.slices] += 1
        assert look.core.intersection(look.window) == look.core
    for counts in by_step.values():
        assert (counts == 1).all()
    order = [look.steps_px[0] for look in looks]
    assert order == sorted(order, reverse=True)


@pytest.mark.parametrize(("side_px", "is_left"), [(10, True), (40, False)])
def test_only_a_window_full_of_small_things_is_left_to_finer_ones(
    side_px: int, is_left: bool
) -> None:
    tile = TileImage.from_rgb(np.zeros((1000, 1000, 3), np.uint8))
    coarse, *fine = plan_looks(tile.shape_hw, FullConfig.of("fast"))
    found = [
        MaskCandidate.of(np.ones((side, side), np.bool_), (50 * i, 0), 1.0, 1.0, (50 * i, 0))
        for i, side in enumerate([side_px] * 3 + [200] * 7)
    ]
    survey = _Survey(tile, FullConfig.of("fast"))
    assert not survey.is_left_out(coarse)
    assert survey.leave_to_finer(coarse, found) == is_left
    assert [survey.is_left_out(look) for look in fine] == [not is_left] * 4
    assert not survey.leave_to_finer(fine[0], found)
    thorough = _Survey(tile, FullConfig())
    assert thorough.leave_to_finer(coarse, found) == is_left
    assert not any(thorough.is_left_out(look) for look in plan_looks(tile.shape_hw, FullConfig()))


@pytest.mark.parametrize(
    ("height_px", "stability", "stays"),
    [(40, 0.7, True), (60, 0.7, False), (60, 0.9, True), (95, 0.9, False)],
)
def test_a_mask_of_most_of_its_window_must_know_where_it_ends(
    height_px: int, stability: float, stays: bool
) -> None:
    survey = _Survey(TileImage.from_rgb(np.zeros((100, 100, 3), np.uint8)), FullConfig())
    mask = np.zeros((100, 100), np.bool_)
    mask[:height_px] = True
    assert (survey.cleaned(seen_as(mask, stability)) is not None) == stays
    in_regions = _Survey(survey.tile, FullConfig().in_regions(256))
    assert (in_regions.cleaned(seen_as(mask, stability)) is not None) == (height_px < 90)


def test_gaps_of_a_fixed_window_are_asked_as_if_nothing_lay_around_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(
        Window(0, 0, 640, 640), Window(0, 0, 384, 384), Window(0, 0, 2048, 2048), margin_px=256
    )
    config = FullConfig().in_regions(place.margin_px)
    fixed = FixedWindows.of(place.extent, place.margin_px, config)
    look = next(look for look in plan_region_looks(place, config) if look.is_fixed)
    around = MaskCandidate.of(np.ones((512, 400), np.bool_), (0, 0), 0.95, 0.7, (9.0, 9.0))
    roof = MaskCandidate.of(np.ones((50, 40), np.bool_), (9, 9), 0.95, 0.95, (20.0, 20.0))
    known: list[MaskCandidate] = []
    monkeypatch.setattr(full, "_look", lambda *_: [around, roof])
    monkeypatch.setattr(full, "_fill_gaps", lambda *args: known.extend(args[3]) or [])
    tile = TileImage.from_rgb(np.zeros((640, 640, 3), np.uint8))
    model: Any = None
    assert fixed
    found = full._look_with_edges(model, tile, look, place, fixed, config, SILENT)
    assert len(found) == 2
    assert known == [roof]


@pytest.mark.parametrize(
    ("point_xy", "area_px"), [((10.5, 50.5), 2000), ((90.5, 50.5), 1000), ((60.5, 50.5), 2000)]
)
def test_a_gap_is_one_piece(point_xy: tuple[float, float], area_px: int) -> None:
    mask = np.zeros((100, 100), np.bool_)
    mask[:, :20] = mask[:, 90:] = True
    seen, everywhere = seen_as(mask, 0.9, point_xy), np.ones_like(mask)
    both = _cleaned(seen, everywhere, FullConfig(), False)
    assert both is not None and both.area_px == 3000
    one = _cleaned(seen, everywhere, FullConfig(), False, at_prompt=True)
    assert one is not None and one.area_px == area_px


def seen_as(mask: Any, stability: float, point_xy: tuple[float, float] = (1.0, 1.0)) -> Any:
    """A candidate of a window that shows a mask [100, 100]."""
    return SimpleNamespace(
        logits=lambda: (np.where(mask, np.float32(1), np.float32(-1)), (0, 0)),
        window=Window(0, 0, 100, 100),
        score=0.9,
        stability=stability,
        point_xy=point_xy,
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return generated_scene(tmp_path_factory.mktemp("full") / "scene.tif", size=512, seed=3)


@pytest.mark.weights
def test_known_objects_are_found_once_and_the_image_is_covered(
    scene: Any, default_model: Any
) -> None:
    from rasterio.features import rasterize

    tile = Raster.open(scene.path).read()
    candidates = generate_full(default_model, tile, FullConfig(steps_px=(32,)))
    objects = select(candidates, SelectionRule())
    masks = [objects.full_mask(i) for i in range(len(objects))]
    best = []
    for outline in scene.truth_px:
        truth = rasterize([outline], out_shape=tile.shape_hw).astype(bool)
        best.append(max((m & truth).sum() / (m | truth).sum() for m in masks))
    assert np.mean([iou >= 0.5 for iou in best]) >= 0.95
    assert np.mean([iou >= 0.75 for iou in best]) >= 0.9
    assert np.any(masks, axis=0).mean() >= 0.95
    assert objects.areas_px.min() >= 16
    for i, mask in enumerate(masks):
        for other in masks[:i]:
            assert (mask & other).sum() / (mask | other).sum() <= 0.81, "the same object twice"


@pytest.mark.weights
def test_nothing_on_pixels_without_data_and_cancel_stops(scene: Any, default_model: Any) -> None:
    tile = Raster.open(Path(scene.path)).read()
    valid = tile.valid.copy()
    valid[:, 150:] = False
    tile_of_half = TileImage(tile.rgb, valid)
    candidates = generate_full(default_model, tile_of_half, FullConfig(steps_px=(48,)))
    assert len(candidates)
    assert candidates.boxes_xyxy[:, 2].max() <= 150

    token = CancelToken()
    steps: list[Progress] = []

    def stop(progress: Progress) -> None:
        steps.append(progress)
        token.cancel()

    with pytest.raises(CancelledError):
        generate_full(default_model, tile, None, Monitor(stop, token))
    assert len(steps) == 1


@pytest.mark.weights
def test_a_region_that_is_all_there_is_finds_what_a_tile_does(
    scene: Any, default_model: Any
) -> None:
    tile = Raster.open(Path(scene.path)).read(Window(0, 0, 200, 160))
    config = FullConfig(steps_px=(48,), gap_share=1.0)
    whole = Window.whole(tile.shape_hw)
    alone = generate_full(default_model, tile, config)
    region = generate_full(
        default_model, tile, config, SILENT, place=Place(whole, whole, whole, 512)
    )
    assert len(alone) > 1
    np.testing.assert_array_equal(alone.boxes_xyxy, region.boxes_xyxy)


@pytest.mark.weights
def test_a_region_between_the_middles_of_fixed_windows_adds_only_what_is_too_large_for_them(
    scene: Any, default_model: Any
) -> None:
    raster = Raster.open(Path(scene.path))
    extent = Window.whole(raster.grid.shape_hw)
    config = FullConfig(finest_px=128, steps_px=(8,), gap_share=1.0)
    # Their middles lie at 64 and 160 px.
    place = Place(Window(6, 6, 208, 208), Window(70, 70, 80, 80), extent, 64)
    assert not any(look.is_fixed for look in plan_region_looks(place, config))
    tile = raster.read(place.window)
    found = generate_full(default_model, tile, config, place=place)
    assert len(found) < len(generate_full(default_model, tile, config))
    assert all(max(mask.sides_px) > 64 for mask in found)


@pytest.mark.weights
def test_progress_never_goes_back_nor_beyond_the_end(scene: Any, default_model: Any) -> None:
    tile = Raster.open(Path(scene.path)).read()
    config = FullConfig(steps_px=(64,), gap_share=0.0)
    steps: list[Progress] = []
    generate_full(default_model, tile, config, Monitor(steps.append))
    shares = [progress.done / progress.total for progress in steps if progress.total]
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1
