"""The archive of a run of any size, made while it is sent: it never lies on the disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from samgeo_core.errors import NotFoundError
from samgeo_core.web.records import Run

BUNDLED = ("run.json", "labels.tif", "mask.tif", "objects.gpkg")
"""Files of a run's folder; other formats can be made of the GeoPackage."""

_PIECE_BYTES = 1 << 20


def bundle_pieces(run: Run) -> Iterator[bytes]:
    """A zip archive of the files that a finished run has written, with a README.txt.

    Raises:
        NotFoundError: one of the files is gone; before the first piece, not later.
    """
    import pyogrio

    from samgeo_core.results.bundle_text import bundle_readme

    files = [run.folder / name for name in BUNDLED]
    if not all(path.is_file() for path in files):
        raise NotFoundError("The files of this run are gone; run it again.")
    layer = pyogrio.read_dataframe(run.objects_path, layer="objects", max_features=1)
    text = bundle_readme(layer, [*BUNDLED], count=int(run.record["n_objects"]))
    return _zipped(text, files)


class _Outlet(io.RawIOBase):
    """A file that can only be written to, and gives what it got."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(memoryview(cast(bytes, data)))
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        """What was written since it was asked last."""
        data, self._pieces = b"".join(self._pieces), []
        return data


def _zipped(text: str, files: list[Path]) -> Iterator[bytes]:
    outlet = _Outlet()
    with zipfile.ZipFile(cast(IO[bytes], outlet), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", text)
        for path in files:
            info = zipfile.ZipInfo.from_file(path, path.name)
            # Rasters are compressed already.
            is_raster = path.suffix == ".tif"
            info.compress_type = zipfile.ZIP_STORED if is_raster else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(info, "w") as target:
                while piece := source.read(_PIECE_BYTES):
                    target.write(piece)
                    if made := outlet.taken():
                        yield made
    yield outlet.taken()
