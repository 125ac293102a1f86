"""Masks of windows of different scale and place are compared as if formed on the raster."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from samgeo_core.engine.encoder import Embedding
from samgeo_core.engine.masks import mask_grid
from samgeo_core.picking.decoding import Decoded, form_masks, obedience
from samgeo_core.picking.embeddings import WindowEmbedding
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.picking.votes import agreement, rank
from samgeo_core.windows import Window

DISCS = [(300.0, 280.0, 60.0), (330.0, 280.0, 60.0), (300.0, 280.0, 30.0)]


def shown(window: Window, discs: list[tuple[float, float, float]]) -> Decoded:
    """A window on which a model would show discs of x, y and radius, px of the raster."""
    scale = 1024 / max(window.shape_hw)
    input_hw = round(window.height * scale), round(window.width * scale)
    cell_hw = 4 * window.height / input_hw[0], 4 * window.width / input_hw[1]
    places = torch.arange(256) + 0.5
    y, x = places[:, None] * cell_hw[0] + window.y, places * cell_hw[1] + window.x
    logits = torch.stack([r - torch.hypot(x - at_x, y - at_y) for at_x, at_y, r in discs])
    grid = mask_grid(window.shape_hw, input_hw, 1024, 256, torch.device("cpu"))
    embedding = Embedding(torch.zeros(256, 64, 64), window.shape_hw, input_hw)
    return Decoded(
        WindowEmbedding(window, embedding, np.ones(window.shape_hw, bool)),
        logits,
        np.full(len(discs), 0.9, np.float32),
        grid,
        logits[:, : math.ceil(input_hw[0] / 4), : math.ceil(input_hw[1] / 4)] > 0,
        cell_hw,
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Window(128, 128, 512, 512), Window(0, 0, 1024, 1024)),
        (Window(200, 160, 256, 256), Window(0, 0, 2000, 700)),
        (Window(128, 128, 512, 512), Window(256, 128, 512, 512)),
        # Both end where a raster does that is wider than high.
        (Window(128, 0, 512, 512), Window(0, 0, 1024, 512)),
    ],
)
def test_agreement_is_the_iou_of_the_formed_masks(one: Window, other: Window) -> None:
    views = [shown(one, DISCS), shown(other, DISCS)]
    pictures = []
    for view in views:
        for mask in form_masks(view, range(len(DISCS))):
            picture = np.zeros((1024, 2000), bool)
            mask.paint(picture)
            pictures.append(picture)
    expected = [[(a & b).sum() / (a | b).sum() for b in pictures] for a in pictures]
    np.testing.assert_allclose(agreement(views), expected, atol=0.03)


def test_what_lies_outside_a_window_is_not_in_its_masks() -> None:
    views = [shown(Window(0, 0, 256, 256), [(600.0, 600.0, 500.0)])]
    views.append(shown(Window(512, 512, 256, 256), [(600.0, 600.0, 500.0)]))
    np.testing.assert_array_equal(agreement(views), np.eye(2))


def test_the_disc_of_two_scales_is_ranked_before_that_of_one() -> None:
    views = [
        shown(Window(128, 128, 512, 512), [DISCS[1], DISCS[0]]),
        shown(Window(0, 0, 1024, 1024), [DISCS[0], (300.0, 280.0, 250.0)]),
    ]
    best = rank(views, ObjectPrompts.of([(300, 280, 1)]), view_px=1024)[0]
    assert best in {(0, 1), (1, 0)}


def test_masks_obey_points_that_they_hold_or_leave_out() -> None:
    view = shown(Window(128, 128, 512, 512), DISCS)
    both = ObjectPrompts.of([(300, 280, 1), (350, 280, 0)])
    assert obedience(view, both).tolist() == [False, False, True]


def test_a_box_prefers_the_mask_that_fills_it() -> None:
    view = shown(Window(128, 128, 512, 512), DISCS)
    assert rank([view], ObjectPrompts.of(box=(270, 250, 330, 310)))[0] == (0, 2)
