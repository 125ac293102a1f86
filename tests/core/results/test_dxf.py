from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely

from samgeo_core.results.export import write_vector

RING = shapely.box(500_000.123456, 0, 500_010, 10).difference(shapely.box(500_002, 2, 500_004, 4))
TWO = shapely.MultiPolygon([shapely.box(0, 0, 1, 1), shapely.box(3, 3, 4, 4)])


def classes(names: list[str], colors: list[str]) -> dict[str, object]:
    return {
        "class_name": pd.array(names, dtype="string"),
        "class_color": pd.array(colors, dtype="string"),
    }


def drawn(path: Path, columns: dict[str, object]) -> gpd.GeoDataFrame:
    table = {"object_id": [1, 2, 3, -1], **columns}
    write_vector(gpd.GeoDataFrame(table, geometry=[RING, TWO, RING, RING], crs=32633), path)
    return pyogrio.read_dataframe(path)


def test_each_ring_is_a_closed_line_in_place(tmp_path: Path) -> None:
    found = drawn(tmp_path / "a.dxf", {})
    assert found["Layer"].tolist() == ["objects"] * 6 + ["background"] * 2
    assert found.geometry.is_closed.all()
    lines = shapely.force_2d(found.geometry.values[:4])
    rings = [*shapely.get_rings(RING), *(part.exterior for part in TWO.geoms)]
    for line, ring in zip(lines, rings, strict=True):
        assert shapely.Polygon(line).equals(shapely.Polygon(ring))


def test_classes_are_layers_with_colours(tmp_path: Path) -> None:
    names, colors = ["Dächer: rot/alt", "屋根", "", ""], ["#aa0000", "#0000ff", "", ""]
    found = drawn(tmp_path / "a.dxf", classes(names, colors))
    expected = ["Dacher_ rot_alt"] * 2 + ["u5c4bu6839"] * 2 + ["no class"] * 2 + ["background"] * 2
    assert found["Layer"].tolist() == expected
    text = (tmp_path / "a.dxf").read_text("ascii")
    tables = text.split("ENTITIES")[0]
    for name, index in zip(dict.fromkeys(expected), (10, 170, 8, 8), strict=True):
        assert f"0\nLAYER\n2\n{name}\n70\n0\n62\n{index}\n" in tables
    assert [path.name for path in tmp_path.iterdir()] == ["a.dxf"]


@pytest.mark.parametrize("crs", [None, 32633])
def test_no_objects_are_an_empty_drawing(tmp_path: Path, crs: int | None) -> None:
    frame = gpd.GeoDataFrame({"object_id": []}, geometry=[], crs=crs)
    write_vector(frame, tmp_path / "a.dxf")
    assert len(pyogrio.read_dataframe(tmp_path / "a.dxf")) == 0
