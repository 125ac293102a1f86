from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.errors import ParameterError
from samgeo_core.objects import ObjectSet
from tests.core.test_objects import object_sets, same

SHAPE = (30, 40)


@st.composite
def candidate_sets(draw: st.DrawFn, most: int = 8) -> CandidateSet:
    """Masks with a shape of their own and scores from 0 to 1, in tenths so that ties happen."""
    masks = []
    for _ in range(draw(st.integers(0, most))):
        sides = st.tuples(st.integers(1, 12), st.integers(1, 12))
        mask = draw(hnp.arrays(bool, sides, elements=st.booleans(), fill=st.just(True)))
        x = draw(st.integers(0, SHAPE[1] - mask.shape[1]))
        y = draw(st.integers(0, SHAPE[0] - mask.shape[0]))
        score, stability = draw(st.integers(0, 10)) / 10, draw(st.integers(0, 10)) / 10
        masks.append(MaskCandidate.of(mask, (x, y), score, stability, (float(x), float(y))))
    return CandidateSet.collect(SHAPE, (mask for mask in masks if mask is not None))


def full(candidates: CandidateSet, index: int) -> np.ndarray:
    """One candidate, bool [H, W]."""
    out = np.zeros(candidates.shape_hw, bool)
    out[candidates[index].slices] = candidates.mask(index)
    return out


@given(hnp.arrays(bool, (5, 7)), st.integers(0, 20), st.integers(0, 20))
def test_a_mask_is_trimmed_to_its_pixels(mask: np.ndarray, x: int, y: int) -> None:
    candidate = MaskCandidate.of(mask, (x, y), 0.5, 0.5, (1.0, 2.0))
    if not mask.any():
        assert candidate is None
        return
    assert candidate is not None
    expected = np.zeros((40, 40), bool)
    expected[y : y + 5, x : x + 7] = mask
    placed = np.zeros((40, 40), bool)
    placed[candidate.slices] = candidate.pixels()
    assert (placed == expected).all()
    assert candidate.area_px == mask.sum()
    pixels = candidate.pixels()
    assert pixels[0].any() and pixels[-1].any() and pixels[:, 0].any() and pixels[:, -1].any()


@given(candidate_sets())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_gives_back_what_was_saved(tmp_path: Path, candidates: CandidateSet) -> None:
    candidates.save(tmp_path / "candidates.npz")
    loaded = CandidateSet.load(tmp_path / "candidates.npz")
    assert loaded.shape_hw == candidates.shape_hw
    for name in (
        "boxes_xyxy", "bits", "starts", "areas_px", "scores", "stabilities", "points_xy",
    ):  # fmt: skip
        one, other = getattr(loaded, name), getattr(candidates, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@given(object_sets())
def test_objects_become_candidates_and_objects_again(drawn: Any) -> None:
    _, _, objects = drawn
    candidates = CandidateSet.of_objects(objects)
    assert same(candidates.objects(np.arange(len(candidates))), objects)


@given(candidate_sets(), st.data())
def test_some_candidates_become_objects_of_the_same_pixels(
    candidates: CandidateSet, data: st.DataObject
) -> None:
    keep = data.draw(hnp.arrays(bool, len(candidates)))
    objects = candidates.objects(keep)
    wanted = sorted(full(candidates, i).tobytes() for i in np.flatnonzero(keep))
    assert sorted(objects.full_mask(i).tobytes() for i in range(len(objects))) == wanted


def test_arrays_of_different_lengths_are_refused() -> None:
    none = CandidateSet.collect(SHAPE, [])
    with pytest.raises(ParameterError, match="one length, got"):
        CandidateSet(
            SHAPE, np.zeros((2, 4), np.int64), none.bits, none.starts, none.areas_px, none.scores,
            none.stabilities, none.points_xy,
        )  # fmt: skip


def test_nothing_is_a_set_too(tmp_path: Path) -> None:
    CandidateSet.of_objects(ObjectSet.empty((4, 6))).save(tmp_path / "none.npz")
    loaded = CandidateSet.load(tmp_path / "none.npz")
    assert (len(loaded), loaded.shape_hw, len(list(loaded))) == (0, (4, 6), 0)
