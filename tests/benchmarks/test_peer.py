"""The label array that the peer writes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peer import paint


def record(x0: int, x1: int) -> dict:
    mask = np.zeros((2, 8), np.bool_)
    mask[:, x0:x1] = True
    return {"segmentation": mask, "area": int(mask.sum())}


def test_smaller_masks_lie_on_top_and_have_smaller_numbers() -> None:
    labels = paint([record(2, 4), record(0, 6), record(3, 4)], (2, 8))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[3, 3, 2, 1, 3, 3, 0, 0]] * 2


@pytest.mark.parametrize(("count", "kind"), [(0, np.uint8), (255, np.uint8), (256, np.uint16)])
def test_numbers_take_the_smallest_type(count: int, kind: type) -> None:
    labels = paint([record(0, 1)] * count, (2, 8))
    assert labels.dtype == kind
    assert labels.max() == (1 if count else 0)
