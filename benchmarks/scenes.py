"""The scenes that are measured: folders with an image, and where people drew them, labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2] / "shared" / "data" / "scenes"
SUFFIXES = (".tif", ".png", ".jpg")


class BenchmarkError(Exception):
    """What was asked can't be measured; the message says why and what to do."""


@dataclass(frozen=True)
class Scene:
    """One scene.

    Attributes:
        name: of the folder, or of the image where it stands alone.
        image: the file that is segmented.
        labels: GeoJSON in the frame of the image; None where nothing is labelled.
        meta: what the scene's meta.json says.
    """

    name: str
    image: Path
    labels: Path | None
    meta: dict[str, Any]


def find_scenes(names: Sequence[str] = (), root: Path = ROOT) -> list[Scene]:
    """The scenes of these names, or all.

    Args:
        names: of scenes in ``root``, or paths of scene folders or images; empty takes all.
        root: folder of scene folders.

    Raises:
        BenchmarkError: there is no such scene or no scene at all.
    """
    if names:
        return [_named(name, root) for name in names]
    folders = sorted(p for p in root.glob("*") if p.is_dir())
    scenes = [open_scene(folder) for folder in folders if image_in(folder)]
    if not scenes:
        raise BenchmarkError(
            f"There are no scenes in {root}: put scene folders there, or name images or scene "
            'folders, as in make bench SCENES="a.tif b.tif".'
        )
    return scenes


def open_scene(path: Path) -> Scene:
    """The scene of a folder or image.

    Raises:
        BenchmarkError: the folder holds no image.
    """
    path = path.resolve()
    if path.is_file():
        return Scene(path.stem, path, None, {})
    image = image_in(path)
    if image is None:
        raise BenchmarkError(f"{path} holds no image.tif, image.png or image.jpg.")
    labels, meta = path / "labels.geojson", path / "meta.json"
    return Scene(
        path.name,
        image,
        labels if labels.is_file() else None,
        json.loads(meta.read_text("utf-8")) if meta.is_file() else {},
    )


def image_in(folder: Path) -> Path | None:
    """The image of a scene's folder."""
    return next((p for p in sorted(folder.glob("image.*")) if p.suffix in SUFFIXES), None)


def _named(name: str, root: Path) -> Scene:
    for path in (root / name, Path(name)):
        if path.exists():
            return open_scene(path)
    raise BenchmarkError(f"{name} is neither a scene in {root} nor a folder or image.")
