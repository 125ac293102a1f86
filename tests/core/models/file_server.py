"""A small HTTP server on this machine whose manners a test chooses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class FileServer:
    """One file under any address, and how the server treats who asks for it.

    Attributes:
        content: of the file.
        resumes: whether it honours Range.
        breaks: after how many bytes each of the next answers is cut off.
        status: sent instead of the file.
        delay: held up by each answer until it is set, if there is one.
        ranges: the Range header of every request so far, None where there was none.
    """

    content: bytes
    resumes: bool = True
    breaks: list[int] = field(default_factory=list)
    status: int = 200
    delay: threading.Event | None = None
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(server: FileServer) -> Iterator[FileServer]:
    """Run the server for the length of a block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(server, self)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/weights.pt"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            if server.delay is not None:
                server.delay.set()
            http.shutdown()
            thread.join()


def _answer(server: FileServer, request: BaseHTTPRequestHandler) -> None:
    asked = request.headers.get("Range")
    server.ranges.append(asked)
    if server.delay is not None:
        server.delay.wait()
    if server.status != 200:
        request.send_error(server.status)
        return
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.resumes else 0
    if start >= len(server.content):
        request.send_error(416)
        return
    body = server.content[start:]
    request.send_response(206 if start else 200)
    if start:
        size = len(server.content)
        request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)
