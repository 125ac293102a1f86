"""Maps at an address of one's own: a template, a WMTS, or a WMS that tells what it has."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit
from xml.etree.ElementTree import Element

from samgeo_core.basemap.source import TileSource, with_query
from samgeo_core.basemap.wms import read_wms
from samgeo_core.basemap.wmts import read_wmts
from samgeo_core.basemap.xml_text import parse, tag_name
from samgeo_core.errors import FetchError, ParameterError
from samgeo_core.net.client import GuardedClient

MAX_CAPABILITIES_BYTES = 20_000_000


@dataclass(frozen=True)
class Service:
    """What an address offers.

    Attributes:
        title: what its server calls it.
        layers: sources by the name of their layer, in the server's order.
    """

    title: str
    layers: dict[str, TileSource]

    def layer(self, name: str | None) -> TileSource:
        """A layer by its name; without one, the only layer there is.

        Raises:
            ParameterError: no such layer, or several to choose from.
        """
        if name is None and len(self.layers) == 1:
            return next(iter(self.layers.values()))
        if name in self.layers:
            return self.layers[str(name)]
        some = ", ".join(list(self.layers)[:20])
        raise ParameterError(f"Choose one of the layers of this service: {some}.")


def is_template(address: str) -> bool:
    """Whether an address has places to fill in, so that nobody needs to be asked."""
    return "{" in address


def template_source(address: str, attribution: str = "", *, max_zoom: int = 22) -> TileSource:
    """The map of an address with places to fill in.

    Raises:
        ParameterError: they aren't those of a tiled map.
    """
    host = urlsplit(address).netloc.split("{")[-1].rpartition("}")[2].lstrip(".")
    host = host.rpartition(":")[0] or host
    return TileSource(
        host or "Tiles", address.strip(), attribution or host, max_zoom=max_zoom,
        tile_px=256 if "{bbox" in address.lower() else None,
    )  # fmt: skip


def ask_service(address: str, client: GuardedClient) -> Service:
    """Ask a WMTS or WMS what it has.

    Args:
        address: of the service or of its capabilities.
        client: fetches them.

    Raises:
        AddressError, FetchError: it can't be asked.
        ParameterError: it isn't such a service, or has nothing that fits a web map.
    """
    # The same question suits both: who sees the wrong service's name answers with an error.
    tried = _questions(address.strip())
    root = None
    for question in tried:
        answer = client.get(question, max_bytes=MAX_CAPABILITIES_BYTES)
        if answer.ok and (root := _capabilities(answer.body)) is not None:
            break
    if root is None:
        raise ParameterError(
            "Expected a template with {x}, {y} and {z}, or the address of a WMTS or WMS; what came "
            "are no capabilities of either."
        )
    read = read_wmts if tag_name(root) == "Capabilities" else read_wms
    service = Service(*read(root, question))
    if not service.layers:
        raise ParameterError(
            "None of the layers of this service can be had in Web Mercator (EPSG:3857) as JPEG or "
            "PNG. Expected another service."
        )
    return service


def _questions(address: str) -> list[str]:
    """Addresses at which the capabilities may be, the likeliest first."""
    asked = {name.upper(): value for name, value in parse_qsl(urlsplit(address).query)}
    if urlsplit(address).path.lower().endswith(".xml") and not asked:
        return [address]
    kinds = ["WMTS", "WMS"] if "wmts" in address.lower() else ["WMS", "WMTS"]
    if asked.get("SERVICE", "").upper() in kinds:
        kinds = [asked["SERVICE"].upper()]
    versions = {"WMTS": "1.0.0", "WMS": asked.get("VERSION", "1.3.0")}
    return [
        with_query(
            address,
            {"SERVICE": kind, "REQUEST": "GetCapabilities", "VERSION": versions[kind]},
        )
        for kind in kinds
    ]


def _capabilities(body: bytes) -> Element | None:
    """The capabilities, or None where these are none."""
    root = parse(body)
    known = ("Capabilities", "WMS_Capabilities", "WMT_MS_Capabilities")
    return root if root is not None and tag_name(root) in known else None


def no_image(body: bytes, host: str) -> FetchError:
    """What came instead of a tile, in a sentence: the reason that a service tells, if it does."""
    root = parse(body[:100_000])
    reason = "" if root is None else " ".join(" ".join(root.itertext()).split())[:200]
    if reason:
        return FetchError(
            f"“{host}” doesn't send JPEG, PNG or WebP images for tiles. It says: “{reason}”"
        )
    return FetchError(f"“{host}” doesn't send JPEG, PNG or WebP images for tiles.")
