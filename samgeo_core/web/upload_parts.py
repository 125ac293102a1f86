"""A file that is on its way: what is kept of it, and one request's turn at writing to it.

    <uploads>/<upload_id>/upload.json   what its visitor said of it
    <uploads>/<upload_id>/source        what has arrived; its length is where to go on

Both survive the server: nothing else decides where an upload stands.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import shutil
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from samgeo_core.errors import ConflictError, DiskFullError, ParameterError
from samgeo_core.results.files import sync
from samgeo_core.web.ids import ID_PATTERN
from samgeo_core.words import N_

logger = logging.getLogger(__name__)

DISK_FULL = N_(
    "The server's disk is full, so that the upload stands still: what has arrived is kept, and it "
    "goes on from there once there is room."
)


@dataclass(frozen=True)
class Upload:
    """A file that hasn't arrived whole yet.

    Attributes:
        folder: its folder, named by its id.
        owner: token of the visitor.
        name: what the visitor calls it; text only, never a path.
        size_bytes: how long it will be.
        modified_ms: when it was changed last, milliseconds since 1970, as the browser says.
        head_sha256: of its first bytes, hexadecimal.
        created: seconds since 1970.
    """

    folder: Path
    owner: str
    name: str
    size_bytes: int
    modified_ms: int
    head_sha256: str
    created: float

    @property
    def upload_id(self) -> str:
        """Its unguessable id, which becomes that of the scene."""
        return self.folder.name

    @property
    def source(self) -> Path:
        """The file as far as it has arrived; where it lies in the folder of a scene, too."""
        return self.folder / "source"

    @property
    def offset(self) -> int:
        """How many bytes have arrived."""
        try:
            return self.source.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def touched(self) -> float:
        """When something arrived last, seconds since 1970."""
        try:
            return self.source.stat().st_mtime
        except FileNotFoundError:
            return self.created

    def is_same(self, other: Upload) -> bool:
        """Whether two are, by all that is known of them, the same file of the same visitor."""
        return self._told() == other._told()

    def write(self) -> None:
        """Keep what was said of it."""
        values = asdict(self)
        values.pop("folder")
        partial = self.folder / "upload.part"
        partial.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
        sync(partial)
        partial.replace(self.folder / "upload.json")

    def _told(self) -> tuple[str, str, int, int, str]:
        return self.owner, self.name, self.size_bytes, self.modified_ms, self.head_sha256


def read_upload(folder: Path) -> Upload | None:
    """The upload of a folder; None where there is none."""
    if not ID_PATTERN.fullmatch(folder.name):
        return None
    try:
        values: dict[str, Any] = json.loads((folder / "upload.json").read_text(encoding="utf-8"))
        return Upload(folder=folder, **values)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError):
        logger.warning("%s can't be read", folder / "upload.json")
        return None


class Turn:
    """One request that writes to an upload, until it ends or another one takes over.

    Args:
        upload: what it writes to.
        offset: where it begins, and the file ends.
        reserve_bytes: how much of the disk stays free.
        digest: SHA-256 of all before the offset, which goes on here; None where nobody knows.
    """

    def __init__(
        self, upload: Upload, offset: int, reserve_bytes: int, digest: hashlib._Hash | None
    ) -> None:
        self.upload = upload
        self.digest = digest
        self.offset = offset
        self._start = offset
        self._reserve = reserve_bytes
        self._before = None if digest is None else digest.copy()
        self._piece = hashlib.sha256()
        self._lock = threading.Lock()
        # Each piece goes to the system at once, so that killing this process loses none of it.
        self._file = upload.source.open("ab", buffering=0)

    def write(self, piece: bytes) -> None:
        """Append a piece.

        Raises:
            ConflictError: another request has taken over, or the upload was cancelled.
            ParameterError: that is more than was announced.
            DiskFullError: there is no room; what arrived before stays.
        """
        with self._lock:
            if self._file.closed or not self.upload.folder.exists():
                raise ConflictError("This upload was cancelled, or goes on in another window.")
            if self.offset + len(piece) > self.upload.size_bytes:
                raise ParameterError(
                    f"{self.upload.name} was announced with {self.upload.size_bytes:,} bytes, and "
                    "more came: the file has changed. Choose it again."
                )
            if shutil.disk_usage(self.upload.folder).free < self._reserve + len(piece):
                raise DiskFullError(DISK_FULL)
            self._append(piece)
            self.offset += len(piece)
            self._piece.update(piece)
            if self.digest is not None:
                self.digest.update(piece)

    def end(self, sha256: str | None = None) -> int:
        """Stop writing; returns how many bytes the upload has.

        Args:
            sha256: of what this turn should have written, hexadecimal; None asks for no check.

        Raises:
            ConflictError: other bytes arrived; they are gone, and can be sent again.
        """
        with self._lock:
            wrong = sha256 is not None and self._piece.hexdigest() != sha256.lower()
            if wrong and not self._file.closed:
                self._file.truncate(self._start)
                self.offset, self.digest = self._start, self._before
            self._file.close()
        if wrong:
            raise ConflictError("A part of the file arrived damaged; it is sent once more.")
        return self.offset

    def _append(self, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(self.offset)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(DISK_FULL) from error
            raise


def sha256_of(path: Path) -> hashlib._Hash:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest
