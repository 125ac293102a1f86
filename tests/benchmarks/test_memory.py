"""What work costs."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.runner import REPOSITORY

SCRIPT = """
import numpy as np
from benchmarks.memory import metered
held = np.ones(30 * 2**20, np.uint8)
gone = np.ones(200 * 2**20, np.uint8)
del gone
with metered() as cost:
    passing = np.ones(80 * 2**20, np.uint8)
    del passing
print(cost.own_bytes, cost.peak_bytes, cost.seconds)
"""


def test_memory_of_work_is_told_apart_from_what_went_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    own, peak, seconds = (float(word) for word in done.stdout.split())
    mib = 2**20
    # Where a system can't forget an earlier peak, work below that peak seems to need nothing.
    assert own < 100 * mib
    if sys.platform == "linux":
        assert own > 75 * mib
    assert peak > 230 * mib
    assert seconds > 0
