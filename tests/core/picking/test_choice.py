"""Masks that agree win over one that stands alone; size, prompts and boxes weigh in."""

from __future__ import annotations

import numpy as np
import pytest

from samgeo_core.picking.choice import MOST_OFFERED, TYPICAL_SHARE, Ballot, choose, offer

# Masks 0, 1 and 2 nearly say the same; 3 is another thing, 4 a third one.
ALIKE = np.array(
    [
        [1.0, 0.9, 0.8, 0.1, 0.0],
        [0.9, 1.0, 0.9, 0.1, 0.0],
        [0.8, 0.9, 1.0, 0.1, 0.0],
        [0.1, 0.1, 0.1, 1.0, 0.3],
        [0.0, 0.0, 0.0, 0.3, 1.0],
    ]
)


def ballot(**changes: object) -> Ballot:
    values: dict[str, object] = {
        "scores": np.full(5, 0.8),
        "shares": np.full(5, TYPICAL_SHARE),
        "obeys": np.ones(5, bool),
    }
    return Ballot(**(values | changes))  # type: ignore[arg-type]


def test_the_middle_of_those_that_agree_wins_over_a_higher_score() -> None:
    scores = np.array([0.8, 0.8, 0.8, 0.95, 0.7])
    assert choose(ALIKE, ballot(scores=scores).weights()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"shares": TYPICAL_SHARE * np.array([15, 15, 15, 1, 15.0])},
        {"obeys": np.array([False, False, False, True, True])},
        {"fits": np.array([0.2, 0.2, 0.2, 0.9, 0.3])},
        {"scores": np.array([0.1, 0.1, 0.1, 0.9, 0.5])},
    ],
)
def test_what_speaks_against_all_others_leaves_one(changes: dict[str, object]) -> None:
    assert choose(ALIKE, ballot(**changes).weights()) == 3


def test_a_box_tells_the_size_so_that_shares_say_nothing() -> None:
    shares = TYPICAL_SHARE * np.array([20, 1, 20, 20, 20.0])
    fits = np.array([0.9, 0.5, 0.9, 0.5, 0.5])
    sized = ballot(shares=shares, fits=fits).weights()
    np.testing.assert_array_equal(sized, ballot(fits=fits).weights())


def test_empty_masks_are_never_offered() -> None:
    shares = np.where(np.arange(5) == 4, 0.0, TYPICAL_SHARE)
    weights = ballot(shares=shares).weights()
    assert weights[4] == 0
    assert 4 not in offer(ALIKE, weights)


def test_the_offer_is_of_different_things_and_begins_with_the_choice() -> None:
    weights = ballot().weights()
    offered = offer(ALIKE, weights)
    assert offered[0] == choose(ALIKE, weights)
    assert set(offered) == {1, 3, 4}
    assert len(offered) == MOST_OFFERED
    assert offer(np.ones((3, 3)), np.ones(3)) == [0]
