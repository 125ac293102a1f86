"""Files that visitors send, in pieces, of any size: found again after a reload or a restart.

    begin (type, declared size and limits checked) → write pieces → finish → Scene

An upload becomes a scene by one rename of its folder: whoever kills the server finds either the
one or the other, and all that had arrived.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
import time

from samgeo_core.errors import (
    ConflictError,
    DiskFullError,
    NotFoundError,
    ParameterError,
    RasterError,
    RasterTooLargeError,
    SamGeoError,
)
from samgeo_core.reading.first_bytes import HEAD_BYTES, check_first_bytes
from samgeo_core.results.files import sync
from samgeo_core.settings import Settings
from samgeo_core.web.ids import checked_id, new_id
from samgeo_core.web.limits import check_storage
from samgeo_core.web.records import Scene, clean_name
from samgeo_core.web.store import Store
from samgeo_core.web.upload_parts import DISK_FULL, Turn, Upload, read_upload, sha256_of
from samgeo_core.words import N_

logger = logging.getLogger(__name__)

GONE = N_("This upload is not there any more; choose the file again.")


class Uploads:
    """All uploads of an installation that aren't finished.

    Each method that takes ``owner`` treats what belongs to somebody else as unknown.

    Args:
        store: where they become scenes.
        settings: with the limits.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._folder = store.root / "uploads"
        self._folder.mkdir(parents=True, exist_ok=True)
        # Guards beginnings and who writes; never held while bytes are on their way.
        self._lock = threading.Lock()
        self._turns: dict[str, Turn] = {}
        self._finishing: dict[str, threading.Lock] = {}

    def begin(
        self, owner: str, name: str, size_bytes: int, modified_ms: int, head: bytes
    ) -> Upload:
        """Announce a file; one that was under way is found again, with all that had arrived.

        Args:
            owner: token of the visitor.
            name: what the visitor calls it.
            size_bytes: how long it is.
            modified_ms: when it was changed last, milliseconds since 1970.
            head: its first `HEAD_BYTES`, or all of it; they count as arrived.

        Raises:
            RasterError: it is no image that can be opened here, or too large.
            ParameterError: it contradicts itself, or the visitor has too much under way.
            DiskFullError: there is no room for it.
        """
        named = clean_name(name)
        if size_bytes < 1:
            raise RasterError(f"{named} is empty (0 bytes); choose an image file.")
        if len(head) != min(size_bytes, HEAD_BYTES):
            raise ParameterError(
                f"The first {HEAD_BYTES >> 10} KiB of a file come with its name, or all of it."
            )
        self._check_size(named, size_bytes)
        check_first_bytes(head, named, self._settings.max_pixels)
        digest = hashlib.sha256(head).hexdigest()
        folder = self._folder / new_id()
        new = Upload(folder, owner, named, size_bytes, modified_ms, digest, time.time())
        with self._lock:
            mine = self.unfinished(owner)
            if (known := next((u for u in mine if u.is_same(new)), None)) is not None:
                return known
            self._check_room(mine, new)
            try:
                folder.mkdir()
                new.source.write_bytes(head)
                new.write()
            except OSError as error:
                shutil.rmtree(folder, ignore_errors=True)
                raise DiskFullError(DISK_FULL) from error
        return new

    def find(self, upload_id: str, owner: str) -> Upload:
        """The upload of an id.

        Raises:
            NotFoundError: unknown, finished, cleaned up, or not the owner's.
        """
        upload = read_upload(self._folder / checked_id(upload_id))
        if upload is None or upload.owner != owner:
            raise NotFoundError(GONE)
        return upload

    def unfinished(self, owner: str | None = None) -> list[Upload]:
        """Uploads of an owner (of everybody for None), the oldest first."""
        found = [u for folder in self._folder.iterdir() if (u := read_upload(folder)) is not None]
        mine = [u for u in found if owner is None or u.owner == owner]
        return sorted(mine, key=lambda u: u.created)

    def turn(self, upload_id: str, owner: str, offset: int) -> Turn:
        """Begin to write; an earlier request that still does so, as on a lost line, has to stop.

        Args:
            upload_id: which.
            owner: token of the visitor.
            offset: where the pieces belong.

        Raises:
            NotFoundError: see `find`.
            ConflictError: the file doesn't end there.
        """
        upload = self.find(upload_id, owner)
        with self._lock:
            before = self._turns.pop(upload_id, None)
            if before is not None:
                before.end()
            there = upload.offset
            if offset != there:
                raise ConflictError(f"{there} bytes of this file are here: go on from there.")
            digest = before.digest if before is not None and before.offset == there else None
            if there <= HEAD_BYTES:
                digest = sha256_of(upload.source)
            turn = Turn(upload, there, self._settings.free_disk_bytes, digest)
            self._turns[upload_id] = turn
        return turn

    def finish(self, upload_id: str, owner: str, sha256: str | None = None) -> Scene:
        """Make a scene of what has arrived whole; asked again, it names the same scene.

        Args:
            upload_id: which; the scene gets the same id.
            owner: token of the visitor.
            sha256: of the whole file, hexadecimal; None asks for no check.

        Raises:
            NotFoundError: see `find`.
            ConflictError: something is missing, or other bytes arrived.
            RasterError: it is no raster this installation opens; nothing is kept of it.
        """
        with self._lock:
            finishing = self._finishing.setdefault(checked_id(upload_id), threading.Lock())
        with finishing:
            try:
                upload = self.find(upload_id, owner)
            except NotFoundError:
                return self._scene_of(upload_id, owner)
            try:
                return self._finish(upload, sha256)
            finally:
                with self._lock:
                    self._finishing.pop(upload_id, None)

    def cancel(self, upload_id: str, owner: str) -> None:
        """Stop an upload and remove what has arrived.

        Raises:
            NotFoundError: see `find`.
        """
        self._remove(self.find(upload_id, owner))

    def cancel_all_of(self, owner: str) -> int:
        """Stop and remove all uploads of a visitor; returns how many."""
        mine = self.unfinished(owner)
        for upload in mine:
            self._remove(upload)
        return len(mine)

    def clean_up(self, now: float | None = None) -> list[str]:
        """Remove uploads of which nothing arrived for as long as the settings say; their ids.

        Args:
            now: seconds since 1970; None for this moment.
        """
        moment = time.time() if now is None else now
        limit = moment - self._settings.upload_keep_hours * 3600
        stale = [upload for upload in self.unfinished() if upload.touched < limit]
        for upload in stale:
            self._remove(upload)
            logger.info("An upload of %d bytes came to nothing", upload.size_bytes)
        for folder in self._folder.iterdir():
            # What a killed server had only begun to write.
            if read_upload(folder) is None and folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)
        return [upload.upload_id for upload in stale]

    def _check_size(self, name: str, size_bytes: int) -> None:
        most = self._settings.max_upload_bytes
        if size_bytes > most:
            raise RasterTooLargeError(
                f"{name} has {size_bytes / 1e6:,.1f} MB, more than the {most / 1e6:,.1f} MB that "
                "a file may have here: cut it to the area of interest first, or compress it."
            )

    def _check_room(self, mine: list[Upload], new: Upload) -> None:
        settings, unfinished = self._settings, sum(upload.size_bytes for upload in mine)
        if len(mine) >= settings.max_uploads:
            raise ParameterError(
                f"{len(mine)} of your uploads aren't finished, more aren't possible at a time: "
                "finish or cancel one of them first."
            )
        if unfinished + new.size_bytes > settings.max_unfinished_bytes:
            raise ParameterError(
                f"Your unfinished uploads would have {(unfinished + new.size_bytes) / 1e6:,.1f} "
                f"MB, and may have {settings.max_unfinished_bytes / 1e6:,.1f} MB: finish or cancel "
                "one of them first."
            )
        check_storage(self._store, settings, new.owner, unfinished + new.size_bytes)
        room = shutil.disk_usage(self._folder).free - settings.free_disk_bytes
        if new.size_bytes > room:
            raise DiskFullError(
                f"{new.name} has {new.size_bytes / 1e6:,.1f} MB, and the server's disk has room "
                f"for {max(room, 0) / 1e6:,.1f} MB: try again later, or cut it to the area of "
                "interest."
            )

    def _finish(self, upload: Upload, sha256: str | None) -> Scene:
        with self._lock:
            turn = self._turns.pop(upload.upload_id, None)
            if turn is not None:
                turn.end()
        if upload.offset != upload.size_bytes:
            raise ConflictError(f"{upload.offset} bytes of this file are here: go on from there.")
        if sha256 is not None:
            knows = turn is not None and turn.offset == upload.size_bytes
            digest = turn.digest if turn is not None and knows else None
            if (digest or sha256_of(upload.source)).hexdigest() != sha256.lower():
                self._remove(upload)
                raise ConflictError(f"{upload.name} arrived damaged; send it once more.")
        sync(upload.source)
        try:
            scene = self._store.adopt_scene(upload.folder, upload.name, upload.owner)
        except RasterError as error:
            self._remove(upload)
            raise _about(upload, error) from error
        (scene.folder / "upload.json").unlink(missing_ok=True)
        return scene

    def _scene_of(self, upload_id: str, owner: str) -> Scene:
        """What an upload has become."""
        try:
            return self._store.scene(upload_id, owner)
        except NotFoundError as error:
            raise NotFoundError(GONE) from error

    def _remove(self, upload: Upload) -> None:
        with self._lock:
            turn = self._turns.pop(upload.upload_id, None)
            if turn is not None:
                turn.end()
            shutil.rmtree(upload.folder, ignore_errors=True)


def _about(upload: Upload, error: SamGeoError) -> SamGeoError:
    """The same error, that calls the file what its visitor calls it."""
    return type(error)(str(error).replace(upload.source.name, upload.name, 1))
