"""Answers that a browser keeps as long as their tag stays, and files it takes home."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from samgeo_core.errors import NotFoundError
from samgeo_core.web.downloads import ReadyFile, ReadyStream

# What an address shows never changes as long as its tag stays; asking again costs a 304.
CACHED = "private, max-age=3600"
CHECKED = "private, no-cache"
UNKEPT = "no-store"

Version = tuple[object, ...]
"""All that decides what an answer holds; values whose ``repr`` tells them apart."""


def tile_address(request: Request) -> tuple[int, int, int]:
    """Numbers z, x, y of a tile's path.

    Raises:
        NotFoundError: they are none.
    """
    numbers = [request.path_params[name] for name in ("z", "x", "y")]
    if not all(re.fullmatch(r"[0-9]{1,20}", number) for number in numbers):
        raise NotFoundError("There is no such tile; tiles are numbered z/x/y.")
    z, x, y = map(int, numbers)
    return z, x, y


def known(request: Request, etag: str, keep: str = CHECKED) -> Response | None:
    """The short answer to a browser that says it has this very content."""
    given = request.headers.get("if-none-match", "")
    if etag not in (tag.strip().removeprefix("W/") for tag in given.split(",")):
        return None
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": keep})


def picture(
    request: Request, version: Version, make: Callable[[], bytes], keep: str = CHECKED
) -> Response:
    """A PNG, unless the browser has it."""
    etag = _etag(version)
    headers = {"ETag": etag, "Cache-Control": keep}
    return known(request, etag, keep) or Response(make(), media_type="image/png", headers=headers)


def zipped(
    request: Request, version: Version, make: Callable[[], bytes], media_type: str
) -> Response:
    """Gzipped text, for a browser that may not want it so, unless it has it."""
    etag = _etag(version)
    if (short := known(request, etag)) is not None:
        return short
    body, headers = make(), {"ETag": etag, "Cache-Control": CHECKED, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return Response(body, headers=headers, media_type=media_type)


def sent(file: ReadyFile | ReadyStream) -> Response:
    """A file to take home; one that breaks off on its way lacks its end, and browsers say so."""
    if isinstance(file, ReadyStream):
        saved_as = f"attachment; filename*=utf-8''{quote(file.save_as)}"
        headers = {"Cache-Control": UNKEPT, "Content-Disposition": saved_as}
        return StreamingResponse(file.pieces, media_type=file.media_type, headers=headers)
    return FileResponse(
        file.path,
        media_type=file.media_type,
        filename=file.save_as,
        stat_result=file.path.stat(),
        headers={"Cache-Control": CHECKED},
    )


def _etag(version: Version) -> str:
    return f'"{hashlib.sha256(repr(version).encode()).hexdigest()[:32]}"'
