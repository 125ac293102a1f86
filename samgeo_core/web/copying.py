"""How a source comes into the folder of its scene: copied, linked, or left where it lies."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from samgeo_core.errors import RasterError, RasterTooLargeError
from samgeo_core.reading.remote import RemoteFile
from samgeo_core.reading.source import Joined, Part, Source

COPY_CHUNK_BYTES = 1 << 20
SPARE_DISK_BYTES = 256 << 20


def take_source(
    source: BinaryIO | Source, folder: Path, *, copy: bool, max_bytes: int | None
) -> Source:
    """Bring a source into a scene's folder, as far as it has to lie there.

    Args:
        source: a stream, a file, what lies at an address, or several files as one.
        folder: of the new scene, among the folders of all scenes.
        copy: whether a file is copied; otherwise it stays where it is.
        max_bytes: most bytes to copy; None takes what the disk holds.

    Returns:
        What the scene is read from.

    Raises:
        RasterError: see `copy_stream`.
    """
    if isinstance(source, RemoteFile):
        return source
    if isinstance(source, Joined):
        parts = enumerate(source.parts)
        return replace(source, parts=tuple(_linked(part, n, folder) for n, part in parts))
    if isinstance(source, Path) and not copy:
        return source.resolve()
    target = folder / "source"
    if isinstance(source, Path):
        with source.open("rb") as stream:
            copy_stream(stream, target, max_bytes)
    else:
        copy_stream(source, target, max_bytes)
    return target


def _linked(part: Part, number: int, folder: Path) -> Part:
    """A part with a file of another scene linked, so that it stays as long as one of them does."""
    file = part.source
    if not isinstance(file, Path) or not file.is_relative_to(folder.parent.resolve()):
        return part
    link = folder / f"part-{number}"
    # Where the disk knows no links, the other scene's file is read.
    with suppress(OSError):
        link.hardlink_to(file)
        return replace(part, source=link)
    return part


def copy_stream(stream: BinaryIO, target: Path, max_bytes: int | None) -> None:
    """Write a stream to a file in pieces, leaving some disk to others.

    Raises:
        RasterTooLargeError: there is more of it than is allowed or fits.
        RasterError: there is nothing in it.
    """
    room = shutil.disk_usage(target.parent).free - SPARE_DISK_BYTES
    limit = room if max_bytes is None else min(room, max_bytes)
    copied = 0
    with target.open("wb") as file:
        while chunk := stream.read(COPY_CHUNK_BYTES):
            copied += len(chunk)
            if copied > limit:
                raise RasterTooLargeError(
                    f"The file is larger than the {max(limit, 0) / 1e6:.0f} MB that fit here; "
                    "cut it to the area of interest first."
                )
            file.write(chunk)
    if copied == 0:
        raise RasterError("The file is empty; choose an image file.")
