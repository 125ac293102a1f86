"""The card as a whole, on rasters with known answers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from samgeo_core.cli import main
from samgeo_core.config import SegmentConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.preflight.advice import Advice
from samgeo_core.preflight.calibration import CalibrationBook
from samgeo_core.preflight.card import Preflight, Room, preflight
from samgeo_core.preflight.look import look_at_pixels
from samgeo_core.preflight.resample import Resampled, write_resampled
from samgeo_core.reading.raster import Raster
from samgeo_core.windows import Window
from tests.factories import MakeRaster


def _card(raster: Raster, config: SegmentConfig | None = None, **options: object) -> Preflight:
    return preflight(
        raster, config or SegmentConfig(preset="full"), look_at_pixels(raster), 10.0,
        **options,  # type: ignore[arg-type]
    )  # fmt: skip


def _advice(card: Preflight) -> dict[str, Advice]:
    return {advice.key: advice for advice in card.advice}


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32633", Affine(0.5, 0, 500_000, 0, -0.5, 6_654_000)),
        ("EPSG:3857", Affine(1, 0, 1_669_792, 0, -1, 8_399_738)),
        ("EPSG:4326", Affine(0.5 / 55_800, 0, 15, 0, -0.5 / 111_412, 60)),
    ],
)
def test_ground_resolution_is_in_true_metres(
    make_raster: MakeRaster, crs: str, transform: Affine
) -> None:
    # At 60° north web mercator stretches lengths twice, and a degree of longitude is 55.8 km.
    raster = Raster.open(make_raster(crs=crs, transform=transform))
    assert _card(raster).gsd_m == pytest.approx(0.5, rel=0.01)


def test_nodata_leads_to_the_extent_of_the_data(make_raster: MakeRaster) -> None:
    data = np.zeros((3, 600, 800), np.uint8)
    data[:, 100:300, 200:400] = 200
    card = _card(Raster.open(make_raster(data=data, nodata=0)))
    assert card.nodata_share == pytest.approx(1 - 1 / 12, abs=0.01)
    remedy = _advice(card)["nodata"].remedy
    assert remedy is not None
    found, wanted = Window(*remedy.value), Window(200, 100, 200, 200)
    assert found.intersection(wanted) == wanted
    assert found.width * found.height < 1.2 * wanted.width * wanted.height


def test_some_data_is_never_told_as_none(make_raster: MakeRaster) -> None:
    data = np.zeros((3, 600, 800), np.uint8)
    data[:, 100:110, 200:210] = 200
    advice = _advice(_card(Raster.open(make_raster(data=data, nodata=0))))
    assert "empty" not in advice
    assert advice["nodata"].text.startswith("99.9 % of the pixels")


def test_an_empty_image_is_stopped(make_raster: MakeRaster) -> None:
    raster = Raster.open(make_raster(data=np.zeros((3, 64, 64), np.uint8), nodata=0))
    assert [(advice.key, advice.kind) for advice in _card(raster).advice] == [("empty", "stop")]


def test_each_advice_has_its_cause(make_raster: MakeRaster) -> None:
    fine = Affine(0.05, 0, 500_000, 0, -0.05, 5_000_000)
    coarse = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    plain = _card(Raster.open(make_raster("plain.tif", shape_hw=(300, 300))))
    assert not {"too_fine", "too_coarse", "infrared", "no_place"} & set(_advice(plain))
    finer = _advice(_card(Raster.open(make_raster("fine.tif", transform=fine))))
    assert finer["too_fine"].remedy is not None
    assert finer["too_fine"].remedy.value == pytest.approx(0.05 / 0.3, rel=0.01)
    assert "too_coarse" in _advice(_card(Raster.open(make_raster("coarse.tif", transform=coarse))))
    nowhere = make_raster("nowhere.tif", crs=None, transform=None)
    assert "no_place" in _advice(_card(Raster.open(nowhere)))
    four = make_raster("four.tif", bands=4, descriptions=("blue", "green", "red", "nir"))
    remedy = _advice(_card(Raster.open(four)))["infrared"].remedy
    assert remedy is not None
    assert remedy.value == [4, 3, 2]
    dark = make_raster("dark.tif", data=np.full((3, 64, 64), 9, np.uint8))
    assert "dark" in _advice(_card(Raster.open(dark)))
    stretched = SegmentConfig(preset="full", stretch="percentile")
    assert "dark" not in _advice(_card(Raster.open(dark), stretched))
    tight = _advice(_card(Raster.open(dark), room=Room(10**8, 10**3)))
    assert {"memory", "disk"} <= set(tight)


def test_disk_and_memory_are_near_what_a_run_takes(make_raster: MakeRaster, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    data = random.integers(0, 255, (3, 900, 900)).astype(np.uint8)
    raster = Raster.open(make_raster(data=data))
    config = SegmentConfig()
    count = 50
    found = ObjectSet.build(
        (900, 900), [np.ones((40, 40), np.bool_)] * count,
        [(60 * (i % 10), 60 * (i // 10)) for i in range(count)], [0.9] * count, [0.95] * count,
    )  # fmt: skip
    record = {"n_objects": count, "seconds": {}}
    out = tmp_path / "run"
    out.mkdir()
    write_run(Segmentation(found, raster.grid, raster.read(), config, record), out)
    taken = sum(path.stat().st_size for path in out.iterdir())
    card = _card(raster, config)
    assert card.disk_bytes == pytest.approx(taken, rel=0.3)
    # A larger image needs more of both; another model only memory.
    other = _card(raster, replace(config, model="vit_h"))
    assert other.memory_bytes > card.memory_bytes + 2e9
    assert other.disk_bytes == card.disk_bytes


@pytest.mark.parametrize("factor", [0.25, 0.4, 2.0])
def test_a_resampled_raster_lies_where_it_lay(
    make_raster: MakeRaster, tmp_path: Path, factor: float
) -> None:
    data = np.zeros((4, 700, 520), np.uint16)
    data[:, 140:420, 130:390] = 3000
    data[:, :, 390:] = 7
    source = make_raster(data=data, nodata=7, descriptions=("blue", "green", "red", "nir"))
    raster = Raster.open(source)
    path = tmp_path / "other.tif"
    write_resampled(raster, Resampled.by_factor(raster, factor), path)
    other = Raster.open(path)
    assert other.shape_hw == (round(700 * factor), round(520 * factor))
    assert other.grid.gsd_m == pytest.approx(raster.grid.gsd_m / factor, rel=0.01)
    assert other.band_names == raster.band_names
    assert (other.dtype, other.nodata) == ("uint16", 7)
    assert other.valid_share() == pytest.approx(0.75, abs=0.02)
    ends = np.array([[0.0, 0.0], other.shape_hw[::-1]])
    far = np.array([[0.0, 0.0], raster.shape_hw[::-1]])
    assert other.grid.to_crs_xy(ends) == pytest.approx(raster.grid.to_crs_xy(far))
    bright = other.read(bands=(1, 2, 3)).rgb[:, : int(380 * factor), 0] > 128
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    assert rows[0] == pytest.approx(140 * factor, abs=2)
    assert rows[-1] == pytest.approx(420 * factor, abs=2)
    assert columns[0] == pytest.approx(130 * factor, abs=2)


def test_a_calibration_is_measured_once_and_kept(tmp_path: Path, default_model: object) -> None:
    book = CalibrationBook(tmp_path)
    assert book.find("vit_t", "cpu") is None
    found = book.measure("vit_t", device="cpu")
    assert all(
        math.isfinite(s) and s > 0 for r in found.rates.values() for s in (r.encode_s, r.prompt_s)
    )
    assert CalibrationBook(tmp_path).find("vit_t", "cpu") == found
    assert CalibrationBook(tmp_path).find("vit_b", "cpu") is None
    (tmp_path / "calibration.json").write_text("{broken")
    assert CalibrationBook(tmp_path).find("vit_t", "cpu") is None


def test_the_command_line_tells_the_same(
    make_raster: MakeRaster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from samgeo_core.preflight.calibration import Calibration
    from samgeo_core.preflight.workload import Rate

    rates = dict.fromkeys(("exact", "full", "fast"), Rate(1.0, 0.01))
    monkeypatch.setattr(CalibrationBook, "find", lambda *_: Calibration("", rates))
    image = str(make_raster(shape_hw=(600, 600)))
    assert main(["preflight", image, "--preset", "full", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["windows"] == sum(scale["windows"] for scale in told["scales"])
    assert told["seconds"] == pytest.approx(
        2 + told["work"]["images"] + 0.01 * told["work"]["prompts"]
    )
    assert main(["preflight", image, "--preset", "full"]) == 0
    text = capsys.readouterr().out
    assert f"windows     {told['windows']}" in text
    assert "600 x 600 px" in text
