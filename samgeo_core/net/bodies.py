"""Bodies of answers, read and unpacked no further than they may go."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from urllib3 import BaseHTTPResponse

from samgeo_core.errors import FetchError
from samgeo_core.net.addresses import Target

_CHUNK = 1 << 16


@dataclass(frozen=True)
class Limits:
    """How far one request may go.

    Attributes:
        max_bytes: the most its body may have, as sent and unpacked.
        total_s: seconds from the first connection to the last byte, redirects included.
        step_s: seconds to connect, and between two pieces that are received.
        max_redirects: how many redirects are followed.
    """

    max_bytes: int = 64_000_000
    total_s: float = 60.0
    step_s: float = 20.0
    max_redirects: int = 5


def read_body(
    response: BaseHTTPResponse, headers: Mapping[str, str], target: Target, limits: Limits
) -> tuple[bytes, int]:
    """The body unpacked, and how many bytes of it were received.

    Raises:
        FetchError: there is more of it than there may be, sent or unpacked, or it is packed in a
            way that wasn't asked for.
    """
    unpack = _unpacker(headers.get("content-encoding", "").strip().lower(), target)
    pieces, received, length = [], 0, 0
    while piece := response.read(_CHUNK):
        received += len(piece)
        # One byte more than there may be is enough to see that there is too much.
        piece = unpack(piece, limits.max_bytes - length + 1)
        length += len(piece)
        if max(received, length) > limits.max_bytes:
            raise too_large(target, limits)
        pieces.append(piece)
    return b"".join(pieces), received


def _unpacker(encoding: str, target: Target) -> Callable[[bytes, int], bytes]:
    """What unpacks the pieces of a body, never more than the number of bytes given."""
    if encoding in ("", "identity"):
        return lambda piece, most: piece
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    raise FetchError(
        f"“{target.host}” sends a packing ({encoding[:40]}) that wasn't asked for. Expected the "
        "plain file, or gzip."
    )


def too_large(target: Target, limits: Limits) -> FetchError:
    """What to say of an answer that is larger than it may be."""
    return FetchError(
        f"“{target.host}” sends more than the {limits.max_bytes:,} bytes that this may have."
    )
