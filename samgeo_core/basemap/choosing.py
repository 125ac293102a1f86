"""A map by what people write: a name, a template, or the address of a service."""

from __future__ import annotations

import re
from dataclasses import replace

from samgeo_core.basemap.providers import named_source
from samgeo_core.basemap.services import ask_service, is_template, template_source
from samgeo_core.basemap.source import TileSource
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import BoundsLonLat
from samgeo_core.net.client import GuardedClient


def find_source(
    text: str, client: GuardedClient, *, layer: str | None = None, attribution: str | None = None
) -> TileSource:
    """The map that a text means.

    Args:
        text: a name of xyzservices' list, an address with {x}, {y} and {z}, or that of a WMTS or
            WMS.
        client: asks services what they have.
        layer: which layer of a service; None where it has but one.
        attribution: whom to name; None leaves what the map says of itself.

    Raises:
        ParameterError: no such map, or no such layer.
        AddressError, FetchError: the service can't be asked.
    """
    wanted = text.strip()
    if is_template(wanted):
        source = template_source(wanted)
    elif "://" in wanted:
        source = ask_service(wanted, client).layer(layer)
    else:
        source = named_source(wanted)
    return source if attribution is None else replace(source, attribution=attribution)


def parse_bbox(text: str) -> BoundsLonLat:
    """West, south, east, north of a text with commas or spaces.

    Raises:
        ParameterError: not four numbers.
    """
    try:
        west, south, east, north = map(float, re.split(r"[\s,;]+", text.strip()))
    except ValueError:
        raise ParameterError(
            f"An area is four numbers, west,south,east,north, in degrees, got {text[:80]!r}."
        ) from None
    return west, south, east, north
