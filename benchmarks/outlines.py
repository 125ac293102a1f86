"""Finished outlines: how near they come to drawn roofs, and what they cost, beside samgeo.

``python -m benchmarks.outlines --peer FOLDER`` where FOLDER holds segment-geospatial, put there by
``pip install --no-deps --target FOLDER segment-geospatial==1.4.2``: its raster_to_vector and
regularize are called, with the same Python, GDAL and GeoPandas as ours and on the same labels.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from benchmarks.report import fixed, header, mib, show, table
from benchmarks.runner import Measurement, measure
from benchmarks.scenes import BenchmarkError, find_scenes
from benchmarks.scoring import labelled_objects

SCENE = "kampala_dense"
MATCH_IOU = 0.5
STEP_PX = 0.25
COUNT = 25_000
"""Objects of the label raster that is timed: 100 megapixels, see `benchmarks.writing`."""

OURS = {
    "ours, pixel edges": ["--pixels"],
    "ours, smoothed": ["--tolerance", "0px"],
    "ours, default": [],
    "ours, default, partition": ["--product", "partition"],
    "ours, regular": ["--regular"],
}


COLUMNS = (
    "outlines", "found", "mean distance px", "mean IoU", "vertices each", "turning °/px", "invalid",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Roofs:
    """Roofs that people drew and the objects that found them.

    Attributes:
        truth: [N], px.
        values: int64 [N], ids of the objects.
    """

    truth: NDArray[Any]
    values: NDArray[np.int64]


def main() -> int:
    """Print the tables."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.outlines", description=__doc__)
    options.add_argument("--scene", default=SCENE, help="a labelled scene of roofs")
    options.add_argument("--run", type=Path, metavar="FOLDER", help="a run of it that is there")
    options.add_argument("--peer", type=Path, metavar="FOLDER", help="where segment-geospatial is")
    options.add_argument("--count", type=int, default=COUNT, help="objects to time; 0: none")
    options.add_argument("--no-scene", action="store_true", help="only time")
    options.add_argument("--workers", type=int, default=2, help="processes of a partition")
    arguments = options.parse_args()
    if arguments.peer is not None and not (arguments.peer / "samgeo" / "common.py").is_file():
        raise BenchmarkError(f"{arguments.peer} holds no segment-geospatial: install it there.")
    show(header("outlines", sys.argv[1:], "cpu"))
    with tempfile.TemporaryDirectory(prefix="samgeo-outlines-") as name:
        folder = Path(name)
        if not arguments.no_scene:
            show(*_accuracy(arguments, folder))
        if arguments.count:
            show(*_costs(arguments, folder))
    if arguments.peer is None:
        show("Without --peer there is nothing to compare with.")
    return 0


