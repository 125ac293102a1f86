"""Routes by which a browser, or a script, sends a file piece by piece.

POST   /uploads?name=&size=&modified=   the first 64 KiB as body → {"id", "offset", "size"}
GET    /uploads/{id}/state              → the same, for who lost the line
PATCH  /uploads/{id}?offset=            any number of bytes as body → {"id", "offset", "size"}
POST   /uploads/{id}/finish             → {"scene"}
DELETE /uploads/{id}                    cancelled

A body is written as it comes, so that memory doesn't grow with it; what had come before a line
broke is kept. A piece may bring its SHA-256 as ``X-Piece-SHA256``, ``finish`` that of the whole
file as ``X-File-SHA256``. Whose uploads they are, the account or the visitor's cookie says.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from samgeo_core.errors import (
    DiskFullError,
    ParameterError,
    RasterError,
    RasterTooLargeError,
    SamGeoError,
    UnsupportedFormatError,
)
from samgeo_core.reading.first_bytes import HEAD_BYTES
from samgeo_core.web.context import AppContext
from samgeo_core.web.ids import ID_PATTERN
from samgeo_core.web.requests import is_from_here
from samgeo_core.web.upload_parts import Turn, Upload
from samgeo_core.web.visitors import owner_of
from samgeo_core.words import _, sentence

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Awaitable[Response]]

UPLOAD_THREADS = 4
PIECE_BYTES = 1 << 20
"""So many bytes of each request are held before they are written."""

DROPPED_BYTES, DROPPED_S = 32 << 20, 10.0
"""So much of a refused body is read and dropped: a proxy that still sends when the line closes
answers 502 instead of passing the sentence on."""

VISITOR_HEADER = "x-samgeo-visitor"
"""Says who a browser is that keeps no cookie, as in a frame of another site."""

_STATUS: tuple[tuple[type[SamGeoError], int], ...] = (
    (RasterTooLargeError, 413),
    (UnsupportedFormatError, 415),
    (RasterError, 422),
    (DiskFullError, 507),
)
"""The first class that fits decides; others are left to the table of all routes."""

_FRESH = {"Cache-Control": "no-store"}
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class UploadRoutes:
    """Handlers over one context.

    Args:
        context: the process's context.
    """

    def __init__(self, context: AppContext) -> None:
        self._uploads = context.uploads
        self._overviews = context.overviews
        self._threads = anyio.CapacityLimiter(UPLOAD_THREADS)

    @property
    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each route."""
        one = "/uploads/{upload_id}"
        handlers: list[tuple[str, str, Callable[[Request, str], Awaitable[Response]]]] = [
            ("POST", "/uploads", self._begin),
            ("GET", f"{one}/state", self._state),
            ("PATCH", one, self._write),
            ("POST", f"{one}/finish", self._finish),
            ("DELETE", one, self._cancel),
        ]
        return [(method, path, _of_visitor(handler)) for method, path, handler in handlers]

    async def _begin(self, request: Request, owner: str) -> Response:
        asked = request.query_params
        name, size = asked.get("name", ""), _whole(request, "size")
        modified = _whole(request, "modified")
        head = bytearray()
        async for piece in request.stream():
            head += piece
            if len(head) > HEAD_BYTES:
                raise ParameterError(f"Only the first {HEAD_BYTES >> 10} KiB come with the name.")

        def begin() -> Upload:
            return self._uploads.begin(owner, name, size, modified, bytes(head))

        upload = await anyio.to_thread.run_sync(begin, limiter=self._threads)
        return _told(upload, 201)

    async def _state(self, request: Request, owner: str) -> Response:
        upload_id = request.path_params["upload_id"]
        upload = await anyio.to_thread.run_sync(self._uploads.find, upload_id, owner)
        return _told(upload)

    async def _write(self, request: Request, owner: str) -> Response:
        upload_id, offset = request.path_params["upload_id"], _whole(request, "offset")
        expected = _sha256(request, "x-piece-sha256")

        def start() -> Turn:
            return self._uploads.turn(upload_id, owner, offset)

        turn = await anyio.to_thread.run_sync(start, limiter=self._threads)
        whole = False
        try:
            whole = await self._pass_on(request, turn)
        finally:
            # Of a piece that was cut off nobody knows the sum, but what came is good.
            turn_sum = expected if whole else None
            await anyio.to_thread.run_sync(turn.end, turn_sum, limiter=self._threads)
        return _told(turn.upload)

    async def _pass_on(self, request: Request, turn: Turn) -> bool:
        """Write the body as it comes; False where it broke off."""
        held = bytearray()
        try:
            async for piece in request.stream():
                held += piece
                if len(held) >= PIECE_BYTES:
                    await anyio.to_thread.run_sync(turn.write, bytes(held), limiter=self._threads)
                    held.clear()
        except ClientDisconnect:
            logger.info("An upload broke off at %d bytes", turn.offset + len(held))
            await anyio.to_thread.run_sync(turn.write, bytes(held), limiter=self._threads)
            return False
        await anyio.to_thread.run_sync(turn.write, bytes(held), limiter=self._threads)
        return True

    async def _finish(self, request: Request, owner: str) -> Response:
        upload_id, expected = request.path_params["upload_id"], _sha256(request, "x-file-sha256")

        def finish() -> str:
            scene = self._uploads.finish(upload_id, owner, expected)
            self._overviews.ask(scene)
            return scene.scene_id

        scene_id = await anyio.to_thread.run_sync(finish, limiter=self._threads)
        return JSONResponse({"scene": scene_id}, headers=_FRESH)

    async def _cancel(self, request: Request, owner: str) -> Response:
        upload_id = request.path_params["upload_id"]
        await anyio.to_thread.run_sync(self._uploads.cancel, upload_id, owner)
        return Response(status_code=204, headers=_FRESH)


