"""Embeddings of windows, kept in memory and on disk so that a window is encoded once.

No torch at import: who looks at a store without a model needs none.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask
from samgeo_core.reading.stretch import Stretch
from samgeo_core.windows import ShapeHW, Window

if TYPE_CHECKING:
    import torch

    from samgeo_core.engine.encoder import Embedding
    from samgeo_core.engine.image_terms import ImageTerms
    from samgeo_core.models.loading import LoadedModel

V = TypeVar("V")

_LOG = logging.getLogger(__name__)
_SUFFIX = ".npz"
_FORMAT = 1


@dataclass(frozen=True)
class EmbeddingKey:
    """All that decides an embedding.

    Attributes:
        raster_sha256: of the file.
        window: what was read of it.
        shape_hw: to which height and width.
        stretch: which bands, and their ranges.
        model_sha256: of the weights.
    """

    raster_sha256: str
    window: Window
    shape_hw: ShapeHW
    stretch: Stretch
    model_sha256: str

    @property
    def name(self) -> str:
        """The key as a file's name."""
        text = json.dumps([_FORMAT, asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class WindowEmbedding:
    """An encoded window.

    Attributes:
        window: of the raster.
        embedding: what the encoder made of it.
        valid: bool [h, w], at the resolution that was encoded, True where there is data.
    """

    window: Window
    embedding: Embedding
    valid: BoolMask

    def has_data(self, points_xy: NDArray[np.float64]) -> BoolMask:
        """Whether there is data at points in the window, px of the raster, bool [K]."""
        (rows, columns), (height, width) = self.valid.shape, self.window.shape_hw
        cells = (points_xy - (self.window.x, self.window.y)) * (columns / width, rows / height)
        x, y = np.clip(cells.astype(np.int64), 0, (columns - 1, rows - 1)).T
        there: BoolMask = self.valid[y, x]
        return there

    @property
    def n_bytes(self) -> int:
        """Bytes in memory."""
        return int(self.embedding.features.nbytes) + self.valid.nbytes


class _Shelf(Generic[V]):
    """Values used last, up to a number of bytes. Not thread-safe by itself."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.n_bytes = 0
        self._items: OrderedDict[EmbeddingKey, tuple[V, int]] = OrderedDict()

    def get(self, key: EmbeddingKey) -> V | None:
        item = self._items.get(key)
        if item is None:
            return None
        self._items.move_to_end(key)
        return item[0]

    def put(self, key: EmbeddingKey, value: V, n_bytes: int) -> None:
        if key in self._items:
            self.n_bytes -= self._items.pop(key)[1]
        self._items[key] = (value, n_bytes)
        self.n_bytes += n_bytes
        # The newest stays, however large: it is in use.
        while self.n_bytes > self.most_bytes and len(self._items) > 1:
            _, (_, freed) = self._items.popitem(last=False)
            self.n_bytes -= freed


class EmbeddingStore:
    """Embeddings of windows by what decides them; safe from any thread.

    Args:
        memory_mib: most memory for embeddings, about 4 MiB each.
        terms_mib: most memory for what the decoder computes of them once, about 32 MiB each.
        folder: where they are kept beyond the process; None keeps them in memory only.
        disk_mib: most space in that folder; those used last stay.
    """

    def __init__(
        self,
        memory_mib: float = 256,
        *,
        terms_mib: float = 512,
        folder: Path | None = None,
        disk_mib: float = 2048,
    ) -> None:
        self._embeddings: _Shelf[WindowEmbedding] = _Shelf(int(memory_mib * 2**20))
        self._terms: _Shelf[tuple[ImageTerms, ...]] = _Shelf(int(terms_mib * 2**20))
        self._folder = folder
        self._disk_bytes = int(disk_mib * 2**20)
        self._lock = threading.Lock()
        self._under_way: dict[EmbeddingKey, threading.Event] = {}
        # An encoding takes all cores: a second one at the same time would only delay both.
        self._encoding = threading.Lock()

    def get(self, key: EmbeddingKey, device: torch.device) -> WindowEmbedding | None:
        """What is kept for a key, in memory or on disk; None if nothing is."""
        with self._lock:
            found = self._embeddings.get(key)
        if found is None and (found := self._read(key, device)) is not None:
            self._keep(key, found)
        return found

    def get_or_encode(
        self, key: EmbeddingKey, device: torch.device, encode: Callable[[], WindowEmbedding]
    ) -> WindowEmbedding:
        """What is kept for a key, else what ``encode`` makes; one encoding of a key at a time."""
        while True:
            if (found := self.get(key, device)) is not None:
                return found
            with self._lock:
                other = self._under_way.get(key)
                if other is None:
                    mine = self._under_way[key] = threading.Event()
                    break
            other.wait()
        try:
            if (found := self.get(key, device)) is None:
                with self._encoding:
                    found = encode()
                self._keep(key, found)
                self._write(key, found)
            return found
        finally:
            with self._lock:
                del self._under_way[key]
            mine.set()

    def terms(
        self, key: EmbeddingKey, model: LoadedModel, encoded: WindowEmbedding
    ) -> tuple[ImageTerms, ...]:
        """The decoder's terms of an embedding, computed once while there is room."""
        with self._lock:
            terms = self._terms.get(key)
        if terms is None:
            from samgeo_core.engine.predictor import compute_image_terms

            terms = compute_image_terms(model, encoded.embedding, few_prompts=True)
            size = sum(array.nbytes for part in terms for array in vars(part).values())
            with self._lock:
                self._terms.put(key, terms, size)
        return terms

    def _keep(self, key: EmbeddingKey, value: WindowEmbedding) -> None:
        with self._lock:
            self._embeddings.put(key, value, value.n_bytes)

    def _read(self, key: EmbeddingKey, device: torch.device) -> WindowEmbedding | None:
        path = self._path(key)
        if path is None or not path.is_file():
            return None
        import torch

        from samgeo_core.engine.encoder import Embedding

        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                features = torch.from_numpy(data["features"]).to(device)
                height, width, input_h, input_w = (int(n) for n in data["shapes"])
                valid = np.unpackbits(data["valid"], count=height * width).view(np.bool_)
            os.utime(path)
        except (OSError, TypeError, ValueError, KeyError, EOFError, BadZipFile) as error:
            _LOG.warning("The kept embedding %s can't be read: %s", path.name, error)
            path.unlink(missing_ok=True)
            return None
        embedding = Embedding(features, (height, width), (input_h, input_w))
        return WindowEmbedding(key.window, embedding, valid.reshape(height, width))

    def _write(self, key: EmbeddingKey, value: WindowEmbedding) -> None:
        """Keep on disk what can be kept: a full disk makes later visits slower, nothing else."""
        path = self._path(key)
        if path is None:
            return
        embedding = value.embedding
        temporary = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                np.savez(
                    file,
                    features=embedding.features.cpu().numpy(),
                    shapes=np.array([*embedding.shape_hw, *embedding.input_hw]),
                    valid=np.packbits(value.valid),
                )
            Path(temporary).replace(path)
            self._make_room(path.parent)
        except OSError as error:
            _LOG.warning("The embedding %s could not be kept on disk: %s", path.name, error)
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)

    def _make_room(self, folder: Path) -> None:
        """Delete the files used longest ago until the rest fits."""
        files = []
        for path in folder.glob(f"*{_SUFFIX}"):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # another process made room, too
            files.append((stat.st_mtime_ns, stat.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files)[:-1]:
            if total <= self._disk_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _path(self, key: EmbeddingKey) -> Path | None:
        return None if self._folder is None else self._folder / f"{key.name}{_SUFFIX}"
