"""The calls of samgeo scripts, on real weights and small scenes."""

import inspect
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import matplotlib.pyplot as plt
import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.crs import CRS
from segment_anything import SamPredictor
from shapely.geometry import box

from samgeo_core import SamGeo
from samgeo_core.api.prompts import Prompts
from samgeo_core.errors import ParameterError, RasterError, WeightsError
from samgeo_core.models.download import find_weights
from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.reading.raster import Raster
from samgeo_core.windows import Window
from tests.factories import UTM_33N, MakeRaster

pytestmark = pytest.mark.weights

SAM_KWARGS = {"points_per_side": 6, "pred_iou_thresh": 0.8, "stability_score_thresh": 0.9}
QUICK = {**SAM_KWARGS, "points_per_side": 3}
# No mask stays the same when its cutoff is shifted that far.
NOTHING = {"points_per_side": 2, "stability_score_thresh": 1.0, "stability_score_offset": 50.0}


@pytest.fixture(autouse=True)
def silent_backend() -> Iterator[None]:
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> GeneratedScene:
    return generated_scene(tmp_path_factory.mktemp("scene") / "scene.tif", size=256)


@pytest.fixture(scope="module")
def sam(scene: GeneratedScene) -> SamGeo:
    """One that has generated; tests that generate anew make their own."""
    sam = SamGeo("vit_t", device="cpu", sam_kwargs=SAM_KWARGS)
    sam.generate(str(scene.path))
    assert len(sam.masks) >= 3
    return sam


@pytest.fixture(scope="module")
def prompted(scene: GeneratedScene) -> SamGeo:
    """One that has the scene as its image."""
    sam = SamGeo("vit_t", device="cpu")
    sam.set_image(scene.path)
    return sam


def new_sam(**sam_kwargs: Any) -> SamGeo:
    return SamGeo("vit_t", device="cpu", sam_kwargs=sam_kwargs or SAM_KWARGS)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


def truth_mask(scene: GeneratedScene, index: int) -> np.ndarray:
    shape = Raster.open(scene.path).shape_hw
    return rasterio.features.rasterize([scene.truth_px[index]], shape) > 0


def same_place(path: Path, source: Path) -> bool:
    with rasterio.open(path) as made, rasterio.open(source) as given:
        return made.crs == given.crs and made.transform.almost_equals(given.transform)


