from __future__ import annotations

import numpy as np
import pytest
import shapely

from samgeo_core.results.outlines import trace
from samgeo_core.vectors.outline import drawn
from samgeo_core.vectors.shapes import LEAST_IOU
from samgeo_core.vectors.style import OutlineStyle

SIDE = 100


def rotated(degrees: float, keep: str) -> np.ndarray:
    """A roof of 60 x 36 px turned about the middle; ``keep`` is an expression of u and v."""
    y, x = np.indices((SIDE, SIDE)) - 50.0
    turn = np.radians(degrees)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    return eval(keep, {"u": u, "v": v, "abs": abs, "np": np})


def outlines(masks: list[np.ndarray]) -> np.ndarray:
    return trace(masks, np.zeros((len(masks), 2), np.int64))


def corners(line: shapely.Geometry) -> np.ndarray:
    """Angles of a polygon, degrees from the next multiple of 90."""
    xy = shapely.get_coordinates(shapely.simplify(line, 0.2).exterior)[:-1]
    sides = np.roll(xy, -1, axis=0) - xy
    directions = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    turns = np.diff(directions, append=directions[0])
    return np.abs((turns + 45) % 90 - 45)


@pytest.mark.parametrize("degrees", [0, 10, 33])
def test_a_roof_gets_right_angles(degrees: float) -> None:
    mask = rotated(degrees, "(abs(u) < 30) & (abs(v) < 18) & ~((u > 5) & (v > 3))")
    exact = outlines([mask])
    (line,) = drawn(exact, OutlineStyle(regular=True))
    assert line.is_valid
    assert corners(line).max() < 1.0
    common = line.intersection(exact[0]).area
    assert common / (line.area + mask.sum() - common) >= LEAST_IOU


def test_a_roof_with_specks_gets_right_angles_too() -> None:
    mask = rotated(20, "(abs(u) < 30) & (abs(v) < 18)")
    mask[2:4, 2:3] = mask[95:98, 50:60] = True
    exact = outlines([mask])
    plain, (line,) = (drawn(exact, OutlineStyle(regular=r)) for r in (False, True))
    assert line.is_valid
    assert len(line.geoms) == 3
    roof = max(line.geoms, key=lambda part: part.area)
    assert corners(roof).max() < 1.0
    assert min(line.geoms, key=lambda part: part.area).equals(plain[0].geoms[0])


def test_what_is_no_roof_keeps_its_outline() -> None:
    y, x = np.indices((SIDE, SIDE)) - 50.0
    star = np.hypot(x, y) < 20 + 18 * np.cos(7 * np.arctan2(y, x))
    bent = (np.hypot(x, y) < 40) & (np.hypot(x, y) > 36) & (x < 20)
    exact = outlines([star, bent])
    plain, regular = (drawn(exact, OutlineStyle(regular=r)) for r in (False, True))
    assert shapely.equals_exact(plain, regular).all()


def test_tanks_become_circles_and_others_do_not() -> None:
    tank = rotated(0, "np.hypot(u, v) < 20")
    square = rotated(20, "(abs(u) < 20) & (abs(v) < 20)")
    ring = rotated(0, "(np.hypot(u, v) < 30) & (np.hypot(u, v) > 15)")
    exact = outlines([tank, square, ring])
    plain, round_ = (drawn(exact, OutlineStyle(circles=c)) for c in (False, True))
    radii = np.hypot(*(shapely.get_coordinates(round_[0]) - 50.5).T)
    assert radii.std() < 0.05
    assert round_[0].area == pytest.approx(tank.sum(), rel=1e-3)
    assert shapely.equals_exact(plain[1:], round_[1:]).all()
