from typing import Any

import numpy as np
import pandas as pd
import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.web.filters import ObjectFilter

TABLE = pd.DataFrame(
    {
        "area_m2": [1.0, 10.0, 100.0, np.nan],
        "area_px": [4, 40, 400, 4000],
        "score": [0.9, 0.8, 0.95, 0.99],
        "stability": [0.5, 0.97, 0.96, 0.95],
    }
)


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        ({}, [0, 1, 2, 3]),
        ({"min_area_m2": 10}, [1, 2]),
        ({"max_area_m2": 10}, [0, 1]),
        ({"min_area_m2": 2, "max_area_m2": 99}, [1]),
        ({"min_area_px": 400}, [2, 3]),
        ({"max_area_px": 4}, [0]),
        ({"min_score": 0.9}, [0, 2, 3]),
        ({"min_stability": 0.955, "min_score": 0.9}, [2]),
        ({"min_score": 2}, []),
    ],
)
def test_limits_hold_both_ends(limits: dict[str, float], kept: list[int]) -> None:
    chosen = ObjectFilter(**limits)
    assert chosen.limits == limits
    assert np.flatnonzero(chosen.keeps(TABLE)).tolist() == kept


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ObjectFilter()),
        ({"min_score": ""}, ObjectFilter()),
        ({"min_score": "0.9", "utm_source": "x"}, ObjectFilter(min_score=0.9)),
        ({"min_area_m2": "1e3", "max_area_m2": "2000"}, ObjectFilter(1000, 2000)),
    ],
)
def test_limits_come_from_an_address(query: dict[str, str], expected: ObjectFilter) -> None:
    assert ObjectFilter.from_query(query) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"min_score": "high"},
        {"min_score": "nan"},
        {"min_area_m2": "inf"},
        {"max_area_m2": "-1"},
        {"min_area_m2": "2", "max_area_m2": "1"},
        {"min_area_px": "2", "max_area_px": "1"},
        {"min_stability": "0.9; DROP TABLE objects"},
    ],
)
def test_what_is_no_limit_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(query)).split("_", 1)[1]):
        ObjectFilter.from_query(query)
