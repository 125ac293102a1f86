from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.reading.stretch import Stretch
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.space import PARTS, FeatureSpace
from samgeo_core.teaching.table import FeatureTable, table_version


def made_features(n: int, seed: int = 0, first: int = 0) -> ObjectFeatures:
    random = np.random.default_rng(seed)
    return ObjectFeatures(
        tuple((first + i).to_bytes(16, "big") for i in range(n)),
        random.normal(0, 1, (n, 3, 8)).astype(np.float16),
        random.normal(5, 2, (n, 6)).astype(np.float32),
        random.normal(9, 1, (n, 6)).astype(np.float32),
    )


def test_a_table_survives_the_disk_and_is_known_by_its_version(tmp_path: Path) -> None:
    table, path = FeatureTable(made_features(7), 5), tmp_path / "features.npz"
    assert FeatureTable.load(path) is None
    table.save(path, "one")
    again = FeatureTable.load(path, "one")
    assert again is not None and again.n_usual == 5
    assert again.features.keys == table.features.keys
    np.testing.assert_array_equal(again.points, table.points)
    assert FeatureTable.load(path, "two") is None
    path.write_bytes(path.read_bytes()[:100])
    assert FeatureTable.load(path) is None


def test_masks_that_come_later_don_t_move_the_others() -> None:
    table = FeatureTable(made_features(6), 6)
    more = table.with_more(made_features(3, seed=1, first=100))
    np.testing.assert_array_equal(more.points[:6], table.points)
    keys = more.features.keys
    assert more.rows([keys[8], keys[0], b"unknown"]).tolist() == [8, 0, -1]


def test_each_part_counts_as_much_as_any_other() -> None:
    features = made_features(50)
    for parts in (PARTS, PARTS[:2], PARTS[3:]):
        points = FeatureSpace.fit(features, parts).points(features).astype(np.float64)
        assert (points**2).sum(1).mean() == pytest.approx(len(parts), rel=1e-4)
        np.testing.assert_allclose(points.mean(0), 0, atol=1e-5)
    with pytest.raises(ParameterError, match="at least one object"):
        FeatureSpace.fit(made_features(0))


def test_features_of_different_lengths_are_refused() -> None:
    good = made_features(3)
    with pytest.raises(ParameterError, match="one length"):
        ObjectFeatures(good.keys[:2], good.encoded, good.outlines, good.colours)


def test_the_version_tells_all_that_decides_features() -> None:
    plain = Stretch.none((1, 2, 3))
    made = {
        table_version("raster", "model", plain, (0, 0)),
        table_version("other", "model", plain, (0, 0)),
        table_version("raster", "other", plain, (0, 0)),
        table_version("raster", "model", Stretch.none((3, 2, 1)), (0, 0)),
        table_version("raster", "model", plain, (0, 5)),
    }
    assert len(made) == 5
