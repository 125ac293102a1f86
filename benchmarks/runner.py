"""One process per measurement, so that each has its own peak memory and no warm caches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes import BenchmarkError

REPOSITORY = Path(__file__).resolve().parents[1]


class MeasurementError(BenchmarkError):
    """A measurement's process failed; its own words are on the terminal."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """What a process reports.

    Attributes:
        values: numbers and texts.
        arrays: by name.
    """

    values: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write this where `load` finds it."""
        for name, array in self.arrays.items():
            np.save(folder / f"{name}.npy", array)
        (folder / "values.json").write_text(json.dumps(self.values), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Measurement:
        """Read what `save` wrote."""
        arrays = {path.stem: np.load(path) for path in folder.glob("*.npy")}
        return cls(json.loads((folder / "values.json").read_text("utf-8")), arrays)


def cores() -> int:
    """Cores that every measured side uses."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = int(os.environ.get("OMP_NUM_THREADS") or 0)
    return max(1, min(limit or here or 1, here or 1))


def measure(task: str, **arguments: Any) -> Measurement:
    """Run a task of `benchmarks.tasks` in a process of its own.

    Args:
        task: its name.
        arguments: of the task, JSON-ready.

    Raises:
        MeasurementError: the process failed.
    """
    with tempfile.TemporaryDirectory(prefix="samgeo-bench-") as name:
        folder = Path(name)
        (folder / "arguments.json").write_text(json.dumps(arguments), "utf-8")
        command = [sys.executable, "-m", "benchmarks.tasks", task, str(folder)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(cores())}
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False)
        if done.returncode:
            told = ", ".join(f"{key} {value}" for key, value in arguments.items())
            raise MeasurementError(f"{task} ({told}) ended with {done.returncode}.")
        return Measurement.load(folder)
