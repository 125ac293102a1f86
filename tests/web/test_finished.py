"""Files hold outlines as their address asks, and pictures show what that changes."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.errors import ParameterError
from samgeo_core.web.downloads import make_download
from samgeo_core.web.export_preview import preview
from samgeo_core.web.finished import ExportChoice
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.selected import selected
from tests.web.conftest import MakeRun, MakeScene

CHOICES = st.builds(
    ExportChoice,
    product=st.sampled_from(["objects", "partition"]),
    smoothing=st.integers(0, 50),
    tolerance=st.floats(0, 1000),
    unit=st.sampled_from(["px", "m"]),
    regular=st.booleans(),
    circles=st.booleans(),
    fill=st.floats(0, 100),
    bands=st.booleans(),
)


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene(shape_hw=(120, 160))


@pytest.fixture
def disc(scene: Scene, make_run: MakeRun) -> Run:
    """A disc of 25 px and another beside it."""
    mask = np.hypot(*np.mgrid[-25:26, -25:26]) <= 25.2
    return make_run(scene, masks=[(mask, (10, 20), 0.9), (mask, (70, 40), 0.95)])


@given(CHOICES)
def test_a_choice_comes_back_from_its_address(choice: ExportChoice) -> None:
    assert ExportChoice.from_query(choice.query) == choice


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("product", "everything"), ("smoothing", "1e9"), ("smoothing", "-1"), ("tolerance", "nan"),
        ("tolerance", "inf"), ("tolerance", "-0.5"), ("fill", "1000"), ("unit", "km"),
        ("regular", "yes"), ("smoothing", "5" * 5000),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(name: str, text: str) -> None:
    with pytest.raises(ParameterError):
        ExportChoice.from_query({f"out_{name}": text})


def test_files_have_the_outlines_that_were_asked_for(disc: Run, scene: Scene) -> None:
    def outlines(name: str, choice: ExportChoice) -> gpd.GeoDataFrame:
        return gpd.read_file(make_download(disc, name, image=lambda: scene, choice=choice).path)

    corners = {
        name: int(shapely.get_num_coordinates(outlines("objects.fgb", choice).geometry).sum())
        for name, choice in {
            "pixels": ExportChoice(smoothing=0, tolerance=0.0),
            "smooth": ExportChoice(),
            "coarse": ExportChoice(tolerance=3.0),
        }.items()
    }
    assert corners["pixels"] > corners["smooth"] > corners["coarse"]
    told = outlines("objects.fgb", ExportChoice(bands=True))
    assert {"mean_b1", "std_b1", "length_m", "touches_edge"} <= {*told.columns}
    whole = outlines("objects.fgb", ExportChoice(product="partition"))
    assert shapely.coverage_is_valid(np.asarray(whole.geometry))
    assert (whole["object_id"] < 0).any()
    grid = selected(disc).source.place.grid
    area = abs(grid.transform.determinant) * grid.shape_hw[0] * grid.shape_hw[1]
    assert shapely.area(np.asarray(whole.geometry)).sum() == pytest.approx(area)


def test_the_runs_own_file_is_the_default_layer(disc: Run) -> None:
    own = gpd.read_file(make_download(disc, "objects.gpkg").path, layer="objects")
    # NOTE: FlatGeobuf puts rows where they lie.
    made = gpd.read_file(make_download(disc, "objects.fgb").path).sort_values("object_id")
    assert [*made.columns] == [*own.columns]
    assert shapely.equals_exact(
        shapely.normalize(np.asarray(made.geometry)),
        shapely.normalize(np.asarray(own.geometry)),
        1e-9,
    ).all()


def test_pictures_show_what_a_choice_changes(disc: Run, scene: Scene) -> None:
    shown = selected(disc)
    smooth = preview(shown, ExportChoice(), scene, object_id=1)
    coarse = preview(shown, ExportChoice(tolerance=5.0), scene, object_id=1)
    assert smooth is not None and coarse is not None
    assert smooth.before == coarse.before and smooth.after != coarse.after
    assert smooth.corners[0] > smooth.corners[1] > coarse.corners[1]
    assert smooth.area_change < 0.01 < coarse.area_change < 0.3
    assert "data:image/png" in smooth.after
    assert (smooth.window.width, smooth.window.height) == (127, 120)
    whole = preview(shown, ExportChoice(product="partition"), None)
    assert whole is not None and whole.is_coverage
    assert "data:image/png" not in whole.after


def test_a_result_in_regions_is_offered_as_it_was_drawn(
    bright: Scene, make_streamed_run: MakeRun
) -> None:
    run = make_streamed_run(bright)
    assert make_download(run, "objects.gpkg")
    with pytest.raises(ParameterError, match="vectorize"):
        make_download(run, "objects.gpkg", choice=ExportChoice(tolerance=2.0))


def test_metres_need_a_place(make_scene: MakeScene, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(make_scene(crs=None, transform=None, shape_hw=(120, 160)))
    with pytest.raises(ParameterError, match="coordinate reference system"):
        make_download(run, "objects.fgb", choice=ExportChoice(unit="m"))
