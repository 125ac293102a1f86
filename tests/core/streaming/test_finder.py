"""What decides a region's candidates, and so whether those of an earlier start can be used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from samgeo_core.config import AutomaticConfig, Scales, SegmentConfig, SelectionRule
from samgeo_core.engine.ladder import FullConfig
from samgeo_core.streaming.region_work import ModelFinder


def test_all_that_changes_candidates_is_told_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = SegmentConfig(preset="full")

    def told(config: SegmentConfig, sha256: str = "0") -> str:
        return repr(ModelFinder(config, sha256).identity)

    same = [
        replace(full, selection=SelectionRule(good_score=0.9)),
        replace(full, device="cpu"),
        replace(full, purpose="roofs"),
        replace(full, automatic=AutomaticConfig(points_per_side=8)),  # of the exact preset
        replace(full, scales=Scales()),
    ]
    others = [
        replace(full, preset="fast"),
        replace(full, preset="exact"),
        replace(full, model="vit_b"),
        replace(full, scales=Scales(finest_px=1024)),
        replace(full, scales=Scales(fill_gaps=False)),
        SegmentConfig(automatic=AutomaticConfig(points_per_side=8)),
        SegmentConfig(window_px=512),
    ]
    assert {told(config) for config in same} == {told(full)}
    batches = SegmentConfig(automatic=AutomaticConfig(points_per_batch=7))
    assert told(batches) == told(SegmentConfig()), "a matter of memory"
    assert len({told(config) for config in [full, *others]}) == len(others) + 1
    assert told(full, "1") != told(full)
    before = told(full)
    monkeypatch.setattr(FullConfig, "of", classmethod(lambda cls, preset: cls(least_px=40)))
    assert told(full) != before, "what the engine itself was set to"
