from __future__ import annotations

import numpy as np

from pages.ui.facts import Look, raster_advice, raster_facts
from samgeo_core.reading.raster import Raster
from tests.factories import MakeRaster

BRIGHT = Look(valid_share=1.0, dark=False)


def _facts(raster: Raster, look: Look = BRIGHT) -> dict[str, str]:
    return {fact.label: fact.value for fact in raster_facts(raster, look)}


def _kinds(raster: Raster, look: Look = BRIGHT) -> list[str]:
    return [item.kind for item in raster_advice(raster, look)]


def test_facts_of_a_georeferenced_raster(make_raster: MakeRaster) -> None:
    facts = _facts(Raster.open(make_raster(shape_hw=(400, 600))), Look(0.75, False))
    assert facts["Size"] == "600 × 400 px (0.2 MP)"
    assert facts["Ground resolution"] == "50 cm per pixel"
    assert facts["Extent"] == "300 m × 200 m"
    assert facts["Bands"] == "3 × uint8"
    assert facts["Coordinate system"] == "EPSG:32633 (WGS 84 / UTM zone 33N)"
    assert facts["Without data"] == "25 %"
    assert facts["File"].startswith("GeoTIFF, ")


def test_a_raster_without_crs_has_no_ground_facts_but_a_note(make_raster: MakeRaster) -> None:
    raster = Raster.open(make_raster("image.png", shape_hw=(300, 300), crs=None, transform=None))
    facts = _facts(raster)
    assert facts["Coordinate system"] == "none"
    assert "Ground resolution" not in facts
    (advice,) = raster_advice(raster, BRIGHT)
    assert advice.kind == "note"
    assert "no coordinate system" in advice.text


def test_a_usual_raster_gets_no_advice(make_raster: MakeRaster) -> None:
    assert _kinds(Raster.open(make_raster(shape_hw=(300, 300)))) == []


def test_nothing_to_segment_stops(make_raster: MakeRaster) -> None:
    assert _kinds(Raster.open(make_raster(shape_hw=(300, 300))), Look(0.0, True)) == ["stop"]


def test_warnings_come_before_notes(make_raster: MakeRaster) -> None:
    raster = Raster.open(make_raster(shape_hw=(300, 300), dtype="uint16", bands=1))
    advice = raster_advice(raster, Look(0.4, False))
    assert [item.kind for item in advice] == ["warning", "note", "note"]
    assert "60 %" in advice[0].text
    assert "uint16" in advice[1].text


def test_a_dark_image_is_noticed_until_it_is_stretched(make_raster: MakeRaster) -> None:
    values = np.full((3, 300, 300), 40, np.uint8)
    raster = Raster.open(make_raster(data=values))
    look = Look.of(raster)
    assert look == Look(valid_share=1.0, dark=True)
    assert "dark" in raster_advice(raster, look)[0].text
    assert raster_advice(raster, look, "percentile") == []
    assert not Look.of(Raster.open(make_raster("bright.tif", data=values + 150))).dark
