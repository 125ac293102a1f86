"""The peer: segment-anything-py, driven as segment-geospatial drives it by default.

Mirrored is what `SamGeo(model_type, sam_kwargs=None).generate(source, output)` does in version
1.4.2 of segment-geospatial (samgeo/samgeo.py: generate, save_masks; samgeo/common.py:
array_to_image): read the whole image; `SamAutomaticMaskGenerator` with its own defaults, 32 x 32
points, 64 at a time, binary masks [H, W]; a label array in float64, the largest mask painted first,
the smallest numbered 1; its values as the smallest type that holds them, in a deflated GeoTIFF.

The network is MobileSAM as published (`benchmarks.plain_encoder`): nothing of ours is in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from numpy.typing import NDArray

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

MODEL = "vit_t"


def load_peer(device: str) -> Sam:
    """MobileSAM with the weights that ours takes too, built of segment-anything-py's own parts."""
    import torch
    from segment_anything import sam_model_registry

    from benchmarks.plain_encoder import plain_encoder
    from samgeo_core.models.checkpoint import read_checkpoint
    from samgeo_core.models.download import fetch_weights

    state = read_checkpoint(fetch_weights(MODEL))
    with torch.device("meta"):
        sam: Any = sam_model_registry["vit_b"]()
    sam.image_encoder = plain_encoder(state)
    for name in ("prompt_encoder", "mask_decoder"):
        part = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(name)}
        getattr(sam, name).load_state_dict(part, assign=True)
    # NOTE: segment-anything-py keeps these out of checkpoints; values of its build_sam.py.
    sam.pixel_mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    sam.pixel_std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)
    loaded: Sam = sam.eval().requires_grad_(False).to(device)
    return loaded


def generate(sam: Sam, image: Path, labels: Path) -> list[dict[str, Any]]:
    """From an image of three bands of uint8 to a label raster, and the generator's own records."""
    from segment_anything import SamAutomaticMaskGenerator

    with rasterio.open(image) as source:
        rgb = np.ascontiguousarray(np.moveaxis(source.read(), 0, -1))
        crs, transform = source.crs, source.transform
    records: list[dict[str, Any]] = SamAutomaticMaskGenerator(sam).generate(rgb)
    painted = paint(records, rgb.shape[:2])
    with rasterio.open(
        labels, "w", driver="GTiff", height=rgb.shape[0], width=rgb.shape[1], count=1,
        dtype=painted.dtype, crs=crs, transform=transform, compress="deflate",
    ) as target:  # fmt: skip
        target.write(painted, 1)
    return records


def paint(records: list[dict[str, Any]], shape_hw: tuple[int, int]) -> NDArray[Any]:
    """Number the masks by area and let the smaller ones lie on top."""
    labels = np.zeros(shape_hw)
    by_area = sorted(records, key=lambda record: int(record["area"]), reverse=True)
    for number, record in zip(range(len(by_area), 0, -1), by_area, strict=True):
        labels[record["segmentation"]] = number
    kind = next(t for t in (np.uint8, np.uint16, np.uint32) if len(records) <= np.iinfo(t).max)
    return labels.astype(kind)
