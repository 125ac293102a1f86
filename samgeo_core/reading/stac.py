"""Items of the SpatioTemporal Asset Catalog (STAC) at an address, and the images that they name.

Specification: https://github.com/radiantearth/stac-spec/blob/v1.1.0/item-spec/item-spec.md
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from samgeo_core.errors import ParameterError, UnsupportedFormatError
from samgeo_core.reading.remote import JsonAnswer, is_address, remote_file
from samgeo_core.reading.source import Source

MOST_ASSETS = 200
MOST_BANDS = 20
_COLOURS = ("red", "green", "blue")
_FALSE_COLOURS = ("nir", "red", "green")
_NAMED = frozenset({*_COLOURS, *_FALSE_COLOURS})
_PREFERRED = ("visual", "rendered_preview", "data", "image")
_SIDE_ROLES = frozenset({"thumbnail", "overview", "metadata"})
_TEXT = 80


@dataclass(frozen=True)
class StacAsset:
    """One GeoTIFF of an item.

    Attributes:
        key: its name in the item.
        title: what it is called.
        url: its address.
        bands: common names of its bands, such as "red", else their names; () where not told.
        roles: such as "data", "visual".
    """

    key: str
    title: str
    url: str
    bands: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class StacItem:
    """An item and those of its assets that are GeoTIFFs on the web.

    Attributes:
        item_id: its id.
        assets: at least one, in the item's order.
    """

    item_id: str
    assets: tuple[StacAsset, ...]

    @classmethod
    def parse(cls, document: JsonAnswer) -> StacItem:
        """Read an item.

        Raises:
            UnsupportedFormatError: it is another JSON document, or offers no GeoTIFF over http(s).
        """
        values = document.values
        if not isinstance(values, dict) or not isinstance(values.get("assets"), dict):
            raise UnsupportedFormatError(
                f"The JSON document at this address is {_kind(values)}; expected a GeoTIFF or a "
                "STAC item (a Feature with assets)."
            )
        found = [
            asset
            for key, told in list(values["assets"].items())[:MOST_ASSETS]
            if (asset := _asset(str(key), told, document.url)) is not None
        ]
        item_id = _text(values.get("id")) or "STAC item"
        if not found:
            raise UnsupportedFormatError(
                f"The STAC item {item_id} has no asset that is a GeoTIFF at an http(s) address; "
                "choose another item."
            )
        return cls(item_id, tuple(found))

    @property
    def default(self) -> tuple[str, ...]:
        """Keys of the assets to open: a picture in colours, else bands that make one, else one."""
        for asset in self.assets:
            if "visual" in asset.roles or asset.key in _PREFERRED[:2]:
                return (asset.key,)
        for asset in self.assets:
            if set(_COLOURS) <= set(asset.bands):
                return (asset.key,)
        single = {asset.bands[0]: asset.key for asset in self.assets if len(asset.bands) == 1}
        single = {**{a.key: a.key for a in self.assets if a.key in _NAMED}, **single}
        for colours in (_COLOURS, _FALSE_COLOURS):
            if set(colours) <= set(single):
                return tuple(single[colour] for colour in colours)
        main = [asset for asset in self.assets if not _SIDE_ROLES & set(asset.roles)]
        main.sort(key=lambda asset: asset.key not in _PREFERRED)
        return ((main or self.assets)[0].key,)

    def open(self, keys: Sequence[str] | None = None) -> Source:
        """The source of one asset, or of several of the same grid as bands of one image.

        Args:
            keys: which assets; None takes `default`.

        Raises:
            ParameterError: there is no such asset, or several don't fit together.
            AddressError, FetchError, RasterError: one of them can't be opened.
        """
        from samgeo_core.reading.mosaic import join_bands
        from samgeo_core.reading.raster import Raster

        chosen = self.default if keys is None else tuple(keys)
        known = {asset.key: asset for asset in self.assets}
        if not 1 <= len(chosen) <= MOST_BANDS or not set(chosen) <= set(known):
            raise ParameterError(
                f"Choose 1 to {MOST_BANDS} of the item's assets {', '.join(known)}, "
                f"got {', '.join(chosen) or 'none'}."
            )
        files = [remote_file(known[key].url) for key in chosen]
        if len(files) == 1:
            return files[0]
        names = [known[k].bands[0] if len(known[k].bands) == 1 else k for k in chosen]
        return join_bands([Raster.open(file) for file in files], names, self.item_id)


def _asset(key: str, told: Any, base: str) -> StacAsset | None:
    """An asset, where it is a GeoTIFF on the web."""
    if not isinstance(told, dict) or not isinstance(told.get("href"), str):
        return None
    try:
        url = urljoin(base, told["href"])
    except ValueError:
        return None
    kind = _text(told.get("type")).lower()
    path = url.partition("?")[0].lower()
    is_tiff = "tiff" in kind if kind else path.endswith((".tif", ".tiff"))
    if not is_tiff or not is_address(url):
        return None
    bands = told.get("eo:bands") or told.get("bands") or []
    roles = told.get("roles")
    return StacAsset(
        key=_text(key),
        title=_text(told.get("title")) or _text(key),
        url=url,
        bands=tuple(filter(None, map(_band, bands))) if isinstance(bands, list) else (),
        roles=tuple(map(_text, roles)) if isinstance(roles, list) else (),
    )


def _band(told: Any) -> str:
    if not isinstance(told, dict):
        return ""
    names = ("common_name", "eo:common_name", "name")
    return next((_text(told[name]) for name in names if told.get(name)), "")


def _text(value: Any) -> str:
    """A short line of printable text."""
    line = value if isinstance(value, str) else ""
    return "".join(c if c.isprintable() else " " for c in line[:_TEXT]).strip()


def _kind(values: Any) -> str:
    kind = values.get("type") if isinstance(values, dict) else None
    if kind == "FeatureCollection":
        return "a list of features (name one item of it)"
    if kind in ("Catalog", "Collection"):
        return f"a STAC {kind.lower()} (name one item of it)"
    return "no STAC item"
