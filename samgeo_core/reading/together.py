"""What several files are together: bands of one image, or pieces of a mosaic."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath

from samgeo_core.errors import ParameterError
from samgeo_core.reading.mosaic import MOST_FILES, File, join_bands, join_mosaic, same_grid
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.source import Joined

_WORDS = re.compile(r"[^\W_]+")


def join(
    files: Sequence[File], name: str | None = None, names: Sequence[str] | None = None
) -> Joined:
    """One raster of several files.

    Files of one band each that have the same pixels are the bands of one image, as satellite
    products come; all others are laid beside each other, the first on top.

    Args:
        files: in their order.
        name: what it is called; None makes one of the first file's name.
        names: what people call the files; None takes their own names.

    Raises:
        ParameterError: they don't fit together, or are too many.
        RasterError: one of them can't be opened.
    """
    if not 1 <= len(files) <= MOST_FILES:
        raise ParameterError(
            f"A mosaic is of 1 to {MOST_FILES} images, got {len(files)}; join them in groups first."
        )
    names = names or [file.name for file in files]
    rasters = [Raster.open(file, name=n) for file, n in zip(files, names, strict=True)]
    if not _are_bands(rasters):
        return join_mosaic(rasters, name)
    common, parts = _parted([PurePath(n).stem for n in names])
    return join_bands(rasters, list(map(_band_name, rasters, parts)), name or common or names[0])


def _are_bands(rasters: Sequence[Raster]) -> bool:
    first = rasters[0]
    return len(rasters) > 1 and all(
        raster.band_count == 1
        and raster.dtype == first.dtype
        and same_grid(raster.grid, first.grid)
        for raster in rasters
    )


def _band_name(raster: Raster, part: str) -> str:
    """What the file calls its band, else what parts its name from the others'."""
    (told,) = raster.band_names
    return part if told == "Band 1" else told


def _parted(stems: Sequence[str]) -> tuple[str, list[str]]:
    """What names begin with in common, and what is left of each without common ends.

    Words stay whole: of T31_B03_10m and T31_B04_10m are left B03 and B04.
    """
    words = [list(_WORDS.finditer(stem)) for stem in stems]
    told = [[word[0] for word in found] for found in words]
    before = _in_common(told)
    after = _in_common([one[before:][::-1] for one in told])
    left = [
        stem[found[before].start() : found[len(found) - after - 1].end()]
        if len(found) > before + after
        else stem
        for stem, found in zip(stems, words, strict=True)
    ]
    if len(set(left)) < len(left):
        return "", list(stems)
    return stems[0][: words[0][before - 1].end()] if before else "", left


def _in_common(rows: Sequence[Sequence[str]]) -> int:
    """How many words all rows begin with."""
    alike = (len(set(column)) == 1 for column in zip(*rows, strict=False))
    return next((n for n, same in enumerate(alike) if not same), min(map(len, rows)))
