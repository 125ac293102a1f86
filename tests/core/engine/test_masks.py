"""Masks resampled in crops equal SAM's resampling of the whole."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling import Sam
from segment_anything.utils.amg import calculate_stability_score
from segment_anything.utils.transforms import ResizeLongestSide

from samgeo_core.engine.masks import MaskGrid, box_of, stability
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


@pytest.mark.parametrize("touching_edge", [False, True])
@pytest.mark.parametrize(
    "shape_hw", [(1024, 1024), (1000, 1000), (300, 400), (2048, 1500), (37, 900), (1, 5)]
)
def test_crop_equals_the_whole(shape_hw: ShapeHW, touching_edge: bool) -> None:
    input_hw = ResizeLongestSide.get_preprocess_shape(*shape_hw, 1024)
    logits = blob(3, touching_edge=touching_edge)
    expected = resampled_by_sam(logits, input_hw, shape_hw)
    grid = MaskGrid(shape_hw, input_hw, 1024, 256, torch.device("cpu"))
    for level in (-1.0, 0.0, 1.0):
        crop = grid.crop(logits, level)
        assert crop is not None
        part, (x, y) = grid.resample(crop)
        h, w = part.shape
        torch.testing.assert_close(
            part, expected[y : y + h, x : x + w], atol=2e-4, rtol=1e-4, check_stride=False
        )
        outside = expected.clone()
        outside[y : y + h, x : x + w] = -100
        assert not (outside > level).any(), "the crop left out pixels above the level"


def test_stability_is_sams() -> None:
    logits = blob(5, touching_edge=False)
    expected = float(calculate_stability_score(logits[None], 0.0, 1.0)[0])
    assert stability(logits, 0.0, 1.0) == pytest.approx(expected)
    assert 0 < expected < 1


def test_nothing_above_the_level_is_no_crop() -> None:
    grid = MaskGrid((512, 512), (1024, 1024), 1024, 256, torch.device("cpu"))
    assert grid.crop(torch.full((256, 256), -3.0), 0.0) is None


def test_box_is_inclusive() -> None:
    mask = torch.zeros(9, 9, dtype=torch.bool)
    assert box_of(mask) is None
    mask[2:5, 3:8] = True
    assert box_of(mask) == (3, 2, 7, 4)
