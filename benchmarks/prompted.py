"""Masks for one box or one point an object: ours beside SamPredictor's on the whole image.

python -m benchmarks.prompted [--scenes kampala_dense] [--prompts box point] [--device cpu]

Every labelled object is asked once with the bounds of its label and once with one point on it
(shapely's representative point); both sides have the same weights and pixels. SamPredictor's
answer is that of the highest predicted IoU of three; for boxes also its single one, and what
counts is whichever is better on the scene. Where labels are boxes, boxes of masks are compared.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry import shape

from benchmarks.options import exit_with, run
from benchmarks.report import NOTHING, show, table
from benchmarks.scenes import ROOT, BenchmarkError, Scene, find_scenes
from benchmarks.scoring import LEAST_INSIDE
from samgeo_core.objects import BoolMask
from samgeo_core.picking.embeddings import EmbeddingStore
from samgeo_core.picking.picker import Picker
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.reading.raster import Raster

if TYPE_CHECKING:
    from samgeo_core.models.loading import LoadedModel

PROMPTS = ("box", "point")
COLUMNS = (
    "scene",
    "compared",
    "n",
    "whole image",
    "whole image, single mask",
    "ours, chosen",
    "ours, best of those offered",
    "gain, points",
)


@dataclass(frozen=True, eq=False)
class Label:
    """A labelled object.

    Attributes:
        polygon: px of the raster.
        mask: bool [h, w], its pixels within ``box``.
        box: left, top, right, bottom of the mask, px.
    """

    polygon: Any
    mask: BoolMask
    box: tuple[int, int, int, int]


@dataclass(frozen=True)
class Row:
    """Mean IoU of a scene's objects, 0 to 1: see `COLUMNS`; ``single`` is None for points."""

    scene: str
    compared: str
    n: int
    whole: float
    single: float | None
    chosen: float
    offered: float

    @property
    def gain(self) -> float:
        """How much better ours is than the better of SamPredictor's answers, in points."""
        return 100 * (self.chosen - max(self.whole, self.single or 0.0))


def main() -> int:
    """Parse the command line and measure."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.prompted", description=__doc__.splitlines()[0]
    )
    options.add_argument(
        "--scenes",
        nargs="+",
        default=[],
        metavar="SCENE",
        help=f"names of scenes in {ROOT}, or scene folders; default: all that are labelled",
    )
    options.add_argument(
        "--prompts", nargs="+", default=list(PROMPTS), choices=PROMPTS, help="default: both"
    )
    options.add_argument("--most", type=int, help="measure at most so many objects a scene")
    options.add_argument(
        "--embeddings", type=Path, help="keep windows' embeddings here, for the next run"
    )
    options.add_argument("--device", default="cpu", help="cpu, cuda or mps; default: cpu")
    arguments = options.parse_args()
    scenes = [scene for scene in find_scenes(arguments.scenes) if labels_of(scene) is not None]
    if not scenes:
        raise BenchmarkError("None of these scenes has a labels_px.geojson: name labelled ones.")
    return run("prompted", arguments, scenes, [measure_scenes])


def measure_scenes(arguments: argparse.Namespace, scenes: list[Scene]) -> None:
    """One table for each kind of prompt."""
    from segment_anything import SamPredictor

    from benchmarks.peer import MODEL, load_peer
    from samgeo_core.models.loading import load_model

    model = load_model(MODEL, device=arguments.device)
    predictor = SamPredictor(load_peer(arguments.device))
    rows: dict[str, list[Row]] = {kind: [] for kind in arguments.prompts}
    for scene in scenes:
        for kind, row in measure(scene, model, predictor, arguments):
            rows[kind].append(row)
            show(
                f"{kind}: " + ", ".join(f"{k} {v}" for k, v in zip(COLUMNS, line(row), strict=True))
            )
    for kind, found in rows.items():
        show(f"One {kind} an object:", table(COLUMNS, [*map(line, found), mean_line(found)]))


def measure(
    scene: Scene, model: LoadedModel, predictor: Any, arguments: argparse.Namespace
) -> Iterator[tuple[str, Row]]:
    """The rows of one scene."""
    raster = Raster.open(scene.image)
    labels = read_labels(scene, raster)[: arguments.most]
    as_boxes = "box" in scene.meta.get("label_type", "").lower()
    predictor.set_image(raster.read().rgb)
    store = EmbeddingStore(512, folder=arguments.embeddings, disk_mib=1 << 20)
    picker = Picker(raster, model, embeddings=store)
    for kind in arguments.prompts:
        scores = [one_label(label, kind, predictor, picker, as_boxes) for label in labels]
        whole, single, chosen, offered = np.mean(scores, axis=0).tolist()
        yield (
            kind,
            Row(
                scene.name,
                "boxes" if as_boxes else "outlines",
                len(labels),
                whole,
                single if kind == "box" else None,
                chosen,
                offered,
            ),
        )


def one_label(
    label: Label, kind: str, predictor: Any, picker: Picker, as_boxes: bool
) -> tuple[float, float, float, float]:
    """IoU of SamPredictor's best and single answer, of ours, and of the best that ours offers."""

    def rate(mask: BoolMask, offset_xy: tuple[int, int]) -> float:
        return iou(label, mask, offset_xy, as_boxes)

    if kind == "box":
        asked = {"box": np.array(label.polygon.bounds)}
        prompts = ObjectPrompts.of(box=label.polygon.bounds)
    else:
        point = label.polygon.representative_point()
        asked = {
            "point_coords": np.array([[point.x, point.y]]),
            "point_labels": np.array([1]),
        }
        prompts = ObjectPrompts.of([(point.x, point.y, 1)])
    masks, scores, _ = predictor.predict(**asked)
    single, _, _ = predictor.predict(**asked, multimask_output=False)
    pick = picker.pick(prompts)
    ours = [rate(candidate.mask, candidate.offset_xy) for candidate in pick.candidates]
    return (
        rate(masks[scores.argmax()], (0, 0)),
        rate(single[0], (0, 0)),
        ours[pick.chosen],
        max(ours),
    )


