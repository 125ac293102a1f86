"""Checkpoint files: harmless, whole, and of the right model, or a sentence."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samgeo_core.errors import WeightsError
from samgeo_core.models.checkpoint import fill, looks_like, read_checkpoint
from samgeo_core.models.loading import build_network

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(STATE, id="plain"),
        pytest.param({"model": STATE, "epoch": 3}, id="under model"),
        pytest.param({"state_dict": {f"module.{k}": v for k, v in STATE.items()}}, id="parallel"),
        pytest.param(OrderedDict(STATE), id="ordered"),
    ],
)
def test_the_named_tensors_are_found(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    state = read_checkpoint(tmp_path / "w.pt")
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)


def test_the_old_file_format_is_read(tmp_path):
    torch.save(STATE, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert read_checkpoint(tmp_path / "w.pth").keys() == STATE.keys()


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["zip", "old", "pickle"])
def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path, kind):
    path, trace = tmp_path / "evil.pt", tmp_path / "was here"
    content = {**STATE, "evil": Evil(trace)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(WeightsError, match=r"^evil\.pt is refused"):
        read_checkpoint(path)
    assert not trace.exists()


def saved(path: Path) -> bytes:
    torch.save(STATE, path)
    return path.read_bytes()


def a_zip(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no tensors")
    return path.read_bytes()


def an_npz(path: Path) -> bytes:
    np.savez(path.with_suffix(".npz"), a=np.ones(3))
    return path.with_suffix(".npz").read_bytes()


BROKEN: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda path: b"",
    "text": lambda path: b"<html>Not found</html>",
    "zeros": lambda path: bytes(1000),
    "noise": lambda path: np.random.default_rng(0).bytes(5000),
    "one byte": lambda path: b"\x80",
    "a pointer of git lfs": lambda path: b"version https://git-lfs.github.com/spec/v1\n",
    "another zip": a_zip,
    "an npz": an_npz,
    "a picture": lambda path: b"\x89PNG\r\n\x1a\n" + bytes(100),
    "safetensors": lambda path: (2).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_of_another_kind_is_told(tmp_path, kind):
    path = tmp_path / "w.pt"
    path.write_bytes(BROKEN[kind](path))
    with pytest.raises(WeightsError, match=r"^w\.pt "):
        read_checkpoint(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_truncated_file_is_told(tmp_path, share, zipped):
    path = tmp_path / "w.pt"
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsError, match=r"^w\.pt "):
        read_checkpoint(path)


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(WeightsError, match="doesn't exist"):
        read_checkpoint(tmp_path / "none.pt")
    with pytest.raises(WeightsError, match="can't be read"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "content",
    [[1, 2], {}, {"a": 1}, {1: torch.ones(1)}, {"model": {"a": "b"}}, torch.ones(3), None],
    ids=["list", "empty", "numbers", "unnamed", "nested", "tensor", "none"],
)
def test_content_that_is_no_state_is_told(tmp_path, content):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="should hold the named tensors"):
        read_checkpoint(tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["vit_t", "vit_b", "vit_l", "vit_h"])
def test_every_model_is_recognised(name):
    assert looks_like(build_network(name).state_dict()) == name


def test_what_is_no_sam_is_not_recognised():
    assert looks_like(STATE) is None


@pytest.mark.parametrize("name", ["vit_t", "vit_b"])
@pytest.mark.parametrize("other", ["vit_t", "vit_b", "vit_l", "vit_h"])
def test_the_checkpoint_of_another_model_is_named(name, other):
    network, state = build_network(name), build_network(other).state_dict()
    if name == other:
        fill(network, state, name=name, source="w.pt")
        return
    with pytest.raises(WeightsError, match=rf"^w\.pt doesn't fit {name}: it looks like {other} "):
        fill(network, state, name=name, source="w.pt")


def spoil(state: dict[str, Any], change: str) -> None:
    key = "mask_decoder.iou_token.weight"
    if change == "missing":
        del state[key]
    elif change == "unknown":
        state["mask_decoder.hq_token.weight"] = torch.ones(1)
    else:
        state[key] = torch.ones(2, 256)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"1 tensor missing \(the first is mask_decoder\.iou_token\.weight\)"),
        ("unknown", r"1 tensor unknown \(the first is mask_decoder\.hq_token\.weight\)"),
        ("misshapen", r"1 tensor of another shape \(the first is mask_decoder\.iou_token"),
    ],
)
def test_a_changed_network_is_told_by_its_first_difference(random_state, change, message):
    state = dict(random_state)
    spoil(state, change)
    network = build_network("vit_t")
    with pytest.raises(WeightsError, match=message):
        fill(network, state, name="vit_t", source="w.pt")
    assert all(p.is_meta for p in network.parameters())
