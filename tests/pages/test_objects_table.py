from __future__ import annotations

import pandas as pd
import pytest

from pages.ui.objects_table import covered

# 3 lies in 2, 2 and 4 lie in 1; 5 stands alone.
TABLE = pd.DataFrame(
    {
        "object_id": [1, 2, 3, 4, 5],
        "parent_id": [0, 1, 2, 1, 0],
        "area_m2": [100.0, 40.0, 10.0, 5.0, 7.0],
    }
)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 3, 4, 5], 107.0),
        ([2, 3, 4, 5], 52.0),
        ([1, 3], 100.0),
        ([3, 4], 15.0),
        ([], 0.0),
    ],
)
def test_an_object_inside_another_counts_once(ids: list[int], expected: float) -> None:
    kept = TABLE[TABLE["object_id"].isin(ids)]
    assert covered(TABLE, kept, "area_m2") == expected