def test_the_script_everybody_starts_from(
    scene_dir: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """On a part of a real scene; only the import, the model and the grid differ from samgeo's."""
    monkeypatch.chdir(tmp_path)
    cut_out(scene_dir("nl_river") / "image.tif", Path("image.tif"), Window(100, 600, 256, 256))
    sam = SamGeo(
        model_type="vit_t",
        checkpoint=str(find_weights("vit_t")),
        device=None,
        sam_kwargs=SAM_KWARGS,
    )
    sam.generate("image.tif", output="masks.tif", foreground=True, unique=True)
    sam.show_masks(cmap="binary_r")
    sam.show_anns(axis="off", alpha=1, output="annotations.tif")
    sam.tiff_to_vector("masks.tif", "masks.gpkg")
    sam.tiff_to_gpkg("masks.tif", "again.gpkg", simplify_tolerance=None)
    sam.tiff_to_shp("masks.tif", "masks.shp")
    sam.tiff_to_geojson("masks.tif", "masks.geojson")
    sam.raster_to_vector("masks.tif", "simple.gpkg", simplify_tolerance=1)

    assert same_place(Path("masks.tif"), Path("image.tif"))
    assert same_place(Path("annotations.tif"), Path("image.tif"))
    with rasterio.open("masks.tif") as masks:
        labels = masks.read(1)
        assert np.array_equal(labels, sam.objects) and labels.max() == len(sam.masks) > 5
    with rasterio.open("image.tif") as image, rasterio.open("annotations.tif") as drawn:
        pixels, colours = image.read(), drawn.read()
        assert (colours[:, labels == 0] == pixels[:, labels == 0]).all()
        assert (colours[:, labels > 0] != pixels[:, labels > 0]).any(0).mean() > 0.9
        assert np.array_equal(np.moveaxis(pixels, 0, 2), sam.image)
    exact = gpd.read_file("masks.gpkg")
    assert exact.crs.to_epsg() == 28992
    assert set(exact["value"]) == set(np.unique(labels)) - {0}
    pixel_m2 = 0.25**2
    assert exact.area.sum() == pytest.approx((labels > 0).sum() * pixel_m2, rel=1e-6)
    assert exact["area_m2"].sum() == pytest.approx(exact.area.sum(), rel=1e-3)
    assert len(gpd.read_file("again.gpkg")) == len(gpd.read_file("masks.shp")) == len(exact)
    simple = gpd.read_file("simple.gpkg")
    assert simple.get_coordinates().shape[0] < exact.get_coordinates().shape[0] / 2
    in_degrees = gpd.read_file("masks.geojson")
    assert in_degrees.crs.to_epsg() == 4326 and len(in_degrees) == len(exact)
    west, south, east, north = in_degrees.total_bounds
    assert 3 < west < east < 8 and 50 < south < north < 54


def cut_out(source: Path, target: Path, window: Window) -> None:
    """A part of a raster as a file of its own."""
    grid = Raster.open(source).grid.window(window)
    rows, columns = window.slices
    with rasterio.open(source) as dataset:
        bands = dataset.read(window=((rows.start, rows.stop), (columns.start, columns.stop)))
        profile = {"driver": "GTiff", "count": dataset.count, "dtype": dataset.dtypes[0]}
    profile |= {"height": window.height, "width": window.width}
    with rasterio.open(target, "w", crs=grid.crs, transform=grid.transform, **profile) as made:
        made.write(bands)


def test_what_is_remembered(sam: SamGeo, scene: GeneratedScene):
    assert sam.source == str(scene.path)
    assert sam.image.shape == (256, 256, 3) and sam.image.dtype == np.uint8
    assert sam.objects.dtype == np.uint8 and sam.objects.max() == len(sam.masks)
    areas = [record["area"] for record in sam.masks]
    assert areas == sorted(areas)
    assert all(record["segmentation"].sum() == record["area"] for record in sam.masks)
    assert sam.mask_scores == {
        i: pytest.approx(record["predicted_iou"]) for i, record in enumerate(sam.masks, start=1)
    }
    # Smaller objects lie on top of larger ones.
    painted = np.zeros((256, 256), int)
    for i in reversed(range(len(sam.masks))):
        painted[sam.masks[i]["segmentation"]] = i + 1
    assert np.array_equal(sam.objects, painted)


def test_objects_are_where_they_were_drawn(sam: SamGeo, scene: GeneratedScene):
    """In the CRS of the file, the polygons cover what was drawn."""
    found = sam.to_geodataframe()
    assert found.crs.to_epsg() == 32633
    hits = 0
    for truth in scene.truth:
        overlap = found.intersection(truth).area / found.union(truth).area
        hits += overlap.max() > 0.9
    assert hits >= 0.7 * len(scene.truth)
    assert {"object_id", "parent_id", "score", "stability", "area_m2", "perimeter_m"} <= set(found)


@pytest.mark.parametrize(
    "transform",
    [
        UTM_33N @ Affine.scale(1, -1),
        UTM_33N @ Affine.rotation(25),
    ],
    ids=["south-up", "rotated"],
)
def test_any_grid_is_kept(sam: SamGeo, make_raster: MakeRaster, tmp_path: Path, transform: Affine):
    path = make_raster(data=np.moveaxis(sam.image, 2, 0), transform=transform)
    turned = new_sam(**QUICK)
    turned.generate(path, tmp_path / "masks.tif")
    turned.show_anns(output=tmp_path / "annotations.tif")
    for name in ("masks.tif", "annotations.tif"):
        with rasterio.open(tmp_path / name) as made:
            assert made.transform.almost_equals(transform)
    assert len(turned.masks) >= 2
    turned.tiff_to_vector(tmp_path / "masks.tif", tmp_path / "masks.gpkg")
    written = gpd.read_file(tmp_path / "masks.gpkg")
    corners = Raster.open(path).grid.to_crs_xy([(0, 0), (256, 0), (256, 256), (0, 256)])
    frame = gpd.GeoSeries.from_xy(*corners.T).union_all().convex_hull.buffer(1e-6)
    assert written.within(frame).all()
    assert written.area.sum() == pytest.approx((turned.objects > 0).sum() * 0.25, rel=1e-6)


def test_no_objects_is_an_empty_result(scene: GeneratedScene, tmp_path: Path):
    sam = new_sam(**NOTHING)
    sam.generate(scene.path, tmp_path / "masks.tif")
    assert len(sam.masks) == 0 and not sam.objects.any() and sam.mask_scores == {}
    sam.show_masks(output=tmp_path / "masks.png")
    sam.show_anns(output=tmp_path / "annotations.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "annotations.png")), sam.image)
    assert same_place(tmp_path / "masks.tif", scene.path)
    for suffix in (".gpkg", ".shp", ".geojson"):
        sam.tiff_to_vector(tmp_path / "masks.tif", tmp_path / f"masks{suffix}")
        layer = gpd.read_file(tmp_path / f"masks{suffix}")
        assert len(layer) == 0 and layer.crs is not None
    assert len(sam.to_geodataframe()) == 0
    sam.save_masks(tmp_path / "background.tif", unique=False, foreground=False)
    with rasterio.open(tmp_path / "background.tif") as background:
        assert (background.read(1) == 255).all()


def test_masks_of_both_sides(sam: SamGeo, scene: GeneratedScene, tmp_path: Path):
    covered = sum(record["segmentation"] for record in sam.masks) > 0
    sam.save_masks(tmp_path / "front.tif", unique=False)
    assert np.array_equal(sam.objects, covered * np.uint8(255))
    assert same_place(tmp_path / "front.tif", scene.path)
    sam.save_masks(unique=False, foreground=False)
    assert np.array_equal(sam.objects, ~covered * np.uint8(255))
    sam.save_masks(tmp_path / "front.png", unique=False, mask_multiplier=1000)
    assert sam.objects.dtype == np.uint16 and set(np.unique(sam.objects)) == {0, 1000}
    assert np.array_equal(np.asarray(Image.open(tmp_path / "front.png")), sam.objects)
    with pytest.raises(ParameterError, match="1 to 65535"):
        sam.save_masks(unique=False, mask_multiplier=0)
    sam.save_masks()


def test_borders_are_taken_off(sam: SamGeo):
    sam.save_masks(unique=False)
    before = sam.objects > 0
    sam.save_masks(unique=False, erosion_kernel=(3, 3))
    thin = sam.objects > 0
    sam.save_masks(unique=False, erosion_kernel=(5, 5))
    thick = sam.objects > 0
    sam.save_masks()
    assert thick.sum() < thin.sum() < before.sum()
    assert not (thin & ~before).any() and not (thick & ~thin).any()


def test_sizes_are_chosen(sam: SamGeo):
    areas = np.array([record["area"] for record in sam.masks])
    least, most = int(areas[1]), int(areas[-2])
    sam.save_masks(min_size=least, max_size=most)
    kept = ((areas >= least) & (areas <= most)).sum()
    assert sam.objects.max() == kept == len(sam.mask_scores) == len(sam.to_geodataframe())
    assert len(sam.masks) == len(areas), "all masks stay at hand"
    sam.save_masks()
    assert sam.objects.max() == len(areas)


def test_pixels_without_data_belong_to_nothing(sam: SamGeo, make_raster: MakeRaster):
    pixels = np.moveaxis(sam.image, 2, 0).copy()
    pixels[:, :, :100] = 0
    declared = make_raster("declared.tif", data=pixels, nodata=0)
    undeclared = make_raster("undeclared.tif", data=pixels)
    for path, nodata_value in ((declared, None), (undeclared, 0)):
        holed = new_sam(**QUICK)
        holed.generate(path, nodata_value=nodata_value)
        assert len(holed.masks) and not holed.objects[:, :100].any()
        holed.save_masks(unique=False, foreground=False)
        assert not holed.objects[:, :100].any() and holed.objects[:, 100:].any()
    holed.predict(boxes=[60, 60, 200, 200])
    assert not holed.masks[..., :100].any() and holed.masks[..., 100:].any()


def test_windows_find_what_the_whole_finds(scene: GeneratedScene):
    sam = new_sam(points_per_side=4, pred_iou_thresh=0.8)
    sam.generate(scene.path, batch=True, batch_sample_size=(160, 160))
    found = sam.to_geodataframe()
    hits = [(found.intersection(t).area / found.union(t).area).max() > 0.85 for t in scene.truth]
    assert np.mean(hits) >= 0.6


def test_arrays_are_images_too(sam: SamGeo, scene: GeneratedScene, tmp_path: Path):
    grid = Raster.open(scene.path).grid
    other = new_sam()
    other.generate(sam.image, tmp_path / "masks.tif", crs=grid.crs, transform=grid.transform)
    assert other.source is None
    assert np.array_equal(other.image, sam.image)
    assert np.array_equal(other.objects, sam.objects)
    assert same_place(tmp_path / "masks.tif", scene.path)
    other.save_masks(tmp_path / "masks.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "masks.png")), sam.objects)
    other.tiff_to_vector(tmp_path / "masks.png", tmp_path / "masks.gpkg")
    assert gpd.read_file(tmp_path / "masks.gpkg").crs is None
    other.set_image(sam.image[..., ::-1], bands=[3, 2, 1])
    assert np.array_equal(other.image, sam.image)


def test_pictures_at_full_resolution(sam: SamGeo, scene: GeneratedScene, tmp_path: Path):
    sam.show_masks(output=tmp_path / "masks.tif", cmap="viridis")
    sam.show_anns(output=tmp_path / "blend.png", alpha=0.5)
    sam.show_anns(output=tmp_path / "layer.tif", alpha=1, blend=False)
    free = sam.objects == 0
    assert plt.get_figlabels() == ["Masks", "Annotations"]
    assert same_place(tmp_path / "masks.tif", scene.path)
    with rasterio.open(tmp_path / "masks.tif") as masks:
        assert masks.count == 3 and len(np.unique(masks.read().reshape(3, -1), axis=1)[0]) > 2
    blend = np.asarray(Image.open(tmp_path / "blend.png"))
    assert blend.shape == (256, 256, 3) and np.array_equal(blend[free], sam.image[free])
    with rasterio.open(tmp_path / "layer.tif") as layer:
        red, green, blue, opacity = layer.read()
    assert np.array_equal(opacity > 0, ~free)
    assert sam.annotations.shape == (256, 256, 3) and (sam.annotations[free] == 255).all()
    assert np.array_equal(np.dstack([red, green, blue])[~free], sam.annotations[~free])


def test_one_point_is_what_sams_own_predictor_finds(prompted: SamGeo, scene: GeneratedScene):
    point = scene.truth_px[0].representative_point()
    reference = SamPredictor(prompted.sam)
    reference.set_image(prompted.image)
    masks, scores, logits = reference.predict(np.array([[point.x, point.y]]), np.array([1]))
    found = prompted.predict([[point.x, point.y]], point_labels=1, return_results=True)
    assert found[0] is prompted.masks and prompted.masks.dtype == bool
    assert prompted.masks.shape == (3, 256, 256) and prompted.logits.shape == (3, 256, 256)
    np.testing.assert_allclose(prompted.scores, scores, atol=1e-3)
    np.testing.assert_allclose(prompted.logits, logits, atol=2e-3)
    assert all(iou(a, b) > 0.99 for a, b in zip(prompted.masks, masks, strict=True))
    assert iou(prompted.masks[prompted.scores.argmax()], truth_mask(scene, 0)) > 0.8
    prompted.predict([[point.x, point.y]], return_logits=True)
    assert prompted.masks.dtype == np.float32
    assert np.array_equal(prompted.masks > 0, found[0])
    prompted.predict([[point.x, point.y]], mask_input=logits[:1], multimask_output=False)
    assert prompted.masks.shape == (1, 256, 256)
    again = reference.predict(
        np.array([[point.x, point.y]]), np.array([1]), None, logits[:1], multimask_output=False
    )
    assert iou(prompted.masks[0], again[0][0]) > 0.99


def test_a_click_on_the_map(prompted: SamGeo, scene: GeneratedScene, tmp_path: Path):
    sam = prompted
    point = gpd.GeoSeries([scene.truth[1].representative_point()], crs=32633).to_crs(4326)[0]
    sam.predict([[point.x, point.y]], point_crs="EPSG:4326", output=str(tmp_path / "mask.tif"))
    with rasterio.open(tmp_path / "mask.tif") as made:
        mask = made.read(1)
    assert same_place(tmp_path / "mask.tif", scene.path)
    assert mask.dtype == np.float32 and set(np.unique(mask)) == {0, 255}
    assert np.array_equal(mask, sam.prediction)
    assert iou(mask > 0, truth_mask(scene, 1)) > 0.8
    sam.save_prediction(tmp_path / "mask.png", index=0, dtype="uint8", mask_multiplier=1)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.png")) > 0, sam.masks[0])
    with pytest.raises(ParameterError, match="index must be 0 to 2"):
        sam.save_prediction(tmp_path / "mask.png", index=3)


def test_boxes_of_a_file_become_polygons(prompted: SamGeo, scene: GeneratedScene, tmp_path: Path):
    boxes = gpd.GeoDataFrame(geometry=[box(*t.bounds) for t in scene.truth], crs=32633)
    boxes.to_crs(4326).to_file(tmp_path / "boxes.geojson")
    sam = prompted
    sam.predict(
        boxes=str(tmp_path / "boxes.geojson"),
        point_crs="EPSG:4326",
        output=tmp_path / "mask.tif",
        dtype="uint8",
        vector=tmp_path / "objects.gpkg",
    )
    n = len(scene.truth)
    assert sam.masks.shape == (n, 3, 256, 256) and sam.scores.shape == (n, 3)
    assert sam.boxes.shape == (n, 4)
    found = gpd.read_file(tmp_path / "objects.gpkg")
    assert len(found) == n and found.crs.to_epsg() == 32633
    assert found["score"].between(0.5, 1.1).all()
    hits = [(found.intersection(t).area / found.union(t).area).max() > 0.85 for t in scene.truth]
    assert np.mean(hits) >= 0.8
    with rasterio.open(tmp_path / "mask.tif") as made:
        union = made.read(1) > 0
    pixel_area = abs(Raster.open(scene.path).grid.transform.determinant)
    assert union.sum() * pixel_area == pytest.approx(found.union_all().area, rel=1e-6)


def test_groups_of_prompts_are_as_one(
    prompted: SamGeo, scene: GeneratedScene, monkeypatch: pytest.MonkeyPatch
):
    sam = prompted
    boxes = np.array([t.bounds for t in scene.truth_px])
    sam.predict(boxes=boxes)
    together = sam.masks
    monkeypatch.setattr("samgeo_core.api.prediction._GROUP_BYTES", 1)
    sam.predict(boxes=boxes)
    assert np.array_equal(together, sam.masks)
    monkeypatch.undo()
    alone = [sam.predict(boxes=b, return_results=True)[0] for b in boxes]
    assert all(iou(a, b) > 0.99 for a, b in zip(np.stack(alone)[:, 0], together[:, 0], strict=True))


def test_prompts_after_generate_need_no_set_image(scene: GeneratedScene):
    sam = new_sam(**NOTHING)
    sam.generate(scene.path)
    sam.predict(boxes=scene.truth_px[0].bounds)
    assert iou(sam.masks[sam.scores.argmax()], truth_mask(scene, 0)) > 0.8
    assert len(sam.to_geodataframe()) == 1
    sam.show_anns()


def test_another_image_drops_what_was_found(scene: GeneratedScene):
    sam = new_sam()
    sam.set_image(scene.path)
    sam.predict(boxes=scene.truth_px[0].bounds)
    sam.set_image(np.zeros((64, 64), np.uint8))
    assert sam.masks is None and sam.scores is None and sam.source is None
    with pytest.raises(ParameterError, match="generate"):
        sam.show_anns()
    with pytest.raises(RasterError):
        sam.set_image("missing.tif")
    assert sam.image.shape == (64, 64, 3), "a source that can't be opened changes nothing"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda sam: sam.show_masks(), "generate"),
        (lambda sam: sam.save_masks(), "generate"),
        (lambda sam: sam.show_anns(), "generate"),
        (lambda sam: sam.to_geodataframe(), "generate"),
        (lambda sam: sam.predict([[1, 1]]), "set_image"),
        (lambda sam: sam.save_prediction("a.tif"), "predict"),
    ],
)
def test_calls_in_the_wrong_order_are_told(call: Callable[[SamGeo], object], message: str):
    with pytest.raises(ParameterError, match=message):
        call(new_sam())


