"""A GeoTIFF at an address, read by range requests: its header, and then what is looked at.

GDAL asks for bytes and gets them from `remote_blocks`, which asks by way of the guarded client
(`net.client`). GDAL itself never learns of an address, so nothing but its GeoTIFF driver reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from samgeo_core.errors import FetchError, SamGeoError, UnsupportedFormatError
from samgeo_core.net.addresses import parse_address
from samgeo_core.net.client import Answer, shared_client
from samgeo_core.reading.remote_blocks import (
    HEAD_BYTES,
    Traffic,
    Version,
    ask_range,
    shared_blocks,
)

SMALL_FILE_BYTES = 50_000_000
"""What can be fetched whole from a server that sends no parts of files."""

_MAX_JSON_BYTES = 4_000_000


class NoRangesError(FetchError):
    """A server sends whole files only."""


@dataclass(frozen=True)
class RemoteFile:
    """A file at an address, in the version that was there when it was opened.

    Attributes:
        version: address, length, and what the server calls the version.
        head_sha256: of its first bytes, hexadecimal; tells versions apart where the server
            doesn't.
    """

    version: Version
    head_sha256: str

    @property
    def url(self) -> str:
        """The address."""
        return self.version.url

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return self.version.size_bytes

    @cached_property
    def name(self) -> str:
        """The last part of the address's path, without what may be secret in its query."""
        return name_of(self.url)

    @cached_property
    def sha256(self) -> str:
        """Stands for the content, which is never read whole: hash of all that tells versions apart.

        NOTE: not that of the file's bytes.
        """
        told = json.dumps([asdict(self.version), self.head_sha256], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    @property
    def stamp(self) -> tuple[int, int]:
        """Two numbers that differ for other versions: of the hash, and the length."""
        return int(self.sha256[:15], 16), self.size_bytes

    @property
    def traffic(self) -> Traffic:
        """What was received of it since this process began."""
        return shared_blocks().traffic(self.version)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the file, fewer at its end.

        Raises:
            RasterError: the file has changed, or can't be fetched.
        """
        return shared_blocks().read(self.version, [(offset, length)])[0]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**asdict(self.version), "head_sha256": self.head_sha256}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RemoteFile:
        """What `to_dict` made of it."""
        head = values["head_sha256"]
        return cls(Version(**{k: v for k, v in values.items() if k != "head_sha256"}), head)


@dataclass(frozen=True)
class JsonAnswer:
    """A JSON document at an address.

    Attributes:
        url: where it came from, after redirects; links in it start from there.
        values: what it says.
    """

    url: str
    values: Any


def look_at(url: str) -> RemoteFile | JsonAnswer:
    """See what lies at an address: the first 64 KiB of a file, or a JSON document.

    Raises:
        AddressError: it may not be fetched from.
        NoRangesError: its server sends whole files only.
        FetchError: there is nothing, or too slowly.
        UnsupportedFormatError: it is a web page.
    """
    url = parse_address(url.strip()).url
    answer = ask_range(url, 0, HEAD_BYTES - 1)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status == 416 and answer.headers.get("content-range", "").endswith("*/0"):
        raise FetchError(f"The file {name_of(url)} is empty (0 bytes); check the address.")
    if not answer.ok:
        raise FetchError(_status_sentence(url, answer))
    if kind.endswith("json") or answer.body[:512].lstrip().startswith(b"{"):
        return _json(url)
    version = Version.of(url, answer) if answer.status == 206 else None
    if version is None:
        raise _without_ranges(url, kind, answer)
    blocks = shared_blocks()
    blocks.count(version, answer)
    blocks.put(version, 0, answer.body)
    return RemoteFile(version, hashlib.sha256(answer.body).hexdigest())


def remote_file(url: str) -> RemoteFile:
    """The file at an address; the same errors as `look_at`.

    Raises:
        UnsupportedFormatError: it is a JSON document.
    """
    found = look_at(url)
    if isinstance(found, JsonAnswer):
        raise UnsupportedFormatError(
            f"{name_of(url)} is a JSON document; expected the address of a GeoTIFF."
        )
    return found


def fetch_whole(url: str) -> bytes:
    """A small file, whole, for servers that send no parts.

    Raises:
        AddressError, FetchError: it may not or can't be fetched, or is larger than
            `SMALL_FILE_BYTES`.
    """
    answer = shared_client().get(url, max_bytes=SMALL_FILE_BYTES)
    if not answer.ok:
        raise FetchError(_status_sentence(url, answer))
    return answer.body


def is_address(text: object) -> bool:
    """Whether a text is meant as an address on the web rather than as a path."""
    return isinstance(text, str) and text.lstrip().lower().startswith(("http://", "https://"))


def name_of(url: str) -> str:
    """The last part of an address's path, as people write it; the host where there is none."""
    parts = urlsplit(url)
    return unquote(PurePosixPath(parts.path).name) or parts.hostname or "image"


class RangeFile:
    """The file that GDAL reads from (`rasterio.abc.MultiByteRangeResource`).

    NOTE: it never raises, as GDAL's calls can't pass errors on: it gives no bytes, and keeps what
    went wrong for whoever opened the dataset.
    """

    def __init__(self, file: RemoteFile, problems: list[SamGeoError]) -> None:
        self._file = file
        self._problems = problems
        self._at = 0

    def get_byte_ranges(self, offsets: Sequence[int], sizes: Sequence[int]) -> list[bytes]:
        """Several places at once."""
        places = list(zip(offsets, sizes, strict=True))
        try:
            return shared_blocks().read(self._file.version, places)
        except SamGeoError as error:
            self._problems.append(error)
            return [b"" for _ in places]

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        size = self._file.size_bytes - self._at if size < 0 else size
        (found,) = self.get_byte_ranges([self._at], [size])
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        base = (0, self._at, self._file.size_bytes)[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """The place."""
        return self._at

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> RangeFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class RangeOpener:
    """The folder with one file that rasterio is given (`rasterio.abc`'s container).

    Attributes:
        problems: what went wrong while GDAL read.
    """

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self.problems: list[SamGeoError] = []

    def open(self, path: str, mode: str = "rb", **options: Any) -> RangeFile:
        """The one file, whatever it is called."""
        return RangeFile(self._file, self.problems)

    def isfile(self, path: str) -> bool:
        """It is there."""
        return True

    def isdir(self, path: str) -> bool:
        """There are no folders."""
        return False

    def ls(self, path: str) -> list[str]:
        """And no neighbours."""
        return []

    def mtime(self, path: str) -> int:
        """Not known."""
        return 0

    def size(self, path: str) -> int:
        """Length of the file."""
        return self._file.size_bytes

    def rm(self, path: str) -> None:
        """Nothing is ever removed."""


def _json(url: str) -> JsonAnswer:
    answer = shared_client().get(
        url, max_bytes=_MAX_JSON_BYTES, headers={"Accept": "application/geo+json, application/json"}
    )
    try:
        return JsonAnswer(answer.url, json.loads(answer.body))
    except (ValueError, RecursionError):
        raise UnsupportedFormatError(
            f"{name_of(url)} is no valid JSON; expected a GeoTIFF or a STAC item."
        ) from None


def _without_ranges(url: str, kind: str, answer: Answer) -> SamGeoError:
    if kind in ("text/html", "application/xhtml+xml"):
        return UnsupportedFormatError(
            f"{name_of(url)} is a web page; expected the address of a GeoTIFF or a STAC item."
        )
    return NoRangesError(
        f"The server of {name_of(url)} sends whole files only (it answers no range requests), so "
        "the image can't be read by parts; download it and upload it here."
    )


def _status_sentence(url: str, answer: Answer) -> str:
    status = answer.status
    if status in (401, 403):
        return (
            f"The server of {name_of(url)} refuses to send it (status {status}); use an address "
            "that opens without signing in."
        )
    if status in (404, 410):
        return f"There is no file at this address (status {status}); check the address."
    return f"The server of {name_of(url)} answers with an error (status {status}); try again later."
