"""Styles: whatever a layer holds is drawn."""

from __future__ import annotations

from itertools import pairwise

import pytest

from samgeo_core.qgis.styles import by_size


@pytest.mark.parametrize("sizes", [[*range(10, 110)], [4, 9], [4, 4, 4]])
def test_sizes_beyond_those_of_objects_are_drawn_in_a_partition(sizes: list[float]) -> None:
    background, *parts = by_size("area_m2", sizes, "m²", partition=True).parts
    spans = [part.span or (0.0, 0.0) for part in parts]
    assert background.span == (-1.0, -1.0)
    # From nothing to more than the Earth's 5.1e14 m², without a gap between two spans.
    assert spans[0][0] == 0 and spans[-1][1] > 5.1e14
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    plain = by_size("area_m2", sizes, "m²").parts
    assert [part.color for part in parts] == [part.color for part in plain]
    assert [span[1] for span in spans[:-1]] == [(part.span or (0, 0))[1] for part in plain[:-1]]
