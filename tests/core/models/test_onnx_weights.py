"""The network rebuilt from ONNX equals onnxruntime on the same files."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch

from samgeo_core.errors import WeightsError
from samgeo_core.models.checkpoint import fill
from samgeo_core.models.loading import build_network
from samgeo_core.models.onnx_weights import mobilesam_state_dict

ENCODER_TOLERANCE = 1e-5
DECODER_TOLERANCE = 1e-4
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


@pytest.fixture(scope="module")
def sam(mobilesam_state: dict[str, torch.Tensor]) -> Any:
    network = build_network("vit_t")
    fill(network, mobilesam_state, name="vit_t", source="the graphs")
    return network.eval()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """A real picture as the encoder takes it: normalised, and zeros where SAM pads."""
    package = importlib.util.find_spec("localtileserver")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "tiler" / "data" / "bahamas_rgb.tif"
    with rasterio.open(path) as source:
        rgb = source.read(out_shape=(3, 930, 1024)).astype(np.float32)
    mean, std = (np.array(v, np.float32)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    return np.pad((rgb - mean) / std, ((0, 0), (0, 94), (0, 0)))[None]


def session(onnx: Path | bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    return onnxruntime.InferenceSession(
        onnx if isinstance(onnx, bytes) else str(onnx), options, ["CPUExecutionProvider"]
    )


@pytest.fixture(scope="module")
def embedding(onnx_files: tuple[Path, Path], image: np.ndarray) -> np.ndarray:
    return session(onnx_files[0]).run(None, {"input": image})[0]


@pytest.mark.weights
def test_the_encoder_equals_onnxruntime(sam, image, embedding):
    with torch.inference_mode():
        ours = sam.image_encoder(torch.from_numpy(image)).numpy()
    assert ours.shape == (1, 256, 64, 64)
    assert np.abs(embedding).max() > 0.1
    assert np.abs(ours - embedding).max() <= ENCODER_TOLERANCE


@pytest.fixture(scope="module")
def decoder(onnx_files: tuple[Path, Path]) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The decoder graph with all four masks and scores as outputs, which it computes anyway."""
    import onnx

    model = onnx.load(onnx_files[1])
    masks, scores = "/MatMul_1_output_0", "/iou_prediction_head/layers.2/Gemm_output_0"
    for name in (masks, scores):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    runner = session(model.SerializeToString())

    def run(**inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, quality = runner.run([masks, scores], inputs)
        return logits.reshape(1, 4, 256, 256), quality

    return run


PROMPTS = {
    "a point": ([[300.0, 400.0], [0.0, 0.0]], [1.0, -1.0], False),
    "points in and out": ([[300.0, 400.0], [310.0, 90.5], [0.0, 0.0]], [1.0, 0.0, -1.0], False),
    "a box": ([[100.0, 120.0], [600.0, 700.0]], [2.0, 3.0], False),
    "a point and a mask": ([[300.0, 400.0], [0.0, 0.0]], [1.0, -1.0], True),
}


@pytest.mark.weights
@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_decoder_equals_onnxruntime(sam, embedding, decoder, prompt):
    points, labels, with_mask = PROMPTS[prompt]
    mask = np.random.default_rng(3).normal(size=(1, 1, 256, 256)).astype(np.float32) * 5
    logits, scores = decoder(
        image_embeddings=embedding,
        point_coords=np.array([points], np.float32),
        point_labels=np.array([labels], np.float32),
        mask_input=mask,
        has_mask_input=np.array([with_mask], np.float32),
        orig_im_size=np.array([930, 1024], np.float32),
    )
    xy, kinds = torch.tensor([points]), torch.tensor([labels])
    with torch.inference_mode():
        sparse, dense = sam.prompt_encoder(
            points=None if prompt == "a box" else (xy[:, :-1], kinds[:, :-1]),
            boxes=xy.reshape(1, 4) if prompt == "a box" else None,
            masks=torch.from_numpy(mask) if with_mask else None,
        )
        ours, quality = sam.mask_decoder.predict_masks(
            torch.from_numpy(embedding), sam.prompt_encoder.get_dense_pe(), sparse, dense
        )
    assert np.abs(logits).max() > 1
    assert np.abs(ours.numpy() - logits).max() <= DECODER_TOLERANCE
    assert np.abs(quality.numpy() - scores).max() <= ENCODER_TOLERANCE


@pytest.mark.weights
def test_every_tensor_of_the_network_is_found(mobilesam_state):
    assert mobilesam_state.keys() == build_network("vit_t").state_dict().keys()
    assert all(tensor.dtype == torch.float32 for tensor in mobilesam_state.values())


@pytest.mark.weights
def test_files_given_the_wrong_way_round_are_told(onnx_files):
    encoder, decoder = onnx_files
    with pytest.raises(WeightsError, match=r"encoder\.onnx should be MobileSAM's mask decoder"):
        mobilesam_state_dict(decoder, encoder)


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"", id="empty"), pytest.param(b"\x0a\xff no graph \x00", id="no graph")],
)
def test_a_file_that_is_no_graph_is_told(tmp_path, content):
    path = tmp_path / "encoder.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"encoder\.onnx"):
        mobilesam_state_dict(path, path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.onnx can't be read"):
        mobilesam_state_dict(tmp_path / "none.onnx", tmp_path / "none.onnx")
