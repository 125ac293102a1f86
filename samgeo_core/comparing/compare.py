"""Objects beside a reference, and what comes of it as figures and layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from samgeo_core.comparing.figures import Figures, by_class, overall, table_csv, table_json
from samgeo_core.comparing.found import FoundObjects, classes_in
from samgeo_core.comparing.layers import LAYERS, layer_of
from samgeo_core.comparing.matching import Verdict, check_options, judge
from samgeo_core.comparing.pairs import Pairs, polygon_pairs
from samgeo_core.comparing.reference import Reference
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.batches import Batches, write_ogr_batches
from samgeo_core.results.files import replacing


@dataclass(frozen=True, eq=False)
class Comparison:
    """What became of objects and of a reference.

    Attributes:
        reference: the reference.
        found: the objects.
        verdict: who matched whom, by rows of both.
        figures: of all, then of each class of the reference.
        iou: least IoU of a match.
        scope: which objects are judged, see `matching.SCOPES`.
    """

    reference: Reference
    found: FoundObjects
    verdict: Verdict
    figures: list[Figures]
    iou: float
    scope: str

    def layer(self, name: str) -> Batches:
        """One of `layers.LAYERS`, read as it is gone through."""
        return layer_of(name, self.verdict, self.reference, self.found)

    def told(self) -> dict[str, Any]:
        """What the figures were made with."""
        return {
            "iou": self.iou,
            "scope": self.scope,
            "coordinates": self.reference.placed,
            "left_out": {**self.reference.left_out, "objects": self.verdict.ignored},
        }

    def csv(self) -> str:
        """The figures as a table."""
        return table_csv(self.figures)

    def json(self) -> str:
        """The figures, and what they were made with."""
        return table_json(self.figures, **self.told())

    def write_layers(self, path: Path) -> None:
        """Write the layers as one GeoPackage.

        Raises:
            ExportError: it can't be written.
        """
        with replacing(path) as temporary:
            for name in LAYERS:
                write_ogr_batches(
                    self.layer(name), temporary, name, "GPKG", geometry_type="MultiPolygon"
                )

    def write(self, path: Path) -> None:
        """Write the layers, and beside them the figures as .csv and .json.

        Raises:
            ExportError: a file can't be written.
        """
        self.write_layers(path)
        for suffix, text in ((".csv", self.csv()), (".json", self.json())):
            with replacing(path.with_suffix(suffix)) as temporary:
                temporary.write_text(text, "utf-8")


def compare(
    found: FoundObjects,
    reference: Reference,
    *,
    iou: float = 0.5,
    scope: str = "image",
    monitor: Monitor = SILENT,
) -> Comparison:
    """Match objects with a reference, one to one.

    The reference is held in memory, and of the objects no more than come at once: what stays of
    them are numbers.

    Args:
        found: the objects.
        reference: the reference, on the same ground.
        iou: least IoU of a match.
        scope: which objects are judged, see `matching.judge`.
        monitor: hears of the stage "compare", and may cancel.

    Raises:
        ParameterError: ``iou`` is out of its range, or the scope unknown.
        ExportError: the objects can't be read.
    """
    check_options(iou, scope)
    tree = shapely.STRtree(reference.compared)
    parts: list[Pairs] = []
    classes: list[str] | None = None
    n_found = 0
    for number, frame in enumerate(_frames(found)):
        monitor.step("compare", number, number + 1)
        shapes = np.asarray(frame.geometry.values, object)
        parts.append(polygon_pairs(reference.compared, tree, shapes, n_found))
        if (names := classes_in(frame)) is not None:
            classes = [*(classes or []), *names]
        n_found += len(frame)
    pairs = Pairs.joined(parts)
    verdict = judge(pairs, reference.counted, n_found, iou=iou, scope=scope)
    figures = [overall(verdict), *by_class(verdict, reference.classes, classes)]
    return Comparison(reference, found, verdict, figures, iou, scope)


def _frames(found: FoundObjects) -> Iterator[Any]:
    return (frame for frame in found.frames() if len(frame))
