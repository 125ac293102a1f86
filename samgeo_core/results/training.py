"""Objects as data to train other models with: COCO's instances and YOLO's segments, as archives.

COCO: https://cocodataset.org/#format-data. YOLO: https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.errors import ExportError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.files import replacing
from samgeo_core.results.outlines import Geometries
from samgeo_core.results.training_tiles import (
    Piece,
    SomeObjects,
    TrainingImage,
    TrainingOptions,
    pieces_of,
    rings_of,
    tiles_of,
)
from samgeo_core.windows import ShapeHW, Window

KINDS = {"coco": "COCO (zip)", "yolo": "YOLO segments (zip)"}

_SUFFIXES = {".coco.zip": "coco", ".yolo.zip": "yolo"}
_DECIMALS = 2

ShapesOf = Callable[[Geometries], Geometries]


def training_kind(path: str | Path) -> str | None:
    """Which kind of training data a file's name asks for: "coco", "yolo", or None for neither."""
    name = Path(path).name.lower()
    return next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)


def write_training(
    batches: Iterable[SomeObjects],
    grid: GeoGrid,
    path: str | Path,
    kind: str | None = None,
    *,
    image: TrainingImage | None = None,
    options: TrainingOptions | None = None,
    shapes_of: ShapesOf | None = None,
    monitor: Monitor = SILENT,
) -> None:
    """Write objects as training data, whole or not at all; memory doesn't grow with their number.

    Tiles without an object are left out. Where objects have the column class_name, classes are the
    categories, and objects without one are left out; else all are of the category "object".

    Args:
        batches: objects, some at a time, with outlines in px.
        grid: of their raster.
        path: the archive.
        kind: a key of `KINDS`; None takes the one that the name asks for (.coco.zip, .yolo.zip).
        image: what the tiles show; None writes labels without pictures.
        options: how tiles are cut.
        shapes_of: draws exact outlines as they are wanted; None takes them as they are.
        monitor: hears of the stages "outlines" and "tiles", and may cancel.

    Raises:
        ExportError: the kind is unknown, there is no object, or the archive can't be written.
    """
    target, options = Path(path), options or TrainingOptions()
    wanted = kind or training_kind(target)
    if wanted not in KINDS:
        raise ExportError(
            f"Training data is written as {' or '.join(_SUFFIXES)}, got {target.name}: rename it."
        )
    tiles = tiles_of(grid.shape_hw, options.tile_px)
    pieces = _counted(pieces_of(batches, tiles, shapes_of or (lambda exact: exact)), monitor)
    with (
        replacing(target) as temporary,
        tempfile.TemporaryDirectory(prefix="training-") as folder,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        writer = _Coco if wanted == "coco" else _Yolo
        used = writer(archive, Path(folder), tiles, options, target.name).write(pieces)
        if not used:
            raise ExportError(
                "There is no object to train with: take a result with objects, and where classes "
                "were taught, mark some."
            )
        for number, tile in enumerate(used if image is not None else []):
            monitor.step("tiles", number, len(used))
            assert image is not None
            picture = image.picture(tiles[tile], options.image_format)
            # Pictures are compressed already.
            name = f"images/{tile_name(tiles[tile])}.{options.image_format}"
            archive.writestr(name, picture, zipfile.ZIP_STORED)


def _counted(pieces: Iterator[Piece], monitor: Monitor) -> Iterator[Piece]:
    for number, piece in enumerate(pieces):
        if number % 256 == 0:
            monitor.step("outlines", number, number + 1)
        yield piece


def tile_name(tile: Window) -> str:
    """What a tile's files are called: by the place of its first pixel."""
    return f"tile_x{tile.x:06d}_y{tile.y:06d}"


class _Coco:
    """annotations/instances.json, and images/."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        folder: Path,
        tiles: list[Window],
        options: TrainingOptions,
        name: str,
    ) -> None:
        self.archive, self.tiles, self.options, self.name = archive, tiles, options, name
        self.lines = folder / "annotations.jsonl"

    def write(self, pieces: Iterator[Piece]) -> list[int]:
        """Write the annotations; returns the tiles that have any."""
        categories: dict[str, int] = {}
        used: set[int] = set()
        with self.lines.open("w", encoding="utf-8") as file:
            for number, piece in enumerate(pieces, start=1):
                category = categories.setdefault(piece.category, len(categories) + 1)
                used.add(piece.tile)
                shape_hw = self.tiles[piece.tile].shape_hw
                separator = ",\n" if number > 1 else ""
                file.write(separator + json.dumps(_annotation(number, piece, category, shape_hw)))
        images = [
            {"id": tile + 1, "file_name": f"{tile_name(window)}.{self.options.image_format}",
             "width": window.width, "height": window.height}
            for tile in sorted(used) for window in [self.tiles[tile]]
        ]  # fmt: skip
        named = [
            {"id": number, "name": name, "supercategory": ""} for name, number in categories.items()
        ]
        with (
            self.archive.open("annotations/instances.json", "w", force_zip64=True) as target,
            self.lines.open("rb") as lines,
        ):
            head = {"info": {"description": self.name}, "licenses": [], "images": images,
                    "categories": named}  # fmt: skip
            target.write(json.dumps(head)[:-1].encode() + b', "annotations": [\n')
            while block := lines.read(1 << 20):
                target.write(block)
            target.write(b"\n]}\n")
        return sorted(used)


def _annotation(number: int, piece: Piece, category: int, shape_hw: ShapeHW) -> dict[str, Any]:
    left, top, right, bottom = shapely.bounds(piece.shape).tolist()
    parts = [rings_of(part) for part in shapely.get_parts(piece.shape)]
    has_holes = any(holes for _, holes in parts)
    told = {
        "id": number,
        "image_id": piece.tile + 1,
        "category_id": category,
        "bbox": [round(v, _DECIMALS) for v in (left, top, right - left, bottom - top)],
        "area": round(float(piece.shape.area), _DECIMALS),
        "iscrowd": 0,
        "segmentation": run_lengths(piece.shape, shape_hw)
        if has_holes
        else [outer.round(_DECIMALS).ravel().tolist() for outer, _ in parts],
        "object_id": piece.object_id,
    }
    return told if piece.score is None else {**told, "score": piece.score}


def run_lengths(shape: Any, shape_hw: ShapeHW) -> dict[str, Any]:
    """COCO's run lengths of a mask: polygons in its lists have no holes.

    Runs go down the columns, and the first one is of background.
    """
    from rasterio.features import rasterize

    mask = rasterize([shape], out_shape=shape_hw).T.ravel()
    turns = np.flatnonzero(np.diff(mask)) + 1
    ends = np.concatenate([[0], turns, [mask.size]])
    counts = np.diff(ends).tolist()
    return {"size": list(shape_hw), "counts": [0, *counts] if mask[0] else counts}


class _Yolo:
    """labels/*.txt, images/, lists of tiles and data.yaml."""

    def __init__(
        self,
        archive: zipfile.ZipFile,
        folder: Path,
        tiles: list[Window],
        options: TrainingOptions,
        name: str,
    ) -> None:
        self.archive, self.folder, self.tiles, self.options = archive, folder, tiles, options

    def write(self, pieces: Iterator[Piece]) -> list[int]:
        """Write the labels; returns the tiles that have any."""
        categories: dict[str, int] = {}
        used: set[int] = set()
        for piece in pieces:
            category = categories.setdefault(piece.category, len(categories))
            used.add(piece.tile)
            sides = np.array(self.tiles[piece.tile].shape_hw[::-1], np.float64)
            with (self.folder / f"{piece.tile}.txt").open("a", encoding="utf-8") as file:
                for part in shapely.get_parts(piece.shape):
                    values = (one_ring(part) / sides).clip(0, 1).ravel()
                    file.write(f"{category} {' '.join(f'{v:.6f}' for v in values)}\n")
        ordered = sorted(used)
        for tile in ordered:
            name = f"labels/{tile_name(self.tiles[tile])}.txt"
            self.archive.write(self.folder / f"{tile}.txt", name)
        if ordered:
            self._lists(ordered, categories)
        return ordered

    def _lists(self, used: list[int], categories: dict[str, int]) -> None:
        """Which tiles are for what, and the names of the classes."""
        every = self.options.held_back
        held = [tile for i, tile in enumerate(used) if every and i % every == every - 1]
        parts = {"train": [t for t in used if t not in set(held)], "val": held or used}
        for name, tiles in parts.items():
            lines = [
                f"./images/{tile_name(self.tiles[t])}.{self.options.image_format}\n" for t in tiles
            ]
            self.archive.writestr(f"{name}.txt", "".join(lines))
        names = [f"  {number}: {json.dumps(name)}\n" for name, number in categories.items()]
        text = f"train: train.txt\nval: val.txt\nnames:\n{''.join(names)}"
        self.archive.writestr("data.yaml", text)


def one_ring(polygon: Any) -> NDArray[np.float64]:
    """A polygon as one ring [K, 2]: YOLO's labels know no holes.

    Each hole is joined to the ring by a cut there and back, where their vertices are nearest. A cut
    has no area, so that what is filled stays the same.
    """
    from scipy.spatial import KDTree

    outer, holes = rings_of(shapely.orient_polygons(polygon))
    for hole in holes:
        distances, places = KDTree(outer).query(hole)
        j = int(distances.argmin())
        i = int(places[j])
        turned = np.concatenate([hole[j:], hole[: j + 1]])
        outer = np.concatenate([outer[: i + 1], turned, outer[i:]])
    return outer
