"""Embeddings are made once, kept within bounds, and found again by another process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from samgeo_core.engine.encoder import Embedding
from samgeo_core.picking.embeddings import EmbeddingKey, EmbeddingStore, WindowEmbedding
from samgeo_core.reading.stretch import Stretch
from samgeo_core.windows import Window

CPU = torch.device("cpu")


def key(x: int = 0, **changes: object) -> EmbeddingKey:
    values: dict[str, object] = {
        "raster_sha256": "a" * 64,
        "window": Window(x, 0, 64, 64),
        "shape_hw": (64, 64),
        "stretch": Stretch.none((1, 2, 3)),
        "model_sha256": "b" * 64,
    }
    return EmbeddingKey(**(values | changes))  # type: ignore[arg-type]


def encoded(of: EmbeddingKey) -> WindowEmbedding:
    features = torch.full((256, 64, 64), float(of.window.x))
    valid = np.zeros((64, 64), bool)
    valid[:, 10:] = True
    return WindowEmbedding(of.window, Embedding(features, (64, 64), (1024, 1024)), valid)


def test_many_threads_wait_for_one_encoding() -> None:
    store, calls, gate = EmbeddingStore(), [], threading.Event()

    def encode() -> WindowEmbedding:
        calls.append(1)
        gate.wait(5)
        return encoded(key())

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(store.get_or_encode, key(), CPU, encode) for _ in range(4)]
        gate.set()
        found = {id(item.result()) for item in waiting}
    assert len(calls) == len(found) == 1


def test_who_waited_for_a_failed_encoding_tries_again() -> None:
    store = EmbeddingStore()
    with pytest.raises(ZeroDivisionError):
        store.get_or_encode(key(), CPU, lambda: WindowEmbedding(1 / 0, None, None))  # type: ignore
    assert store.get_or_encode(key(), CPU, lambda: encoded(key())).window == key().window


def test_memory_holds_those_used_last() -> None:
    store = EmbeddingStore(memory_mib=9)  # two of 4 MiB
    for x in (1, 2):
        store.get_or_encode(key(x), CPU, lambda x=x: encoded(key(x)))
    assert store.get(key(1), CPU) is not None
    store.get_or_encode(key(3), CPU, lambda: encoded(key(3)))
    assert store.get(key(1), CPU) is not None
    assert store.get(key(2), CPU) is None


def test_another_store_finds_what_is_on_disk(tmp_path: Path) -> None:
    EmbeddingStore(folder=tmp_path).get_or_encode(key(5), CPU, lambda: encoded(key(5)))
    found = EmbeddingStore(folder=tmp_path).get(key(5), CPU)
    assert found is not None
    torch.testing.assert_close(found.embedding.features, encoded(key(5)).embedding.features)
    np.testing.assert_array_equal(found.valid, encoded(key(5)).valid)
    assert (found.embedding.shape_hw, found.embedding.input_hw) == ((64, 64), (1024, 1024))


@pytest.mark.parametrize(
    "changes",
    [
        {"raster_sha256": "c" * 64},
        {"shape_hw": (32, 32)},
        {"stretch": Stretch((1, 2, 3), (0.0,) * 3, (99.0,) * 3)},
        {"model_sha256": "c" * 64},
    ],
)
def test_whatever_decides_an_embedding_tells_it_apart(changes: dict[str, object]) -> None:
    assert key().name != key(**changes).name


def test_the_disk_holds_those_used_last(tmp_path: Path) -> None:
    store = EmbeddingStore(folder=tmp_path, disk_mib=9)
    for x in range(4):
        store.get_or_encode(key(x), CPU, lambda x=x: encoded(key(x)))
    assert sorted(p.stem for p in tmp_path.iterdir()) == sorted(key(x).name for x in (2, 3))


@pytest.mark.parametrize("broken", [b"", b"PK\x03\x04 cut short", b"no archive"])
def test_a_damaged_file_is_made_again(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / f"{key().name}.npz").write_bytes(broken)
    store = EmbeddingStore(folder=tmp_path)
    assert store.get(key(), CPU) is None
    store.get_or_encode(key(), CPU, lambda: encoded(key()))
    assert EmbeddingStore(folder=tmp_path).get(key(), CPU) is not None


def test_a_disk_that_refuses_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = EmbeddingStore(folder=tmp_path / "file")
    assert store.get_or_encode(key(), CPU, lambda: encoded(key())).window == key().window


def test_points_without_data_are_told() -> None:
    points = np.array([[5.0, 5.0], [20.0, 5.0], [64.0, 64.0]])
    assert encoded(key()).has_data(points).tolist() == [False, True, True]
