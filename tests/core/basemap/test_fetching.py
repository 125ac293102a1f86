from __future__ import annotations

import email.utils
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samgeo_core.basemap import cache as cache_module
from samgeo_core.basemap.cache import TileCache
from samgeo_core.basemap.fetching import decode, retry_after_s
from samgeo_core.errors import FetchError
from tests.tile_server import png, world


def test_the_cache_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, 10_000)
    for index in range(9):
        cache.put(f"a{index}", bytes(1000))
        os.utime(cache._path(f"a{index}"), (index, time.time()))
    assert cache.get("a0") == bytes(1000)  # used just now
    for index in range(9, 12):
        cache.put(f"a{index}", bytes(1000))
    files = list(tmp_path.glob("*/*"))
    assert sum(path.stat().st_size for path in files) <= 10_000
    assert cache.get("a0") is not None and cache.get("a11") is not None
    assert cache.get("a1") is None
    # Another process over the same folder counts what is there.
    again = TileCache(tmp_path, 3_000)
    again.put("b", bytes(500))
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 3_000


def test_old_tiles_are_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = TileCache(tmp_path, 10_000)
    cache.put("there", b"1")
    cache.put("missing", b"")
    assert (cache.get("there"), cache.get("missing"), cache.get("new")) == (b"1", b"", None)
    old = time.time() - 2 * cache_module.KEEP_MISSING_S
    for name in ("there", "missing"):
        os.utime(cache._path(name), (old, old))
    assert (cache.get("there"), cache.get("missing")) == (b"1", None)
    # That it was used doesn't make it younger.
    monkeypatch.setattr(cache_module, "KEEP_S", cache_module.KEEP_MISSING_S)
    assert cache.get("there") is None
    cache.drop("there")
    assert cache.get("there") is None


def test_a_folder_that_refuses_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = TileCache(tmp_path / "file", 100)
    cache.put("a", b"1")
    assert cache.get("a") is None


def test_images_of_tiles() -> None:
    rgb = world(0, 0, 256, 256, 3)
    pixels = decode(png(rgb), 256)
    assert (pixels[..., :3] == rgb).all() and (pixels[..., 3] == 255).all()
    clear = np.zeros((256, 256, 4), np.uint8)
    clear[:9, :, 3] = 255
    assert (decode(png(clear), None)[..., 3] > 0).sum() == 9 * 256
    palette = Image.fromarray(rgb).convert("P")
    from io import BytesIO

    palette.save(target := BytesIO(), "PNG")
    assert decode(target.getvalue(), 256).shape == (256, 256, 4)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", png(np.zeros((100, 100, 3), np.uint8)), png(world(0, 0, 256, 256, 1))[:900]],
)
def test_what_no_tile_is(body: bytes) -> None:
    with pytest.raises(FetchError):
        decode(body, None)


def test_a_huge_declared_image_is_refused_before_it_is_made() -> None:
    bomb = bytearray(png(np.zeros((256, 256, 3), np.uint8)))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(FetchError):
        decode(bytes(bomb), None)


def test_how_long_a_server_asks_to_wait() -> None:
    assert retry_after_s("7") == 7
    assert retry_after_s(None) is None
    assert retry_after_s("soon") is None
    later = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert 95 <= (retry_after_s(later) or 0) <= 100
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
