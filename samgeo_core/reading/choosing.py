"""From what people give (paths, addresses, folders, lists) to the source that it means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from samgeo_core.errors import ParameterError, RasterError
from samgeo_core.reading.remote import JsonAnswer, RemoteFile, is_address, look_at
from samgeo_core.reading.source import Joined, Source, files_of

Given = str | Path | Source | Sequence[str | Path | Source]
"""A path, an address, a folder, a source, or several of them."""

SUFFIXES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".jp2", ".j2k"})


def source_of(given: Given, name: str | None = None, names: Sequence[str] | None = None) -> Source:
    """The source that is meant; files of a folder or list become one raster, see `together.join`.

    Args:
        given: a path, an address, a folder, a source, or several of them.
        name: what several files together are called; None makes a name.
        names: what people call each of several files; None takes their own names.

    Raises:
        AddressError, FetchError, UnsupportedFormatError: of an address.
        RasterError: of a file.
        ParameterError: several files don't fit together, or there are none.
    """
    from samgeo_core.reading.sources import local_file
    from samgeo_core.reading.together import join

    if isinstance(given, RemoteFile | Joined):
        return given
    if is_address(given):
        return source_at(str(given))
    if isinstance(given, str | Path):
        path = Path(given)
        return join(rasters_in(path), name or path.name) if _is_folder(path) else local_file(path)
    sources = [source_of(one) for one in given]
    if len(sources) == 1:
        return sources[0]
    return join([file for source in sources for file in files_of(source)], name, names)


def source_at(url: str) -> Source:
    """The GeoTIFF at an address, or what the STAC item there offers first.

    Raises:
        AddressError, FetchError, UnsupportedFormatError: there is none.
    """
    from samgeo_core.reading.stac import StacItem

    found = look_at(url)
    if isinstance(found, JsonAnswer):
        return StacItem.parse(found).open()
    return found


def rasters_in(folder: Path) -> list[Path]:
    """The images right in a folder, in the order in which people count.

    Raises:
        RasterError: there are none.
    """
    found = sorted(_images(folder), key=_natural)
    if not found:
        raise RasterError(
            f"The folder {folder.name} holds no image; expected files that end in "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return found


def _images(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        # NOTE: a link could lead out of the folder that is meant.
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.is_symlink():
            yield path.resolve()


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Numbers in names by their value: part 9 before part 10."""
    parts = re.findall(r"\d+|\D+", path.name.lower())
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts], path.name


def _is_folder(given: str | Path) -> bool:
    try:
        return Path(given).is_dir()
    except (OSError, ValueError) as error:
        raise ParameterError(f"{str(given)[:200]!r} is no path.") from error