def iou(label: Label, mask: BoolMask, offset_xy: tuple[int, int], as_boxes: bool) -> float:
    """Intersection over union of a label and a mask that begins at an offset, px."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return 0.0
    x, y = offset_xy
    found = x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1
    if as_boxes:
        a, b = shapely.box(*found), shapely.box(*label.polygon.bounds)
        return float(a.intersection(b).area / a.union(b).area)
    left, top = max(label.box[0], x), max(label.box[1], y)
    right = min(label.box[2], x + mask.shape[1])
    bottom = min(label.box[3], y + mask.shape[0])
    common = 0
    if right > left and bottom > top:
        u, v = label.box[:2]
        theirs = mask[top - y : bottom - y, left - x : right - x]
        mine = label.mask[top - v : bottom - v, left - u : right - u]
        common = int(np.count_nonzero(mine & theirs))
    return common / (np.count_nonzero(mask) + np.count_nonzero(label.mask) - common)


def labels_of(scene: Scene) -> Path | None:
    """The file of a scene's labels in pixels; None where there is none."""
    path = scene.image.parent / "labels_px.geojson"
    return path if path.is_file() else None


def read_labels(scene: Scene, raster: Raster) -> list[Label]:
    """The labelled objects that lie inside the image, and inside what was labelled of it.

    Raises:
        BenchmarkError: none does.
    """
    path = labels_of(scene)
    features = json.loads(path.read_text("utf-8"))["features"] if path else []
    windows = scene.image.parent / "windows_px.geojson"
    seen = shapely.box(0, 0, *raster.shape_hw[::-1])
    if windows.is_file():
        parts = json.loads(windows.read_text("utf-8"))["features"]
        seen = shapely.union_all([shape(part["geometry"]) for part in parts])
    labels = []
    for feature in features:
        polygon = shapely.make_valid(shape(feature["geometry"]))
        inside = polygon.intersection(seen).area > LEAST_INSIDE * polygon.area > 0
        if inside and feature["properties"].get("frac_inside", 1) > LEAST_INSIDE:
            labels.append(_drawn(polygon, raster))
    labels = [label for label in labels if label.mask.any()]
    if not labels:
        raise BenchmarkError(f"{scene.name} has no labelled object inside its image.")
    return labels


def _drawn(polygon: Any, raster: Raster) -> Label:
    """A polygon with its pixels."""
    height, width = raster.shape_hw
    low_x, low_y, high_x, high_y = polygon.bounds
    x0, y0 = max(int(low_x), 0), max(int(low_y), 0)
    x1, y1 = min(int(np.ceil(high_x)), width), min(int(np.ceil(high_y)), height)
    moved = shapely.transform(polygon, lambda xy: xy - (x0, y0))
    pixels: NDArray[np.uint8] = rasterize([(moved, 1)], out_shape=(y1 - y0, x1 - x0))
    return Label(polygon, pixels.astype(bool), (x0, y0, x1, y1))


def line(row: Row) -> list[str]:
    """A row as text."""
    return [
        row.scene,
        row.compared,
        str(row.n),
        f"{row.whole:.3f}",
        NOTHING if row.single is None else f"{row.single:.3f}",
        f"{row.chosen:.3f}",
        f"{row.offered:.3f}",
        f"{row.gain:+.1f}",
    ]


def mean_line(rows: list[Row]) -> list[str]:
    """The means over scenes, each counting once."""
    singles = [row.single for row in rows if row.single is not None]
    return [
        "mean over scenes",
        "",
        str(sum(row.n for row in rows)),
        f"{mean(row.whole for row in rows):.3f}",
        f"{mean(singles):.3f}" if singles else NOTHING,
        f"{mean(row.chosen for row in rows):.3f}",
        f"{mean(row.offered for row in rows):.3f}",
        f"{mean(row.gain for row in rows):+.1f}",
    ]


if __name__ == "__main__":
    exit_with(main)
