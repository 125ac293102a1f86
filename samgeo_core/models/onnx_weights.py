"""MobileSAM's weights read back out of its two ONNX graphs.

Exporters keep the name of most tensors and drop that of others; but each node is named after the
module it came from (``/layers.1/blocks.0/attn/qkv/MatMul``), so every unnamed tensor finds its
module through the node that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = NDArray[np.float32]


def mobilesam_state_dict(encoder_onnx: Path, decoder_onnx: Path) -> dict[str, Tensor]:
    """Rebuild the state of the whole network.

    Args:
        encoder_onnx: the image encoder; batch norms are already folded into its convolutions.
        decoder_onnx: prompt encoder and mask decoder in one graph.

    Returns:
        Tensors by the names of the official checkpoint, convolutions fused
        (see `samgeo_core.models.tiny_vit`).

    Raises:
        WeightsError: a file is not an ONNX graph, or lacks a named tensor.
    """
    import torch

    arrays = {f"image_encoder.{key}": value for key, value in _tensors(encoder_onnx, str)}
    arrays |= dict(_tensors(decoder_onnx, _decoder_name))
    tokens = _take(arrays, "output_tokens", decoder_onnx)[0]
    arrays["mask_decoder.iou_token.weight"] = tokens[:1]
    arrays["mask_decoder.mask_tokens.weight"] = tokens[1:]
    no_mask = _take(arrays, "no_mask", decoder_onnx)
    arrays["prompt_encoder.no_mask_embed.weight"] = no_mask.reshape(1, -1)
    # NOTE: a copy, as onnx hands out read-only views of its buffer.
    return {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}


def _take(arrays: dict[str, FloatArray], key: str, source: Path) -> FloatArray:
    if key not in arrays:
        raise WeightsError(f"{source.name} should be MobileSAM's mask decoder, but has no {key}.")
    return arrays.pop(key)


def _decoder_name(name: str) -> str:
    """The checkpoint's name of a tensor of the decoder graph."""
    name = name.removeprefix("model.")
    if name.startswith(("transformer.", "output_upscaling.")):
        return f"mask_decoder.{name}"
    return f"prompt_encoder.{name}" if name.startswith("mask_downscaling.") else name


def _tensors(path: Path, rename: Callable[[str], str]) -> Iterator[tuple[str, FloatArray]]:
    """All weights of a graph, by checkpoint name."""
    graph = _load_graph(path)
    from onnx import numpy_helper

    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for name, array in arrays.items():
        if not name.startswith("onnx::"):
            yield rename(name), array
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    for node in graph.node:
        for key, array in _node_tensors(node, arrays):
            yield rename(key), array


def _node_tensors(node: Any, arrays: dict[str, FloatArray]) -> Iterator[tuple[str, FloatArray]]:
    """The tensors that only this node can name."""
    module = _module_path(node.name)
    used = [arrays.get(name) for name in node.input]
    unnamed = [
        array
        for name, array in zip(node.input, used, strict=True)
        if array is not None and name.startswith("onnx::")
    ]
    if node.op_type == "Conv":
        yield from zip((f"{module}.weight", f"{module}.bias"), unnamed, strict=False)
    elif node.op_type == "MatMul" and unnamed:
        yield f"{module}.weight", unnamed[0].T
    elif node.op_type == "Expand" and unnamed:
        yield "output_tokens", unnamed[0]
    elif node.op_type in {"Mul", "Add"} and unnamed:
        kind = {"Mul": "weight", "Add": "bias"}[node.op_type]
        # NOTE: the one such tensor outside of any module is what stands for "no mask given".
        yield f"{module}.{kind}" if module else "no_mask", unnamed[0].reshape(-1)
    elif node.op_type == "Add" and module.endswith(".attn"):
        # The bias between any two places of a window, [heads, N, N]; from the first place to the
        # N others it meets each distance once, in the order of the checkpoint's table.
        for array in used:
            if array is not None and array.ndim == 3:
                yield f"{module}.attention_biases", array[:, 0, :]


def _module_path(node_name: str) -> str:
    """``/neck/neck.1/Mul`` to ``neck.1``: the module that a node belongs to."""
    parts = node_name.split("/")[1:-1]
    # An item of a container repeats the container's name.
    items = {part.rpartition(".")[0] for part in parts}
    return ".".join(part for part in parts if part not in items)


def _load_graph(path: Path) -> Any:
    """Parse a file that may be anything."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        graph = onnx.load(path).graph
    except (OSError, DecodeError) as error:
        raise WeightsError(f"{path.name} can't be read as an ONNX graph: {error}") from error
    if not graph.node:
        raise WeightsError(f"{path.name} should be an ONNX graph, but holds no network.")
    return graph
