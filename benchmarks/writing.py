"""Label raster and vectors: seconds and memory by the number of objects, and beside samgeo.

``python -m benchmarks.writing --peer FOLDER`` where FOLDER holds segment-geospatial, put there by
``pip install --no-deps --target FOLDER segment-geospatial==1.4.2``: only its raster_to_vector is
called, with the same Python, GDAL and GeoPandas as ours.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import NOTHING, header, mib, show, table
from benchmarks.runner import Measurement, measure
from benchmarks.scenes import BenchmarkError

COUNTS = (25_000, 100_000, 400_000)
"""Objects of the first table; the raster grows with them, so that they are equally dense."""

PX_PER_OBJECT = 4_000
"""20000 x 20000 px for 100,000 objects."""


def main() -> int:
    """Print both tables."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.writing", description=__doc__)
    options.add_argument("--counts", nargs="*", type=int, default=COUNTS, metavar="N")
    options.add_argument(
        "--peer-counts",
        nargs="*",
        type=int,
        default=COUNTS[:2],
        metavar="N",
        help="objects of the labels that both sides vectorise",
    )
    options.add_argument("--peer", type=Path, metavar="FOLDER", help="where segment-geospatial is")
    arguments = options.parse_args()
    show(header("writing", sys.argv[1:], "cpu"))
    with tempfile.TemporaryDirectory(prefix="samgeo-writing-") as name:
        folder = Path(name)
        if arguments.counts:
            show(*_writing(arguments.counts, folder))
        if arguments.peer is None:
            show("Without --peer there is nothing to compare with.")
        else:
            show(*_beside_peer(arguments.peer_counts, arguments.peer, folder))
    return 0


def _writing(counts: Sequence[int], folder: Path) -> Iterator[str]:
    """The first table: objects as they come from regions, to files."""
    yield (
        "Objects, region by region, to labels.tif and mask.tif (LabelWriter) and to objects.gpkg "
        "(VectorWriter), each in a process of its own; memory is what the work took on top of what "
        "the process held when it began, in brackets the peak of the process."
    )
    columns = (
        "objects", "raster px", "rasters s", "rasters MiB", "vectors s", "vectors MiB",
        "vectors: objects / s", "features", "invalid",
    )  # fmt: skip
    rows = []
    for count in counts:
        files = {"labels": str(folder / f"labels-{count}.tif"), "mask": str(folder / "mask.tif")}
        labels = measure("labels_of_wholes", count=count, **files).values
        target = str(folder / "objects.gpkg")
        vectors = measure("vectors_of_wholes", count=count, target=target).values
        rows.append((
            f"{count:,}", f"{labels['side_px']} x {labels['side_px']}",
            f"{labels['seconds']:.1f}", _memory(labels),
            f"{vectors['seconds']:.1f}", _memory(vectors), f"{count / vectors['seconds']:,.0f}",
            f"{vectors['features']:,}", f"{vectors['invalid']:,}",
        ))  # fmt: skip
    yield table(columns, rows)


def _memory(values: dict[str, Any]) -> str:
    return f"{mib(values['own_bytes'])} ({mib(values['peak_bytes'])})"


def _beside_peer(counts: Sequence[int], peer: Path, folder: Path) -> Iterator[str]:
    """The second table: one label raster, both sides to GeoPackage."""
    if not (peer / "samgeo" / "common.py").is_file():
        raise BenchmarkError(f"{peer} holds no segment-geospatial: install it there.")
    yield (
        "The same objects as polygons: samgeo's raster_to_vector from the finished label raster "
        "(as int32: it refuses the uint32 that more than 65,535 objects take), "
        "ours from the objects themselves (VectorWriter) and from the label raster "
        "(raster_to_vector). Peer over ours: above 1, ours is better."
    )
    columns = (
        "objects", "side", "seconds", "memory MiB", "features", "invalid", "columns",
        "seconds ratio", "memory ratio",
    )  # fmt: skip
    rows: list[tuple[str, ...]] = []
    for count in counts:
        unsigned, labels = str(folder / "unsigned.tif"), str(folder / "labels.tif")
        measure("labels_of_wholes", count=count, labels=unsigned)
        measure("signed_labels", labels=unsigned, target=labels)
        target = {"target": str(folder / "polygons.gpkg")}
        theirs = measure("vectors_of_peer", labels=labels, peer=str(peer), **target)
        rows.append(_row(count, "samgeo raster_to_vector", theirs))
        ours = measure("vectors_of_wholes", count=count, **target)
        rows.append(_row(count, "VectorWriter", ours, theirs))
        ours = measure("vectors_of_labels", labels=labels, **target)
        rows.append(_row(count, "raster_to_vector", ours, theirs))
    yield table(columns, rows)


def _row(
    count: int, side: str, ours: Measurement, theirs: Measurement | None = None
) -> tuple[str, ...]:
    def ratio(key: str) -> str:
        return NOTHING if theirs is None else f"{theirs.values[key] / ours.values[key]:.1f}"

    values = ours.values
    return (
        f"{count:,}", side, f"{values['seconds']:.1f}", mib(values["own_bytes"]),
        f"{values['features']:,}", f"{values['invalid']:,}", str(values["columns"]),
        ratio("seconds"), ratio("own_bytes"),
    )  # fmt: skip


if __name__ == "__main__":
    from benchmarks.options import exit_with

    exit_with(main)
