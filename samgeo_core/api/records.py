"""Objects as the records that segment-anything-py's mask generator returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from samgeo_core.objects import ObjectSet

_KEYS = (
    "segmentation",
    "area",
    "bbox",
    "predicted_iou",
    "point_coords",
    "stability_score",
    "crop_box",
)


class MaskRecord(Mapping[str, Any]):
    """One object, read like a dictionary.

    ``segmentation`` bool [H, W] of the whole raster (made anew at each access), ``area`` px,
    ``bbox`` and ``crop_box`` as x, y, width, height in px, ``point_coords`` [[x, y]] in px,
    ``predicted_iou`` and ``stability_score``.
    """

    def __init__(self, objects: ObjectSet, index: int) -> None:
        self._objects = objects
        self._index = index

    def __getitem__(self, key: str) -> Any:
        objects, i = self._objects, self._index
        match key:
            case "segmentation":
                return objects.full_mask(i)
            case "area":
                return int(objects.areas_px[i])
            case "bbox":
                height, width = objects.masks[i].shape
                return [*objects.offsets_xy[i].tolist(), width, height]
            case "predicted_iou":
                return float(objects.scores[i])
            case "point_coords":
                return [objects.points_xy[i].tolist()]
            case "stability_score":
                return float(objects.stabilities[i])
            case "crop_box":
                height, width = objects.shape_hw
                return [0, 0, width, height]
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(_KEYS)

    def __len__(self) -> int:
        return len(_KEYS)

    def __repr__(self) -> str:
        shown = {key: self[key] for key in _KEYS if key != "segmentation"}
        return f"MaskRecord({shown})"


class MaskRecords(Sequence[MaskRecord]):
    """All objects of a set, smallest first; holds no full-size mask itself."""

    def __init__(self, objects: ObjectSet) -> None:
        self._objects = objects

    @overload
    def __getitem__(self, index: int) -> MaskRecord: ...

    @overload
    def __getitem__(self, index: slice) -> list[MaskRecord]: ...

    def __getitem__(self, index: int | slice) -> MaskRecord | list[MaskRecord]:
        picked = range(len(self._objects))[index]
        if isinstance(picked, range):
            return [MaskRecord(self._objects, i) for i in picked]
        return MaskRecord(self._objects, picked)

    def __len__(self) -> int:
        return len(self._objects)

    def __repr__(self) -> str:
        return f"MaskRecords({len(self)} objects)"
