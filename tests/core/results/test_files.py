from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.crs import CRS

from samgeo_core.errors import ExportError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.results.annotate import write_annotation
from samgeo_core.results.export import FORMATS, write_bundle, write_vector
from samgeo_core.results.files import replacing
from samgeo_core.results.labels import write_label_raster
from tests.factories import UTM_33N


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    with replacing(target) as temporary:
        assert temporary.name == "result.txt"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(tmp_path) == ["result.txt"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(target) as temporary:
        temporary.write_text("ne")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["result.txt"]


def test_what_lies_beside_moves_along(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.shp") as temporary:
        temporary.write_text("shapes")
        temporary.with_suffix(".dbf").write_text("table")
    assert names(tmp_path) == ["a.dbf", "a.shp"]


def test_new_files_have_ordinary_rights(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with replacing(tmp_path / "moved") as temporary:
        temporary.write_text("")
    assert (tmp_path / "moved").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="create it first"), replacing(tmp_path / "no" / "a"):
        pytest.fail("the block must not run")
    with pytest.raises(ExportError, match="is a folder"), replacing(tmp_path):
        pytest.fail("the block must not run")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk, writing fails beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _layer() -> gpd.GeoDataFrame:
    """Enough rings that every format takes more than 10 kB."""
    x, y = np.random.default_rng(0).random((2, 1000)) * 1000 + 500_000
    return gpd.GeoDataFrame(
        {"object_id": np.arange(1000), "area_m2": x},
        geometry=shapely.box(x, y, x + 1, y + 1),
        crs=32633,
    )


def _labels(path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 9999, (600, 600)).astype(np.uint16)
    write_label_raster(path, labels, GeoGrid((600, 600), UTM_33N, CRS.from_epsg(32633)))


def _annotation(path: Path) -> None:
    mask = np.random.default_rng(0).random((600, 600)) > 0.5
    write_annotation(path, ObjectSet.build((600, 600), [mask], [(0, 0)], [1], [1]))


def _bundle(path: Path) -> None:
    run = path.parent / "run"
    run.mkdir(exist_ok=True)
    (run / "run.json").write_text("{}")
    grid = GeoGrid((60, 60), UTM_33N, CRS.from_epsg(32633))
    write_label_raster(run / "labels.tif", np.zeros((60, 60), np.uint8), grid)
    write_bundle(path, run, _layer())


WRITERS: dict[str, Callable[[Path], None]] = {
    **{f"a{item.suffix}": lambda path: write_vector(_layer(), path) for item in FORMATS.values()},
    "a.shp": lambda path: write_vector(_layer(), path),
    "labels.tif": _labels,
    "annotations.png": _annotation,
    "bundle.zip": _bundle,
}


@pytest.mark.parametrize("missing_bytes", [1, 600, 5_000])
@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_full_disk_is_noticed(tmp_path: Path, name: str, missing_bytes: int) -> None:
    WRITERS[name](tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    with files_of_at_most(len(whole) - missing_bytes), pytest.raises(ExportError, match="written"):
        WRITERS[name](tmp_path / name)
    assert (tmp_path / name).read_bytes() == whole
