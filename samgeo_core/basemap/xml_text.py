"""Reading XML of strangers by the names of its elements, whatever their namespaces."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from samgeo_core.geogrid import BoundsLonLat


def parse(body: bytes) -> Element | None:
    """The root of a document; None where it is none, or holds entities.

    NOTE: WMS 1.1.1 names a DTD, which is neither read nor fetched.
    """
    try:
        root: Element = fromstring(body, forbid_dtd=False)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    return root


def tag_name(element: Element) -> str:
    """A tag without its namespace."""
    return str(element.tag).rpartition("}")[2]


def children(element: Element | None, name: str) -> Iterator[Element]:
    """Elements of a name right below another."""
    return (below for below in ([] if element is None else element) if tag_name(below) == name)


def child(element: Element | None, name: str) -> Element | None:
    """The first element of a name right below another."""
    return next(children(element, name), None)


def walk(element: Element, name: str) -> Iterator[Element]:
    """Elements of a name at any depth."""
    return (found for found in element.iter() if tag_name(found) == name)


def text(element: Element, path: str) -> str:
    """The text of a descendant, empty where there is none."""
    found: Element | None = element
    for name in path.split("/"):
        found = child(found, name)
    return (found.text or "").strip() if found is not None else ""


def lonlat_box(texts: list[str]) -> BoundsLonLat | None:
    """West, south, east, north; None where the texts aren't those of a box."""
    try:
        west, south, east, north = map(float, texts)
    except ValueError:
        return None
    good = all(map(math.isfinite, (west, south, east, north))) and west < east and south < north
    return (west, south, east, north) if good else None
