"""Comparing with labels: recall beside that of the scores; thresholds proposed from ten labels.

python -m benchmarks.comparing [--scenes kampala_dense] [--runs FOLDER] [--objects 10] [--seeds 10]

A rule is proposed from labelled objects drawn at random, and measured on all others, which it has
not seen, beside the rule of before. F1 and precision are those of the neighbourhood of these other
labels (an object is wrong only where it is about one of them), as no scene is labelled in full; the
last column counts every object of the whole image that matches no label as wrong, unlabelled roofs
and fields, too. Labels that lie in the image by less than 90 % are left out, as in scores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.options import exit_with, run
from benchmarks.report import show, table
from benchmarks.runner import measure as measured
from benchmarks.scenes import ROOT, BenchmarkError, Scene, find_scenes
from benchmarks.scoring import LEAST_INSIDE, score
from samgeo_core.comparing.compare import compare
from samgeo_core.comparing.figures import Figures, overall
from samgeo_core.comparing.found import FoundObjects
from samgeo_core.comparing.ground import Ground
from samgeo_core.comparing.matching import judge
from samgeo_core.comparing.pairs import mask_pairs
from samgeo_core.comparing.propose import Proposal, Targets, figures_of, propose_rule
from samgeo_core.comparing.reference import Reference, open_reference
from samgeo_core.config import SelectionRule
from samgeo_core.objects import ObjectSet
from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
from samgeo_core.vectors.sources import FinishedRun, rule_of

DEFAULT_SCENES = ("kampala_dense", "agoro_naip_1", "agoro_naip_2")
IOU = 0.5
SCORE_COLUMNS = ("scene", "labels", "recall 0.5", "score's", "recall 0.75", "score's",
                 "mean best IoU", "score's")  # fmt: skip
COLUMNS = ("scene", "rule", "F1 on the chosen", "F1 on the rest", "precision", "recall",
           "better / equal / worse", "F1, whole image")  # fmt: skip


def main() -> int:
    """Parse the command line and measure."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.comparing", description=__doc__.splitlines()[0]
    )
    options.add_argument(
        "--scenes", nargs="+", default=list(DEFAULT_SCENES), metavar="SCENE",
        help=f"names of labelled scenes in {ROOT}; default: {' '.join(DEFAULT_SCENES)}",
    )  # fmt: skip
    options.add_argument(
        "--runs", type=Path, help="keep runs here, as SCENE/PRESET, or take those that are there"
    )
    options.add_argument("--preset", default="fast", help="of the runs; default: fast")
    options.add_argument("--objects", type=int, default=10, help="labels that tell; default: 10")
    options.add_argument("--seeds", type=int, default=10, help="how often to draw; default: 10")
    options.add_argument("--device", default="cpu", help="cpu, cuda or mps; default: cpu")
    arguments = options.parse_args()
    return run("comparing", arguments, find_scenes(arguments.scenes), [measure_scenes])


def measure_scenes(arguments: argparse.Namespace, scenes: list[Scene]) -> None:
    """One table of recall, one of proposals."""
    with tempfile.TemporaryDirectory() as temporary:
        out = (arguments.runs or Path(temporary)).resolve()
        opened = [(scene, open_run(scene, out, arguments)) for scene in scenes]
        show(table(SCORE_COLUMNS, [score_line(scene, folder) for scene, folder in opened]))
        lines = []
        for scene, folder in opened:
            lines += proposal_lines(scene, folder, arguments.objects, range(arguments.seeds))
        show(table(COLUMNS, lines))


def open_run(scene: Scene, out: Path, arguments: argparse.Namespace) -> Path:
    """The folder of a run over a scene, made where it isn't there.

    Raises:
        BenchmarkError: nothing is labelled.
        MeasurementError: the run failed.
    """
    if scene.labels is None:
        raise BenchmarkError(f"{scene.name} has no labels: name a labelled scene.")
    folder: Path = out / scene.name / arguments.preset
    if not (folder / CANDIDATES_FILE).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        given = {"image": str(scene.image), "device": arguments.device, "run_dir": str(folder)}
        measured("run_of_preset", **given, preset=arguments.preset)
    return folder


