"""How figures are written down."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.quality import Run, mean_rows, row
from benchmarks.report import header, share, spread, table
from benchmarks.runner import Measurement
from benchmarks.scoring import Score
from benchmarks.speed import PEER, cost_rows, ratio_of_medians, ratios


def cost(seconds: float, own_mib: float, masks: int = 3) -> Measurement:
    values = {"seconds": seconds, "own_bytes": own_mib * 2**20, "peak_bytes": 2**30}
    return Measurement(values | {"masks": masks})


def test_a_ratio_is_of_two_turns_of_one_round() -> None:
    peer, ours = [cost(100, 2000), cost(300, 2000)], [cost(10, 500), cost(20, 400)]
    assert ratios(peer, ours, "seconds") == [10, 15]
    assert cost_rows("river", {PEER: peer, "exact": ours}) == [
        ["river", "peer", "3", "200.0 (100.0 to 300.0)", "–", "1024", "2000", "–"],
        ["river", "exact", "3", "15.0 (10.0 to 20.0)", "12.5 (10.0 to 15.0)", "1024", "500",
         "4.5 (4.0 to 5.0)"],
    ]  # fmt: skip


def test_without_the_peer_there_is_no_ratio() -> None:
    assert cost_rows("river", {"full": [cost(10, 500)]}) == [
        ["river", "full", "3", "10.0", "–", "1024", "500", "–"]
    ]


def test_repeated_calls_are_compared_by_their_medians() -> None:
    turns = {
        PEER: [Measurement({}, {"seconds": np.array([4.0, 6.0, 50.0])})],
        "ours": [Measurement({}, {"seconds": np.array([1.0, 2.0, 3.0])})],
    }
    assert ratio_of_medians(turns, turns["ours"]) == [3]


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "100 %"), (0.9999, "> 99.9 %"), (0.998, "99.8 %"), (0.0, "0.0 %")]
)
def test_all_is_said_of_all_only(value: float, text: str) -> None:
    assert share(value) == text


def test_a_spread_names_median_and_ends() -> None:
    assert spread([3.0, 1.0, 2.0]) == "2.0 (1.0 to 3.0)"
    assert spread([2.0]) == "2.0"
    assert spread([]) == "–"


def test_a_table_is_markdown() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_the_header_says_how_to_repeat_it() -> None:
    text = header("speed", ["--scenes", "a b.tif"], "cpu")
    assert "`python -m benchmarks.speed --scenes 'a b.tif'`" in text
    assert text.endswith("device cpu.")


def scored(scene: str, side: str, recall: float | None) -> Run:
    found = Score(0 if recall is None else 9, recall, recall, recall, 0.5, 7, 1, 2)
    return Run(scene, side, found, 12.34)


def test_an_unlabelled_scene_has_a_row_without_recall() -> None:
    assert row(scored("river", "full", None)) == [
        "river", "full", "–", "–", "–", "–", "0.500", "7", "1", "2", "12.3",
    ]  # fmt: skip


def test_means_are_over_labelled_scenes() -> None:
    runs = [scored("a", "full", 0.5), scored("b", "full", 1.0), scored("river", "full", None)]
    assert mean_rows(runs) == [["full", "2", "0.750", "0.750", "0.750", "0.500", "12.3"]]
