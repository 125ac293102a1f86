"""What processes of `benchmarks.outlines` measure."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

from benchmarks.memory import Cost, metered
from benchmarks.runner import Measurement


def product_of_labels(labels: str, target: str, product: str, workers: int = 1) -> Measurement:
    """Ours: a label raster to a finished GeoPackage of objects or a partition."""
    import resource

    from samgeo_core.cli import main

    Path(target).unlink(missing_ok=True)  # a GeoPackage would keep its other layers
    began = time.process_time()
    asked = ["vectorize", labels, target, "--quiet", "--product", product]
    with metered() as cost:
        status = main([*asked, "--workers", str(workers)])
    if status:
        raise RuntimeError(f"vectorize ended with {status}.")
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    if product == "partition" and workers > 1:
        cost.own_bytes += workers * others.ru_maxrss * 1024
    seconds = time.process_time() - began + others.ru_utime + others.ru_stime
    return _told(cost, seconds, target)


def polygons_of_peer(
    labels: str, peer: str, target: str, regular: dict[str, float] | None = None
) -> Measurement:
    """samgeo's raster_to_vector and, if asked for, its regularize with these arguments.

    NOTE: of the package only the module that holds them, which needs no others.
    """
    path = Path(peer) / "samgeo" / "common.py"
    spec = importlib.util.spec_from_file_location("samgeo_common", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module.")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    Path(target).unlink(missing_ok=True)  # a GeoPackage would keep its other layers
    began = time.process_time()
    with metered() as cost:
        module.raster_to_vector(labels, target)
        if regular is not None:
            module.regularize(target, target, **regular)
    return _told(cost, time.process_time() - began, target)


def _told(cost: Cost, cpu_seconds: float, target: str) -> Measurement:
    import geopandas as gpd
    import shapely

    frame = gpd.read_file(target)
    polygons = shapely.get_parts(frame.geometry.values)
    return Measurement({
        "seconds": cost.seconds, "cpu_seconds": cpu_seconds, "own_bytes": cost.own_bytes,
        "features": len(frame), "invalid": int((~frame.is_valid).sum()),
        "columns": frame.shape[1] - 1,
        "vertices": int(shapely.get_num_coordinates(polygons).sum()),
        "coverage": bool(shapely.coverage_is_valid(polygons)),
    })  # fmt: skip
