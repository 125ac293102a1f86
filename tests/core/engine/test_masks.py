"""Masks resampled in crops equal SAM's resampling of the whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from segment_anything.modeling import Sam
from segment_anything.utils.amg import calculate_stability_score
from segment_anything.utils.transforms import ResizeLongestSide

from samgeo_core.engine.kernels import Kernels
from samgeo_core.engine.masks import MaskGrid, box_of
from samgeo_core.windows import ShapeHW


def resampled_by_sam(logits: torch.Tensor, input_hw: ShapeHW, shape_hw: ShapeHW) -> torch.Tensor:
    """What `Sam.postprocess_masks` makes of logits [256, 256]."""

    class _Encoder:
        img_size = 1024

    class _Sam:
        image_encoder = _Encoder

    masks = Sam.postprocess_masks(_Sam, logits[None, None], input_hw, shape_hw)  # type: ignore[arg-type]
    return masks[0, 0]


def blob(seed: int, *, touching_edge: bool) -> torch.Tensor:
    """Logits [256, 256], positive on a wobbly blob."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    cx, cy = (2.0, 60.0) if touching_edge else (90.0, 70.0)
    distance = ((x - cx) ** 2 + (y - cy) ** 2).sqrt()
    coarse = torch.randn(1, 1, 32, 32, generator=generator)
    noise = torch.nn.functional.interpolate(coarse, (256, 256), mode="bicubic")[0, 0]
    return (30 - distance) / 4 + 2 * noise.abs().neg()


SHAPES = [(1024, 1024), (1000, 1000), (300, 400), (2048, 1500), (37, 900), (1, 5), (150, 150)]


GridOf = Callable[[ShapeHW], tuple[MaskGrid, ShapeHW]]


@pytest.fixture
def grid_of(kernels: Kernels | None) -> GridOf:
    """Builds grids, with the size of a tile in the encoder's input."""
    return partial(build_grid, kernels)


def build_grid(kernels: Kernels | None, shape_hw: ShapeHW) -> tuple[MaskGrid, ShapeHW]:
    input_hw = ResizeLongestSide.get_preprocess_shape(*shape_hw, 1024)
    return MaskGrid(shape_hw, input_hw, 1024, 256, torch.device("cpu"), kernels), input_hw


@pytest.mark.parametrize("touching_edge", [False, True])
@pytest.mark.parametrize("shape_hw", SHAPES)
def test_area_stability_and_box_are_those_of_the_whole_mask(
    grid_of: GridOf, shape_hw: ShapeHW, touching_edge: bool
) -> None:
    grid, input_hw = grid_of(shape_hw)
    several = torch.stack([blob(3, touching_edge=touching_edge), blob(4, touching_edge=False)])
    extents = grid.extents(several, 0.0, 1.0)
    for logits, extent in zip(several, extents, strict=True):
        whole = resampled_by_sam(logits, input_hw, shape_hw)
        assert extent is not None
        assert extent.area == int((whole > 0).sum())
        if extent.area:
            assert extent.box == box_of(whole > 0)
            expected = float(calculate_stability_score(whole[None], 0.0, 1.0)[0])
            assert extent.stability == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape_hw", SHAPES)
def test_noise_is_counted_right(grid_of: GridOf, shape_hw: ShapeHW) -> None:
    grid, input_hw = grid_of(shape_hw)
    noise = torch.randn(1, 256, 256, generator=torch.Generator().manual_seed(1))
    (extent,) = grid.extents(noise, 0.0, 1.0)
    assert extent is not None
    whole = resampled_by_sam(noise[0], input_hw, shape_hw)
    counts = [int((whole > level).sum()) for level in (0.0, 1.0, -1.0)]
    # A pixel whose value equals a level to rounding may fall on either side.
    assert [extent.area, extent.inner, extent.outer] == pytest.approx(counts, abs=2)


@pytest.mark.parametrize("shape_hw", SHAPES)
def test_only_masks_that_miss_the_least_stability_may_be_left_out(
    grid_of: GridOf, shape_hw: ShapeHW
) -> None:
    grid, _ = grid_of(shape_hw)
    sharp, soft = 20 * blob(3, touching_edge=True), blob(3, touching_edge=True)
    several = torch.stack([sharp, soft])
    for extent, known in zip(
        grid.extents(several, 0.0, 1.0, 0.9), grid.extents(several, 0.0, 1.0), strict=True
    ):
        assert known is not None
        assert extent == known or (extent is None and not known.stability >= 0.9)


@pytest.mark.parametrize("touching_edge", [False, True])
@pytest.mark.parametrize("shape_hw", SHAPES)
def test_crop_equals_the_whole(grid_of: GridOf, shape_hw: ShapeHW, touching_edge: bool) -> None:
    grid, input_hw = grid_of(shape_hw)
    logits = blob(3, touching_edge=touching_edge)
    expected = resampled_by_sam(logits, input_hw, shape_hw)
    (extent,) = grid.extents(logits[None], 0.0, 1.0)
    assert extent is not None
    if not extent.area:
        assert not (expected > 0).any()
        return
    part, (x, y) = grid.resample(grid.crop(logits, extent.box))
    h, w = part.shape
    torch.testing.assert_close(
        part, expected[y : y + h, x : x + w], atol=2e-4, rtol=1e-4, check_stride=False
    )
    outside = expected.clone()
    outside[y : y + h, x : x + w] = -100
    assert not (outside > 0).any(), "the crop left out pixels of the mask"


@pytest.mark.parametrize("shape_hw", SHAPES)
def test_nothing_above_the_level_has_no_area(grid_of: GridOf, shape_hw: ShapeHW) -> None:
    grid, _ = grid_of(shape_hw)
    (extent,) = grid.extents(torch.full((1, 256, 256), -3.0), 0.0, 1.0)
    assert extent is not None
    assert extent.area == extent.inner == extent.outer == 0
    assert math.isnan(extent.stability)


def test_box_is_inclusive() -> None:
    mask = torch.zeros(9, 9, dtype=torch.bool)
    assert box_of(mask) is None
    mask[2:5, 3:8] = True
    assert box_of(mask) == (3, 2, 7, 4)
