"""The features of a run's masks, kept with the run and found again whatever rule chose them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samgeo_core.reading.stretch import Stretch
from samgeo_core.results.files import replacing
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.keys import KEY_BYTES
from samgeo_core.teaching.space import FeatureSpace, Points

FEATURES_FILE = "features.npz"
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of masks, in the order in which they were asked for.

    Attributes:
        features: of N masks.
        n_usual: how many of the first masks say what is usual; those that came later don't move
            the others.
    """

    features: ObjectFeatures
    n_usual: int

    def with_more(self, features: ObjectFeatures) -> FeatureTable:
        """The table with masks that came later."""
        return FeatureTable(self.features.joined(features), self.n_usual)

    def rows(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """Where masks of these names stand in the table, int64 [N]; -1 for those that don't."""
        return np.array([self._places.get(key, -1) for key in keys], np.int64)

    @cached_property
    def points(self) -> Points:
        """All masks on one scale."""
        usual = self.features.take(np.arange(self.n_usual))
        return FeatureSpace.fit(usual).points(self.features)

    @cached_property
    def _places(self) -> dict[bytes, int]:
        # NOTE: of equal names the first counts, so that more rows change nothing.
        keys = self.features.keys
        return {keys[i]: i for i in reversed(range(len(keys)))}

    @property
    def n_bytes(self) -> int:
        """Bytes in memory, about."""
        return len(self.features) * (4 * 2 * self.features.encoded[:1].size + 500)

    def save(self, path: Path, version: str) -> None:
        """Write the table, whole or not at all.

        Args:
            path: the file.
            version: see `table_version`.

        Raises:
            ExportError: it can't be written.
        """
        features = self.features
        with replacing(path) as partial:
            np.savez_compressed(
                partial,
                version=np.array(version),
                n_usual=np.array(self.n_usual),
                keys=np.frombuffer(b"".join(features.keys), np.uint8).reshape(-1, KEY_BYTES),
                encoded=features.encoded,
                outlines=features.outlines,
                colours=features.colours,
            )

    @classmethod
    def load(cls, path: Path, version: str | None = None) -> FeatureTable | None:
        """Read what `save` wrote; None where there is nothing, or not of the version asked for."""
        try:
            # NOTE: NumPy leaves a file open that it can't read, unless it is given one.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                if version is not None and str(data["version"]) != version:
                    return None
                keys = tuple(row.tobytes() for row in data["keys"])
                features = ObjectFeatures(keys, data["encoded"], data["outlines"], data["colours"])
                return cls(features, int(data["n_usual"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None


def table_version(
    raster_sha256: str, model_sha256: str, stretch: Stretch, origin_xy: tuple[int, int]
) -> str:
    """A short text that changes with all that decides what is measured of a mask."""
    told = json.dumps([_FORMAT, raster_sha256, model_sha256, asdict(stretch), origin_xy])
    return hashlib.sha256(told.encode()).hexdigest()[:32]
