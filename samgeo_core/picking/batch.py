"""Thousands of prompts in one go: those that look through the same windows one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from samgeo_core.crossings import CrossingBook
from samgeo_core.errors import ParameterError
from samgeo_core.models.loading import LoadedModel, cached_model
from samgeo_core.picking.embeddings import EmbeddingStore
from samgeo_core.picking.masks import LOGITS_PAD_PX, PickedMask
from samgeo_core.picking.picker import Picker, PickMode
from samgeo_core.picking.prompt_files import read_prompts
from samgeo_core.picking.prompt_groups import PromptGroup, group_prompts
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.channels import Channel
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.results.outlines import trace
from samgeo_core.vectors.outline import shifts_of_book
from samgeo_core.vectors.product import PixelObjects, Surroundings, objects_layer
from samgeo_core.wholes import PackedMask, PackedPieces, WholeObject

STAGE = "prompts"
OK = "ok"
_CELL_PX = 64
_TRACED = 512


def segment_prompts(
    raster: Raster | str | Path,
    prompts: gpd.GeoDataFrame | str | Path,
    *,
    model: LoadedModel | str = "vit_t",
    checkpoint: str | Path | None = None,
    device: str | None = None,
    bands: Sequence[Channel] | None = None,
    stretch: StretchMode = "auto",
    mode: PickMode = "adaptive",
    label_column: str = "label",
    object_column: str = "object_id",
    embeddings: EmbeddingStore | None = None,
    monitor: Monitor = SILENT,
) -> gpd.GeoDataFrame:
    """Segment what prompts point at: one object for each box, polygon, point or group of them.

    Args:
        raster: what is looked at.
        prompts: points, boxes and polygons in any CRS, see `prompt_groups.group_prompts`; or a file
            of them, see `prompt_files.read_prompts`.
        model: a loaded model, or the name of one.
        checkpoint, device: of a model by name, as in `SegmentConfig`.
        bands, stretch, mode: as in `Picker`.
        label_column, object_column: as in `prompt_groups.group_prompts`.
        embeddings: keeps the embeddings of windows; None keeps them in memory while it lasts.
        monitor: hears of the stage "prompts", object by object; may cancel.

    Returns:
        One row for each object, in the order of the prompts: prompt_id, status ("ok", or a
        sentence that says why there is none), the columns of docs/vectors.md, then
        those of the prompts (of a group's first row; "prompt_" goes before a name that is taken).
        object_id counts from 1; rows without an object have none, and no geometry. In the CRS of
        the raster.

    Raises:
        ParameterError: the prompts can't be read or placed on the raster.
        RasterError: the raster is damaged.
        WeightsError: the model's weights aren't there.
        CancelledError: the monitor says so.
    """
    raster = raster if isinstance(raster, Raster) else Raster.open(raster)
    frame = prompts if isinstance(prompts, gpd.GeoDataFrame) else read_prompts(prompts)
    groups = group_prompts(
        frame, raster.grid, label_column=label_column, object_column=object_column
    )
    if isinstance(model, str):
        model = cached_model(model, None if checkpoint is None else str(checkpoint), device)
    store = embeddings or EmbeddingStore()
    picker = Picker(raster, model, bands=bands, stretch=stretch, embeddings=store, mode=mode)
    found: list[WholeObject | None] = [None] * len(groups)
    status, book = [group.problem for group in groups], CrossingBook()
    for i, answer in pick_all(picker, groups, monitor):
        if isinstance(answer, PickedMask):
            found[i], status[i] = _whole(answer, i + 1), OK
            note_picked(answer, book)
        else:
            status[i] = answer
    return _table(frame, groups, status, _traced(found, raster, book))


def note_picked(mask: PickedMask, book: CrossingBook) -> None:
    """Keep where the logits of a mask pass between its pixels."""
    if mask.logits is not None:
        x, y = mask.offset_xy
        corner = x - LOGITS_PAD_PX, y - LOGITS_PAD_PX
        book.note(mask.mask, (x, y), mask.logits, corner)


def pick_all(
    picker: Picker, groups: Sequence[PromptGroup], monitor: Monitor = SILENT
) -> Iterator[tuple[int, PickedMask | str]]:
    """Answer groups in an order in which each window is encoded about once.

    Yields:
        Position of the group, and its mask or a sentence that says why there is none.
    """
    sound = [(i, g.prompts) for i, g in enumerate(groups) if g.prompts is not None]
    sound.sort(key=lambda item: (_along_curve(item[1]), item[0]))
    for done, (i, prompts) in enumerate(sound):
        monitor.step(STAGE, done, len(sound))
        try:
            yield i, picker.pick(prompts).best
        except ParameterError as error:
            yield i, str(error)
    monitor.step(STAGE, len(sound), len(sound))


def _along_curve(prompts: ObjectPrompts) -> int:
    """Place along a Z-order curve (Morton, 1966): what lies near on it shares windows."""
    x0, y0, x1, y1 = prompts.extent_xyxy
    column, row = (max(0, int(v / 2 // _CELL_PX)) for v in (x0 + x1, y0 + y1))
    return sum(
        ((column >> bit) & 1) << (2 * bit) | ((row >> bit) & 1) << (2 * bit + 1)
        for bit in range(max(column, row, 1).bit_length())
    )


def _whole(mask: PickedMask, number: int) -> WholeObject:
    """A mask that waits for the others, packed."""
    return WholeObject(
        number,
        0,
        PackedPieces((PackedMask.of(mask.mask, mask.offset_xy),)),
        mask.score,
        mask.stability,
        (np.nan, np.nan),
        mask.area_px,
        mask.box_xyxy,
    )


def _traced(
    found: Sequence[WholeObject | None], raster: Raster, book: CrossingBook
) -> gpd.GeoDataFrame:
    """A finished layer of what was found, smooth where logits are known."""
    objects = [item for item in found if item is not None]

    def batches() -> Iterator[PixelObjects]:
        for at in range(0, max(len(objects), 1), _TRACED):
            some = objects[at : at + _TRACED]
            pieces = [item.pieces[0] for item in some]
            offsets = np.array([xy for xy, _ in pieces], np.int64).reshape(-1, 2)
            masks = [mask for _, mask in pieces]
            exact = trace(masks, offsets)
            columns = {
                "object_id": np.array([item.object_id for item in some], np.int64),
                "parent_id": np.zeros(len(some), np.int64),
                "score": np.array([item.score for item in some], np.float64).round(6),
                "stability": np.array([item.stability for item in some], np.float64).round(6),
            }
            yield PixelObjects(exact, columns, shifts_of_book(exact, masks, offsets, book))

    return objects_layer(batches(), Surroundings(raster.grid)).whole()


def _table(
    frame: gpd.GeoDataFrame,
    groups: Sequence[PromptGroup],
    status: Sequence[str],
    traced: gpd.GeoDataFrame,
) -> gpd.GeoDataFrame:
    """Objects and what asked for them, row by row."""
    rows = traced.set_index("object_id").reindex(range(1, len(groups) + 1))
    rows.insert(0, "object_id", range(1, len(groups) + 1))
    rows = rows.reset_index(drop=True)
    has_none = ~np.isin(np.arange(1, len(groups) + 1), traced["object_id"])
    rows["object_id"] = rows["object_id"].astype("Int64").mask(has_none)
    for name in ("parent_id", "area_px", "touches_edge"):
        rows[name] = rows[name].astype("Int64")
    rows.insert(0, "status", list(status))
    rows.insert(0, "prompt_id", [group.prompt_id for group in groups])
    first = [group.rows[0] for group in groups]
    own = pd.DataFrame(frame.drop(columns=frame.geometry.name)).iloc[first].reset_index(drop=True)
    for name in own.columns:
        if pd.api.types.is_object_dtype(own[name]):
            own[name] = own[name].map(_plain).astype("str")
    own.columns = [_free(str(name), rows.columns) for name in own.columns]
    shapes: Any = rows.pop(rows.geometry.name)
    return gpd.GeoDataFrame(pd.concat([rows, own], axis=1), geometry=list(shapes), crs=traced.crs)


def _plain(value: Any) -> str:
    """A value of a column of any values as the text that every format can hold."""
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None or pd.isna(value) else str(value)


def _free(name: str, taken: Any) -> str:
    return f"prompt_{name}" if name in taken or name == "geometry" else name
