"""Networks ready to run: built, filled with a checkpoint, and on their device."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samgeo_core.errors import ParameterError
from samgeo_core.models.checkpoint import fill, read_checkpoint
from samgeo_core.models.download import fetch_weights
from samgeo_core.models.registry import DEFAULT_MODEL, ModelSpec, model_spec
from samgeo_core.models.transfer import sha256_of
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.settings import get_settings

if TYPE_CHECKING:
    import torch
    from segment_anything.modeling import Sam

logger = logging.getLogger(__name__)

STAGE = "load model"
MODELS_KEPT = 2
_LOCK_POLL_S = 0.25


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network and what identifies it. It holds no image, so that any number of users share it.

    Attributes:
        name: of the model.
        sha256: of the checkpoint, hexadecimal.
        sam: the network, in inference mode on its device; segment-anything's own predictor and
            mask generator run on it too.
        device: where it runs.
    """

    name: str
    sha256: str
    sam: Sam
    device: torch.device


def pick_device(device: str | None = None) -> torch.device:
    """The device to run on.

    Args:
        device: ``cuda``, ``cuda:N``, ``mps`` or ``cpu``; None takes the setting, and without one
            the best there is, in that order.

    Raises:
        ParameterError: the name is unknown, or this machine has no such device.
    """
    import torch

    name = device or get_settings().device
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name is None:
        return torch.device(next(kind for kind, there in available.items() if there))
    kind, _, index = name.partition(":")
    if kind not in available or (index and not index.isdecimal()):
        raise ParameterError(f"The device must be cuda, mps or cpu, got {name!r}.")
    present = [kind for kind, there in available.items() if there]
    if not available[kind]:
        raise ParameterError(
            f"The device {name!r} is not available here; choose {' or '.join(present)}."
        )
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if index and int(index) >= count:
        raise ParameterError(f"The device {name!r} doesn't exist; this machine has {count} {kind}.")
    return torch.device(name)


def load_model(
    name: str = DEFAULT_MODEL,
    *,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    monitor: Monitor = SILENT,
) -> LoadedModel:
    """Load a model, fetching its weights where they are missing.

    Args:
        name: ``vit_t``, ``vit_b``, ``vit_l`` or ``vit_h``.
        checkpoint: file in the layout of the official one, or a folder that holds the official
            one; None takes the official weights.
        device: see `pick_device`.
        monitor: hears of download and loading, and may cancel.

    Raises:
        ParameterError: no such model or device.
        WeightsError: the weights can't be had, can't be read, or belong to another model.
        CancelledError: the monitor says so.
    """
    spec = model_spec(name)
    where = pick_device(device)
    path, sha256 = _weights(spec, checkpoint, monitor)
    monitor.step(STAGE, 1, 3)
    state = read_checkpoint(path)
    monitor.step(STAGE, 2, 3)
    if name == "vit_t":
        from samgeo_core.models.tiny_vit import fuse_batch_norms

        state = fuse_batch_norms(state)
    sam = build_network(name)
    fill(sam, state, name=name, source=path.name)
    sam = sam.float().eval().requires_grad_(False).to(where)
    monitor.step(STAGE, 3, 3)
    logger.info("Loaded %s from %s on %s.", name, path, where)
    return LoadedModel(name, sha256, sam, where)


def weights_sha256(
    name: str = DEFAULT_MODEL,
    checkpoint: str | Path | None = None,
    *,
    monitor: Monitor = SILENT,
) -> str:
    """The `LoadedModel.sha256` of a model without loading it; needs no torch.

    Raises:
        ParameterError, WeightsError, CancelledError: as `load_model`.
    """
    return _weights(model_spec(name), checkpoint, monitor)[1]


def _weights(spec: ModelSpec, checkpoint: str | Path | None, monitor: Monitor) -> tuple[Path, str]:
    """A checkpoint, fetched where it is missing, and its hash."""
    source = None if checkpoint is None else Path(checkpoint)
    path = fetch_weights(spec.name, source=source, monitor=monitor)
    monitor.step(STAGE, 0, 3)
    # Weights found under the official name have just been checked against the official hash.
    checked = source is None and path.name == spec.filename
    return path, spec.sha256 if checked else sha256_of(path)


def build_network(name: str) -> Sam:
    """The network of a model without weights: every parameter is on the meta device.

    Raises:
        ParameterError: no such model.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    from samgeo_core.models.sam_package import sam_module

    class Unfilled(TorchFunctionMode):
        """Nothing is filled. NOTE: to compute with meta tensors, torch imports its compiler."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            kwargs = dict(kwargs or {})
            if getattr(func, "__module__", None) == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            if func is torch.randn:
                kwargs["device"] = "cpu"
            return func(*args, **kwargs)

    model_spec(name)
    registry = sam_module("build_sam").sam_model_registry
    # SAM's models share prompt encoder and mask decoder; MobileSAM replaces the image encoder.
    with torch.device("meta"), Unfilled():
        sam: Sam = registry["vit_b" if name == "vit_t" else name]()
        if name == "vit_t":
            from samgeo_core.models.tiny_vit import TinyViT

            sam.image_encoder = TinyViT()
    # NOTE: these two are no part of a checkpoint, so that filling the network wouldn't bring them.
    sam.pixel_mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    sam.pixel_std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    return sam


_cache: OrderedDict[tuple[str, str, int, int, str], LoadedModel] = OrderedDict()
_cache_lock = threading.Lock()
_load_lock = threading.Lock()


def cached_model(
    name: str = DEFAULT_MODEL,
    checkpoint: str | Path | None = None,
    device: str | None = None,
    *,
    monitor: Monitor = SILENT,
) -> LoadedModel:
    """Like `load_model`, once per process; safe from any thread, with one load at a time.

    The `MODELS_KEPT` models used last stay in memory. A checkpoint that changed on the disk is
    loaded anew.

    Raises:
        ParameterError, WeightsError, CancelledError: as `load_model`.
    """
    model_spec(name)
    key = _cache_key(name, checkpoint, str(pick_device(device)))
    if (model := _cached(key)) is not None:
        return model
    with _one_load(monitor):
        if (model := _cached(key)) is not None:
            return model
        model = load_model(name, checkpoint=checkpoint, device=key[-1], monitor=monitor)
        with _cache_lock:
            _cache[key] = model
            while len(_cache) > MODELS_KEPT:
                _cache.popitem(last=False)
    return model


def _cache_key(
    name: str, checkpoint: str | Path | None, device: str
) -> tuple[str, str, int, int, str]:
    if checkpoint is None:
        return name, "", 0, 0, device
    path = Path(checkpoint).expanduser().resolve()
    stat = path.stat() if path.exists() else None
    size, changed = (stat.st_size, stat.st_mtime_ns) if stat else (0, 0)
    return name, str(path), size, changed, device


def _cached(key: tuple[str, str, int, int, str]) -> LoadedModel | None:
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
        return _cache.get(key)


@contextmanager
def _one_load(monitor: Monitor) -> Iterator[None]:
    """Hold the lock on loading; who waits for it can still cancel."""
    while not _load_lock.acquire(timeout=_LOCK_POLL_S):
        monitor.step(STAGE, 0, 3)
    try:
        yield
    finally:
        _load_lock.release()
