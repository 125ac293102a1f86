"""How well objects are classed after a few marks: ours beside shape and colour, and random marks.

python -m benchmarks.teaching [--scenes kampala_dense] [--runs FOLDER] [--seeds 20]

The objects are those of the preset full. One belongs to the class that a scene's labels are of
where its IoU with a label is 0.5 or more, and to the rest where less than a tenth of it lies on
labels and it holds less than a tenth of any. What lies between, such as a part of a roof or three
roofs as one, is left out: people would not agree on it either. No scene is labelled in full: an
unlabelled roof counts as the rest, so that nothing reaches 1.

A person marks one object of the class and one of the rest, drawn at random, then those that are
offered as the most doubtful (or, beside it, random ones). F1 is that of the class among all objects
that aren't marked. Ranking by similarity is given as average precision, from 1, 3 and 5 examples.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.features import rasterize

from benchmarks.options import exit_with, run
from benchmarks.report import show, table
from benchmarks.runner import measure as measured
from benchmarks.scenes import ROOT, BenchmarkError, Scene, find_scenes
from samgeo_core.candidates import CandidateSet
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.pool import CANDIDATES_FILE
from samgeo_core.reading.raster import Raster
from samgeo_core.teaching.classify import classify
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.keys import mask_keys
from samgeo_core.teaching.measuring import measure
from samgeo_core.teaching.similar import similarities
from samgeo_core.teaching.space import PARTS, FeatureSpace, Part, Points

DEFAULT_SCENES = ("kampala_dense", "agoro_naip_1", "agoro_naip_2")
MARKS = (5, 10, 20)
EXAMPLES = (1, 3, 5)
LIKE_A_LABEL = 0.5
BESIDE_LABELS = 0.1
SPACES: dict[str, tuple[Part, ...]] = {
    "all features": PARTS,
    "encoder only": ("mean", "contrast", "spread"),
    "shape and colour only": ("outlines", "colours"),
}
COLUMNS = ("scene", "features", "next mark", *(f"F1, {n} marks" for n in MARKS), "said", "right")
RANK_COLUMNS = ("scene", "features", *(f"from {n}" for n in EXAMPLES))

Answer = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Task:
    """A scene's objects of which the class is known.

    Attributes:
        name: of the scene.
        features: of all masks that the model offered.
        rows: int64 [N], the objects among them.
        answer: bool [N], whether each is of the class.
        left_out: how many objects are neither.
    """

    name: str
    features: ObjectFeatures
    rows: NDArray[np.int64]
    answer: Answer
    left_out: int

    def points(self, parts: Sequence[Part]) -> Points:
        """The objects as points."""
        return FeatureSpace.fit(self.features, parts).points(self.features.take(self.rows))


def main() -> int:
    """Parse the command line and measure."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.teaching", description=__doc__.splitlines()[0]
    )
    options.add_argument(
        "--scenes", nargs="+", default=list(DEFAULT_SCENES), metavar="SCENE",
        help=f"names of labelled scenes in {ROOT}; default: {' '.join(DEFAULT_SCENES)}",
    )  # fmt: skip
    options.add_argument(
        "--runs", type=Path, help="keep runs here, as SCENE/full, or take those that are there"
    )
    options.add_argument("--seeds", type=int, default=20, help="how often to begin; default: 20")
    options.add_argument("--device", default="cpu", help="cpu, cuda or mps; default: cpu")
    arguments = options.parse_args()
    return run("teaching", arguments, find_scenes(arguments.scenes), [measure_scenes])


def measure_scenes(arguments: argparse.Namespace, scenes: list[Scene]) -> None:
    """A table of classes and one of similarity."""
    with tempfile.TemporaryDirectory() as temporary:
        out = (arguments.runs or Path(temporary)).resolve()
        tasks = [open_task(scene, out, arguments.device) for scene in scenes]
    for task in tasks:
        n, found = len(task.answer), int(task.answer.sum())
        show(f"{task.name}: {found} objects of the class, {n - found} of the rest, "
             f"{task.left_out} left out.")  # fmt: skip
    seeds = range(arguments.seeds)
    show(table(COLUMNS, [line for task in tasks for line in class_lines(task, seeds)]))
    show(
        "Average precision when the rest is ranked by similarity to examples:",
        table(RANK_COLUMNS, [line for task in tasks for line in rank_lines(task, seeds)]),
    )