def _accuracy(arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    """How far outlines are from drawn roofs."""
    from samgeo_core.cli import main as command
    from samgeo_core.reading.raster import Raster

    (scene,) = find_scenes([arguments.scene])
    drawn = scene.image.parent / "labels_px.geojson"
    if not drawn.is_file():
        raise BenchmarkError(f"{scene.name} has no labels_px.geojson: name a labelled scene.")
    run = arguments.run
    if run is None:
        run = folder / "run"
        command(["segment", str(scene.image), str(run), "--preset", "full", "--quiet"])
    labels, grid = run / "labels.tif", Raster.open(run / "labels.tif").grid

    def in_px(path: Path, key: str) -> dict[int, Any]:
        frame = gpd.read_file(path)
        inverse = ~grid.transform
        frame = frame.assign(geometry=frame.affine_transform(inverse.to_shapely()))
        return dict(frame.set_crs(None, allow_override=True).dissolve(key).geometry)

    target, theirs = folder / "ours.gpkg", folder / "theirs.gpkg"
    layers: dict[str, dict[int, Any]] = {}
    for name, given in OURS.items():
        command(["vectorize", str(labels), str(target), "--quiet", *given])
        layers[name] = in_px(target, "object_id")
    if arguments.peer is not None:
        px = abs(grid.transform.a)
        same = {"parallel_threshold": 2 * px, "simplify_tolerance": 1.5 * px}
        for name, regular in (
            ("samgeo raster_to_vector", None),
            ("samgeo, then regularize", {}),
            ("samgeo, then regularize with our lengths", same),
        ):
            peer = {"labels": str(labels), "peer": str(arguments.peer), "target": str(theirs)}
            measure("polygons_of_peer", **peer, regular=regular)
            layers[name] = in_px(theirs, "value")
    truth = labelled_objects(drawn)
    roofs = _matched(truth, layers["ours, pixel edges"])
    yield (
        f"{scene.name}: mean distance of outlines from {len(roofs.values)} drawn roofs that an "
        f"object matches at IoU {MATCH_IOU} or more, both ways, px; the drawing itself is within "
        "1 to 3 px. All of the same label raster. Turning: by how much an outline changes its "
        "direction on a pixel of its length."
    )
    yield table(COLUMNS, [_row(name, found, roofs) for name, found in layers.items()])
    squared, plain = layers["ours, regular"], layers["ours, default"]
    made = [v for v in roofs.values.tolist() if not squared[v].equals_exact(plain[v], 1e-6)]
    yield f"Regular outlines fit {len(made)} of these {len(roofs.values)} roofs."
    if (run / "candidates.npz").is_file():
        own = _own_masks(run)
        roofs = _matched(truth, own["ours, pixel edges"])
        yield (
            f"The run's own masks, whole where others lie on them ({len(roofs.values)} roofs), "
            "smoothed along the outline, and where the model's logits pass."
        )
        yield table(COLUMNS, [_row(name, found, roofs) for name, found in own.items()])


def _own_masks(run: Path) -> dict[str, dict[int, Any]]:
    """Outlines of a run's objects with and without the model's logits, px, by object id."""
    from samgeo_core.vectors.outline import drawn
    from samgeo_core.vectors.sources import FinishedRun
    from samgeo_core.vectors.style import PIXELS, OutlineStyle

    layers: dict[str, dict[int, Any]] = {}
    smooth = OutlineStyle(tolerance_px=0.0)
    for some in FinishedRun.open(run).batches():
        ids = some.columns["object_id"].tolist()
        for name, style, shifts in (
            ("ours, pixel edges", PIXELS, None),
            ("ours, smoothed", smooth, None),
            ("ours, smoothed, logits", smooth, some.shifts),
            ("ours, default", OutlineStyle(), None),
            ("ours, default, logits", OutlineStyle(), some.shifts),
        ):
            shapes = drawn(some.exact, style, shifts)
            layers.setdefault(name, {}).update(zip(ids, shapes, strict=True))
    return layers


def _matched(truth: NDArray[Any], objects: dict[int, Any]) -> Roofs:
    """The best object of each drawn roof, each object once."""
    values, shapes = np.array(list(objects)), np.array(list(objects.values()), object)
    pairs = []
    for t, v in shapely.STRtree(shapes).query(truth).T.tolist():
        common = shapely.area(shapely.intersection(truth[t], shapes[v]))
        pairs.append((common / (truth[t].area + shapes[v].area - common), t, v))
    taken: list[tuple[int, int]] = []
    for iou, t, v in sorted(pairs, reverse=True):
        if iou >= MATCH_IOU and all(t != a and v != b for a, b in taken):
            taken.append((t, v))
    index = np.array(sorted(taken), np.int64).reshape(-1, 2)
    return Roofs(truth[index[:, 0]], values[index[:, 1]])


def _row(name: str, found: dict[int, Any], roofs: Roofs) -> tuple[str, ...]:
    distances, ious, vertices, turning, invalid = [], [], [], [], 0
    for truth, value in zip(roofs.truth, roofs.values.tolist(), strict=True):
        shape = found.get(value)
        if shape is None or shape.is_empty:
            continue
        distances.append((_mean_distance(truth, shape) + _mean_distance(shape, truth)) / 2)
        common = shapely.area(shapely.intersection(truth, shapely.make_valid(shape)))
        ious.append(common / (truth.area + shape.area - common))
        vertices.append(shapely.get_num_coordinates(shape))
        turning.append(_turning(shape))
        invalid += not shape.is_valid
    means = [float(np.mean(v)) if v else None for v in (distances, ious, vertices, turning)]
    return (
        name, str(len(distances)), fixed(means[0], 2), fixed(means[1]), fixed(means[2], 0),
        fixed(means[3], 1), str(invalid),
    )  # fmt: skip


def _turning(shape: Any) -> float:
    """Degrees by which an outline changes its direction on a pixel of its length."""
    total = 0.0
    for ring in shapely.get_rings(shapely.get_parts(shape)):
        sides = np.diff(shapely.get_coordinates(ring), axis=0)
        directions = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
        turns = np.diff(directions, append=directions[0])
        total += float(np.abs((turns + 180) % 360 - 180).sum())
    return total / float(shape.length)


def _mean_distance(a: Any, b: Any) -> float:
    """Mean distance of the outline of one shape from that of another."""
    line = shapely.segmentize(shapely.boundary(a), STEP_PX)
    other = shapely.boundary(b)
    shapely.prepare(other)
    return float(shapely.distance(shapely.points(shapely.get_coordinates(line)), other).mean())


def _costs(arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Seconds and memory of a large label raster."""
    count, peer = arguments.count, arguments.peer
    unsigned, labels = str(folder / "unsigned.tif"), str(folder / "labels.tif")
    side = measure("labels_of_wholes", count=count, labels=unsigned).values["side_px"]
    measure("signed_labels", labels=unsigned, target=labels)
    yield (
        f"{count:,} objects of a label raster of {side} x {side} px ({side * side / 1e6:.0f} "
        "megapixels) to a GeoPackage, each in a process of its own; memory is what the work took "
        f"on top of what the process held when it began, and all that the {arguments.workers} "
        "processes held that a partition is drawn by. samgeo writes one feature for each "
        "connected part, with the column value; ours has one for each object, with the columns of "
        "docs/vectors.md. A coverage is one if neighbours share their edges to the last vertex."
    )
    rows = []
    target = str(folder / "out.gpkg")
    for product in ("objects", "partition"):
        given = {"labels": labels, "target": target, "product": product}
        told = measure("product_of_labels", **given, workers=arguments.workers)
        rows.append(_cost_row(f"ours, {product}", told))
    if peer is not None:
        for name, regular in (("samgeo raster_to_vector", None), ("samgeo, then regularize", {})):
            told = measure(
                "polygons_of_peer", labels=labels, peer=str(peer), target=target, regular=regular
            )
            rows.append(_cost_row(name, told))
    columns = (
        "side", "seconds", "CPU s", "memory MiB", "features", "vertices", "invalid", "columns",
        "coverage",
    )  # fmt: skip
    yield table(columns, rows)


def _cost_row(name: str, told: Measurement) -> tuple[str, ...]:
    values = told.values
    return (
        name, f"{values['seconds']:.0f}", f"{values['cpu_seconds']:.0f}", mib(values["own_bytes"]),
        f"{values['features']:,}", f"{values['vertices']:,}", f"{values['invalid']:,}",
        str(values["columns"]),
        "yes" if values["coverage"] else "no",
    )  # fmt: skip


if __name__ == "__main__":
    from benchmarks.options import exit_with

    exit_with(main)
