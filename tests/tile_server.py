"""A tile server of the tests' own: XYZ, WMTS and WMS of one map whose colours tell each pixel."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.http_servers import answer, serving

HALF_M = 20_037_508.342789244
Trouble = Callable[[BaseHTTPRequestHandler, int], bool]
"""Answers a request itself, by its path and by how often that was asked for; or says False."""


def colours(x: NDArray[np.int64], y: NDArray[np.int64], zoom: int) -> NDArray[np.uint8]:
    """What the map shows at pixels of the world, [H, W, 3]."""
    x, y = np.broadcast_arrays(x, y)
    far = (x // 256 * 7 + y // 256 * 13 + zoom) % 256
    return np.stack([x % 256, y % 256, far], axis=-1).astype(np.uint8)


def world(left: int, top: int, width: int, height: int, zoom: int) -> NDArray[np.uint8]:
    """A box of the world, [H, W, 3]; `left` and `top` in pixels of the world."""
    return colours(np.arange(left, left + width)[None], np.arange(top, top + height)[:, None], zoom)


@dataclass
class TileServer:
    """What it did, and how it is to behave.

    Attributes:
        port: where it answers, on 127.0.0.1.
        side_px: of its XYZ tiles.
        missing: (zoom, x, y) of tiles that it doesn't have.
        trouble: may answer a request in its own way.
        asked: paths in the order in which they were asked for.
        agents: the User-Agent of each request.
        open_now, open_most: requests that are being answered, and the most that ever were.
    """

    port: int = 0
    side_px: int = 256
    missing: set[tuple[int, int, int]] = field(default_factory=set)
    trouble: Trouble | None = None
    asked: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    open_now: int = 0
    open_most: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def xyz(self) -> str:
        return f"{self.url}/tiles/{{z}}/{{x}}/{{y}}.png"

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        self.asked.append(handler.path)
        self.agents.append(handler.headers.get("User-Agent", ""))
        try:
            times = self.asked.count(handler.path)
            if self.trouble is None or not self.trouble(handler, times):
                self._answer(handler)
        finally:
            self.open_now -= 1

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        asked = {name.upper(): values[0] for name, values in parse_qs(url.query).items()}
        if found := re.fullmatch(r"/(tiles|tms)/(\d+)/(\d+)/(\d+)\.png", url.path):
            z, x, y = map(int, found.groups()[1:])
            self._tile(handler, z, x, 2**z - 1 - y if found[1] == "tms" else y)
        elif found := re.fullmatch(r"/wmts/rest/map/level-(\d+)/(\d+)/(\d+)\.png", url.path):
            z, y, x = map(int, found.groups())
            self._tile(handler, z, x, y)
        elif asked.get("REQUEST") == "GetTile":
            z = int(asked["TILEMATRIX"].removeprefix("level-"))
            self._tile(handler, z, int(asked["TILECOL"]), int(asked["TILEROW"]))
        elif url.path in ("/wmts", "/wmts/kvp") and asked.get("SERVICE") == "WMTS":
            body = wmts_capabilities(self.url, rest=url.path == "/wmts")
            answer(handler, body, Content_Type="text/xml")
        elif asked.get("REQUEST") == "GetMap":
            self._map(handler, asked)
        elif url.path.startswith("/wms") and asked.get("SERVICE") == "WMS":
            version, crs = url.path.split("/")[2:4]
            body = wms_capabilities(self.url, version, crs.replace("_", ":"))
            answer(handler, body, Content_Type="text/xml")
        else:
            answer(handler, b"not here", 404)

    def _tile(self, handler: BaseHTTPRequestHandler, z: int, x: int, y: int) -> None:
        if (z, x, y) in self.missing or not (0 <= x < 2**z and 0 <= y < 2**z):
            answer(handler, b"no such tile", 404)
            return
        side = self.side_px
        answer(handler, png(world(x * side, y * side, side, side, z)), Content_Type="image/png")

    def _map(self, handler: BaseHTTPRequestHandler, asked: dict[str, str]) -> None:
        """GetMap, strict about what each version wants."""
        new = asked["VERSION"] == "1.3.0"
        crs = asked["CRS" if new else "SRS"]
        if asked["LAYERS"] != "photos" or ("SRS" if new else "CRS") in asked:
            body = b"<ServiceExceptionReport><ServiceException>Layer not defined</ServiceException>"
            answer(handler, body + b"</ServiceExceptionReport>", Content_Type="text/xml")
            return
        a, b, c, d = map(float, asked["BBOX"].split(","))
        width, height = int(asked["WIDTH"]), int(asked["HEIGHT"])
        if crs == "EPSG:4326" and new:
            a, b, c, d = b, a, d, c
        across = a + (np.arange(width) + 0.5) * (c - a) / width
        down = d - (np.arange(height) + 0.5) * (d - b) / height
        if crs in ("EPSG:4326", "CRS:84"):
            across = across / 180 * HALF_M
            down = np.arcsinh(np.tan(np.radians(down))) / np.pi * HALF_M
            zoom = round(np.log2(360 / ((c - a) / width * 256)))
        else:
            zoom = round(np.log2(2 * HALF_M / ((c - a) / width * 256)))
        pixel = 2 * HALF_M / (256 * 2**zoom)
        x = np.floor((across + HALF_M) / pixel).astype(np.int64)
        y = np.floor((HALF_M - down) / pixel).astype(np.int64)
        answer(handler, png(colours(x[None], y[:, None], zoom)), Content_Type="image/png")


@contextmanager
def tile_server(port: int = 0) -> Iterator[TileServer]:
    """A server on 127.0.0.1."""
    server = TileServer()
    with serving(server.respond, port=port) as server.port:
        yield server


def png(rgb: NDArray[np.uint8]) -> bytes:
    target = io.BytesIO()
    Image.fromarray(rgb).save(target, "PNG", compress_level=1)
    return target.getvalue()


def wmts_capabilities(url: str, *, rest: bool) -> bytes:
    matrices = "".join(
        f"<TileMatrix><ows:Identifier>level-{z}</ows:Identifier>"
        f"<ScaleDenominator>{559082264.0287178 / 2**z!r}</ScaleDenominator>"
        "<TopLeftCorner>-20037508.3428 20037508.3428</TopLeftCorner>"
        f"<TileWidth>256</TileWidth><TileHeight>256</TileHeight>"
        f"<MatrixWidth>{2**z}</MatrixWidth><MatrixHeight>{2**z}</MatrixHeight></TileMatrix>"
        for z in range(4, 20)
    )
    template = f"{url}/wmts/rest/map/{{TileMatrix}}/{{TileRow}}/{{TileCol}}.png"
    resource = (
        f'<ResourceURL format="image/png" resourceType="tile" template="{template}"/>'
        if rest
        else ""
    )
    return f"""<?xml version="1.0"?>