def labels_of(scene: Scene, ground: Ground) -> Reference:
    """The labels that count."""
    assert scene.labels is not None
    content = json.loads(scene.labels.read_text("utf-8"))
    content["features"] = [
        item for item in content["features"]
        if item["properties"].get("frac_inside", 1.0) > LEAST_INSIDE
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.geojson"
        path.write_text(json.dumps(content), "utf-8")
        return open_reference(path, ground, keep_cut=True)


def score_line(scene: Scene, folder: Path) -> list[str]:
    """Figures of the comparison beside those of the score."""
    found = FoundObjects.of_run(FinishedRun.open(folder))
    reference = labels_of(scene, found.ground)
    half, strict = (compare(found, reference, iou=iou).figures[0] for iou in (0.5, 0.75))
    known = score(scene, folder)
    pairs = [(half.recall, known.recall50), (strict.recall, known.recall75),
             (half.mean_best_iou, known.mean_best_iou)]  # fmt: skip
    cells = [f"{value:.3f}" for pair in pairs for value in pair if value is not None]
    return [scene.name, str(reference.n_counted), *cells]


def proposal_lines(scene: Scene, folder: Path, n_told: int, seeds: range) -> list[list[str]]:
    """The rule of before, and rules proposed from labels that were drawn at random."""
    opened = FinishedRun.open(folder)
    pool = CandidatePool.load(folder / CANDIDATES_FILE, opened.grid)
    reference = labels_of(scene, Ground.of_image(opened.grid, opened.valid))
    own = rule_of(folder)
    rows, changed, seconds = [], Counter[str](), []
    for seed in seeds:
        drawn = np.random.default_rng(seed).permutation(reference.n_counted)
        begin = time.perf_counter()
        found = propose_rule(pool, own, reference.take(np.sort(drawn[:n_told])), iou=IOU)
        seconds.append(time.perf_counter() - begin)
        changed.update([*found.changes(own)])
        rows.append(beside(pool, own, found, reference.take(np.sort(drawn[n_told:]))))
    figures = np.array(rows)
    before, after = figures[:, 0], figures[:, 1]
    better, worse = (int((sign * (after[:, 1] - before[:, 1]) > 1e-9).sum()) for sign in (1, -1))
    told = ", ".join(f"{name} {count}" for name, count in changed.most_common())
    show(f"{scene.name}: {n_told} of {reference.n_counted} labels told; changed {told}; "
         f"{np.median(seconds):.1f} s each.")  # fmt: skip
    counts = f"{better} / {len(rows) - better - worse} / {worse}"
    return [
        line(scene.name, "of the preset", before, "–"),
        line(scene.name, "proposed", after, counts),
    ]


def beside(
    pool: CandidatePool, own: SelectionRule, found: Proposal, rest: Reference
) -> list[list[float]]:
    """F1 on the chosen, then F1, precision and recall on the rest, and F1 of the whole image."""
    targets = Targets.of(rest, pool)
    rows = []
    for rule, told in ((own, found.before), (found.rule, found.after)):
        objects = pool.objects(rule)
        seen = figures_of(objects, targets, IOU)
        whole = figures_of_image(objects, targets)
        values = (told.f1, seen.f1, seen.precision, seen.recall, whole.f1)
        rows.append([value or 0.0 for value in values])
    return rows


def figures_of_image(objects: ObjectSet, targets: Targets) -> Figures:
    """Figures where every object without a match is wrong."""
    pairs = mask_pairs(targets.masks, targets.boxes_xyxy, objects.masks, objects.boxes_xyxy)
    return overall(judge(pairs, targets.counted, len(objects), iou=IOU))


def line(scene: str, rule: str, rows: NDArray[np.float64], counts: str) -> list[str]:
    """Mean and spread over the draws."""
    cells = [f"{mean:.3f} ± {std:.3f}" for mean, std in zip(rows.mean(0), rows.std(0), strict=True)]
    return [scene, rule, *cells[:4], counts, cells[4]]


if __name__ == "__main__":
    exit_with(main)
