"""A server of ranges that counts what it sends, and a COG of 10 GB that lies in no disk's way."""

from __future__ import annotations

import re
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np

from tests.http_servers import answer, serving


@dataclass
class RangeServer:
    """Serves one file by ranges.

    Attributes:
        path: of the file.
        etag: what it calls the version.
        bytes_per_s: how fast the line is; None doesn't wait.
        ranges: whether it answers with parts.
        broken: how many of the next answers are errors.
        cut: how many of the next answers end in their middle.
        sent: bytes of bodies.
        requests: how many there were.
    """

    path: Path
    etag: str = '"first"'
    bytes_per_s: float | None = None
    ranges: bool = True
    broken: int = 0
    cut: int = 0
    sent: int = 0
    requests: int = 0
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/scenes/{self.path.name}?token=secret"

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        size = self.path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", handler.headers.get("Range", ""))
        with self._lock:
            self.requests += 1
            if self.broken:
                self.broken -= 1
                answer(handler, b"busy", 503)
                return
        if not self.ranges or asked is None:
            answer(handler, self.path.read_bytes(), 200, Content_Type="image/tiff")
            return
        first, last = int(asked[1]), min(int(asked[2]), size - 1)
        with self.path.open("rb") as file:
            file.seek(first)
            body = file.read(last - first + 1)
        with self._lock:
            self.sent += len(body)
            if self.bytes_per_s is not None:
                time.sleep(len(body) / self.bytes_per_s)
            is_cut, self.cut = self.cut > 0, max(self.cut - 1, 0)
        if is_cut:
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[: len(body) // 2])
            handler.close_connection = True
            return
        answer(handler, body, 206, Content_Range=f"bytes {first}-{last}/{size}", ETag=self.etag)


@contextmanager
def range_server(path: Path, **options: object) -> Iterator[RangeServer]:
    """Serve a file on a loopback address."""
    server = RangeServer(path, **options)  # type: ignore[arg-type]
    with serving(server.respond) as port:
        server.port = port
        yield server


_TILE = 512
_WRITTEN_LEVEL = 4


def write_huge_cog(path: Path, side: int = 56_320, levels: int = 6) -> None:
    """A BigTIFF of 10 GB with overviews, most of which is a hole in the disk.

    The image itself is uncompressed, so that holes are black tiles. The coarse overviews, which a
    preview reads, are compressed pictures; those between are never read by tests, and hollow.
    """
    counts = [_ceil(_ceil(side, 2**k), _TILE) for k in range(levels + 1)]
    tile = zlib.compress(_picture(), 6)
    at = 1 << 20
    directories = []
    for k in range(levels, -1, -1):
        length, number = (len(tile) if k else 3 * _TILE**2), counts[k] ** 2
        offsets = at + np.arange(number, dtype="<u8") * length
        at += number * length
        directories.append((_ceil(side, 2**k), k, offsets, np.full(number, length, "<u8")))
    with path.open("wb") as file:
        file.truncate(at)
        for _, k, offsets, _ in directories:
            for offset in offsets.tolist() if k >= _WRITTEN_LEVEL else ():
                file.seek(offset)
                file.write(tile)
        file.seek(0)
        file.write(_header(list(reversed(directories))))


def _ceil(a: int, b: int) -> int:
    return -(-a // b)


def _picture() -> bytes:
    rows, columns = np.mgrid[:_TILE, :_TILE]
    noise = np.random.default_rng(3).integers(0, 2, (_TILE, _TILE, 3))
    return ((rows // 8 + columns // 4)[..., None] % 200 + noise + 20).astype(np.uint8).tobytes()


def _header(directories: list[tuple[int, int, np.ndarray, np.ndarray]]) -> bytes:
    """Header, directories and their tables (https://www.awaresystems.be/imaging/tiff/bigtiff.html).

    The image comes first, then its overviews.
    """
    data = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16))
    for n, (side, level, offsets, sizes) in enumerate(directories):
        keys = struct.pack("<12H", 1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633)
        scale, tie = (0.3, 0.3, 0.0), (0.0, 0.0, 0.0, 500_000.0, 5_000_000.0, 0.0)
        entries = [
            (254, 4, struct.pack("<I", min(level, 1))),
            (256, 4, struct.pack("<I", side)),
            (257, 4, struct.pack("<I", side)),
            (258, 3, struct.pack("<3H", 8, 8, 8)),
            (259, 3, struct.pack("<H", 8 if level else 1)),
            (262, 3, struct.pack("<H", 2)),
            (277, 3, struct.pack("<H", 3)),
            (284, 3, struct.pack("<H", 1)),
            (322, 3, struct.pack("<H", _TILE)),
            (323, 3, struct.pack("<H", _TILE)),
            (324, 16, offsets.tobytes()),
            (325, 16, sizes.tobytes()),
        ]
        if not level:
            entries += [
                (33550, 12, struct.pack("<3d", *scale)),
                (33922, 12, struct.pack("<6d", *tie)),
                (34735, 3, keys),
            ]
        start, tables = len(data), bytearray()
        end = start + 8 + 20 * len(entries) + 8
        data += struct.pack("<Q", len(entries))
        for tag, kind, value in entries:
            count = len(value) // {3: 2, 4: 4, 12: 8, 16: 8}[kind]
            data += struct.pack("<HHQ", tag, kind, count)
            if len(value) > 8:
                data += struct.pack("<Q", end + len(tables))
                tables += value
            else:
                data += value.ljust(8, b"\0")
        following = end + len(tables) if n + 1 < len(directories) else 0
        data += struct.pack("<Q", following) + tables
    return bytes(data)
