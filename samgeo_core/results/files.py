"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samgeo_core.errors import ExportError

_LEAST_FREE_BYTES = 1 << 20


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Write a file beside its place and move it there once the block has ended well.

    What stands there survives a loss of power: it has reached the disk before it gets its name.

    Yields:
        A path of the same name in a temporary folder beside ``target``. Whatever else is written
        into that folder (the parts of a Shapefile, a journal) moves along, the target itself last.

    Raises:
        ExportError: the folder is missing, or the file system refuses.
    """
    with folder_beside(target) as temporary:
        yield temporary / target.name
        written = sorted(temporary.iterdir(), key=lambda path: path.name == target.name)
        for path in written:
            sync(path)
            path.replace(target.parent / path.name)
        sync(target.parent)


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """A temporary folder on the disk where an output will be, for what its making needs.

    Raises:
        ExportError: the folder of the output is missing, or the file system refuses.
    """
    folder = target.parent
    if not folder.is_dir():
        raise ExportError(
            f"The folder of an output must exist, but {folder} is not there: create it first."
        )
    if target.is_dir():
        raise ExportError(f"An output must be a file, but {target} is a folder: name a file in it.")
    try:
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as temporary:
            try:
                yield Path(temporary)
            except OSError as error:
                # Looked at before what was written goes, which makes room again.
                raise (full_disk(folder) or error) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(
            f"{target.name} could not be written ({reason}): "
            "check the free space and your rights in its folder."
        ) from error


def full_disk(folder: Path) -> OSError | None:
    """The error of a full disk where a folder's is full: libraries often fail without saying so."""
    if shutil.disk_usage(folder).free >= _LEAST_FREE_BYTES:
        return None
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk.

    Raises:
        OSError: the disk refuses, which may be the first time it tells that it is full.
    """
    if os.name != "posix" and path.is_dir():
        return  # other systems have no such call for folders
    # NOTE: Windows syncs only what is open for writing.
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
