"""Arguments of `SamGeo` in the loose forms that scripts use, made those of the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samgeo_core.config import AutomaticConfig
from samgeo_core.errors import ParameterError
from samgeo_core.models.download import fetch_weights
from samgeo_core.models.registry import model_spec
from samgeo_core.progress import Monitor


def automatic_config(sam_kwargs: Mapping[str, Any]) -> AutomaticConfig:
    """SAM's parameters from the dictionary that scripts hand over."""
    values = dict(sam_kwargs)
    if values.pop("output_mode", "binary_mask") != "binary_mask":
        raise ParameterError("output_mode can only be binary_mask: masks are arrays here.")
    known = {field.name for field in fields(AutomaticConfig)}
    if unknown := set(values) - known:
        raise ParameterError(
            f"sam_kwargs takes {', '.join(sorted(known))}; got {', '.join(sorted(unknown))}."
        )
    if values.get("point_grids") is not None:
        values["point_grids"] = tuple(
            tuple((float(x), float(y)) for x, y in grid) for grid in values["point_grids"]
        )
    return AutomaticConfig(**values)


def find_checkpoint(
    model_type: str,
    checkpoint: str | Path | None,
    checkpoint_dir: str | Path | None,
    monitor: Monitor,
) -> Path | None:
    """The file of weights that a script means; None for the official ones of the cache folder."""
    official = model_spec(model_type).filename
    if checkpoint is None:
        if checkpoint_dir is None:
            return None
        folder = Path(checkpoint_dir).expanduser()
        return fetch_weights(model_type, cache_dir=folder, monitor=monitor)
    path = Path(checkpoint).expanduser()
    if path.name == official and not path.exists():
        return fetch_weights(model_type, cache_dir=path.parent, monitor=monitor)
    return path


def mask_logits_of(mask_input: ArrayLike | None) -> NDArray[np.float32] | None:
    """A mask input [256, 256], [1, 256, 256] or [N, 1, 256, 256] as the last of these."""
    if mask_input is None:
        return None
    logits = np.asarray(mask_input, np.float32)
    if logits.ndim not in (2, 3, 4) or logits.shape[-2:] != (256, 256):
        raise ParameterError(
            f"mask_input must be [1, 256, 256] or [N, 1, 256, 256], got {list(logits.shape)}."
        )
    return logits.reshape(-1, 1, 256, 256)
