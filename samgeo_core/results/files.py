"""Files that appear whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from samgeo_core.errors import ExportError


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Write a file beside its place and move it there once the block has ended well.

    Yields:
        A path of the same name in a temporary folder beside ``target``. Whatever else is written
        into that folder (the parts of a Shapefile, a journal) moves along, the target itself last.

    Raises:
        ExportError: the folder is missing, or the file system refuses.
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
            yield Path(temporary) / target.name
            written = sorted(Path(temporary).iterdir(), key=lambda path: path.name == target.name)
            for path in written:
                path.replace(folder / path.name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExportError(
            f"{target.name} could not be written ({reason}): "
            "check the free space and your rights in its folder."
        ) from error
