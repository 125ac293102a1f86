from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.parameters import CONTROLS, PREFIX
from pages.ui.settings_bands import Bands, bands_of
from pages.ui.settings_link import MOST_CHARACTERS, Settings, read, written
from pages.ui.state import StudioState
from samgeo_core.reading.channels import Channel
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Scene
from tests.factories import MakeRaster
from tests.pages.conftest import NAVIGATION, OWNER, OpenPage

GIVEN = "1~model.vit_b~preset.small~points_per_side.48~box_nms_thresh.0.65"


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(300, 400)), "town.tif", OWNER)


def follow(link: str, scene: Scene | None = None, owner: str | None = None) -> AppTest:
    app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
    if owner is not None:
        app.session_state["studio"] = StudioState(owner)
    app.query_params["settings"] = link
    if scene is not None:
        app.query_params["scene"] = scene.scene_id
    app.switch_page("segment.py")
    app.run()
    assert not app.exception
    return app


def slider(app: AppTest, name: str) -> object:
    return app.slider(key=PREFIX + name).value


def test_a_link_says_what_was_written() -> None:
    settings = Settings("vit_b", "small", {"points_per_side": 48, "box_nms_thresh": 0.65})
    assert written(settings) == GIVEN
    assert read(GIVEN) == settings


@pytest.mark.parametrize(
    "part",
    [
        "points_per_side.5", "points_per_side.400", "points_per_side.-4", "points_per_side.nan",
        "points_per_side.1e9", "points_per_side.", "box_nms_thresh.0.651", "checkpoint./etc/passwd",
        "device.cuda", "model.../x", "preset.none", "<b>", "constructor.1", "points_per_side.²",
    ],
)  # fmt: skip
def test_what_is_no_setting_is_left_out(part: str) -> None:
    settings = read(f"1~preset.sam~{part}")
    assert settings == Settings(None, "sam", {}, (part,))


@pytest.mark.parametrize("text", ["", "2~preset.sam", "preset.sam", "1~" + "x" * MOST_CHARACTERS])
def test_what_can_not_be_read_changes_nothing(text: str, scene: Scene) -> None:
    assert read(text) is None
    app = follow(text, scene)
    assert app.session_state[f"{PREFIX}preset"] == "everything"
    if text:
        assert "can't be read" in app.info[0].value


def test_the_page_takes_what_a_link_says_and_tells_it(scene: Scene) -> None:
    app = follow(f"{GIVEN}~<b>hi</b>", scene)
    assert app.session_state[f"{PREFIX}preset"] == "small"
    assert slider(app, "points_per_side") == 48
    assert slider(app, "pred_iou_thresh") == 0.84
    assert slider(app, "box_nms_thresh") == 0.65
    assert app.selectbox(key="model").value == "vit_b"
    told = app.info[0].value
    assert "preset Small objects; Grid density 48; Overlap of duplicates 0\\.65" in told
    assert "\\<b\\>hi" in told
    assert "settings" not in app.query_params
    # From here on the controls are the visitor's own.
    app.slider(key=f"{PREFIX}points_per_side").set_value(32).run()
    app.button(key="settings_seen").click().run()
    assert slider(app, "points_per_side") == 32
    assert not app.info


def test_settings_wait_for_an_image(scene: Scene, context: AppContext) -> None:
    app = follow(GIVEN)
    assert app.subheader[0].value == "No image is open yet."
    assert "Grid density 48" in app.info[0].value
    app.query_params["scene"] = scene.scene_id
    app.run()
    assert slider(app, "points_per_side") == 48
    assert app.selectbox(key="model").value == "vit_b"


def test_a_run_of_all_controls_comes_back(open_page: OpenPage, scene: Scene) -> None:
    values = {c.name: c.high for c in CONTROLS}
    settings = Settings("vit_b", "sam", values)
    assert len(written(settings)) < MOST_CHARACTERS
    app = follow(written(settings), scene)
    assert not app.exception
    assert {c.name: slider(app, c.name) for c in CONTROLS} == values


def test_the_page_offers_a_link_to_what_its_controls_say(scene: Scene) -> None:
    app = follow("1~preset.large~points_per_side.20", scene)
    told = [json.loads(part.proto.json) for part in app.get("bidi_component")]
    (link,) = [part["text"] for part in told if "?settings=" in part.get("text", "")]
    assert link.endswith("/segment?settings=1~model.vit_t~preset.large~points_per_side.20")


@pytest.mark.parametrize(
    ("part", "channels", "stretch"),
    [
        ("bands.signed.ndvi", ("ndvi",), "signed"),
        ("bands.auto.nir,red,green", ("nir", "red", "green"), "auto"),
        ("bands.percentile.(b4 - 1.5) / b3,2,1", ("(b4 - 1.5) / b3", 2, 1), "percentile"),
        ("bands.minmax.", (), "minmax"),
    ],
)
def test_bands_are_written_and_read(
    part: str, channels: tuple[Channel, ...], stretch: StretchMode
) -> None:
    settings = Settings(None, "sam", {}, bands=Bands(channels, stretch))
    assert written(settings) == f"1~preset.sam~{part}"
    assert read(f"1~preset.sam~{part}") == settings


@pytest.mark.parametrize(
    "part",
    ["bands.wild.ndvi", "bands.auto.1,2", "bands.auto.__import__('os')", "bands.auto.max(b1",
     "bands.auto." + "b1+" * 150 + "b1", "bands"],
)  # fmt: skip
def test_what_are_no_bands_is_left_out(part: str) -> None:
    assert read(f"1~preset.sam~{part}") == Settings(None, "sam", {}, (part,))


def test_a_link_shows_ones_own_image_in_its_bands(
    context: AppContext, make_raster: MakeRaster
) -> None:
    path = make_raster(bands=2, descriptions=("red", "nir"), shape_hw=(300, 300))
    mine = context.store.add_scene(path, "mine.tif", OWNER)
    link = "1~preset.sam~bands.signed.ndvi"
    assert bands_of(mine) is None
    app = follow(link, mine, OWNER)
    shown = context.store.scene(mine.scene_id)
    assert shown.stretch.bands == ("(b2 - b1) / (b2 + b1)",) * 3
    assert shown.stretch.lows == (-1, -1, -1)
    assert bands_of(shown) == Bands(("ndvi",), "signed")
    assert "bands signed" in app.info[0].value
    # Somebody else's stays as it is, and an image without these bands says so.
    theirs = context.store.add_scene(path, "theirs.tif", "somebody else")
    follow(link, theirs, OWNER)
    assert bands_of(context.store.scene(theirs.scene_id)) is None
    plain = context.store.add_scene(make_raster(shape_hw=(300, 300)), "rgb.tif", OWNER)
    app = follow(link, plain, OWNER)
    assert "ndvi" in app.error[0].value
    assert bands_of(context.store.scene(plain.scene_id)) is None
