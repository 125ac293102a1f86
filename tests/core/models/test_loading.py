"""Networks ready to run: weights in place, checkpoints of every layout, devices, the cache."""

from __future__ import annotations

import dataclasses
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samgeo_core.errors import CancelledError, ParameterError, WeightsError
from samgeo_core.models import loading
from samgeo_core.models.loading import (
    MODELS_KEPT,
    LoadedModel,
    build_network,
    cached_model,
    load_model,
    pick_device,
)
from samgeo_core.models.transfer import sha256_of
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.settings import get_settings

ENTRIES_OF_OFFICIAL_FILES = {"vit_b": 314, "vit_l": 482, "vit_h": 594}


def encode(model: LoadedModel, image: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        embedding: torch.Tensor = model.sam.image_encoder(image)
    return embedding


def test_a_checkpoint_becomes_a_network_ready_to_run(random_checkpoint, random_state):
    heard: list[Progress] = []
    model = load_model(
        "vit_t", checkpoint=random_checkpoint, device="cpu", monitor=Monitor(heard.append)
    )
    assert (model.name, model.device) == ("vit_t", torch.device("cpu"))
    assert model.sha256 == sha256_of(random_checkpoint)
    assert heard[-1] == Progress("load model", 3, 3)
    sam = model.sam
    assert not sam.training
    assert not any(t.requires_grad or t.is_meta for t in [*sam.parameters(), *sam.buffers()])
    state = sam.state_dict()
    assert state.keys() == random_state.keys()
    assert all(torch.equal(state[key], random_state[key]) for key in state)
    assert sam.pixel_mean.flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert sam.pixel_std.flatten().tolist() == pytest.approx([58.395, 57.12, 57.375])


def test_half_precision_is_loaded_as_float32(tmp_path, random_state):
    torch.save({key: value.half() for key, value in random_state.items()}, tmp_path / "half.pt")
    sam = load_model("vit_t", checkpoint=tmp_path / "half.pt", device="cpu").sam
    assert {p.dtype for p in sam.parameters()} == {torch.float32}


def official_layout(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same network as MobileSAM publishes it: convolutions and batch norms apart.

    The batch norms' statistics are random, of both signs and of very different sizes; kernels and
    shifts are such that batch norm after convolution computes what the fused one does.
    """
    generator = torch.Generator().manual_seed(5)
    official = dict(state)
    for key in [k for k in state if k.endswith(".c.weight")]:
        stem = key.removesuffix("c.weight")
        bias = official.pop(f"{stem}c.bias").double()
        gamma, mean, var = torch.rand((3, len(bias)), generator=generator).double()
        gamma = (0.2 + 2 * gamma) * (1 - 2 * (mean > 0.5))
        mean, var = 4 * mean - 2, 0.01 + 3 * var
        scale = gamma / (var + 1e-5).sqrt()
        official[key] = (state[key].double() / scale.view(-1, 1, 1, 1)).float()
        official[f"{stem}bn.weight"] = gamma.float()
        official[f"{stem}bn.bias"] = (bias + mean * scale).float()
        official[f"{stem}bn.running_mean"] = mean.float()
        official[f"{stem}bn.running_var"] = var.float()
        official[f"{stem}bn.num_batches_tracked"] = torch.tensor(7)
    for key in [k for k in state if k.endswith(".attention_biases")]:
        table = key.replace("attention_biases", "attention_bias_idxs")
        official[table] = torch.zeros((49, 49), dtype=torch.int64)
    encoder = "image_encoder."
    classifier = {"norm_head.weight": (320,), "norm_head.bias": (320,), "head.weight": (1000, 320)}
    official |= {encoder + key: torch.ones(shape) for key, shape in classifier.items()}
    return official


@pytest.mark.weights
def test_the_official_layout_with_batch_norms_computes_the_same(tmp_path, default_model):
    path = tmp_path / "mobile_sam.pt"
    torch.save(official_layout(default_model.sam.state_dict()), path)
    model = load_model("vit_t", checkpoint=path, device="cpu")
    image = torch.randn((1, 3, 1024, 1024), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        encode(model, image), encode(default_model, image), atol=2e-5, rtol=0
    )


def test_the_official_layout_without_one_of_its_batch_norms_is_told(tmp_path, random_state):
    state = official_layout(random_state)
    del state["image_encoder.layers.0.blocks.0.conv1.bn.running_var"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=r"w\.pt doesn't fit vit_t: 1 tensor missing .*conv1"):
        load_model("vit_t", checkpoint=tmp_path / "w.pt", device="cpu")


@pytest.mark.weights
def test_segment_anything_s_own_predictor_runs_on_it(default_model):
    from segment_anything import SamPredictor

    image = np.full((300, 400, 3), (60, 120, 60), np.uint8)
    image[100:200, 150:250] = (200, 80, 70)
    predictor = SamPredictor(default_model.sam)
    predictor.set_image(image)
    masks, scores, _ = predictor.predict(np.array([[200, 150]]), np.array([1]))
    truth = np.zeros(image.shape[:2], np.bool_)
    truth[100:200, 150:250] = True
    best = masks[scores.argmax()]
    assert (best & truth).sum() / (best | truth).sum() > 0.95


def test_a_vit_b_of_the_official_layout_loads(tmp_path):
    from segment_anything import sam_model_registry

    original = sam_model_registry["vit_b"]()
    path = tmp_path / "sam_vit_b_01ec64.pth"
    torch.save(original.state_dict(), path)
    model = load_model("vit_b", checkpoint=tmp_path, device="cpu")
    assert model.sha256 == sha256_of(path)
    expected, found = original.state_dict(), model.sam.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert not any(t.is_meta for t in [*model.sam.parameters(), *model.sam.buffers()])
    with pytest.raises(WeightsError, match=r"doesn't fit vit_t: it looks like vit_b \(SAM ViT-B"):
        load_model("vit_t", checkpoint=path, device="cpu")


@pytest.mark.parametrize(
    ("name", "width", "depth"), [("vit_b", 768, 12), ("vit_l", 1024, 24), ("vit_h", 1280, 32)]
)
def test_sam_s_networks_have_the_layout_of_the_official_files(name, width, depth):
    network = build_network(name)
    state = network.state_dict()
    assert len(state) == ENTRIES_OF_OFFICIAL_FILES[name]
    assert state["image_encoder.pos_embed"].shape == (1, 64, 64, width)
    assert len(network.image_encoder.blocks) == depth
    assert all(parameter.is_meta for parameter in network.parameters())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": "vit_x"}, ParameterError),
        ({"device": "tpu"}, ParameterError),
        ({"checkpoint": "/none/w.pt"}, WeightsError),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], error: type[Exception]):
    for load in (load_model, cached_model):
        with pytest.raises(error):
            load(**arguments)


def test_a_cancelled_load_stops(random_checkpoint):
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        load_model("vit_t", checkpoint=random_checkpoint, monitor=Monitor(cancel=token))


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Decides what this machine seems to have."""

    def have(*, cuda: int = 0, mps: bool = False, setting: str | None = None) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        settings = dataclasses.replace(get_settings(), device=setting)
        monkeypatch.setattr(loading, "get_settings", lambda: settings)

    return have


@pytest.mark.parametrize(
    ("machine", "wanted", "expected"),
    [
        ({}, None, "cpu"),
        ({"mps": True}, None, "mps"),
        ({"cuda": 1, "mps": True}, None, "cuda"),
        ({"cuda": 1}, "cpu", "cpu"),
        ({"cuda": 2}, "cuda:1", "cuda:1"),
        ({"cuda": 1, "setting": "cpu"}, None, "cpu"),
        ({"cuda": 1, "setting": "cpu"}, "cuda", "cuda"),
    ],
)
def test_the_device_is_the_one_asked_for_or_the_best(devices, machine, wanted, expected):
    devices(**machine)
    assert pick_device(wanted) == torch.device(expected)


@pytest.mark.parametrize(
    ("machine", "wanted", "message"),
    [
        ({}, "cuda", "'cuda' is not available here; choose cpu"),
        ({"mps": True}, "cuda:0", "choose mps or cpu"),
        ({}, "mps", "'mps' is not available here"),
        ({"cuda": 2}, "cuda:2", "this machine has 2 cuda"),
        ({}, "cpu:1", "this machine has 1 cpu"),
        ({}, "gpu", "must be cuda, mps or cpu, got 'gpu'"),
        ({"cuda": 1}, "cuda:x", "must be cuda, mps or cpu, got 'cuda:x'"),
        ({"setting": "cuda"}, None, "'cuda' is not available here"),
    ],
)
def test_a_device_that_is_not_there_is_told(devices, machine, wanted, message):
    devices(**machine)
    with pytest.raises(ParameterError, match=message):
        pick_device(wanted)


@pytest.fixture
def empty_cache() -> Iterator[None]:
    """Leaves no model of a test in memory, and takes none from another one."""
    loading._cache.clear()
    yield
    loading._cache.clear()


@pytest.fixture
def own_checkpoint(tmp_path: Path, random_checkpoint: Path) -> Path:
    return Path(shutil.copy2(random_checkpoint, tmp_path / "own.pt"))


@pytest.mark.usefixtures("empty_cache")
def test_many_threads_share_one_model(own_checkpoint):
    ready = threading.Barrier(12)
    models: list[LoadedModel] = []

    def ask() -> None:
        ready.wait()
        models.append(cached_model("vit_t", own_checkpoint, "cpu"))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 12
    assert len({id(model) for model in models}) == 1


@pytest.mark.usefixtures("empty_cache")
def test_a_checkpoint_that_changed_is_loaded_anew(own_checkpoint, random_state):
    before = cached_model("vit_t", own_checkpoint, "cpu")
    assert cached_model("vit_t", str(own_checkpoint), "cpu") is before
    torch.save({key: value + 1 for key, value in random_state.items()}, own_checkpoint)
    after = cached_model("vit_t", own_checkpoint, "cpu")
    assert after.sha256 == sha256_of(own_checkpoint) != before.sha256


@pytest.mark.usefixtures("empty_cache")
def test_only_the_models_used_last_stay(own_checkpoint):
    def load(name: str) -> LoadedModel:
        path = own_checkpoint.with_name(name)
        if not path.exists():
            shutil.copy2(own_checkpoint, path)
        return cached_model("vit_t", path, "cpu")

    first, second = load("0.pt"), load("1.pt")
    assert load("0.pt") is first
    load("2.pt")
    assert len(loading._cache) == MODELS_KEPT
    assert load("0.pt") is first
    assert load("1.pt") is not second


@pytest.mark.usefixtures("empty_cache")
def test_a_failed_load_is_not_remembered(own_checkpoint, random_checkpoint):
    own_checkpoint.write_bytes(b"spoilt")
    with pytest.raises(WeightsError):
        cached_model("vit_t", own_checkpoint, "cpu")
    shutil.copy2(random_checkpoint, own_checkpoint)
    assert cached_model("vit_t", own_checkpoint, "cpu").sha256 == sha256_of(random_checkpoint)


@pytest.mark.usefixtures("empty_cache")
def test_who_waits_for_another_load_can_cancel(own_checkpoint):
    token = CancelToken()
    monitor = Monitor(lambda _progress: token.cancel(), token)
    with loading._load_lock, pytest.raises(CancelledError):
        cached_model("vit_t", own_checkpoint, "cpu", monitor=monitor)
    assert cached_model("vit_t", own_checkpoint, "cpu").name == "vit_t"


def test_importing_the_module_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, samgeo_core.models.loading as m; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
