"""Configurations check themselves and survive JSON."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from segment_anything import SamAutomaticMaskGenerator

from samgeo_core.config import AutomaticConfig, Scales, SegmentConfig, SelectionRule
from samgeo_core.errors import ParameterError


def test_names_and_defaults_are_sams() -> None:
    theirs = inspect.signature(SamAutomaticMaskGenerator).parameters
    expected = {n: p.default for n, p in theirs.items() if n not in ("model", "output_mode")}
    assert AutomaticConfig().__dict__ == expected


@pytest.mark.parametrize(
    "values",
    [
        {"points_per_side": 0},
        {"points_per_side": None},
        {"point_grids": (((0.5, 0.5),),)},
        {"points_per_side": None, "point_grids": (((0.5, 0.5),),), "crop_n_layers": 1},
        {"pred_iou_thresh": 1.5},
        {"box_nms_thresh": -0.1},
        {"crop_n_layers": -1},
        {"min_mask_region_area": -5},
    ],
)
def test_values_out_of_range_are_named(values: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(values)).split("_")[0].rstrip("s")):
        AutomaticConfig(**values)


def test_survives_json() -> None:
    config = SegmentConfig(
        selection=SelectionRule(least_score=0.4, min_area_m2=3, overlap="flatten"),
        bands=(3, 2, 1),
        window_px=512,
        scales=Scales(256, 1024, fill_gaps=False),
        automatic=AutomaticConfig(None, point_grids=(((0.1, 0.2), (0.5, 0.5)),)),
    )
    assert SegmentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_records_from_before_there_was_a_rule_can_be_read() -> None:
    old = SegmentConfig().to_dict()
    del old["selection"]
    assert SegmentConfig.from_dict(old) == SegmentConfig()


def test_each_preset_has_its_rule_and_a_rule_that_was_given_counts() -> None:
    assert SegmentConfig().rule == SelectionRule.keep_all()
    assert SegmentConfig(preset="full").rule == SelectionRule()
    given = SelectionRule(min_area_px=9)
    assert SegmentConfig(preset="full", selection=given).rule == given


@pytest.mark.parametrize(
    "values",
    [
        {"nonsense": 1},
        {"preset": "best"},
        {"window_px": 3},
        {"selection": {"nonsense": 1}},
        {"selection": {"overlap": "some"}},
        {"scales": {"nonsense": 1}},
        {"scales": {"finest_px": 8}},
        {"scales": {"finest_px": 2048, "coarsest_px": 1024}},
    ],
)
def test_unknown_or_impossible_values(values: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        SegmentConfig.from_dict(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"good_score": -0.1}, "good_score must be a number of 0 or more"),
        ({"new_share": 1.5}, "new_share must lie between 0 and 1, got 1.5"),
        ({"min_area_px": float("nan")}, "min_area_px"),
        ({"min_area_m2": 2, "max_area_m2": 1}, "min_area_m2 must not exceed max_area_m2"),
        ({"overlap": "some"}, "overlap must be one of nested, flatten"),
    ],
)
def test_what_is_no_rule_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        SelectionRule(**values)
