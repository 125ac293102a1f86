"""Configurations check themselves and survive JSON."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from segment_anything import SamAutomaticMaskGenerator

from samgeo_core.config import AutomaticConfig, SegmentConfig
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
        bands=(3, 2, 1),
        window_px=512,
        automatic=AutomaticConfig(None, point_grids=(((0.1, 0.2), (0.5, 0.5)),)),
    )
    assert SegmentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("values", [{"nonsense": 1}, {"preset": "best"}, {"window_px": 3}])
def test_unknown_or_impossible_values(values: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        SegmentConfig.from_dict(values)