<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1"
  xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">
<ows:ServiceIdentification><ows:Title>Test WMTS</ows:Title></ows:ServiceIdentification>
<ows:ServiceProvider><ows:ProviderName>Survey of Tests</ows:ProviderName></ows:ServiceProvider>
<ows:OperationsMetadata><ows:Operation name="GetTile"><ows:DCP><ows:HTTP>
<ows:Get xlink:href="{url}/wmts/kvp?"/></ows:HTTP></ows:DCP></ows:Operation>
</ows:OperationsMetadata>
<Contents>
<Layer><ows:Title>Photos 2026</ows:Title><ows:Identifier>photos</ows:Identifier>
<ows:WGS84BoundingBox><ows:LowerCorner>-180 -80</ows:LowerCorner>
<ows:UpperCorner>180 80</ows:UpperCorner></ows:WGS84BoundingBox>
<Style isDefault="true"><ows:Identifier>default</ows:Identifier></Style>
<Format>image/png</Format>
<TileMatrixSetLink><TileMatrixSet>national</TileMatrixSet></TileMatrixSetLink>
<TileMatrixSetLink><TileMatrixSet>web</TileMatrixSet></TileMatrixSetLink>{resource}</Layer>
<Layer><ows:Title>Elsewhere</ows:Title><ows:Identifier>elsewhere</ows:Identifier>
<Format>image/png</Format>
<TileMatrixSetLink><TileMatrixSet>national</TileMatrixSet></TileMatrixSetLink></Layer>
<TileMatrixSet><ows:Identifier>national</ows:Identifier>
<ows:SupportedCRS>urn:ogc:def:crs:EPSG::28992</ows:SupportedCRS></TileMatrixSet>
<TileMatrixSet><ows:Identifier>web</ows:Identifier>
<ows:SupportedCRS>urn:ogc:def:crs:EPSG::3857</ows:SupportedCRS>{matrices}</TileMatrixSet>
</Contents></Capabilities>""".encode()


def wms_capabilities(url: str, version: str, crs: str) -> bytes:
    new = version == "1.3.0"
    tag, root = ("CRS", "WMS_Capabilities") if new else ("SRS", "WMT_MS_Capabilities")
    # The older version names its DTD, and so do many servers.
    dtd = f'<!DOCTYPE {root} SYSTEM "http://schemas.opengis.net/wms/1.1.1/c.dtd">'
    return f"""<?xml version="1.0"?>{"" if new else dtd}
<{root} version="{version}" xmlns:xlink="http://www.w3.org/1999/xlink"
 {'xmlns="http://www.opengis.net/wms"' if new else ""}>
<Service><Title>Test WMS</Title></Service>
<Capability><Request><GetMap><Format>image/tiff</Format><Format>image/png</Format>
<DCPType><HTTP><Get><OnlineResource xlink:href="{url}/wms/{version}/{crs}?map=a%20b"/></Get></HTTP>
</DCPType></GetMap></Request>
<Layer><Title>All</Title><{tag}>{crs}</{tag}>
<Layer><Name>photos</Name><Title>Photos 2026</Title>
<Attribution><Title>Survey of Tests</Title></Attribution></Layer>
</Layer></Capability></{root}>""".encode()
