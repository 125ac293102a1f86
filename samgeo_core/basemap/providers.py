"""Tiled maps that are offered by name, and what their terms say.

Offered are those whose owners allow saving and analysing their images, which is what happens here.
Any other of xyzservices' list can be named all the same: who names it answers for its terms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from samgeo_core.basemap.source import TileSource
from samgeo_core.errors import ParameterError

DEFAULT_NAME = "USGS.USImagery"


@dataclass(frozen=True)
class _Offer:
    """What is added to an entry of xyzservices."""

    title: str
    attribution: str
    terms: str
    page: str


# As told on 2026-11-23 at the pages named.
_OFFERS = {
    "USGS.USImagery": _Offer(
        "USA: USGS imagery",
        "U.S. Geological Survey, The National Map",
        "Public domain; the source is to be named.",
        "https://www.usgs.gov/faqs/are-usgs-reportspublications-copyrighted",
    ),
    "SwissFederalGeoportal.SWISSIMAGE": _Offer(
        "Switzerland: SWISSIMAGE",
        "© swisstopo",
        "Free for all purposes; the source is to be named.",
        "https://www.swisstopo.admin.ch/en/conditions-geodata",
    ),
    "GeoportailFrance.orthos": _Offer(
        "France: IGN orthophotos",
        "© IGN, Géoplateforme",
        "Licence Ouverte 2.0; the source is to be named.",
        "https://solutions-numeriques.com/lign-rend-libres-et-gratuites-toutes-ses-donnees-publiques-au-1er-janvier",
    ),
    "BasemapAT.orthofoto": _Offer(
        "Austria: basemap.at orthophoto",
        "Datenquelle: basemap.at",
        "CC BY 4.0; the source is to be named.",
        "https://wiki.openstreetmap.org/wiki/AT/basemap",
    ),
    "nlmaps.luchtfoto": _Offer(
        "Netherlands: PDOK Luchtfoto",
        "© Beeldmateriaal Nederland, PDOK",
        "CC BY 4.0; the source is to be named.",
        "https://source.coop/cholmes/portolan-nl/beeldmateriaal/luchtfoto_2024",
    ),
}


def offered() -> dict[str, TileSource]:
    """The maps that are offered, by their names in xyzservices."""
    return {name: named_source(name) for name in _OFFERS}


def terms_page(name: str) -> str | None:
    """Where the terms of an offered map are told."""
    offer = _OFFERS.get(name)
    return None if offer is None else offer.page


@cache
def named_source(name: str) -> TileSource:
    """A map of xyzservices' list.

    Args:
        name: such as "Esri.WorldImagery"; case, dots and spaces don't matter.

    Raises:
        ParameterError: no such map, one that needs a key, or one that isn't in Web Mercator.
    """
    from xyzservices import providers

    try:
        entry = providers.query_name(name)
    except ValueError:
        raise ParameterError(
            f"There is no map named {name!r}. Expected one of {', '.join(_OFFERS)}, another of "
            "xyzservices, or an address with {x}, {y} and {z}."
        ) from None
    if entry.requires_token():
        raise ParameterError(
            f"{entry.name} needs a key. Give the whole address, with your key in it."
        )
    if entry.get("crs", "EPSG:3857") != "EPSG:3857":
        raise ParameterError(f"{entry.name} isn't in Web Mercator (EPSG:3857).")
    return _as_source(entry)


def _as_source(entry: Any) -> TileSource:
    bounds = entry.get("bounds")
    source = TileSource(
        name=entry.name,
        template=_filled(entry),
        attribution=entry.get("attribution", ""),
        min_zoom=int(entry.get("min_zoom", 0)),
        max_zoom=min(int(entry.get("max_zoom", 19)), 24),
        subdomains=tuple(entry.get("subdomains", "abc")),
        bounds=None if bounds is None else _bounds(bounds),
    )
    offer = _OFFERS.get(entry.name)
    if offer is None:
        return source
    return replace(source, attribution=offer.attribution, terms=offer.terms, name=offer.title)


def _filled(entry: Any) -> str:
    """The address with all of the entry's own values in it, so that only places are left."""

    def value(found: re.Match[str]) -> str:
        own = entry.get(found[1])
        places = ("x", "y", "z", "s", "r", "-y", "q")
        return found[0] if own is None or found[1] in places else str(own)

    return re.sub(r"\{([^{}]*)\}", value, str(entry["url"]))


def _bounds(corners: list[list[float]]) -> tuple[float, float, float, float]:
    """Corners in latitude and longitude, in any order, as west, south, east, north."""
    lats, lons = zip(*corners, strict=True)
    return min(lons), min(lats), max(lons), max(lats)