def _of_visitor(handler: Callable[[Request, str], Awaitable[Response]]) -> Handler:
    """Answer requests of the app's own pages, for the visitor that they come from."""

    async def answer(request: Request) -> Response:
        if not is_from_here(request):
            return _refusal(_("Files are uploaded from the app's own page only."), 403)
        owner = owner_of(request.scope) or request.headers.get(VISITOR_HEADER, "")
        if not ID_PATTERN.fullmatch(owner):
            told = _("Open the app's page in this browser first, then upload there.")
            return _refusal(told, 401)
        try:
            return await handler(request, owner)
        except SamGeoError as error:
            await _drop_rest(request)
            status = next((code for kind, code in _STATUS if isinstance(error, kind)), None)
            if status is None:
                raise
            logger.info("An upload was refused: %s", error)
            return _refusal(sentence(str(error)), status)

    return answer


async def _drop_rest(request: Request) -> None:
    """Read what is still to come of a body, within limits."""
    dropped = 0
    with anyio.move_on_after(DROPPED_S), suppress(ClientDisconnect, RuntimeError):
        async for piece in request.stream():
            dropped += len(piece)
            if dropped > DROPPED_BYTES:
                return


def _refusal(told: str, status: int) -> Response:
    return PlainTextResponse(f"{told}\n", status_code=status, headers=_FRESH)


def _told(upload: Upload, status: int = 200) -> Response:
    told = {"id": upload.upload_id, "offset": upload.offset, "size": upload.size_bytes}
    return JSONResponse(told, status_code=status, headers=_FRESH)


def _whole(request: Request, name: str) -> int:
    """A whole number of an address."""
    text = request.query_params.get(name, "")
    if not re.fullmatch(r"[0-9]{1,16}", text):
        raise ParameterError(f"{name} must be a whole number, got {text[:40]!r}.")
    return int(text)


def _sha256(request: Request, header: str) -> str | None:
    text = request.headers.get(header)
    if text is not None and not _SHA256.fullmatch(text):
        raise ParameterError(f"{header} must be 64 hexadecimal digits, got {text[:80]!r}.")
    return text