def test_wrong_prompts_are_told(prompted: SamGeo, scene: GeneratedScene):
    sam = prompted
    for arguments, message in (
        ({}, "points, boxes"),
        ({"point_coords": [[999, 1]]}, "inside the raster"),
        ({"boxes": [1, 2, 3]}, "Boxes must be"),
        ({"boxes": [1, 2, 30, 40], "mask_input": np.zeros((3, 3))}, "mask_input must be"),
        ({"boxes": [1, 2, 30, 40], "mask_input": np.zeros((2, 1, 256, 256))}, "as many"),
    ):
        with pytest.raises(ParameterError, match=message):
            sam.predict(**arguments)
    with pytest.raises(ParameterError, match="RGB or BGR"):
        sam.set_image(sam.image, image_format="HSV")


def test_bgr_is_turned(sam: SamGeo):
    other = new_sam()
    other.set_image(sam.image[..., ::-1], image_format="BGR")
    assert np.array_equal(other.image, sam.image)


@pytest.mark.parametrize(
    ("sam_kwargs", "message"),
    [
        ({"points_per_sides": 3}, "points_per_sides"),
        ({"pred_iou_thresh": 3}, "between 0 and 1"),
        ({"output_mode": "coco_rle"}, "output_mode"),
        ({"points_per_side": None}, "point_grids"),
    ],
)
def test_wrong_parameters_of_sam_are_told(sam_kwargs: dict[str, Any], message: str):
    with pytest.raises(ParameterError, match=message):
        SamGeo("vit_t", sam_kwargs=sam_kwargs)


