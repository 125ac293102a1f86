"""A source that has been opened, checked, and can be read in windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import Resampling

from samgeo_core.errors import ParameterError, RasterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.band_roles import Roles, bands_of_roles, roles_of
from samgeo_core.reading.channels import BandBook, Channel
from samgeo_core.reading.choosing import Given, source_of
from samgeo_core.reading.pixels import (
    RawPixels,
    alpha_band,
    fit_shape,
    is_palette,
    read_raw,
    read_sample,
    row_chunks,
)
from samgeo_core.reading.raster_header import (
    attribution_of,
    check_header,
    check_reach,
    grid_of,
    probe,
)
from samgeo_core.reading.source import Source, is_remote, sha256_of, stamp_of
from samgeo_core.reading.sources import open_dataset
from samgeo_core.reading.stretch import STRETCH_MODES, BandTriple, Stretch, StretchMode
from samgeo_core.settings import get_settings
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW, Window

__all__ = ["Raster", "open_dataset"]


@dataclass(frozen=True)
class Raster:
    """An image: a file here or at an address, or several as one. It holds no open file, so threads
    may share it.

    Attributes:
        source: what it is read from.
        grid: shape, transform and CRS. A file without a usable transform gets the identity and no
            CRS, as a CRS alone doesn't say where the image lies.
        band_count: number of bands, an alpha band included.
        dtype: numpy name of the values' type, the same for all bands.
        nodata: value that marks missing pixels, or None.
        driver: GDAL's name of the format.
        band_names: the bands' descriptions, "Band 1" and so on where the file has none.
        color_interpretations: GDAL's names, such as red, gray, alpha, palette, undefined.
        has_alpha: whether a band holds opacity.
        overviews: decimation factors of the stored overviews.
        size_bytes: size of the file, of all files together.
        attribution: whom the file wants to be named for it; None where it doesn't say.
        roles: what each band shows, such as "nir", None where the file doesn't tell.
        called: what people call it; None where that is the name of its source.
    """

    source: Source
    grid: GeoGrid
    band_count: int
    dtype: str
    nodata: float | None
    driver: str
    band_names: tuple[str, ...]
    color_interpretations: tuple[str, ...]
    has_alpha: bool
    overviews: tuple[int, ...]
    size_bytes: int
    attribution: str | None = None
    roles: Roles = ()
    called: str | None = None

    @classmethod
    def open(cls, path: Given, *, max_pixels: int | None = None, name: str | None = None) -> Raster:
        """Open and check an image.

        Args:
            path: an existing local GeoTIFF, PNG, JPEG or JPEG 2000 file; the address (http, https)
                of a GeoTIFF, best a COG, or of a STAC item; or a folder or a list of these, which
                are joined into one mosaic.
            max_pixels: most pixels (width x height) that are accepted; None takes the setting.
            name: what people call it; None takes the name of the file.

        Raises:
            UnsupportedFormatError: not an image of these formats, or of complex numbers.
            RasterTooLargeError: it declares too many pixels, or blocks too large for memory.
            RasterError: missing, empty or damaged.
            AddressError, FetchError: an address may not be fetched from, or can't be.
            ParameterError: several files don't fit together.
        """
        source = source_of(path)
        called = name or source.name
        limit = get_settings().max_pixels if max_pixels is None else max_pixels
        with open_dataset(source) as dataset:
            check_header(dataset, called, limit)
            check_reach(dataset, source)
            probe(dataset, sparing=is_remote(source))
            return cls(
                source=source,
                grid=grid_of(dataset),
                band_count=dataset.count,
                dtype=str(dataset.dtypes[0]),
                nodata=_as_value(dataset.nodata),
                driver=dataset.driver,
                band_names=_band_names(dataset),
                color_interpretations=tuple(c.name for c in dataset.colorinterp),
                has_alpha=alpha_band(dataset) is not None,
                overviews=tuple(dataset.overviews(1)),
                size_bytes=stamp_of(source)[1],
                attribution=attribution_of(dataset),
                roles=roles_of(dataset, called),
                called=name,
            )

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of a local file, hexadecimal; of what stands for the content of others."""
        return sha256_of(self.source)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.called or self.source.name

    @property
    def path(self) -> Path:
        """Absolute path of the file.

        Raises:
            RasterError: it is no single file on this machine.
        """
        if isinstance(self.source, Path):
            return self.source
        raise RasterError(
            f"{self.name} is no single file on this machine; download or merge it first."
        )

    @property
    def shape_hw(self) -> ShapeHW:
        """Height and width, px."""
        return self.grid.shape_hw

    def default_bands(self) -> BandTriple:
        """Bands for red, green, blue: by colour interpretation or name, else 1-2-3, else one.

        Opacity is never taken for a colour; a raster of two bands shows its first.
        """
        names = self.color_interpretations
        if {"red", "green", "blue"} <= set(names):
            return names.index("red") + 1, names.index("green") + 1, names.index("blue") + 1
        known = bands_of_roles(self.roles)
        if {"red", "green", "blue"} <= set(known):
            return known["red"], known["green"], known["blue"]
        colours = [i for i, name in enumerate(names, start=1) if name != "alpha"] or [1]
        return (colours[0], colours[1], colours[2]) if len(colours) > 2 else (colours[0],) * 3

    @property
    def book(self) -> BandBook:
        """The bands by all their names."""
        return BandBook(self.band_names, self.roles)

    def stretch(
        self, bands: Sequence[Channel] | None = None, mode: StretchMode = "auto"
    ) -> Stretch:
        """The range per band by which the whole raster is shown, from a sample of its pixels.

        Args:
            bands: three channels, or one: numbers (1-based), names, indices or expressions, see
                `channels.BandBook`; None takes `default_bands`.
            mode: "percentile" 2nd to 98th of the valid values, "minmax" their extremes, "none"
                0 to 255; "auto" takes none for bands of uint8 and percentile for the rest;
                "signed" is -1 to 1 for expressions, as fits normalised differences, else "auto".

        Raises:
            ParameterError: unknown mode, or a band that isn't there.
            RasterError: the file is damaged.
        """
        if mode not in STRETCH_MODES:
            raise ParameterError(
                f"Stretch must be one of {', '.join(STRETCH_MODES)}, got {mode!r}."
            )
        chosen = self._bands(bands)
        if mode == "none":
            return Stretch.none(chosen)
        with open_dataset(self.source) as dataset:
            fixed = self._fixed_ranges(dataset, chosen, mode)
            if None not in fixed:
                return Stretch.of_ranges(chosen, [r for r in fixed if r is not None])
            raw = read_sample(dataset, chosen)
        fitted = Stretch.fit(
            chosen, raw.values, raw.band_valid, "minmax" if mode == "minmax" else "percentile"
        )
        measured = zip(fixed, fitted.lows, fitted.highs, strict=True)
        return Stretch.of_ranges(chosen, [known or (low, high) for known, low, high in measured])

    def read(
        self,
        window: Window | None = None,
        *,
        bands: Sequence[Channel] | None = None,
        stretch: Stretch | None = None,
        shape_hw: ShapeHW | None = None,
        resampling: Resampling = Resampling.bilinear,
    ) -> TileImage:
        """Read a window as the pixels a model sees.

        Pixels without data show what the stretch makes of the value stored there, NaN as black:
        painting them over would draw edges into images whose nodata is a colour that occurs.

        Args:
            window: part of the raster; None takes all of it.
            bands: three channels, or one, see `stretch`; None takes those of ``stretch``, else the
                default.
            stretch: range per band; None measures ``stretch(bands)``, so give it when reading
                more than one window.
            shape_hw: height and width to resample to; None keeps every pixel.
            resampling: how colours are resampled; ``valid`` takes the nearest pixel.

        Raises:
            ParameterError: the window isn't inside the raster, or bands and stretch differ.
            RasterError: the file is damaged.
        """
        place = Window.whole(self.shape_hw) if window is None else window
        if place.intersection(Window.whole(self.shape_hw)) != place:
            raise ParameterError(
                f"The window {place.box_xyxy} must lie inside the raster of "
                f"{self.shape_hw[1]} x {self.shape_hw[0]} px."
            )
        chosen = self._bands(stretch.bands if stretch is not None and bands is None else bands)
        used = self.stretch(chosen) if stretch is None else stretch
        if used.bands != chosen:
            raise ParameterError(f"The stretch is of bands {used.bands}, but {chosen} are read.")
        with open_dataset(self.source) as dataset:
            if shape_hw is not None and shape_hw != place.shape_hw:
                return _to_tile(read_raw(dataset, chosen, place, shape_hw, resampling), used)
            rgb = np.empty((*place.shape_hw, 3), np.uint8)
            valid = np.empty(place.shape_hw, np.bool_)
            for part in row_chunks(place, dataset):
                tile = _to_tile(read_raw(dataset, chosen, part), used)
                rows = slice(part.y - place.y, part.y - place.y + part.height)
                rgb[rows], valid[rows] = tile.rgb, tile.valid
        return TileImage(rgb, valid)

    def preview(
        self,
        max_px: int = 1024,
        *,
        bands: Sequence[Channel] | None = None,
        stretch: Stretch | None = None,
    ) -> TileImage:
        """The whole raster, its longer side shrunk to at most ``max_px``."""
        return self.read(bands=bands, stretch=stretch, shape_hw=fit_shape(self.shape_hw, max_px))

    def valid_share(self) -> float:
        """Share of pixels that carry data, 0 to 1, from a sample of them."""
        with open_dataset(self.source) as dataset:
            return float(read_sample(dataset, self.default_bands()).valid.mean())

    def _bands(self, bands: Sequence[Channel] | None) -> BandTriple:
        """Three channels that this raster has, in their canonical form."""
        return self.default_bands() if bands is None else self.book.triple(bands)

    def _fixed_ranges(
        self, dataset: Any, bands: BandTriple, mode: StretchMode
    ) -> list[tuple[float, float] | None]:
        """The range of each channel for which a mode measures none; None for the others."""
        if mode not in ("auto", "signed"):
            return [None] * 3
        if is_palette(dataset, bands):
            return [(0.0, 255.0)] * 3
        stored = None
        if self.dtype == "uint8":
            numbers = [band for band in bands if isinstance(band, int)]
            stored = (0.0, 2.0 ** _bits(dataset, numbers[0]) - 1) if numbers else None
        computed = (-1.0, 1.0) if mode == "signed" else None
        return [stored if isinstance(band, int) else computed for band in bands]


def _band_names(dataset: Any) -> tuple[str, ...]:
    """The bands' descriptions, "Band 1" and so on where they are missing or not UTF-8."""
    try:
        texts = dataset.descriptions
    except UnicodeDecodeError:
        texts = (None,) * dataset.count
    return tuple(text or f"Band {i}" for i, text in enumerate(texts, start=1))


def _as_value(nodata: float | None) -> float | None:
    """Nodata such that equal ones are equal: NaN is the one object of that name."""
    if nodata is None:
        return None
    return math.nan if math.isnan(nodata) else float(nodata)


def _to_tile(raw: RawPixels, stretch: Stretch) -> TileImage:
    rgb = np.ascontiguousarray(np.moveaxis(stretch.apply(raw.values), 0, -1))
    return TileImage(rgb, raw.valid)


def _bits(dataset: Any, band: int) -> int:
    """Bits per value of a uint8 band: fewer than eight in bilevel scans and the like."""
    return int(dataset.tags(band, ns="IMAGE_STRUCTURE").get("NBITS", 8))
