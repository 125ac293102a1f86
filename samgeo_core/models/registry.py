"""The models this app knows: names, files, sources, hashes and licences."""

from __future__ import annotations

from dataclasses import dataclass

from samgeo_core.errors import ParameterError
from samgeo_core.words import N_

_SAM_URL = "https://dl.fbaipublicfiles.com/segment_anything"


@dataclass(frozen=True)
class ModelSpec:
    """One model and its official checkpoint.

    Attributes:
        name: what users and `load_model` call it.
        title: for people.
        filename: of the official checkpoint.
        sha256: of the official checkpoint, hexadecimal.
        size_bytes: of the official checkpoint.
        url: where the checkpoint is published.
        licence: SPDX identifier of the weights' licence.
    """

    name: str
    title: str
    filename: str
    sha256: str
    size_bytes: int
    url: str
    licence: str = "Apache-2.0"


_SPECS = (
    ModelSpec(
        name="vit_t",
        title=N_("MobileSAM (small, fast)"),
        filename="mobile_sam.pt",
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        size_bytes=40_728_226,
        url="https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
    ),
    ModelSpec(
        name="vit_b",
        title=N_("SAM ViT-B (medium)"),
        filename="sam_vit_b_01ec64.pth",
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        size_bytes=375_042_383,
        url=f"{_SAM_URL}/sam_vit_b_01ec64.pth",
    ),
    ModelSpec(
        name="vit_l",
        title=N_("SAM ViT-L (large)"),
        filename="sam_vit_l_0b3195.pth",
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        size_bytes=1_249_524_607,
        url=f"{_SAM_URL}/sam_vit_l_0b3195.pth",
    ),
    ModelSpec(
        name="vit_h",
        title=N_("SAM ViT-H (largest, best masks)"),
        filename="sam_vit_h_4b8939.pth",
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        size_bytes=2_564_550_879,
        url=f"{_SAM_URL}/sam_vit_h_4b8939.pth",
    ),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}
DEFAULT_MODEL = "vit_t"


def model_spec(name: str) -> ModelSpec:
    """Look a model up.

    Raises:
        ParameterError: no such model.
    """
    if name not in MODELS:
        raise ParameterError(f"The model must be one of {', '.join(MODELS)}, got {name!r}.")
    return MODELS[name]