def test_point_grids_may_be_arrays(scene: GeneratedScene):
    point = scene.truth_px[0].representative_point()
    grid = np.array([[point.x / 256, point.y / 256]])
    sam = new_sam(
        points_per_side=None,
        point_grids=[grid],
        output_mode="binary_mask",
        pred_iou_thresh=0.5,
        stability_score_thresh=0.5,
    )
    sam.generate(scene.path)
    assert max(iou(r["segmentation"], truth_mask(scene, 0)) for r in sam.masks) > 0.8


def test_where_weights_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    weights = find_weights("vit_t")
    assert SamGeo("vit_t", checkpoint=weights).checkpoint == str(weights)
    for path in weights.parent.glob(f"{weights.name}*"):
        shutil.copy(path, tmp_path)
    assert Path(SamGeo("vit_t", checkpoint_dir=tmp_path).checkpoint).parent == tmp_path
    # As scripts name it: the official file, which isn't there yet.
    missing = SamGeo("vit_t", checkpoint=str(tmp_path / "mobile_sam.pt")).checkpoint
    assert Path(missing).parent == tmp_path and Path(missing).is_file()
    with pytest.raises(WeightsError, match=r"mine\.pt doesn't exist"):
        SamGeo("vit_t", checkpoint=tmp_path / "mine.pt")
    with pytest.raises(ParameterError, match="vit_t, vit_b, vit_l, vit_h"):
        SamGeo("vit_x")


