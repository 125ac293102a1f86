"""Checkpoint files: read without running what is in them, and told apart by their tensors."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samgeo_core.errors import WeightsError
from samgeo_core.models.registry import MODELS

if TYPE_CHECKING:
    from torch import Tensor, nn

_WRAPPERS = ("model", "state_dict", "model_state_dict", "module")
# Parts of MobileSAM's official checkpoint that the encoder doesn't use: the classifier it was
# trained with, and tables that are computed anew.
_UNUSED = re.compile(
    r"image_encoder\.(norm_head|head)\.|\.attention_bias_idxs$|\.num_batches_tracked$"
    r"|^pixel_(mean|std)$"
)
_EMBED_DIMS = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a checkpoint; code hidden in it is refused, never run.

    A state nested under ``model`` or ``state_dict``, or with the prefix ``module.`` that training
    on several devices leaves, is unwrapped.

    Raises:
        WeightsError: the file is missing, damaged, unsafe, or no set of named tensors.
    """
    import torch

    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"The checkpoint {path} doesn't exist.") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path.name} is refused: a checkpoint should hold tensors only, but this file is no "
            "checkpoint or wants to run code when it is opened."
        ) from error
    # NOTE: what PyTorch raises on bytes that only look like a checkpoint is not documented.
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, AttributeError) as error:
        raise WeightsError(
            f"{path.name} can't be read as a PyTorch checkpoint; it is damaged, cut short, or "
            "another kind of file. Fetch it again."
        ) from error
    return _unwrapped(content, path)


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    import torch

    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not (
        isinstance(content, Mapping)
        and content
        and all(isinstance(k, str) and torch.is_tensor(v) for k, v in content.items())
    ):
        raise WeightsError(
            f"{path.name} should hold the named tensors of a SAM model, but holds "
            f"{type(content).__name__} of something else."
        )
    return {key.removeprefix("module."): value for key, value in content.items()}


def looks_like(state: Mapping[str, Tensor]) -> str | None:
    """The name of the model that a state belongs to, by its encoder; None where unknown."""
    if any(key.startswith("image_encoder.patch_embed.seq.") for key in state):
        return "vit_t"
    position = state.get("image_encoder.pos_embed")
    return None if position is None else _EMBED_DIMS.get(position.shape[-1])


def fill(network: nn.Module, state: Mapping[str, Tensor], *, name: str, source: str) -> None:
    """Put a state into a network, which takes the tensors over rather than copy them.

    Args:
        network: built for the model ``name``; may be on the meta device.
        state: with the names of the network.
        name: of the model, for the message.
        source: what the checkpoint is called, for the message.

    Raises:
        WeightsError: tensors are missing, unknown, or of another shape.
    """
    wanted = network.state_dict()
    state = {key: value for key, value in state.items() if not _UNUSED.search(key)}
    missing = sorted(wanted.keys() - state.keys())
    unknown = sorted(state.keys() - wanted.keys())
    misshapen = [
        k for k in sorted(wanted.keys() & state.keys()) if wanted[k].shape != state[k].shape
    ]
    if missing or unknown or misshapen:
        found = looks_like(state)
        if found is not None and found != name:
            detail = f"it looks like {found} ({MODELS[found].title}); choose that model"
        else:
            detail = _difference(missing, unknown, misshapen)
        raise WeightsError(f"{source} doesn't fit {name}: {detail}.")
    network.load_state_dict(dict(state), assign=True)


def _difference(missing: list[str], unknown: list[str], misshapen: list[str]) -> str:
    """The kinds of difference, each with its number and first example."""
    kinds = {"missing": missing, "unknown": unknown, "of another shape": misshapen}
    return ", ".join(
        f"{len(keys)} {'tensor' if len(keys) == 1 else 'tensors'} {kind} (the first is {keys[0]})"
        for kind, keys in kinds.items()
        if keys
    )
