"""The decoder's compiled kernels (kernels.c), for CPUs, where there is a C compiler.

They are compiled once for each kind of processor and kept in the cache folder; without a compiler
torch computes the same, in more passes over memory. `make model` compiles them beforehand; with
``all``, for every kind of processor of this architecture, as images need that go elsewhere:

    python -m samgeo_core.engine.kernels [all]
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from samgeo_core.settings import get_settings

logger = logging.getLogger(__name__)

_SOURCE = Path(__file__).with_name("kernels.c")
_FLAGS = ("-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
_COMPILERS = ("cc", "gcc", "clang")
_TIMEOUT_S = 120.0
_LEVELS = {"AVX512": "x86-64-v4", "AVX2": "x86-64-v3"}
"""What compilers call the instructions that torch says a processor has; others take none."""

_TYPES: dict[str, Any] = {
    "i": ctypes.c_int,
    "l": ctypes.c_int64,
    "f": ctypes.c_float,
    "p": ctypes.c_void_p,
}
_SIGNATURES = {
    "attend_layer0": "iiiii" + 6 * "p",
    "attend_layer1": "iiiiiif" + 16 * "p",
    "attend_final": "iiiiiiif" + 22 * "p",
    "upscale": "iiiiiilf" + 15 * "p",
    "extents": "iiiiiif" + 9 * "p",
}


class Kernels:
    """Functions of kernels.c, which documents their arguments.

    Args:
        library: the compiled file.

    Attributes:
        chunk: tokens of a stretch, and logits of a side, must be a multiple of it.
    """

    def __init__(self, library: Path) -> None:
        loaded = ctypes.CDLL(str(library))
        self.chunk = ctypes.c_int.in_dll(loaded, "chunk").value
        self._functions = {name: loaded[name] for name in _SIGNATURES}
        for name, signature in _SIGNATURES.items():
            self._functions[name].argtypes = [_TYPES[letter] for letter in signature]
            self._functions[name].restype = None

    def call(self, name: str, *arguments: Tensor | int | float) -> None:
        """Call a function; arrays are float32 or int64 on the CPU, row-major without gaps.

        Others go on meanwhile: Python's lock is not held.
        """
        self._functions[name](*(_address(a) if isinstance(a, Tensor) else a for a in arguments))


def _address(array: Tensor) -> int:
    is_known = array.dtype in (torch.float32, torch.int64) and array.device.type == "cpu"
    if not is_known or not array.is_contiguous():
        raise TypeError(f"Kernels take float32 and int64 arrays without gaps, got {array.dtype}.")
    return array.data_ptr()


@cache
def find_kernels() -> Kernels | None:
    """The kernels for this processor; None where they can't be had, or are not wanted."""
    settings = get_settings()
    if not settings.compiled or sys.platform == "win32":
        return None
    level = _LEVELS.get(torch.backends.cpu.get_cpu_capability(), "")
    try:
        return Kernels(build(level, settings.cache_dir / "kernels"))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        logger.info("The decoder's kernels are not compiled, torch does without them: %s", error)
        return None


def build(level: str, folder: Path) -> Path:
    """The compiled file for a level of instructions, compiled if it is not there yet.

    Args:
        level: for the compiler's ``-march``; empty for what every processor of the kind has.
        folder: where it is kept.

    Raises:
        OSError: the folder can't be written, or others could put something else into it.
        ValueError: there is no compiler.
        subprocess.SubprocessError: the compiler fails.
    """
    flags = (*_FLAGS, f"-march={level}") if level else _FLAGS
    digest = hashlib.sha256(_SOURCE.read_bytes() + " ".join(flags).encode()).hexdigest()
    library = folder / f"decoder-{level or 'any'}-{digest[:16]}.so"
    if library.exists():
        _check_owner(library)
        return library
    compiler = next((found for name in _COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise ValueError("no C compiler (cc) was found")
    folder.mkdir(parents=True, exist_ok=True)
    _check_owner(folder)
    with FileLock(folder / "build.lock"), tempfile.TemporaryDirectory(dir=folder) as scratch:
        if library.exists():  # made by another process meanwhile
            return library
        made = Path(scratch) / library.name
        subprocess.run(
            [compiler, *flags, "-o", str(made), str(_SOURCE), "-lm"],
            check=True, capture_output=True, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        made.replace(library)
    return library


def _check_owner(path: Path) -> None:
    """Refuse what others than this user and root could have written: it would run as this user."""
    about = path.stat()
    if about.st_uid not in (0, os.getuid()) or about.st_mode & 0o022:
        raise PermissionError(f"others may write to {path}")


def _main(arguments: list[str]) -> None:
    if arguments != ["all"]:
        find_kernels()
        return
    levels = sorted(_LEVELS.values()) if platform.machine().lower() in {"x86_64", "amd64"} else [""]
    for level in levels:
        build(level, get_settings().cache_dir / "kernels")


if __name__ == "__main__":
    _main(sys.argv[1:])
