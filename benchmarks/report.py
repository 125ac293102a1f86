"""Tables in Markdown, and on what they were measured."""

from __future__ import annotations

import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.runner import REPOSITORY, cores

NOTHING = "–"


def header(program: str, arguments: Sequence[str], device: str) -> str:
    """Date, command, commit, processor, cores and torch: what a figure must come with."""
    command = shlex.join(["python", "-m", f"benchmarks.{program}", *arguments])
    return (
        f"{datetime.now():%Y-%m-%d %H:%M}, `{command}` at {_commit()}: {_processor()}, "
        f"{cores()} cores, torch {version('torch')}, device {_device(device)}."
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(*paragraphs: str) -> None:
    """Print paragraphs at once: what comes next may take an hour."""
    for paragraph in paragraphs:
        print(paragraph, end="\n\n", flush=True)


def complain(problem: Exception) -> None:
    """Say what went wrong where results don't go."""
    print(problem, file=sys.stderr, flush=True)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median, and from where to where."""
    if not values:
        return NOTHING
    middle = f"{statistics.median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def mib(n_bytes: float) -> str:
    """Bytes as MiB."""
    return f"{n_bytes / 2**20:.0f}"


def fixed(value: float | None, digits: int = 3) -> str:
    """A number, or that there is none."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def share(value: float) -> str:
    """A part of all, in per cent; 100 % is said of all only."""
    percent = f"{value:.1%}".replace("%", " %")
    return percent.replace("100.0", "100" if value == 1 else "> 99.9")


def _processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _device(device: str) -> str:
    """The device, an accelerator by its name."""
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


def _commit() -> str:
    """The commit that is measured, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return done.stdout.strip()
