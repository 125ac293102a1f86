"""A run on disk: what was asked, and what each finished region offered; survives being killed.

The name of a region's file follows from all that decides its content, so that what is there can be
used as it is, and what another question needs is simply not there:

    OUT_DIR/plan.json                           what decides the candidates, readable
    OUT_DIR/regions/<key>/<thousands>/<rest>.npz  one file for each region that is finished
    OUT_DIR/labels.tif, objects.gpkg, run.json, …  results, once all regions are there
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock

from samgeo_core import __version__
from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.pool import CandidatePool
from samgeo_core.results.files import replacing
from samgeo_core.streaming.regions import Region, RegionPlan

logger = logging.getLogger(__name__)

PLAN_FILE = "plan.json"
_FORMAT = 1
_REGIONS = "regions"
_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what is finished.

    Attributes:
        path: the folder.
        key: names all that decides the candidates of its regions, hexadecimal.
        token: names this very folder, so that another machine knows whether it sees the same.
    """

    path: Path
    key: str
    token: str

    @classmethod
    def begin(
        cls, path: Path, question: Mapping[str, Any], note: Mapping[str, Any] | None = None
    ) -> RunFolder:
        """Begin a run or go on with it.

        Args:
            path: the folder, made where it is missing.
            question: all that decides the candidates, JSON-ready; what is chosen among them later
                doesn't belong here.
            note: what else `plan_note` should tell later.

        Raises:
            ExportError: the folder can't be written.
            ParameterError: it is a file.
        """
        if path.exists() and not path.is_dir():
            raise ParameterError(f"OUT_DIR must be a folder, but {path} is a file.")
        asked = {"format": _FORMAT, "version": __version__, **question}
        key = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        folder = cls(path.resolve(), key, uuid.uuid4().hex)
        plan = {"key": key, "token": folder.token, "question": asked, "note": dict(note or {})}
        try:
            folder._regions.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExportError(
                f"The folder {path} can't be made ({error.strerror}): choose another."
            ) from error
        with replacing(path / PLAN_FILE) as partial:
            partial.write_text(json.dumps(plan, indent=2) + "\n", "utf-8")
        return folder

    @cached_property
    def _regions(self) -> Path:
        return self.path / _REGIONS / self.key[:16]

    def region_path(self, index: int) -> Path:
        """Where a region's candidates belong: a thousand files a folder, as a million are slow."""
        return self._regions / f"{index // 1000:05d}" / f"{index % 1000:03d}.npz"

    def has(self, region: Region) -> bool:
        """Whether a region is finished; `load` says whether its file is intact."""
        return self.region_path(region.index).is_file()

    def count(self) -> int:
        """How many regions are finished."""
        return sum(1 for _ in self._regions.glob("*/*.npz"))

    def store(self, region: Region, data: bytes) -> None:
        """Keep what `pack` made of a region; it is there whole or not at all, and reached the disk.

        Raises:
            ExportError: the file system refuses; what was stored before stays.
        """
        path = self.region_path(region.index)
        try:
            path.parent.mkdir(exist_ok=True)
            with replacing(path) as partial:
                partial.write_bytes(data)
        except (ExportError, OSError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            raise ExportError(
                f"A finished region could not be kept in {self.path}. {reason} All regions "
                "finished before stay; start the run again to go on with them."
            ) from error

    def load(self, region: Region, grid: GeoGrid) -> CandidatePool | None:
        """What a region offered; None where it isn't finished, or its file is damaged (and gone).

        Args:
            region: the region.
            grid: of the raster.
        """
        path = self.region_path(region.index)
        try:
            return unpack(path.read_bytes(), grid.window(region.window))
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            logger.warning("%s is damaged (%s) and made again.", path, error)
            path.unlink(missing_ok=True)
            return None

    def is_shared(self) -> bool:
        """Whether this machine sees the very folder that the run was begun in."""
        return _plan(self.path).get("token") == self.token

    def forget_others(self) -> None:
        """Remove regions that answer another question than this run's."""
        for folder in (self.path / _REGIONS).iterdir():
            if folder != self._regions:
                shutil.rmtree(folder, ignore_errors=True)


def pack(pool: CandidatePool) -> bytes:
    """A region's candidates as the content of its file: an .npz with its SHA-256 behind it."""
    file = io.BytesIO()
    pool.save(file)
    data = file.getvalue()
    return data + hashlib.sha256(data).digest()


def unpack(data: bytes, grid: GeoGrid) -> CandidatePool:
    """The candidates that `pack` made into bytes.

    Args:
        data: the bytes.
        grid: of the region's window.

    Raises:
        ValueError: they are damaged, or those of another place.
    """
    content, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError(f"{len(data)} bytes that aren't those that were written")
    pool = CandidatePool.load(io.BytesIO(content), grid)
    if pool.candidates.shape_hw != grid.shape_hw:
        raise ValueError(f"candidates of {pool.candidates.shape_hw} px, not {grid.shape_hw}")
    return pool


def plan_note(path: Path) -> dict[str, Any]:
    """What the run that was begun last in a folder noted; empty where there was none."""
    note = _plan(path).get("note", {})
    return note if isinstance(note, dict) else {}


def finished_regions(path: Path) -> tuple[int, int] | None:
    """How many regions of the run begun last in a folder are finished, and how many it has.

    Returns:
        None where no run was begun.
    """
    known = _plan(path)
    try:
        folder = RunFolder(path, known["key"], known["token"])
        total = len(RegionPlan.from_dict(known["question"]["plan"]))
    except (KeyError, TypeError, ParameterError):
        return None
    return min(folder.count(), total), total


def _plan(path: Path) -> dict[str, Any]:
    try:
        plan = json.loads((path / PLAN_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return plan if isinstance(plan, dict) else {}


def share_regions(source: Path, target: Path) -> None:
    """Give another run's folder the finished regions of one, so that it needn't look again.

    Files are linked where the file system can: regions are never changed, only replaced.

    Args:
        source: a folder in which a run was begun.
        target: a folder without regions.

    Raises:
        ExportError: the file system refuses.
    """

    def link(file: str, copy: str) -> None:
        try:
            Path(copy).hardlink_to(file)
        except OSError:
            shutil.copyfile(file, copy)

    try:
        shutil.copytree(source / _REGIONS, target / _REGIONS, copy_function=link)
        shutil.copyfile(source / PLAN_FILE, target / PLAN_FILE)
    except OSError as error:
        raise ExportError(
            f"What the run found could not be taken over ({error.strerror or error}): "
            "segment the image again."
        ) from error


def clear(path: Path) -> None:
    """Remove what a run keeps, but for its results."""
    shutil.rmtree(path / _REGIONS, ignore_errors=True)
    (path / PLAN_FILE).unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from running in a folder, and clear what a killed one left half-done.

    Raises:
        ParameterError: another process is at work there, or it is a file.
        ExportError: the folder can't be made.
    """
    if path.exists() and not path.is_dir():
        raise ParameterError(f"OUT_DIR must be a folder, but {path} is a file.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path / ".lock")
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise ParameterError(
            f"Another run is at work in {path}: wait for it to end, or choose another OUT_DIR."
        ) from error
    except OSError as error:
        raise ExportError(
            f"The folder {path} can't be written ({error.strerror}): choose another."
        ) from error
    try:
        for folder in (path, *(path / _REGIONS).glob("*/*")):
            for left in folder.glob(".writing-*"):
                shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()
