"""The archive of a run of any size, made while it is sent: it never lies on the disk."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, cast

from samgeo_core.errors import NotFoundError
from samgeo_core.web.records import Run

_PIECE_BYTES = 1 << 20


def bundle_pieces(run: Run, make: Callable[[Path], Mapping[str, Path]]) -> Iterator[bytes]:
    """A zip archive of a finished run: a QGIS project with its files, as `qgis.large` makes it.

    Args:
        run: the run.
        make: makes other files that go along in a folder, and tells them by name.

    Only the GeoPackage lies on the disk a second time while it is sent, with styles.

    Raises:
        NotFoundError: one of the files is gone; before the first piece, not later.
    """
    from samgeo_core.qgis.large import RUN_FILES, project_files

    if not all((run.folder / name).is_file() for name in RUN_FILES):
        raise NotFoundError("The files of this run are gone; run it again.")
    folder = tempfile.TemporaryDirectory(prefix=".bundle-", dir=run.folder)
    return _zipped(
        project_files(run.folder, Path(folder.name), instead=make(Path(folder.name))), folder
    )


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


def _zipped(files: Mapping[str, Path], folder: tempfile.TemporaryDirectory[str]) -> Iterator[bytes]:
    """Files as an archive; the folder goes when all is sent, or nobody listens any more."""
    outlet = _Outlet()
    with folder, zipfile.ZipFile(cast(IO[bytes], outlet), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            info = zipfile.ZipInfo.from_file(path, name)
            # Rasters are compressed already.
            is_raster = path.suffix in (".tif", ".png", ".pdf")
            info.compress_type = zipfile.ZIP_STORED if is_raster else zipfile.ZIP_DEFLATED
            with path.open("rb") as source, archive.open(info, "w") as target:
                while piece := source.read(_PIECE_BYTES):
                    target.write(piece)
                    if made := outlet.taken():
                        yield made
    yield outlet.taken()
