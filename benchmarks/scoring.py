"""What a written run got right, by the objects that people drew.

Only labelled objects count, as no scene is labelled in full: a mask that nobody drew is not wrong.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from shapely.geometry import shape

from benchmarks.scenes import Scene

LEAST_INSIDE = 0.9
SPECK_PX = 16


@dataclass(frozen=True)
class Score:
    """How a run did on a scene.

    Attributes:
        labelled: labelled objects that count: those that lie inside the image.
        recall50, recall75: share of them of which an object has an IoU of 0.5, 0.75 or more;
            None where nothing is labelled, as is
        mean_best_iou: the mean over them of the IoU of the most alike object.
        coverage: share of valid pixels with a label; None where no pixel is valid.
        objects: objects with an area.
        specks: objects smaller than `SPECK_PX` pixels.
        nodata_labelled: pixels without data that carry a label.
    """

    labelled: int
    recall50: float | None
    recall75: float | None
    mean_best_iou: float | None
    coverage: float | None
    objects: int
    specks: int
    nodata_labelled: int


def score(scene: Scene, run_dir: Path) -> Score:
    """Score the objects.gpkg and labels.tif of a run over a scene."""
    frame = gpd.read_file(run_dir / "objects.gpkg", layer="objects")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(scene.image) as image, rasterio.open(run_dir / "labels.tif") as labels:
            valid, ids = image.dataset_mask() > 0, labels.read(1)
            crs, pixel_area = image.crs, abs(image.transform.determinant)
    if crs is not None and frame.crs is not None:
        frame = frame.to_crs(crs)
    found = _mended([g for g in frame.geometry if g is not None and not g.is_empty])
    truth = labelled_objects(scene.labels) if scene.labels else np.empty(0, object)
    # NOTE: so spelt, in small letters, the label types name tight boxes; "BOUNDING BOX" in
    # capitals alone does not count, and those labels are compared with outlines.
    best = best_ious(truth, found, as_boxes="box" in scene.meta.get("label_type", ""))
    return Score(
        labelled=len(best),
        recall50=_mean(best >= 0.5),
        recall75=_mean(best >= 0.75),
        mean_best_iou=_mean(best),
        coverage=_mean(ids[valid] > 0),
        objects=len(found),
        specks=int((shapely.area(found) < SPECK_PX * pixel_area).sum()),
        nodata_labelled=int((ids[~valid] > 0).sum()),
    )


def labelled_objects(path: Path) -> NDArray[Any]:
    """The polygons of a GeoJSON file that lie inside their image."""
    features = json.loads(path.read_text("utf-8"))["features"]
    inside = [
        shape(feature["geometry"])
        for feature in features
        if feature["properties"].get("frac_inside", 1) > LEAST_INSIDE
    ]
    return _mended(inside)


def best_ious(
    truth: Sequence[Any] | NDArray[Any], found: Sequence[Any] | NDArray[Any], *, as_boxes: bool
) -> NDArray[np.float64]:
    """For each labelled object the IoU of the most alike object found, float64 [N].

    Args:
        truth: polygons.
        found: polygons in the same frame.
        as_boxes: compare bounding boxes, as labels that are boxes ask for.
    """
    wanted, things = np.asarray(truth, object), np.asarray(found, object)
    best = np.zeros(len(wanted))
    if as_boxes:
        wanted, things = shapely.envelope(wanted), shapely.envelope(things)
    if not len(wanted) or not len(things):
        return best
    i, j = shapely.STRtree(things).query(wanted, predicate="intersects")
    common = shapely.area(shapely.intersection(wanted[i], things[j]))
    together = shapely.area(shapely.union(wanted[i], things[j]))
    np.maximum.at(best, i, common / together)
    return best


def _mended(polygons: list[Any]) -> NDArray[Any]:
    """Valid geometries of the same shape."""
    geometries: NDArray[Any] = shapely.buffer(np.array(polygons, object), 0)
    return geometries


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if values.size else None
