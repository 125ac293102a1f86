from __future__ import annotations

import pandas as pd

from pages.ui.objects_table import covered

# 3 lies in 2, 2 and 4 lie in 1; 5 stands alone.
TABLE = pd.DataFrame(
    {
        "object_id": [1, 2, 3, 4, 5],
        "parent_id": [0, 1, 2, 1, 0],
        "area_m2": [100.0, 40.0, 10.0, 5.0, 7.0],
    }
)


def test_an_object_inside_another_counts_once() -> None:
    assert covered(TABLE, "area_m2") == 107.0
    assert covered(TABLE[:0], "area_m2") == 0.0
