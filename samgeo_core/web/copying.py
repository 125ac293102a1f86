"""Taking in what a visitor uploads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import BinaryIO

from samgeo_core.errors import RasterError, RasterTooLargeError

COPY_CHUNK_BYTES = 1 << 20
SPARE_DISK_BYTES = 256 << 20


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
