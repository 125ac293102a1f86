"""A purpose knows sizes on the ground; windows and limits follow from the resolution."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.config import Scales, SegmentConfig, SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.purposes import INPUT_PX, LEAST_SEEN_PX, MOST_SHARE, PURPOSES, measured_scores

FULL = SegmentConfig(preset="full")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "presets.md"


def test_everything_is_the_plain_preset() -> None:
    assert FULL.for_purpose("everything", 0.1) == FULL


def test_limits_are_metres_on_the_ground_and_pixels_elsewhere() -> None:
    vehicles = FULL.for_purpose("vehicles", 0.1)
    assert vehicles.rule == SelectionRule(min_area_m2=4, max_area_m2=60)
    assert vehicles.purpose == "vehicles"
    in_px = FULL.for_purpose("vehicles", 0.1, on_ground=False)
    assert in_px.rule == SelectionRule(min_area_px=400, max_area_px=6000)
    unknown = FULL.for_purpose("vehicles", None, on_ground=False)
    assert (unknown.rule, unknown.scales) == (SelectionRule(), None)


@pytest.mark.parametrize(
    ("purpose", "gsd_m", "scales"),
    [
        ("vehicles", 0.14, Scales(512, 512, fill_gaps=False)),
        ("vehicles", 0.3, Scales(256, 256, fill_gaps=False)),
        ("roofs", 0.075, Scales(512, 2048, fill_gaps=False)),
        ("roofs", 0.5, Scales(256, 256, fill_gaps=False)),
        ("fields", 1.0, Scales(512, 4096, fill_gaps=True)),
        ("fields", 10.0, Scales(256, 256, fill_gaps=True)),
        ("water", 0.25, Scales(512, 4096, fill_gaps=True)),
    ],
)
def test_windows_follow_the_resolution(purpose: str, gsd_m: float, scales: Scales) -> None:
    assert FULL.for_purpose(purpose, gsd_m).scales == scales


@given(
    st.sampled_from([name for name, p in PURPOSES.items() if p.least_m2 and p.most_m2]),
    st.floats(0.005, 60),
)
def test_all_wanted_objects_are_seen_well_as_far_as_windows_reach(name: str, gsd_m: float) -> None:
    purpose = PURPOSES[name]
    scales = purpose.scales(gsd_m)
    assert scales is not None and purpose.least_m2 and purpose.most_m2
    smallest_px, largest_px = purpose.least_m2**0.5 / gsd_m, purpose.most_m2**0.5 / gsd_m
    seen_px = smallest_px * INPUT_PX / scales.finest_px
    assert seen_px >= LEAST_SEEN_PX * 0.999 or scales.finest_px == 256
    assert largest_px <= MOST_SHARE * scales.coarsest_px * 1.001 or scales.coarsest_px == 4096


def test_a_purpose_survives_json_and_leaves_sams_own_masks_all_but_their_size() -> None:
    config = SegmentConfig().for_purpose("roofs", 0.3)
    assert SegmentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.scales is None
    assert config.rule.good_score == 0
    assert config.rule.max_area_m2 == 5000
    assert config.for_purpose("everything", 0.3) == SegmentConfig()


def test_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(ParameterError, match="purpose must be one of everything, roofs"):
        FULL.for_purpose("ships", 1)


def test_the_page_of_documentation_says_what_the_rules_are() -> None:
    parameters = DOCS.read_text("utf-8").partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (\w+) \| ([^|]+?) \|", parameters, re.MULTILINE))
    for purpose in PURPOSES.values():
        limits = rows[purpose.name].replace(",", "")
        numbers = [float(n) for n in re.findall(r"[\d.]+", limits)]
        assert numbers == [n for n in (purpose.least_m2, purpose.most_m2) if n is not None]


def test_scores_are_those_of_labelled_scenes_for_known_purposes() -> None:
    scores = measured_scores()
    assert set(scores) <= set(PURPOSES)
    for rows in scores.values():
        for row in rows:
            assert row["labelled"] > 0
            assert 0 <= row["purpose"]["recall50"] <= 1
            assert row["purpose"]["objects"] > 0
