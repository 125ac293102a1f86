"""Files of strangers, mutated by the thousand: what becomes of an app that is given them.

    python -m benchmarks.fuzz --files 10000

Each file goes the way of an upload: rasters become scenes of a store, are previewed and drawn as
tiles, vectors are read as prompts and references are. A sentence is fine, and so is an image that
still opens. What isn't: any other exception (a visitor would see a traceback), a process that dies,
one that doesn't end, and a file opened outside the store. Some mutants name such a file in all the
ways that formats have; a watch of the system tells whether anybody opened it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.fuzz_files import base_files, mutant
from benchmarks.fuzz_watch import opened_files
from benchmarks.options import exit_with
from benchmarks.report import header, show, table
from benchmarks.runner import MeasurementError

SECONDS_A_FILE = 60.0
MEMORY_BYTES = 6 << 30
PIXELS = 100_000_000
FINE = ("opened", "a sentence")

Outcomes = Counter[tuple[str, str]]
"""How many files of a suffix came to what."""


def main() -> int:
    """Make, try and count; 1 where something happened that must not."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    options.add_argument("--files", type=int, default=10_000, help="how many; default: 10000")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--at-once", type=int, default=2, help="processes; default: 2")
    arguments = options.parse_args()
    show(header("fuzz", sys.argv[1:], "cpu"))
    with tempfile.TemporaryDirectory(prefix="samgeo-fuzz-") as name:
        folder = Path(name)
        secret = folder / "elsewhere" / "secret.tif"
        secret.parent.mkdir()
        bases = base_files(folder / "bases", secret)
        with opened_files(secret.parent) as opened:
            outcomes = _try_all(arguments, folder, secret)
            n_opened = len(opened())
    _report(outcomes, len(bases), n_opened)
    bad = sum(count for (_, outcome), count in outcomes.items() if outcome not in FINE)
    return int(bad > 0 or n_opened > 0)


def _try_all(arguments: argparse.Namespace, folder: Path, secret: Path) -> Outcomes:
    """Share the files among processes."""
    share = -(-arguments.files // arguments.at_once)
    begins = range(0, arguments.files, share)

    def some(begin: int) -> Outcomes:
        end = min(begin + share, arguments.files)
        return _try_some(folder, secret, arguments.seed, begin, end)

    with ThreadPoolExecutor(arguments.at_once) as pool:
        return sum(pool.map(some, begins), Counter())


def _try_some(folder: Path, secret: Path, seed: int, begin: int, end: int) -> Outcomes:
    """Let a process go through files; one that dies is followed by another behind that file."""
    outcomes: Outcomes = Counter()
    while begin < end:
        number, death = _follow(_start(folder, secret, seed, begin, end), outcomes)
        if death is None:
            break
        if number < begin:
            raise MeasurementError("A process of the fuzz run ended before it had begun.")
        suffix, base = mutant(folder / "bases", secret, seed, number)[:2]
        outcomes[(suffix, death)] += 1
        show(f"{death}: file {number} (of {base})")
        begin = number + 1
    return outcomes


def _start(folder: Path, secret: Path, seed: int, begin: int, end: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.fuzz_worker", str(folder), str(secret)]
    command += [str(seed), str(begin), str(end)]
    # NOTE: torch isn't needed, and threads of BLAS would only count against the memory limit.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def _follow(worker: subprocess.Popen[str], outcomes: Outcomes) -> tuple[int, str | None]:
    """Count what a worker tells; the file at which it died and how, or None where it didn't."""
    number = -1
    assert worker.stdout is not None
    for line in worker.stdout:
        told = json.loads(line)
        if "begins" in told:
            number = told["begins"]
            continue
        outcomes[(told["suffix"], told["outcome"])] += 1
        if told["outcome"] not in FINE:
            show(f"{told['outcome']}: file {number} (of {told['base']}): {told['words']}")
    status = worker.wait()
    if status == 0:
        return number, None
    return number, "no end" if status == -14 else f"died ({status})"


def _report(outcomes: Outcomes, n_bases: int, n_opened: int) -> None:
    suffixes = sorted({suffix for suffix, _ in outcomes})
    kinds = [*FINE, *sorted({outcome for _, outcome in outcomes} - {*FINE})]
    rows = [[suffix, *(f"{outcomes[(suffix, kind)]:,}" for kind in kinds)] for suffix in suffixes]
    rows.append(["all", *(f"{sum(outcomes[(s, kind)] for s in suffixes):,}" for kind in kinds)])
    show(
        f"{sum(outcomes.values()):,} mutants of {n_bases} files",
        table(["file", *kinds], rows),
        f"Opened outside the store: {n_opened}",
    )


if __name__ == "__main__":
    exit_with(main)
