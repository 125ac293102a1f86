"""The notebook of the reference workflow runs from top to bottom, and makes what it says."""

from __future__ import annotations

import zipfile
from pathlib import Path

import geopandas as gpd
import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from samgeo_core.reading.raster import Raster
from samgeo_core.reading.samples import sample_path

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "workflow.ipynb"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the notebook filled."""
    temporary = tmp_path_factory.mktemp("workflow")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        # The kernel chooses its own; a test before this one may have left another behind.
        patch.delenv("MPLBACKEND", raising=False)
        NotebookClient(notebook, timeout=600).execute()
    (folder,) = temporary.glob("samgeo-*")
    for cell in notebook.cells:
        assert not any(output.output_type == "error" for output in cell.get("outputs", []))
    _has_pictures(notebook, 2)
    return folder


def _has_pictures(notebook: NotebookNode, count: int) -> None:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(pictures) == count


def test_the_stored_notebook_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and not any(cell.outputs for cell in code)


@pytest.mark.weights
def test_masks_become_layers_of_the_same_objects(out: Path) -> None:
    image = Raster.open(sample_path("salt-ponds"))
    labels = Raster.open(out / "labels.tif")
    assert labels.grid == image.grid
    layers = [gpd.read_file(out / name) for name in ("objects.shp", "objects.gpkg")]
    assert len(layers[0]) == len(layers[1]) > 5
    for layer in layers:
        assert layer.crs == image.grid.crs
        assert layer.geometry.is_valid.all()


@pytest.mark.weights
def test_the_map_and_the_project_stand_alone(out: Path) -> None:
    page = (out / "map.html").read_text()
    assert "data:image/png;base64" in page and "area_m2" in page
    with zipfile.ZipFile(out / "project.zip") as archive:
        names = archive.namelist()
    assert any(name.endswith(".qgz") for name in names)
    assert any(name.endswith(".gpkg") for name in names)
