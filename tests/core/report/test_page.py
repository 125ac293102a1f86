"""Pages and pictures, read back: one page, its words, its colours."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from pypdf import PdfReader
from rasterio.crs import CRS

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.report.figures import AreaFigures
from samgeo_core.report.page import write_page
from samgeo_core.report.picture import map_picture
from samgeo_core.report.quicklook import LONGEST_PX, write_quicklook
from samgeo_core.report.subject import ReportSubject, colors_of
from samgeo_core.tile import TileImage
from samgeo_core.words import speaking

RED, BLUE = "#d62728", "#1f77b4"
GRID = GeoGrid((300, 400), Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000), CRS.from_epsg(32633))


def make_subject(grid: GeoGrid = GRID, title: str = "屋顶 $x_1$ & co") -> ReportSubject:
    labels = np.zeros(grid.shape_hw, np.int32)
    labels[20:60, 30:90], labels[100:200, 200:300] = 1, 2
    figures = AreaFigures.of([600, 2500], [2400, 10_000], (["甘蔗", "$a_b$"], [RED, BLUE]), 0.1)

    def image(shape_hw: tuple[int, int]) -> TileImage:
        return TileImage(np.full((*shape_hw, 3), 128, np.uint8), np.ones(shape_hw, np.bool_))

    return ReportSubject(
        title, grid, figures, colors_of(figures), lambda step: labels[::step, ::step], image,
        (("Model", "MobileSAM"), ("Image", "a$b$.tif")), ("Imagery: the town, CC-BY",),
    )  # fmt: skip


def _words(path: Path) -> str:
    reader = PdfReader(path)
    assert len(reader.pages) == 1
    return reader.pages[0].extract_text()


@pytest.mark.parametrize(("paper", "points"), [("A4", (595, 842)), ("Letter", (612, 792))])
def test_a_report_is_one_page_that_says_everything(
    tmp_path: Path, paper: str, points: tuple[int, int]
) -> None:
    path = tmp_path / "report.pdf"
    write_page(path, make_subject(), paper)
    words = _words(path)
    for text in (
        "屋顶 $x_1$ & co", "2 objects", "甘蔗", "$a_b$", "600 m²", "3,100 m²",
        "MobileSAM", "a$b$.tif", "EPSG:32633", "50 m", "Imagery: the town, CC-BY",
    ):  # fmt: skip
        assert text in words, text
    box = PdfReader(path).pages[0].mediabox
    assert (round(box.width), round(box.height)) == points


def test_a_report_speaks_chinese_and_counts_px_without_a_place(tmp_path: Path) -> None:
    subject = make_subject(GeoGrid((300, 400), Affine.identity(), None))
    figures = AreaFigures.of([], [2400, 10_000])
    with speaking("zh-CN"):
        write_page(tmp_path / "report.pdf", replace(subject, figures=figures))
    words = _words(tmp_path / "report.pdf")
    assert "12,400" in words
    assert "对象" in words


def test_other_paper_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="A4 or Letter"):
        write_page(tmp_path / "report.pdf", make_subject(), "A0")


def test_pages_of_several_threads_are_the_same(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    threads = [threading.Thread(target=write_quicklook, args=(p, make_subject())) for p in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pictures = [np.asarray(Image.open(path)) for path in paths]
    assert all(np.array_equal(pictures[0], other) for other in pictures[1:])


def test_a_quicklook_has_the_colours_of_classes_on_the_map_and_in_the_legend(
    tmp_path: Path,
) -> None:
    path = tmp_path / "quicklook.png"
    write_quicklook(path, make_subject())
    with Image.open(path) as image:
        assert max(image.size) <= LONGEST_PX * 1.2
        assert image.info["Title"] == "屋顶 $x_1$ & co"
        picture = np.asarray(image.convert("RGB"))
    map_rows = picture.shape[1] * 3 // 4
    for color in (RED, BLUE):
        is_it = np.abs(picture.astype(int) - tuple(bytes.fromhex(color[1:]))).max(2) < 12
        assert is_it[:map_rows].sum() > 100  # outlines
        assert is_it[map_rows:].sum() > 50  # a swatch


def test_memory_follows_from_the_picture_not_from_the_raster() -> None:
    grid = replace(GRID, shape_hw=(60_000, 80_000))
    asked: list[tuple[int, ...]] = []

    def image(shape_hw: tuple[int, int]) -> TileImage:
        asked.append(shape_hw)
        return TileImage(np.zeros((*shape_hw, 3), np.uint8), np.zeros(shape_hw, np.bool_))

    def labels(step: int) -> np.ndarray:
        return np.ones((-(-60_000 // step), -(-80_000 // step)), np.uint8)

    subject = replace(make_subject(), grid=grid, read_labels=labels, read_image=image)
    picture = map_picture(subject, 1600)
    assert asked == [(1200, 1600)]
    assert picture.rgb.shape == (1200, 1600, 3)
    assert picture.extent == (0, 80_000, 60_000, 0)
