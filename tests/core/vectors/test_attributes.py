from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.raster import Raster
from samgeo_core.results.outlines import trace
from samgeo_core.results.vectorize import measured
from samgeo_core.vectors.attributes import place_columns, shape_columns, touching
from samgeo_core.vectors.bands import band_columns, mask_of
from samgeo_core.vectors.mosaic import border_of
from samgeo_core.vectors.unit_edges import UnitEdges
from tests.factories import MakeRaster

HERE = np.zeros((1, 2), np.int64)
SHAPE = (400, 400)
# Half a metre on the ground in each of them, at 60 degrees north where maps stretch most.
STRETCH = 1 / np.cos(np.radians(60.0))
PLACES = {
    "UTM": (Affine(0.5, 0, 500_000, 0, -0.5, 6_651_500), CRS.from_epsg(32633)),
    "web map": (Affine(STRETCH / 2, 0, 1_669_792, 0, -STRETCH / 2, 8_399_740), CRS.from_epsg(3857)),
    "degrees": (Affine(8.964e-6, 0, 15.0, 0, -4.488e-6, 60.0), CRS.from_epsg(4326)),
    "pixels": (Affine.identity(), None),
}  # fmt: skip


def bar(degrees: float) -> shapely.Geometry:
    """A rectangle of 200 x 40 px; its longer side lies so many degrees clockwise from up."""
    box = shapely.box(180, 100, 220, 300)
    # Rows run down, so that positive angles turn clockwise as seen on the map.
    return shapely.affinity.rotate(box, degrees)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("degrees", [0, 30, 90, 150])
def test_length_width_and_direction_are_those_on_the_ground(name: str, degrees: float) -> None:
    grid = GeoGrid(SHAPE, *PLACES[name])
    shapes = np.array([bar(degrees)], object)
    columns = shape_columns(shapes, measured(shapes, grid), grid)
    unit, size = ("px", 1.0) if grid.crs is None else ("m", 0.5)
    assert columns[f"length_{unit}"][0] == pytest.approx(200 * size, rel=0.005)
    assert columns[f"width_{unit}"][0] == pytest.approx(40 * size, rel=0.02)
    off = (columns["orientation_deg"][0] - degrees + 90) % 180 - 90
    assert abs(off) < 0.5
    assert columns["elongation"][0] == pytest.approx(0.8, abs=0.005)
    assert columns["compactness"][0] == pytest.approx(4 * np.pi * 8000 / 480**2, rel=0.01)


def test_lon_and_lat_are_of_a_point_inside() -> None:
    grid = GeoGrid(SHAPE, *PLACES["UTM"])
    ring = np.hypot(*(np.indices((60, 60)) - 30.0))
    exact = trace([(ring < 25) & (ring > 15)], np.array([[100, 40]]))
    columns = place_columns(exact, grid)
    (point,) = grid.from_lonlat([[columns["lon"][0], columns["lat"][0]]])
    assert shapely.contains_xy(exact[0], *point)


def test_objects_touch_the_edge_of_raster_or_data_by_a_side() -> None:
    valid = np.ones((20, 30), np.bool_)
    valid[:5, :5] = False
    boxes = [(0, 10, 3, 13), (10, 10, 13, 13), (27, 5, 30, 8), (5, 2, 8, 4), (5, 5, 8, 8)]
    masks = [np.ones((y1 - y0, x1 - x0), np.bool_) for x0, y0, x1, y1 in boxes]
    exact = trace(masks, np.array([box[:2] for box in boxes]))
    border = border_of(valid.shape, lambda window: valid[window.slices])
    assert touching(exact, border).tolist() == [True, False, True, True, False]


def test_band_figures_are_those_of_the_valid_pixels(make_raster: MakeRaster) -> None:
    random = np.random.default_rng(0)
    data = random.integers(1, 60_000, (2, 50, 70)).astype(np.uint16)
    data[0, 10:20, 30:40] = 0
    raster = Raster.open(make_raster(data=data, nodata=0))
    masks = [random.random((12, 9)) > 0.4, np.ones((20, 20), np.bool_), np.ones((5, 5), np.bool_)]
    offsets = np.array([[3, 4], [25, 5], [32, 12]])
    columns = band_columns(trace(masks, offsets), raster)
    for band in (0, 1):
        for i, (mask, (x, y)) in enumerate(zip(masks, offsets, strict=True)):
            crop = data[band, y : y + mask.shape[0], x : x + mask.shape[1]]
            values = crop[mask & (crop > 0)].astype(np.float64)
            for name, wanted in (("mean", np.mean), ("std", np.std)):
                found = columns[f"{name}_b{band + 1}"][i]
                if not len(values):
                    assert np.isnan(found)
                else:
                    assert found == pytest.approx(wanted(values), rel=1e-6)


def test_opacity_is_no_band(make_raster: MakeRaster) -> None:
    alpha = np.full((40, 60), 255, np.uint8)
    raster = Raster.open(make_raster(alpha=alpha))
    columns = band_columns(trace([np.ones((3, 3), np.bool_)], HERE), raster)
    assert list(columns) == [f"{what}_b{i}" for i in (1, 2, 3) for what in ("mean", "std")]


def test_masks_come_back_out_of_their_outlines() -> None:
    mask = np.random.default_rng(0).random((30, 40)) > 0.5
    found = mask_of(trace([mask], np.array([[7, 5]])), (5, 3), (34, 44))
    np.testing.assert_array_equal(found[2:32, 2:42], mask)
    assert found.sum() == mask.sum()


def test_edges_of_one_pixel_go_round_the_mask() -> None:
    mask = np.ones((2, 3), np.bool_)
    mask[0, 2] = False
    edges = UnitEdges.of(trace([mask], np.array([[4, 9]])))
    assert len(edges.corners_xy) == 10
    ends = edges.corners_xy + edges.steps_xy
    np.testing.assert_array_equal(edges.corners_xy[edges.following], ends)
    assert set(edges.edge_keys.tolist()).isdisjoint(edges.corner_keys.tolist())
