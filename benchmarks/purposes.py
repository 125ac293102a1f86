"""What presets for purposes find on labelled scenes of their kind, beside the plain preset full.

python -m benchmarks.purposes [--runs FOLDER] [--save]

Candidates of each run are kept in FOLDER, so that measuring again asks no model. --save writes the
scores that the app shows (samgeo_core/purposes_scores.json).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import Polygon
from shapely.geometry import box, shape

from benchmarks.report import NOTHING, fixed, show, table
from benchmarks.scenes import Scene, find_scenes
from samgeo_core.comparing.figures import overall
from samgeo_core.comparing.matching import Verdict, judge
from samgeo_core.comparing.pairs import mask_pairs
from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.pool import CandidatePool
from samgeo_core.purposes import EVERYTHING, SCORES_FILE
from samgeo_core.reading.raster import Raster

SCENES = {
    "roofs": ("kampala_dense", "atlanta_pan"),
    "fields": ("agoro_naip_1", "agoro_naip_2", "orthoseg_s2_fields"),
    "trees": ("yell_trees",),
    "vehicles": ("kit_cars_1",),
}
"""Labelled scenes by what is labelled there; of water there is none."""

PARTLY = frozenset({"orthoseg_s2_fields"})
"""Labelled in some windows only: what was found elsewhere is neither right nor wrong."""

LEAST_INSIDE = 0.9
PLAIN = SegmentConfig(preset="full")
VARIANTS: dict[str, dict[str, Any]] = {
    "as documented": {},
    "one of likes (IoU 0.5)": {"duplicate_iou": 0.5},
    "sure (0.7, 0.75)": {"least_score": 0.7, "least_stability": 0.75},
    "very sure (0.8, 0.85)": {"least_score": 0.8, "least_stability": 0.85},
    "wholes alone": {"overlap": "largest"},
}
"""Changes of a rule that were weighed, to see whether one helps on scenes it wasn't chosen on."""

LEFT_OUT_COLUMNS = ("purpose", "left out", "best elsewhere", "F1 here", "as documented")


@dataclass(frozen=True)
class Figures:
    """How objects agree with labels.

    Attributes:
        recall50, recall75: share of labelled objects with an object of that IoU or more.
        mean_best_iou: mean IoU of the object most alike.
        precision, f1: of objects matched one to one at IoU 0.5, objects without a label counted as
            wrong, so these are lower bounds; None where a scene is labelled in parts.
        f1_there: the same, of objects on or around labelled ones alone.
        objects: how many there are.
        cpu_s_per_mp: seconds of one processor per million pixels, without reading and loading.
    """

    recall50: float
    recall75: float
    mean_best_iou: float
    precision: float | None
    f1: float | None
    f1_there: float
    objects: int
    cpu_s_per_mp: float


@dataclass(frozen=True)
class Truth:
    """Labels of a scene as masks; boxes are compared with boxes of objects."""

    masks: list[BoolMask]
    boxes_xyxy: NDArray[np.int64]
    counted: NDArray[np.bool_]
    are_boxes: bool

    @classmethod
    def of(cls, scene: Scene, shape_hw: tuple[int, int]) -> Truth:
        """Draw the labels of a scene."""
        path = scene.image.parent / "labels_px.geojson"
        features = json.loads(path.read_text("utf-8"))["features"]
        are_boxes = "box" in scene.meta.get("label_type", "").lower()
        masks, boxes, counted = [], [], []
        for feature in features:
            area = shape(feature["geometry"]).buffer(0)
            mask = _drawn(box(*area.bounds) if are_boxes else area, shape_hw)
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            if not len(rows):
                continue
            x0, y0, x1, y1 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            masks.append(mask[y0:y1, x0:x1])
            boxes.append((x0, y0, x1, y1))
            counted.append(feature["properties"].get("frac_inside", 1) > LEAST_INSIDE)
        return cls(masks, np.array(boxes, np.int64), np.array(counted), are_boxes)

    def verdict(self, objects: ObjectSet, scope: str) -> Verdict:
        """Who matched whom."""
        masks = [np.ones_like(m) for m in objects.masks] if self.are_boxes else objects.masks
        pairs = mask_pairs(self.masks, self.boxes_xyxy, masks, objects.boxes_xyxy)
        return judge(pairs, self.counted, len(objects), scope=scope)

    def figures(self, objects: ObjectSet, cpu_s_per_mp: float, partly: bool) -> Figures:
        """How objects agree."""
        verdict = self.verdict(objects, "image")
        whole, there = overall(verdict), overall(self.verdict(objects, "reference"))
        best = verdict.best_iou[self.counted]
        return Figures(
            round(float((best >= 0.5).mean()), 3),
            round(float((best >= 0.75).mean()), 3),
            round(float(best.mean()), 3),
            None if partly else round(whole.precision or 0.0, 3),
            None if partly else round(whole.f1 or 0.0, 3),
            round(there.f1 or 0.0, 3),
            len(objects),
            round(cpu_s_per_mp, 1),
        )


