"""A comparison as layers: matches, changed, missing and extra objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from samgeo_core.comparing.found import FoundObjects
from samgeo_core.comparing.matching import Verdict
from samgeo_core.comparing.pairs import Index, Pairs
from samgeo_core.comparing.reference import Reference
from samgeo_core.results.batches import Batches, arrow_batch

LAYERS = ("matches", "changed", "missing", "extra")

FOUND, REFERENCE = "found", "reference"
"""Whose outline a row of the layer changed holds."""

_KEPT = ("class_name", "confidence", "score", "stability", "area_px", "area_m2")

Describe = Callable[[Index], dict[str, Any]]
"""Columns of the objects in some rows."""


def layer_of(name: str, verdict: Verdict, reference: Reference, found: FoundObjects) -> Batches:
    """One of `LAYERS`.

    The layer changed holds two rows for each pair, one of each outline; missing holds outlines of
    the reference, the others those of the objects.
    """
    if name == "missing":
        return Batches.of(_missing(verdict, reference))
    if name == "extra":
        return _batches(
            _rows_of(found, verdict.extra, lambda rows: {"best_iou": verdict.found_best[rows]})
        )
    pairs = verdict.matched if name == "matches" else verdict.changed
    rows = _rows_of(found, pairs.found, _describe(pairs, reference, outlined=name == "changed"))
    if name == "matches":
        return _batches(rows)
    return _batches(_with_reference(rows, pairs, reference))


def _describe(pairs: Pairs, reference: Reference, *, outlined: bool) -> Describe:
    """What is said of each object of a pair."""
    order = np.argsort(pairs.found)
    ordered = pairs.take(order)

    def describe(rows: Index) -> dict[str, Any]:
        at = np.searchsorted(ordered.found, rows)
        columns = _of_reference(ordered.reference[at], reference)
        if outlined:
            columns["outline"] = _text([FOUND] * len(rows))
        return {**columns, "iou": ordered.iou[at].round(4)}

    return describe


def _of_reference(rows: Index, reference: Reference) -> dict[str, Any]:
    columns = {"reference_id": _text([reference.ids[i] for i in rows.tolist()])}
    if reference.classes is not None:
        columns["reference_class"] = _text([reference.classes[i] for i in rows.tolist()])
    return columns


def _rows_of(found: FoundObjects, wanted: Index, describe: Describe) -> Iterator[gpd.GeoDataFrame]:
    """Some of the objects with what is said of them, some at a time; at least one, empty frame."""
    first = 0
    for frame in found.frames():
        rows = wanted[(wanted >= first) & (wanted < first + len(frame))]
        rows = np.sort(rows)
        some = frame.iloc[rows - first].reset_index(drop=True)
        first += len(frame)
        kept = {n: _typed(n, some[n]) for n in _KEPT if n in some}
        columns = {"object_id": some["object_id"].astype(np.int64), **describe(rows), **kept}
        shapes = np.asarray(some.geometry.values, object)
        yield gpd.GeoDataFrame(columns, geometry=shapes, crs=found.ground.crs)


def _with_reference(
    rows: Iterator[gpd.GeoDataFrame], pairs: Pairs, reference: Reference
) -> Iterator[gpd.GeoDataFrame]:
    """First the objects, then the outlines of the reference that they were paired with."""
    ids: list[int] = []
    named: dict[int, int] = {}
    last = None
    ordered = np.sort(pairs.found).tolist()
    for frame in rows:
        ids += frame["object_id"].tolist()
        last = frame
        yield frame
    named = dict(zip(ordered, ids, strict=True))
    if last is None or not len(pairs):
        return
    columns = {
        "object_id": np.array([named[i] for i in pairs.found.tolist()], np.int64),
        **_of_reference(pairs.reference, reference),
        "outline": _text([REFERENCE] * len(pairs)),
        "iou": pairs.iou.round(4),
    }
    shapes = reference.polygons[pairs.reference]
    told = gpd.GeoDataFrame(columns, geometry=shapes, crs=reference.ground.crs)
    for name in last.columns.difference(told.columns):
        told[name] = pd.Series([pd.NA] * len(told), dtype=_nullable(last[name].dtype))
    yield told[last.columns]


def _nullable(dtype: Any) -> str:
    return {"f": "Float64", "i": "Int64"}.get(dtype.kind, "string")


def _missing(verdict: Verdict, reference: Reference) -> gpd.GeoDataFrame:
    rows = verdict.missing
    columns = _of_reference(rows, reference)
    columns["best_iou"] = verdict.best_iou[rows].round(4)
    shapes = reference.polygons[rows]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=reference.ground.crs)


def _typed(name: str, values: Any) -> Any:
    # NOTE: text of its own type, so that formats know what a column is of without a row.
    return values.astype("string") if name == "class_name" else values


def _text(values: list[str]) -> Any:
    return pd.array(values, dtype="string")


def _batches(frames: Iterator[gpd.GeoDataFrame]) -> Batches:
    """The first rows decide the types."""
    first = next(frames, None)
    if first is None:
        first = gpd.GeoDataFrame({"object_id": np.zeros(0, np.int64)}, geometry=[], crs=None)
    return Batches(arrow_batch(first).schema, first.crs, chain([first], frames))