def test_points_outside_are_left_out(scene: GeneratedScene, caplog: pytest.LogCaptureFixture):
    grid = Raster.open(scene.path).grid
    with caplog.at_level(logging.WARNING):
        prompts = Prompts.on_grid(grid, [[10, 10], [999, 10]], [1, 0])
    assert prompts.points_xy.shape == (1, 1, 2) and "1 of 2 points" in caplog.text


def test_arguments_stand_where_samgeo_has_them():
    """Facts about samgeo 1.4.2; batch_nodata_threshold is the one that has no meaning here."""
    order = {
        "__init__": "model_type automatic device checkpoint_dir sam_kwargs",
        "generate": "source output foreground batch batch_sample_size nodata_value erosion_kernel "
        "mask_multiplier unique min_size max_size bands",
        "save_masks": "output foreground unique erosion_kernel mask_multiplier min_size max_size",
        "show_masks": "figsize cmap axis foreground",
        "show_anns": "figsize axis alpha output blend",
        "set_image": "image image_format bands",
        "predict": "point_coords point_labels boxes point_crs mask_input multimask_output "
        "return_logits output index mask_multiplier dtype return_results",
        "save_prediction": "output index mask_multiplier dtype vector simplify_tolerance",
        "raster_to_vector": "image output simplify_tolerance dst_crs",
        "tiff_to_vector": "tiff_path output simplify_tolerance",
        "tiff_to_gpkg": "tiff_path output simplify_tolerance",
        "tiff_to_shp": "tiff_path output simplify_tolerance",
        "tiff_to_geojson": "tiff_path output simplify_tolerance",
    }
    for name, expected in order.items():
        parameters = inspect.signature(getattr(SamGeo, name)).parameters.values()
        positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD][1:]
        assert positional[: len(expected.split())] == expected.split(), name
    defaults = inspect.signature(SamGeo.generate).parameters
    assert defaults["unique"].default is True and defaults["mask_multiplier"].default == 255
    assert inspect.signature(SamGeo).parameters["model_type"].default == "vit_h"


def test_a_crs_is_told_by_any_name(prompted: SamGeo, scene: GeneratedScene):
    sam = prompted
    bounds = scene.truth[0].bounds
    masks = []
    for crs in ("EPSG:32633", 32633, CRS.from_epsg(32633)):
        sam.predict(boxes=list(bounds), point_crs=crs)
        masks.append(sam.masks)
    assert np.array_equal(masks[0], masks[1]) and np.array_equal(masks[1], masks[2])
    assert iou(masks[0][sam.scores.argmax()], truth_mask(scene, 0)) > 0.8