def open_task(scene: Scene, out: Path, device: str) -> Task:
    """The objects of a run over a scene with their features and classes.

    Raises:
        BenchmarkError: nothing is labelled, or hardly an object is like a label.
        MeasurementError: the run failed.
    """
    from samgeo_core.models.loading import cached_model

    if scene.labels is None:
        raise BenchmarkError(f"{scene.name} has no labels: name a labelled scene.")
    folder = out / scene.name / "full"
    if not (folder / CANDIDATES_FILE).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        given = {"image": str(scene.image), "device": device, "run_dir": str(folder)}
        measured("run_of_preset", **given, preset="full")
    objects = ObjectSet.load(folder / "objects.npz")
    candidates = CandidateSet.load(folder / CANDIDATES_FILE)
    features = measure(Raster.open(scene.image), cached_model(device=device), candidates)
    places = {key: i for i, key in enumerate(features.keys)}
    rows = np.array([places[key] for key in mask_keys(objects)], np.int64)
    is_of_class, is_rest = answers(objects, labels_of(scene))
    known = is_of_class | is_rest
    if is_of_class.sum() < 2 * max(EXAMPLES) or is_rest.sum() < 2:
        raise BenchmarkError(f"Too few objects of {scene.name} are like its labels.")
    return Task(scene.name, features, rows[known], is_of_class[known], int((~known).sum()))


def labels_of(scene: Scene) -> list[BoolMask]:
    """A mask [H, W] of each label; those that are cut by the edge count, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(scene.image) as image:
            shape_hw, transform = image.shape, image.transform
    assert scene.labels is not None
    features = json.loads(scene.labels.read_text("utf-8"))["features"]
    drawn = (
        rasterize([item["geometry"]], out_shape=shape_hw, transform=transform) > 0
        for item in features
    )
    return [mask for mask in drawn if mask.any()]


def answers(objects: ObjectSet, labels: Sequence[BoolMask]) -> tuple[Answer, Answer]:
    """Which objects are of the class, and which of the rest: two bool [N]."""
    on_labels = np.any(labels, axis=0)
    areas = np.array([mask.sum() for mask in labels])
    is_of_class, is_rest = [], []
    for item in objects:
        common = np.array([np.count_nonzero(mask[item.slices] & item.mask) for mask in labels])
        iou = common / (areas + item.area_px - common)
        inside = np.count_nonzero(on_labels[item.slices] & item.mask) / item.area_px
        is_of_class.append(iou.max() >= LIKE_A_LABEL)
        beside = inside < BESIDE_LABELS and (common / areas).max() < BESIDE_LABELS
        is_rest.append(beside and iou.max() < LIKE_A_LABEL)
    return np.array(is_of_class, np.bool_), np.array(is_rest, np.bool_)


def class_lines(task: Task, seeds: range) -> list[list[str]]:
    """F1 with each kind of features, and of marks."""
    lines = []
    for name, parts in SPACES.items():
        points = task.points(parts)
        for offered in ("most doubtful", "random"):
            lessons = [
                teach(points, task.answer, seed, random_marks=offered == "random") for seed in seeds
            ]
            figures = np.array(lessons)
            cells = [spread(figures[:, i]) for i in range(len(MARKS))]
            said, right = (f"{value:.3f}" for value in figures[:, -2:].mean(0))
            lines.append([task.name, name, offered, *cells, said, right])
    return lines


def teach(points: Points, answer: Answer, seed: int, *, random_marks: bool) -> list[float]:
    """One person's marks: F1 after each of `MARKS`; mean confidence, and share that is right."""
    random = np.random.default_rng(seed)
    marked = [
        int(random.choice(np.flatnonzero(answer))),
        int(random.choice(np.flatnonzero(~answer))),
    ]
    others = [i for i in random.permutation(len(answer)).tolist() if i not in marked]
    figures = []
    while True:
        index = np.array(marked, np.int64)
        found = classify(points, index, answer[index].astype(np.int64))
        rest = np.setdiff1d(np.arange(len(answer)), index)
        if len(marked) in MARKS:
            figures.append(f1(found.numbers[rest] == 1, answer[rest]))
        if len(marked) == max(MARKS):
            right = (found.numbers[rest] == 1) == answer[rest]
            return [*figures, float(found.confidence[rest].mean()), float(right.mean())]
        marked.append(others.pop(0) if random_marks else int(found.most_doubtful()[0]))


def f1(found: Answer, true: Answer) -> float:
    """Harmonic mean of precision and recall; 1 where there is nothing to find and nothing found."""
    both = int(found.sum() + true.sum())
    return 2 * int((found & true).sum()) / both if both else 1.0


def rank_lines(task: Task, seeds: range) -> list[list[str]]:
    """Average precision with each kind of features."""
    lines = []
    for name, parts in SPACES.items():
        points = task.points(parts)
        cells = [
            spread(np.array([rank(points, task.answer, seed, count) for seed in seeds]))
            for count in EXAMPLES
        ]
        lines.append([task.name, name, *cells])
    return lines


def rank(points: Points, answer: Answer, seed: int, count: int) -> float:
    """Average precision of the others when some objects of the class are the examples."""
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(seed)
    examples = random.choice(np.flatnonzero(answer), count, replace=False)
    rest = np.setdiff1d(np.arange(len(answer)), examples)
    found = similarities(points, points[examples])
    return float(average_precision_score(answer[rest], found[rest]))


def spread(values: NDArray[np.float64]) -> str:
    """Mean and standard deviation."""
    return f"{values.mean():.3f} ± {values.std():.3f}"


if __name__ == "__main__":
    exit_with(main)