def _drawn(area: Any, shape_hw: tuple[int, int]) -> BoolMask:
    canvas = np.zeros(shape_hw, np.uint8)
    for part in getattr(area, "geoms", [area]):
        if isinstance(part, Polygon):
            # Middles of pixels are whole numbers there; a pixel's corner is ours.
            ring = np.round((np.asarray(part.exterior.coords)[:, :2] - 0.5) * 256)
            cv2.fillPoly(canvas, [ring.astype(np.int32)], 1, shift=8)
    return canvas.view(np.bool_)


def gsd_of(scene: Scene, raster: Raster) -> float:
    """Ground sample distance, m; where the image doesn't say it, what its source does."""
    known = raster.grid.gsd_m
    return known if known is not None else float(scene.meta["gsd_m"])


def candidates_of(
    raster: Raster, config: SegmentConfig, folder: Path, name: str
) -> tuple[CandidatePool, float]:
    """Candidates of a run and its CPU seconds per megapixel, from the folder if they lie there."""
    path = folder / f"{name}.npz"
    note = path.with_suffix(".json")
    if not note.is_file():
        from samgeo_core.models.loading import cached_model
        from samgeo_core.pipeline import candidates_of_tile
        from samgeo_core.progress import SILENT

        tile, model = raster.read(), cached_model("vit_t", None, "cpu")
        start = time.process_time()
        found = candidates_of_tile(model, tile, config, SILENT)
        seconds = (time.process_time() - start) / tile.valid.size * 1e6
        CandidatePool(found, tile.valid, raster.grid).save(path)
        note.write_text(json.dumps({"cpu_s_per_mp": seconds}), "utf-8")
    pool = CandidatePool.load(path, raster.grid)
    return pool, float(json.loads(note.read_text("utf-8"))["cpu_s_per_mp"])


def measure(
    folder: Path, only: Sequence[str] = ()
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Rows by purpose, and F1 of the variants by purpose, variant and scene.

    Args:
        folder: of candidates.
        only: names of scenes; none takes all.
    """
    rows: dict[str, list[dict[str, Any]]] = {EVERYTHING: []}
    weighed: dict[str, Any] = {}
    for purpose, names in SCENES.items():
        for scene in (found for found in find_scenes(names) if not only or found.name in only):
            raster = Raster.open(scene.image)
            truth, partly = Truth.of(scene, raster.shape_hw), scene.name in PARTLY
            config = PLAIN.for_purpose(
                purpose, gsd_of(scene, raster), on_ground=raster.grid.gsd_m is not None
            )
            plain, plain_s = candidates_of(raster, PLAIN, folder, f"{scene.name}_full")
            mine, mine_s = candidates_of(raster, config, folder, f"{scene.name}_{purpose}")
            full = truth.figures(plain.objects(PLAIN.rule), plain_s, partly)
            got = truth.figures(mine.objects(config.rule), mine_s, partly)
            row: dict[str, Any] = {"scene": scene.name, "labelled": int(truth.counted.sum())}
            rows.setdefault(purpose, []).append(
                row | {"purpose": asdict(got), "full": asdict(full)}
            )
            rows[EVERYTHING].append(row | {"purpose": asdict(full), "full": asdict(full)})
            for variant, changes in VARIANTS.items():
                rule: SelectionRule = replace(config.rule, **changes)
                found = truth.figures(mine.objects(rule), 0.0, partly)
                weighed.setdefault(purpose, {}).setdefault(variant, {})[scene.name] = found.f1_there
    return rows, weighed


def left_out(weighed: dict[str, Any]) -> list[list[str]]:
    """For each scene the variant that does best on the others of its kind, and how it does here."""
    lines = []
    for purpose, variants in weighed.items():
        scenes = list(variants["as documented"])
        for scene in scenes:
            others = [name for name in scenes if name != scene]
            if not others:
                continue
            best = max(variants, key=lambda v: sum(variants[v][name] for name in others))
            usual = variants["as documented"][scene]
            lines.append([purpose, scene, best, fixed(variants[best][scene]), fixed(usual)])
    return lines


def lines_of(rows: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    """Two lines a scene: plain and with its purpose."""
    lines = []
    for purpose, some in rows.items():
        for row in some if purpose != EVERYTHING else ():
            for side in ("full", "purpose"):
                got = row[side]
                shares = [got[n] for n in list(Figures.__dataclass_fields__)[:6]]
                told = [NOTHING if v is None else fixed(v) for v in shares]
                first = [row["scene"], str(row["labelled"]), purpose if side == "purpose" else side]
                lines.append([*first, *told, str(got["objects"]), fixed(got["cpu_s_per_mp"], 1)])
    return lines


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, help="folder that keeps candidates")
    parser.add_argument("--scenes", nargs="+", default=(), help="only these; all by default")
    parser.add_argument("--save", action="store_true", help="write the scores that the app shows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.runs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows, weighed = measure(folder, options.scenes)
    header = (
        "scene", "labelled", "preset", "recall@0.5", "recall@0.75", "mean best IoU", "precision",
        "F1", "F1 near labels", "objects", "CPU s/MP",
    )  # fmt: skip
    show(table(header, lines_of(rows)))
    show(
        "Leave one scene out: the variant with the best F1 near labels on the other scenes",
        table(
            ("purpose", "left out", "best elsewhere", "F1 here", "as documented"), left_out(weighed)
        ),
    )
    if options.save:
        text = json.dumps({"model": "vit_t", "preset": "full", "purposes": rows}, indent=1)
        SCORES_FILE.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
